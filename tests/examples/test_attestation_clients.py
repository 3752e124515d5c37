"""Tests of the example clients in other languages against the verification service, with an emulator instead of Azure."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imdskit.attestation_service import Application, Settings
from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.configuration.keys import Role
from imdskit.attestation_service.development_server import DevelopmentServer
from imdskit.client import Client
from imdskit.emulator import Emulator

FOLDER = Path(__file__).parents[2] / "examples" / "attestation_clients"
CLIENTS = {
    "bash": (["bash", "attest.sh"], ["bash", "curl", "jq"]),
    "node": (["node", "attest.mjs"], ["node"]),
    "go": (["go", "run", "attest.go"], ["go"]),
    "java": (["java", "Attest.java"], ["java", "javac"]),
}
Run = Callable[..., subprocess.CompletedProcess[str]]


class World:
    """Emulator, and a verification service that trusts it."""

    def __init__(self, imds: Emulator, url: str, key: str, application: Application) -> None:
        self.imds, self.url, self.key, self.application = imds, url, key, application


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("service")
    key, line = keys.new("client", frozenset({Role.CLIENT}))
    (folder / "keys").write_text(line)
    with Emulator("linux", seed=1, rate_limit=False) as imds:
        (folder / "root.pem").write_text(imds.trust_pem)
        given = {"keys_file": folder / "keys", "trust_anchors": folder / "root.pem", "audit_log": folder / "audit.jsonl"}
        application = Application(Settings.read(environment={}, overrides={name: str(path) for name, path in given.items()}))
        with DevelopmentServer(("127.0.0.1", 0), application) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield World(imds, f"http://127.0.0.1:{server.server_port}", key, application)
            finally:
                server.shutdown()
                thread.join()
                application._audit_log.close()


@pytest.fixture
def client(request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory) -> Run:
    def run(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command, programs = CLIENTS[name]
        absent = [program for program in programs if shutil.which(program) is None]
        if absent:
            (pytest.fail if request.config.getoption("--require-programs") else pytest.skip)(f"not installed: {', '.join(absent)}")
        without_proxy = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        given = {"VERIFIER_URL": world.url, "VERIFIER_KEY": world.key, "IMDS_URL": world.imds.url, **environment}
        return subprocess.run(command, cwd=FOLDER, env={**without_proxy, **given}, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.mark.parametrize("name", CLIENTS)
def test_client_attests_its_machine_and_fails_on_a_refusal(client: Run, world: World, name: str) -> None:
    done = client(name)
    assert done.returncode == 0, done.stderr
    assert Client(world.imds.url).get("compute/vmId", "text") in done.stdout
    # One service does not know the key, and the other one refuses the document.
    assert client(name, VERIFIER_KEY="imdskit_wrong").returncode != 0
    with Emulator("linux", seed=2, rate_limit=False) as stranger:
        refused = client(name, IMDS_URL=stranger.url)
    assert refused.returncode != 0
    assert "vmId" not in refused.stdout
