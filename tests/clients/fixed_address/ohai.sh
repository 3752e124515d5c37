# client: ohai
# requests: /metadata/instance?api-version=
# Ohai sends requests only if a hint file says that the machine is on Azure. It first requests the list of
# api-versions.
set -eu
command -v ohai > /dev/null || exit 77
mkdir hints
echo '{}' > hints/azure.json
echo 'ohai.hints_path = ["hints"]' > config.rb
ohai --config config.rb azure > found.json
grep -q '"vmId": "e13068dc-0395-4f41-bce2-fdb1c8d88017"' found.json || { cat found.json; exit 1; }
ohai --version
