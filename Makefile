# `make demo` needs only python3 (3.11 or later). Most other targets create a virtual environment and install what they need into it.
#
#   IMDSKIT_NATIVE=auto|require|off   whether to build the Rust extension (default: auto, which builds it if cargo is installed)
#   PYTEST_ARGS=...                   more arguments for pytest
#
# Continuous integration runs .ci/run, which calls many of these targets. CONTRIBUTING.md describes them.

PYTHON ?= python3
IMDSKIT_NATIVE ?= auto
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-from-the-lock

.PHONY: demo setup native test coverage lint packages clients run-clients shared-clients swagger page docs engines service image schemas service-bench bench fuzz fuzz-differential soak tsan deny crates cargo-fuzz pyz clean release release-check aarch64 changelog trust workflows interpreters debian reverted-fixes nightly

demo:
	@PYTHONPATH=python $(PYTHON) -m imdskit demo

setup: $(STAMP)

$(STAMP): requirements-dev.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

native: setup
	@rm -f python/imdskit/_native*.so
	@case "$(IMDSKIT_NATIVE)" in \
	  off) echo "native=off: only the Python backend is used" ;; \
	  auto|require) \
	    if command -v cargo >/dev/null; then \
	      VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/maturin develop --quiet --release --locked --skip-install --features pyo3/extension-module,parts; \
	    elif [ "$(IMDSKIT_NATIVE)" = require ]; then \
	      echo "native=require, but there is no cargo on the PATH" >&2; exit 1; \
	    else \
	      echo "there is no cargo on the PATH: only the Python backend is used"; \
	    fi ;; \
	  *) echo "IMDSKIT_NATIVE must be auto, require or off" >&2; exit 2 ;; \
	esac

test: native
	$(BIN)/python -m pytest -n auto -m "not packaging" $(PYTEST_ARGS)
	@if [ "$(IMDSKIT_NATIVE)" != off ] && command -v cargo >/dev/null; then cargo test --quiet --locked --all-features; fi

# Measures line and branch coverage of the verifier by its own tests, including the processes that they start.
coverage: native
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n auto -q tests/asn1 tests/backends tests/pki tests/verify tests/vectors tests/arrow tests/cli/test_doctor.py tests/cli/test_verify_verb.py tests/cli/test_trust_verb.py tests/cli/test_batch.py tests/cli/test_batch_times.py tests/cli/test_signed_content.py $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: native
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell *.md changelog.d docs examples packaging python rust tests benches Makefile pyproject.toml
	@if command -v cargo >/dev/null; then \
	  cargo fmt --all --check && cargo clippy --quiet --locked --workspace --all-targets --all-features -- -D warnings && \
	  cargo clippy --quiet --locked --workspace -- -D warnings && \
	  cargo clippy --quiet --locked -p imdskit-py --no-default-features -- -D warnings && \
	  RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps --all-features -p imdskit-core -p imdskit-multibuffer; \
	fi
	@if ls python/imdskit/_native*.so >/dev/null 2>&1; then PYTHONPATH=python $(BIN)/stubtest --mypy-config-file pyproject.toml imdskit._native; fi
	@if go version 2>/dev/null | grep -qE 'go1\.(2[4-9]|[3-9][0-9])'; then $(MAKE) --no-print-directory workflows; fi

packages: setup .venv-release/.made-from-the-lock
	$(BIN)/python -m pytest -m packaging tests/packaging $(PYTEST_ARGS)

# Runs third-party programs against the emulator, in a separate environment. With CLIENTS_ARGS=--require, it fails if a program is not installed.
clients: setup
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/clients/requirements.txt
	$(BIN)/python tests/clients/run.py --emulator $(BIN)/python --clients .venv-clients/bin/python $(CLIENTS_ARGS)
	PYTHONPATH=python .venv-clients/bin/python -m pytest -c /dev/null --rootdir examples/testing -p no:cacheprovider -p imdskit.pytest_plugin -n 2 examples/testing

