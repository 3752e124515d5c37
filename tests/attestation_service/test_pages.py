"""Tests that run the commands of documentation pages: the first steps of docs/attestation-service.md, and the example clients."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def run(script: str, folder: Path) -> str:
    """Run a bash script, and end its background processes afterwards."""
    program = folder / "bin" / "imdskit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m imdskit "$@"\n')
    program.chmod(0o755)
    without_proxy = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    proxy = {"http_proxy": "http://127.0.0.1:9"}  # no proxy listens there, so a command that uses the proxy fails
    environment = {
        **without_proxy,
        **proxy,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "python"),
    }
    whole = f'set -euo pipefail\ntrap "kill \\$(jobs -p)" EXIT\n{script}'
    done = subprocess.run(["bash", "-c", whole], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def block(page: Path, heading: str) -> str:
    """Return the first ``sh`` block that follows the text ``heading`` on a page."""
    text = page.read_text().partition(heading)[2]
    found = re.search(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def programs(request: pytest.FixtureRequest) -> None:
    absent = [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]
    if absent:
        (pytest.fail if request.config.getoption("--require-programs") else pytest.skip)(f"not installed: {', '.join(absent)}")


@pytest.mark.usefixtures("programs")
def test_the_first_steps_issue_a_nonce(tmp_path: Path) -> None:
    script = block(ROOT / "docs" / "attestation-service.md", "## Try it").replace("8000", free_port())
    health, nonce = re.findall(r"\{[^{}]*\}", run(script, tmp_path))[-2:]
    assert json.loads(health) == {"status": "ok"}
    assert json.loads(nonce).keys() == {"nonce", "expiresIn"}


@pytest.mark.usefixtures("programs")
def test_bash_client_works_as_described(tmp_path: Path) -> None:
    page = ROOT / "examples" / "attestation_clients" / "README.md"
    shutil.copy(page.parent / "attest.sh", tmp_path)
    script = block(page, "try a client without Azure").replace("8080", free_port()).replace("8081", free_port())
    assert '"vmId": "' in run(script, tmp_path)
