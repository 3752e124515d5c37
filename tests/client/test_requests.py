"""Tests of the address and version of requests, of probes, and of the nonce in documents."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from imdskit import versions
from imdskit.client import Client, nonces
from imdskit.client.address import SERVICE
from imdskit.client.operations import API_VERSION
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.authority.keys import Keys
from imdskit.errors import ClientError, UsageError

KEYS = Keys()
Listen = Callable[..., Any]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@pytest.fixture
def imds() -> Any:
    with Emulator("linux", seed=1, keys=KEYS, rate_limit=False) as running:
        yield running


def queries(imds: Emulator) -> list[dict[str, str]]:
    return [dict(parse_qsl(entry.target.partition("?")[2])) for entry in imds.journal.list()]


PLACES: dict[str, tuple[dict[str, str], str | None, str]] = {
    "no argument and no variable": ({}, None, SERVICE),
    "an argument": ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://a:1", "IMDS_ENDPOINT": "http://b:2"}, "http://c:3", "http://c:3"),
    "the variable of the SDKs": ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://a:1/", "IMDS_ENDPOINT": "http://b:2"}, None, "http://a:1"),
    "the variable of Arc": ({"IMDS_ENDPOINT": "http://localhost:40342"}, None, "http://localhost:40342"),
    "an empty variable": ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "", "IMDS_ENDPOINT": ""}, None, SERVICE),
}


@pytest.mark.parametrize(("variables", "argument", "expected"), PLACES.values(), ids=PLACES.keys())
def test_argument_takes_precedence_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], argument: str | None, expected: str
) -> None:
    for name in ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "IMDS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Client(argument).base_url == expected


def test_invalid_address_in_a_variable_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "https://example.com/msi")
    with pytest.raises(UsageError) as error:
        Client()
    assert error.value.location == "AZURE_POD_IDENTITY_AUTHORITY_HOST"
    assert Client("http://127.0.0.1:9").base_url == "http://127.0.0.1:9"


def test_no_request_uses_a_proxy(imds: Emulator, listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = listen(HEAD + b"{}")
    for name in [name for name in os.environ if name.lower() == "no_proxy"]:
        monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, trap.url)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds.url)
    client = Client(api_version="newest")
    assert client.probe()
    assert client.instance()
    assert client.token("https://vault.azure.net")
    assert client.attest()
    assert trap.connections == 0


def test_newest_version_is_requested_once_and_cached(imds: Emulator) -> None:
    client = Client(imds.url, api_version="newest")
    assert "physicalZone" in client.get("compute")
    assert client.get("compute")
    assert client.get("scheduledevents")["Events"] == []
    assert [entry.path for entry in imds.journal.list()].count("/metadata/versions") == 1
    assert "physicalZone" not in Client(imds.url).get("compute")
    assert "physicalZone" in Client(imds.url).get("compute", api_version="newest")
    assert client.api_version == "newest"


def host(listen: Listen, *known: str) -> tuple[str, list[str]]:
    """Start a host that lists these versions but accepts any. Return its URL, and a list that will
    contain the requested versions."""
    requested: list[str] = []

    def response(connection: Any) -> None:
        target = listener.heads[-1].split(b" ")[1].decode()
        if target == "/metadata/versions":
            connection.sendall(HEAD + json.dumps({"apiVersions": known}).encode())
        else:
            requested.append(target.partition("api-version=")[2].partition("&")[0])
            connection.sendall(HEAD + b'{"compute":{}}')

    listener = listen(response)
    return listener.url, requested


def test_newest_version_is_supported_by_both_sides(listen: Listen) -> None:
    url, requested = host(listen, "2017-04-02", "2019-06-01", "2099-01-01")
    Client(url, api_version="newest").instance()
    assert requested == ["2019-06-01"]


def test_no_common_version_is_unsupported_version(listen: Listen) -> None:
    url, requested = host(listen, "2099-01-01")
    with pytest.raises(ClientError) as error:
        Client(url, api_version="newest").instance()
    assert (error.value.code, requested) == ("unsupported-version", [])
    assert "2099-01-01" in error.value.hint


def test_host_without_a_list_gets_the_default_version(imds: Emulator) -> None:
    imds.faults.load([{"match": {"category": "versions"}, "times": None, "fault": {"status": 404}}])
    assert Client(imds.url, api_version="newest").instance()
    assert queries(imds)[-1]["api-version"] == API_VERSION


def test_move_to_an_older_host_negotiates_again(imds: Emulator) -> None:
    client = Client(imds.url, api_version="newest")
    client.instance()
    newest = versions.API_VERSIONS[-1]
    refusal = {"error": "Bad request. api-version is invalid or was not specified in the request.", "newest-versions": ["2021-02-01"]}
    imds.faults.load(
        [
            {"match": {"category": "instance", "query": {"api-version": newest}}, "times": None, "fault": {"status": 400, "body": refusal}},
            {"match": {"category": "versions"}, "times": None, "fault": {"replace": {"/apiVersions": ["2019-06-01", "2021-02-01"]}}},
        ]
    )
    assert client.instance()
    assert client.instance()
    requested = [query.get("api-version", "versions") for query in queries(imds)]
    assert requested == ["versions", newest, newest, "versions", "2021-02-01", "2021-02-01"]


PROBES: dict[str, tuple[dict[str, Any] | None, str, bool]] = {
    "the service": (None, "there", True),
    "an update": ({"status": 410}, "busy", True),
    "too many requests": ({"status": 429}, "busy", True),
    "a failure": ({"status": 500, "from": "host"}, "busy", True),
    "a request timeout": ({"status": 408}, "busy", True),
    "a captive portal": ({"foreign": True}, "foreign", False),
    "a redirect": ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}, "body": ""}, "foreign", False),
    "a reset": ({"reset": True}, "absent", False),
}


@pytest.mark.parametrize(("fault", "state", "there"), PROBES.values(), ids=PROBES.keys())
def test_probe_sends_one_request_without_retries(imds: Emulator, fault: dict[str, Any] | None, state: str, there: bool) -> None:
    if fault is not None:
        imds.faults.load([{"times": None, "fault": fault}])
    clock = ManualClock(0)
    found = Client(imds.url, clock=clock).probe()
    assert (found.state, bool(found), clock.monotonic_ns(), imds.journal.count()) == (state, there, 0, 1)
    assert (found.error is None) == (state == "there")


def test_probe_of_a_missing_service() -> None:
    found = Client("http://127.0.0.1:1").probe()
    assert (found.state, bool(found)) == ("absent", False)
    with pytest.raises(UsageError):
        Client("http://127.0.0.1:1").probe(0)


def test_probe_ends_at_its_own_timeout(listen: Listen) -> None:
    listener = listen(lambda connection: connection.recv(1))
    found = Client(listener.url, timeout=600).probe(0.1)
    assert found.error is not None
    assert (found.state, found.error.code) == ("absent", "timed-out")


def test_generated_nonce_is_in_the_document(imds: Emulator) -> None:
    client = Client(imds.url)
    documents = [client.attest() for _ in range(3)]
    assert all(one.nonce.isdigit() and len(one.nonce) == 10 for one in documents)
    assert len({one.nonce for one in documents}) == 3
    assert [nonces.nonce_in(one.document) for one in documents] == [one.nonce for one in documents]
    assert client.attest("abc").nonce == "abc"
    assert nonces.nonce_in(client.attested_document()) is not None
    with pytest.raises(UsageError):
        client.attest("a b")


def test_document_with_another_nonce_is_an_error_after_one_retry(imds: Emulator) -> None:
    client = Client(imds.url)
    client.attest()
    cached = {"match": {"category": "attested"}, "fault": {"document": "cached-nonce"}}
    imds.faults.load([{**cached, "times": 1}])
    assert client.attest("1234567890").nonce == "1234567890"
    imds.faults.load([{**cached, "times": None}])
    with pytest.raises(ClientError) as error:
        client.attest("9234567890")
    assert (error.value.code, error.value.status) == ("wrong-nonce", 200)


def test_no_nonce_is_found_in_other_data(imds: Emulator) -> None:
    complete = json.loads(Client(imds.url).attested_document("1"))["signature"]
    for length in (*range(0, 400, 4), len(complete) - 4):
        assert nonces.nonce_in(json.dumps({"signature": complete[:length]}).encode()) is None
    for document in (b"", b"[]", b"{}", b'{"signature":1}', b'{"signature":"!"}', b"[" * 100_000, b'{"signature":"MIAG"}'):
        assert nonces.nonce_in(document) is None
