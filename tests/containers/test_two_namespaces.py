"""Tests of a client in one network namespace with an emulator in another, as in the recipe for Compose."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .topology import ADDRESS, CLIENT, Topology, missing

PYTHON = Path(__file__).parents[2] / "python"
SCRIPT = Path(__file__).with_name("client.py")
TOKEN = "a-token-that-tests-know"
CONFIGURATION = {
    "IMDSKIT_HOST": "0.0.0.0",
    "IMDSKIT_PORT": "80",
    "IMDSKIT_PUBLIC_URL": f"http://{ADDRESS}",
    "IMDSKIT_HEALTH": "1",
    "IMDSKIT_ACCESS_LOG": "json",
    "IMDSKIT_ADMIN_PORT": "9254",
    "IMDSKIT_ADMIN_HOST": "0.0.0.0",
}


@pytest.fixture(scope="module")
def topology(request: pytest.FixtureRequest) -> Iterator[Topology]:
    why = missing()
    if why:
        (pytest.fail if request.config.getoption("--require-programs") else pytest.skip)(why)
    with Topology() as made:
        yield made


Served = tuple[subprocess.Popen[str], dict[str, Any], Path]


@pytest.fixture
def pki_url() -> str:
    return ""


@pytest.fixture
def served(topology: Topology, tmp_path: Path, pki_url: str) -> Iterator[Served]:
    """Start an emulator. Yield its process, its ready line as JSON, and the path of its token
    file."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    environment = {
        **os.environ,
        **CONFIGURATION,
        "PYTHONPATH": str(PYTHON),
        "IMDSKIT_ADMIN_TOKEN_FILE": str(token),
        "IMDSKIT_PKI_URL": pki_url,
    }
    process = topology.start(topology.emulator, [sys.executable, "-m", "imdskit", "serve", "--seed", "1"], env=environment)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline()), token
    finally:
        process.kill()
        process.communicate(timeout=30)


def as_client(topology: Topology, *command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return topology.run(topology.client, [sys.executable, *command], env={**os.environ, "PYTHONPATH": str(PYTHON)}, **options)


def test_everything_works_remotely_at_the_public_address(topology: Topology, served: Served) -> None:
    emulator, ready, token = served
    done = as_client(topology, SCRIPT, token)
    emulator.send_signal(signal.SIGTERM)
    out, log = emulator.communicate(timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (emulator.returncode, out) == (0, "")
    assert ready["url"] == f"http://{ADDRESS}"
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["health"] == [200, 200]
    assert seen["document"]["vmId"] == seen["vmId"]
    assert [address.startswith(f"http://{ADDRESS}/pki/imdskit-issuing-") for address in seen["document"]["issuers"]] == [True]
    assert seen["token"] is True
    assert (seen["unauthorized"], seen["foreign host"], seen["foreign page"]) == (401, 421, 403)
    assert (seen["loaded"], seen["versions"]) == (200, [410, 200])
    assert (seen["announced"], seen["events"]) == (200, ["across"])
    requests = [json.loads(line) for line in log.splitlines()]
    assert {each["source"] for each in requests} == {CLIENT}
    assert [each["fault"] for each in requests if each["status"] == 410] == ["status"]


def test_event_verbs_reach_a_remote_emulator(topology: Topology, served: Served) -> None:
    _, ready, token = served
    assert ready["admin"] == "http://127.0.0.1:9254"
    events = ("-m", "imdskit", "events")
    where = ("--admin", f"http://{ADDRESS}:9254", "--token-file", token)
    told = as_client(topology, *events, "announce", *where, input='[{"EventId": "x", "EventType": "Freeze"}]')
    watched = as_client(topology, *events, "watch", "--count", "1")
    assert (told.returncode, told.stderr) == (0, "")
    assert (watched.returncode, json.loads(watched.stdout)["EventId"]) == (0, "x")


@pytest.mark.parametrize("pki_url", ["http://www.microsoft.com/pkiops/certs"])
def test_verifier_fetches_from_the_pinned_ca_issuers_host(topology: Topology, served: Served, pki_url: str) -> None:
    topology.resolve("www.microsoft.com")
    done = as_client(topology, SCRIPT, served[2], "unchanged")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)["document"]
    assert [address.startswith(f"{pki_url}/imdskit-issuing-") for address in document["issuers"]] == [True]
    assert document["vmId"]
