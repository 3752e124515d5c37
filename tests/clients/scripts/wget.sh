# client: wget
# override: url
set -eu
command -v wget >/dev/null || exit 77
[ "$(wget --no-proxy -q -O - --header=Metadata:true "$IMDS_URL/metadata/instance/compute/name?api-version=2021-02-01&format=text")" = linux-vm ]
wget --version | head -n 1 | cut -d' ' -f1-3
