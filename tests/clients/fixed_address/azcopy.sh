# client: azcopy
# requests: /metadata/identity/oauth2/token
# AzCopy logs in with the identity of the machine, which requests a token at once.
set -eu
program=$CLIENTS_NPM/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64
[ -x "$program" ] || exit 77
export AZCOPY_DISABLE_SYSLOG=true AZCOPY_LOG_LOCATION="$PWD" AZCOPY_JOB_PLAN_LOCATION="$PWD"
"$program" login --login-type=MSI | tee log
grep -q 'Login with identity succeeded' log
"$program" --version | head -n 1
