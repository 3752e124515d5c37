# client: httpie
# override: url
set -eu
http --ignore-stdin --check-status --body GET "$IMDS_URL/metadata/instance/compute/name" Metadata:true api-version==2021-02-01 format==text | grep -qx linux-vm
echo "httpie $(http --version)"
