# client: prometheus
# requests: /metadata/identity/oauth2/token
# Prometheus requests a token for service discovery with a managed identity. It then retries, because it
# cannot reach Azure Resource Manager from here. It logs neither the request nor the retries.
set -eu
program=$CLIENTS_DEBIAN/prometheus/usr/bin/prometheus
[ -x "$program" ] || exit 77
cat > prometheus.yml <<'EOF'
scrape_configs:
  - job_name: azure
    azure_sd_configs:
      - subscription_id: 00000000-0000-0000-0000-000000000001
        authentication_method: ManagedIdentity
        client_id: 11111111-2222-3333-4444-555555555555
        refresh_interval: 5s
EOF
"$program" --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:0 > log 2>&1 &
sleep 8
kill $!
wait $!
grep -q 'Server is ready' log || { cat log; exit 1; }
"$program" --version 2>&1 | head -n 1
