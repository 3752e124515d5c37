"""Tests of the whole emulator on a socket: it responds, signs documents, and serves the certificates that the documents name."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator, Scenario
from imdskit.errors import ScenarioError

NOON = 1_767_268_800


@pytest.fixture(scope="module")
def imds(backend: Backend) -> Iterator[Emulator]:
    with Emulator("linux", seed=1, clock=ManualClock(NOON), backend=backend, rate_limit=False) as emulator:
        yield emulator


def fetch(emulator: Emulator, target: str, method: str = "GET", *, header: bool = True) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(emulator.url).netloc, timeout=10)
    try:
        connection.request(method, target, headers={"Metadata": "true"} if header else {})
        response = connection.getresponse()
        return response.status, response.read(), {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def test_emulator_responds_on_loopback(imds: Emulator) -> None:
    assert imds.url.startswith("http://127.0.0.1:")
    status, body, headers = fetch(imds, "/metadata/instance/compute?api-version=2021-02-01")
    assert status == 200
    assert json.loads(body)["name"] == "linux-vm"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["server"].startswith("IMDS/")
    assert headers["date"] == "Thu, 01 Jan 2026 12:00:00 GMT"
    assert headers["content-length"] == str(len(body))


def test_head_gets_the_recorded_refusal(imds: Emulator) -> None:
    status, body, headers = fetch(imds, "/metadata/instance/compute?api-version=2021-01-01", "HEAD", header=False)
    assert (status, body) == (400, b"")
    assert headers["content-length"] == "323"
    assert headers["server"] == "Microsoft-IIS/10.0"


def test_documents_name_a_certificate_that_the_emulator_serves(imds: Emulator) -> None:
    status, body, _ = fetch(imds, "/metadata/attested/document?api-version=2021-02-01&nonce=1234567890")
    assert (status, list(json.loads(body))) == (200, ["encoding", "signature"])
    leaf = imds.authority.signer().certificate
    start = leaf.index(imds.url.encode() + b"/pki/")
    address = leaf[start : leaf.index(b".crt", start) + 4].decode()
    status, issuer, headers = fetch(imds, address.removeprefix(imds.url), header=False)
    assert (status, issuer, headers["content-type"]) == (200, imds.authority.issuing, "application/pkix-cert")


def test_signer_name_contains_region_and_cloud(backend: Backend) -> None:
    emulator = Emulator("us-government", seed=1, clock=ManualClock(NOON), backend=backend)
    try:
        assert b"usgovvirginia.metadata.azure.us" in emulator.authority.signer().certificate
        assert emulator.trust_pem.count("BEGIN CERTIFICATE") == 2
    finally:
        emulator.stop()


def test_refuses_region_that_is_invalid_in_a_certificate(backend: Backend) -> None:
    with pytest.raises(ScenarioError) as caught:
        Emulator(Scenario.of({"compute": {"location": "wéstus"}}), seed=1, clock=ManualClock(NOON), backend=backend)
    assert caught.value.location == "/compute/location"


def test_emulator_from_a_file_applies_limits_and_stops(tmp_path: Path, backend: Backend) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"compute": {"name": "mine"}}', encoding="utf-8")
    target = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
    with Emulator(path, seed=1, clock=ManualClock(NOON), backend=backend) as limited:
        assert limited.scenario.name == "mine"
        answers = [fetch(limited, target)[:2] for _ in range(7)]
    assert answers == [(200, b"mine")] * 5 + [(429, b"Too many requests")] * 2
    limited.stop()
    with pytest.raises(ConnectionRefusedError):
        fetch(limited, target)


def test_without_rate_limit_every_request_gets_a_response(imds: Emulator) -> None:
    assert {fetch(imds, "/metadata/versions")[0] for _ in range(20)} == {200}
