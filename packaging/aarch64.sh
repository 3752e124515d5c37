#!/usr/bin/env bash
# Test the crates and the wheel for aarch64 in QEMU, on a machine that is not aarch64: aarch64.sh WHEEL FOLDER [argument of pytest...]
# The script extracts packages of Debian 13 for arm64 into FOLDER, without installing them. Their Python runs the tests of the backends with the wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
wheel=$1 folder=$2
shift 2

CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" \
  cargo test --quiet --release --locked --all-features --target aarch64-unknown-linux-gnu -p imdskit-core -p imdskit-multibuffer \
  -- --skip example_ # QEMU cannot start child processes, and these tests start an example

rm -rf "$folder"
mkdir -p "$folder"
mmdebstrap --quiet --variant=extract --architectures=arm64 \
  --include=python3,python3-pytest,python3-hypothesis,python3-cryptography trixie "$folder/debian"
[ -e "$folder/debian/lib" ] || ln -s usr/lib "$folder/debian/lib" # Debian creates this link with a package that mmdebstrap does not extract.
unzip -q "$wheel" -d "$folder/wheel"
python=(qemu-aarch64 -L "$folder/debian" "$folder/debian/usr/bin/python3")
PYTHONPATH=$folder/wheel "${python[@]}" -m imdskit doctor
# QEMU is too slow for tests that limit processor time or measure memory, and cannot start child processes. Wheels do not have the module that
# test_pss_twins.py needs; the crate tests cover PSS.
PYTHONPATH=$folder/wheel "${python[@]}" -m pytest -q -p no:cacheprovider -o pythonpath=tests/support --require-native \
  -k "not ends_soon and not linear and not leak_memory and not the_script_writes" \
  --ignore tests/backends/test_growth.py --ignore tests/backends/test_pss_twins.py "$@" tests/backends tests/vectors
