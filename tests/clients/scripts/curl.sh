# client: curl
# override: url
# Send two requests on one connection, use HTTP/1.0, offer HTTP/2, read JSON, and send three
# requests that the service refuses: without api-version, with the method DELETE, and without the
# header Metadata.
set -eu
command -v curl >/dev/null && command -v jq >/dev/null || exit 77
ask() { curl -sS --noproxy '*' --fail-with-body --max-time 10 -H Metadata:true "$@"; }
name="$IMDS_URL/metadata/instance/compute/name?api-version=2021-02-01&format=text"
[ "$(ask "$name" --next -sS -H metadata:True "$name")" = linux-vmlinux-vm ]
[ "$(ask --http1.0 "$name")" = linux-vm ]
[ "$(ask --http2 "$name")" = linux-vm ]
sleep 1 # the emulator limits the rate of requests
[ "$(ask "$IMDS_URL/metadata/instance?api-version=2021-02-01" | jq -r '.network.interface[0].ipv4.ipAddress[0].privateIpAddress')" = 10.0.0.4 ]
[ "$(ask "$IMDS_URL/metadata/instance" | jq -r '."newest-versions"[0]')" = 2025-04-07 ]
[ "$(ask -o /dev/null -w '%{http_code}' -X DELETE "$name" || true)" = 405 ]
[ "$(curl -sS --noproxy '*' -o /dev/null -w '%{http_code}' "$name")" = 400 ]
echo "$(curl --version | head -n 1 | cut -d' ' -f1,2), $(jq --version)"
