# client: facter
# requests: /metadata/instance
# Facter sends a request only if the program virt-what reports Hyper-V. This script therefore
# creates its own program virt-what.
set -eu
command -v facter > /dev/null || exit 77
mkdir bin
printf '#!/bin/sh\necho hyperv\n' > bin/virt-what
chmod +x bin/virt-what
PATH=$PWD/bin:$PATH facter --json az_metadata > facts.json
grep -q '"vmId": "e13068dc-0395-4f41-bce2-fdb1c8d88017"' facts.json || { cat facts.json; exit 1; }
echo "facter $(facter --version)"
