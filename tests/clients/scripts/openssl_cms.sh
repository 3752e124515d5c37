# client: openssl
# override: url
# Verify an attested document and its nonce with the commands of the sample in the IMDS documentation, and
# check that a changed document is refused.
set -eu
command -v openssl >/dev/null && command -v curl >/dev/null && command -v jq >/dev/null || exit 77
curl -sS --noproxy '*' -H Metadata:true "$IMDS_URL/metadata/attested/document?api-version=2021-02-01&nonce=1234567890" | jq -r .signature | base64 -d > message.der
openssl pkcs7 -inform DER -in message.der -print_certs -out leaf.pem
address=$(openssl x509 -in leaf.pem -noout -ext authorityInfoAccess | sed -n 's/.*CA Issuers - URI://p')
curl -sS --noproxy '*' -o issuer.der "$address"
openssl x509 -inform DER -in issuer.der -out issuer.pem
verify() { openssl cms -verify -inform DER -in "$1" -CAfile "$IMDS_TRUST" -certfile issuer.pem -purpose any -out "$1.json" 2>errors; }
verify message.der || { cat errors; exit 1; }
[ "$(jq -r .nonce message.der.json)" = 1234567890 ]
openssl x509 -in leaf.pem -noout -subject | grep -q 'metadata\.azure\.com'
sed 's/1234567890/1234567891/' message.der > changed.der
cmp -s message.der changed.der && exit 1
if verify changed.der; then echo "a changed document was accepted"; exit 1; fi
openssl version | cut -d' ' -f1,2