# Runs programs that always use 169.254.169.254, inside `imdskit run`. Three come from Debian packages. AzCopy comes from npm, and needs the Debian
# package libsecret-1-0. facter and ohai are included if they are installed.
run-clients:
	tests/clients/fetch_debian.sh build/debian
	mkdir -p build/npm
	cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc build/npm/
	npm ci --silent --prefix build/npm
	chmod +x build/npm/node_modules/@azure-tools/azcopy-linux/dist/bin/*
	$(PYTHON) -m venv .venv-run-clients
	.venv-run-clients/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/clients/requirements-run.txt
	$(PYTHON) tests/clients/run_verb.py --emulator $(PYTHON) --clients .venv-run-clients/bin/python --debian build/debian --npm build/npm $(CLIENTS_ARGS)

# Runs the client scripts of the shared data (../shared), which use 169.254.169.254. Needs root. CLIENTS_ARGS="--install" first installs the programs
# that they need, which takes 7 GB and half an hour.
shared-clients: setup
	$(BIN)/python tests/clients/shared_scripts.py $(CLIENTS_ARGS)

# Tests the emulator with schemathesis against the published interface descriptions.
swagger: setup
	$(PYTHON) -m venv .venv-swagger
	.venv-swagger/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/swagger/requirements.txt
	.venv-swagger/bin/python tests/swagger/run.py --python $(BIN)/python $(SWAGGER_ARGS)

# Tests the page of the admin API and the page of `imdskit report` in Chromium, with axe-core. Writes screenshots to SCREENSHOTS. Needs the Debian
# packages chromium, chromium-driver and npm. docs/figures/page.png and report.png are the upper parts of accepted-1280.png and report-light-1280.png.
SCREENSHOTS ?= build/screenshots
page: setup
	$(PYTHON) -m venv .venv-page
	.venv-page/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/page/requirements.txt
	cp tests/page/package.json tests/page/package-lock.json tests/page/.npmrc .venv-page/
	npm ci --silent --prefix .venv-page
	PYTHONPATH=tests/page IMDSKIT_PAGE_PYTHON=$(CURDIR)/$(BIN)/python IMDSKIT_SCREENSHOTS=$(SCREENSHOTS) .venv-page/bin/python -m pytest \
	  -c /dev/null --rootdir tests/page --confcutdir tests/page -p no:cacheprovider -p browser tests/page/in_chromium.py tests/page/report_in_chromium.py

# Builds the documentation site in build/site; any warning is an error. Then tests its links, anchors and API pages.
docs:
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check --require-hashes -r docs/requirements.txt
	.venv-docs/bin/sphinx-build --quiet --fresh-env --nitpicky --fail-on-warning --jobs auto --conf-dir docs . build/site
	.venv-docs/bin/python -m pytest --quiet -c /dev/null --rootdir tests/site --confcutdir tests/site -p no:cacheprovider tests/site/in_site.py

# Runs the examples for Spark, Ray, Dask and DuckDB on this machine. Spark needs Java 17 or later.
engines: native
	$(PYTHON) -m venv .venv-engines
	.venv-engines/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/engines/requirements.txt
	.venv-engines/bin/python -m pytest -c /dev/null --rootdir tests/engines --confcutdir tests/engines -p no:cacheprovider $(PYTEST_ARGS) tests/engines/in_engines.py

# Tests the verification service under gunicorn and uvicorn, the examples for web frameworks, and the service with schemathesis. Then sends hostile
# requests to the service for SOAK_SECONDS (60).
service: native
	$(PYTHON) -m venv .venv-service
	.venv-service/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/service/requirements.txt
	PYTHONPATH=python:tests/service .venv-service/bin/python -m pytest -c /dev/null --rootdir tests/service --confcutdir tests/service \
	  -p no:cacheprovider $(PYTEST_ARGS) tests/service/in_recipes.py tests/service/in_servers.py tests/service/in_schemathesis.py tests/service/in_soak.py

# Checks the recipes of packaging/containers against the schemas of Compose and Kubernetes. Then builds and starts the image of the emulator without a
# container engine. Takes about a minute. Needs root, and the Debian packages mmdebstrap, umoci, runc, iproute2 and procps.
image: schemas
	PYTHONPATH=tests/containers .venv-containers/bin/python -m pytest -c /dev/null --rootdir tests/containers --confcutdir tests/containers \
	  -p no:cacheprovider $(PYTEST_ARGS) tests/containers/in_image.py

schemas:
	$(PYTHON) -m venv .venv-containers
	.venv-containers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/containers/requirements.txt
	.venv-containers/bin/python -m pytest -c /dev/null --rootdir tests/containers --confcutdir tests/containers -p no:cacheprovider $(PYTEST_ARGS) \
	  tests/containers/in_schemas.py

# Measures requests per second of the verification service, and of the same service in Go. Needs go and redis-server. Run `make service` once before.
service-bench: native
	.venv-service/bin/python benches/verification_service.py

# Measures the rates in docs/performance.md, and writes its tables and figures. In each round, imdskit and other programs run in turn. Takes about three
# minutes. bun comes from npm. No other program should use the machine; the bench warns if it is busy.
bench: native
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --require-hashes -r benches/requirements.txt
	cp benches/package.json benches/package-lock.json benches/.npmrc .venv-bench/
	npm ci --silent --prefix .venv-bench
	@mkdir -p build/bench
	PYTHONPATH=python .venv-bench/bin/python benches/verification.py $(BENCH_ARGS) --json build/bench/verification.json
	PYTHONPATH=python .venv-bench/bin/python benches/small_paths.py --json build/bench/small_paths.json
	PYTHONPATH=python .venv-bench/bin/python benches/startup.py --json build/bench/startup.json
	.venv-bench/bin/python benches/page.py build/bench docs/performance.md

# Fuzzes every parser of hostile input for FUZZ_SECONDS (60), guided by coverage, in a separate environment. TARGETS="check document" runs only these
# two fuzz targets.
fuzz: native
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/fuzz/requirements.txt
	.venv-fuzz/bin/python tests/fuzz/run.py $(TARGETS)

# Verifies CASES (200000) documents, generated from SEED (1), with both backends: with a cold and a warm cache, in batches, and with `explain`. All
# verdicts must agree.
fuzz-differential: native
	$(BIN)/python tests/fuzz/differential.py --cases $(or $(CASES),200000) --seed $(or $(SEED),1)

# Runs a verifier process for SOAK_SECONDS (3600) with hostile documents, forks, and faulty servers of issuer certificates. The memory use of the
# process must not grow, and nothing may hang.
soak: native
	$(BIN)/python tests/soak/soak.py --seconds $(or $(SOAK_SECONDS),3600)

# Uses ThreadSanitizer to test the code of rust/core that several threads use. Also compiles the standard library and AWS-LC with ThreadSanitizer.
# Needs nightly Rust with rust-src.
tsan:
	CARGO_TARGET_DIR=target/tsan RUSTFLAGS=-Zsanitizer=thread CFLAGS=-fsanitize=thread AWS_LC_SYS_CFLAGS=-fsanitize=thread \
	  cargo +nightly test --locked -Zbuild-std --target $$(rustc -vV | sed -n 's/^host: //p') -p imdskit-core --test threads --test vectors

# Checks licences, sources and duplicates of the crates. Needs cargo-deny. `cargo deny check advisories` would also need the network.
deny:
	cargo deny --locked check bans licenses sources

# Checks that the two crates that can be published are complete: packs, unpacks and builds each of them. Needs the crate registry.
crates:
	cargo package --quiet --locked --allow-dirty -p imdskit-multibuffer -p imdskit-core

# Runs each fuzz target of rust/fuzz for FUZZ_SECONDS (60), guided by coverage. Needs cargo-fuzz and nightly Rust.
cargo-fuzz:
	cd rust/fuzz && for target in $(or $(TARGETS),$$(cargo fuzz list --fuzz-dir .)); do \
	  cargo +nightly fuzz run --fuzz-dir . $$target -- -max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=16384 || exit 1; \
	done

pyz:
	$(PYTHON) packaging/make_zipapp.py dist

clean:
	rm -rf $(VENV) build dist target python/imdskit/_native*.so

# Builds all files of a release from the last commit, and writes them to dist. docs/release.md lists the programs that the build needs.
release: .venv-release/.made-from-the-lock
	.venv-release/bin/python packaging/release.py dist

# Builds the release a second time in another folder, compares the bytes, and checks the files with third-party tools.
release-check: release
	.venv-release/bin/python packaging/release_check.py dist

# Tests the crates and the aarch64 wheel of dist in QEMU.
aarch64:
	packaging/aarch64.sh dist/imdskit-*aarch64*.whl build/aarch64 $(PYTEST_ARGS)

.venv-release/.made-from-the-lock: packaging/release-requirements.txt
	$(PYTHON) -m venv --clear .venv-release
	.venv-release/bin/pip install --quiet --disable-pip-version-check --require-hashes -r packaging/release-requirements.txt
	@touch $@

# Moves the fragments of changelog.d to the section of this version in CHANGELOG.md, and stages the change. A later run adds new fragments to
# the same section.
changelog: setup
	$(BIN)/python packaging/changelog.py

# Fails if the bundled trust lacks an authority, is older than 180 days, or has a certificate that expires within 60 days.
trust:
	PYTHONPATH=python $(PYTHON) -m imdskit doctor

# Checks the syntax of the workflow files, which run on GitHub only. Needs Go 1.24 or later.
workflows:
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 -shellcheck= -pyflakes=

# Runs the tests without the extension on Python 3.12 to 3.15 and PyPy. INTERPRETERS_ARGS="--only pypy3 -- -x" runs them on one interpreter.
interpreters:
	$(PYTHON) tests/systems/interpreters.py $(INTERPRETERS_ARGS)

# Tests the install commands and the first examples of the README in root file systems of Debian 12 and 13. Needs root, mmdebstrap and a package index.
debian: setup
	PYTHONPATH=tests/systems $(BIN)/python -m pytest -c /dev/null --rootdir tests/systems --confcutdir tests/systems -p no:cacheprovider -n 0 -s \
	  $(PYTEST_ARGS) tests/systems/in_debian.py

# Undoes one fix at a time, and checks that a test then fails. REVERTED_ARGS="E1 C3" checks only the fixes of these cases. Takes ten minutes.
reverted-fixes: native
	$(BIN)/python tests/reverted/run.py $(REVERTED_ARGS)

# Runs every long target whose programs are installed, and prints a table of the results.
nightly:
	.ci/nightly
