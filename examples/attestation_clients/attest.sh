#!/usr/bin/env bash
# Prove to the verification service that this is an Azure machine, and print the claims of its attested document. Needs curl and jq.
# VERIFIER_URL is the address of the service, and VERIFIER_KEY is your key to the service. Set IMDS_URL only in tests.
set -euo pipefail
post() { curl -sS -H "Content-Type: application/json" -H @<(printf 'Authorization: Bearer %s' "$VERIFIER_KEY") -d "$2" "$VERIFIER_URL$1"; }

nonce=$(post /v1/challenges '{}' | jq -er .nonce)
document=$(curl -sS --noproxy '*' -H "Metadata: true" \
  "${IMDS_URL:-http://169.254.169.254}/metadata/attested/document?api-version=2021-02-01&nonce=$nonce")
body=$(jq -n --arg nonce "$nonce" --arg document "$document" '{$nonce, $document}')
post /v1/attestations "$body" | jq -e 'select(.decision == "accepted").claims'
