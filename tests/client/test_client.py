"""Tests of the client against the emulator, over loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imdskit import versions
from imdskit.client import Client
from imdskit.client.client import API_VERSION
from imdskit.emulator import Emulator
from imdskit.errors import ClientError, UsageError

PACKAGE = Path(__file__).parent.parent.parent / "python"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("linux", seed=1, rate_limit=False) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Client:
    return Client(emulator.url)


def test_gets_the_whole_instance(client: Client) -> None:
    assert list(client.instance()) == ["compute", "network"]


def test_objects_are_parsed_and_single_values_are_text(client: Client) -> None:
    compute = client.get("compute")
    assert client.get("compute/vmId", "text") == compute["vmId"]
    assert client.get("/metadata/instance/compute/tagsList") == compute["tagsList"]
    assert client.get("instance", "text") == "compute/\nnetwork/"


def test_single_value_is_not_available_as_json(client: Client) -> None:
    with pytest.raises(ClientError) as error:
        client.get("compute/vmId")
    assert (error.value.code, error.value.status) == ("bad-request", 400)


def test_bytes_of_a_response_are_unchanged(client: Client) -> None:
    data = client.get_bytes("compute")
    assert b'":"' in data
    assert json.loads(data) == client.get("compute")
    assert client.get_bytes("compute/name", "text") == client.get("compute/name", "text").encode()


def test_gets_the_versions_of_the_host(client: Client) -> None:
    assert client.versions() == versions.API_VERSIONS
    assert API_VERSION in versions.API_VERSIONS


def test_version_is_set_per_client_or_per_call(emulator: Emulator, client: Client) -> None:
    old = Client(emulator.url, api_version="2017-04-02")
    assert "tags" not in old.get("compute")
    assert "tags" in old.get("compute", api_version="2017-08-01")
    assert "priority" in client.get("compute")


def test_unknown_version_is_unsupported(client: Client) -> None:
    with pytest.raises(ClientError) as error:
        client.instance("1999-12-31")
    assert error.value.code == "unsupported-version"
    assert versions.API_VERSIONS[-1] in error.value.hint


def test_member_newer_than_the_version_is_not_found(client: Client) -> None:
    with pytest.raises(ClientError) as error:
        client.get("compute/tags", "text", "2017-04-02")
    assert error.value.code == "not-found"


def test_attested_document_is_unchanged(client: Client) -> None:
    document = client.attested_document("1234567890")
    assert document.startswith(b'{"encoding":"pkcs7","signature":"MII')
    assert client.attested_document().startswith(b'{"encoding":"pkcs7"')


@pytest.mark.parametrize("nonce", ["", "a" * 33, "a b", "é", "a&b", "\udcff", 1234567890], ids=repr)
def test_invalid_nonce_is_not_sent(client: Client, nonce: str) -> None:
    with pytest.raises(UsageError):
        client.attested_document(nonce)


def test_too_many_requests_are_throttled() -> None:
    with Emulator("linux", seed=1) as limited:
        client = Client(limited.url, retry=None)
        with pytest.raises(ClientError) as error:
            [client.get("compute/name", "text") for _ in range(100)]
    assert (error.value.code, error.value.status) == ("throttled", 429)


CALLS: dict[str, Callable[[Client], Any]] = {
    "an unknown format": lambda client: client.get("compute", "xml"),  # type: ignore[call-overload]
    "text format for the versions": lambda client: client.get("versions", "text"),
    "a version that is not text": lambda client: client.get("compute", api_version=20210201),  # type: ignore[call-overload]
    "an empty version": lambda client: client.get("compute", api_version=""),
    "a parameter that is not text": lambda client: client.get("compute", extended=True),  # type: ignore[call-overload]
    "a parameter that is an argument": lambda client: client.get("compute", **{"api-version": "2021-02-01"}),  # type: ignore[call-overload]
    "a path with a query": lambda client: client.get("compute?format=text"),
    "a version with a lone surrogate": lambda client: client.get("compute", api_version="\udcff"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_invalid_arguments_send_no_request(call: Callable[[Client], Any]) -> None:
    with pytest.raises(UsageError):
        call(Client("http://127.0.0.1:9"))


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), "5", True, None], ids=repr)
def test_timeout_must_be_a_number_of_seconds(limit: float) -> None:
    for name in ("timeout", "connect_timeout"):
        with pytest.raises(UsageError):
            Client(**{name: limit})  # type: ignore[arg-type]  # the wrong type is the subject of the test


SHAPES = {
    "an instance that is an array": (b"[]", lambda client: client.instance()),
    "versions that are text": (b'{"apiVersions":"2021-02-01"}', lambda client: client.versions()),
    "versions that are numbers": (b'{"apiVersions":[2021]}', lambda client: client.versions()),
    "versions of another service": (b'["1.0","latest"]', lambda client: client.versions()),
    "an error instead of a document": (b'{"error":"x"}', lambda client: client.attested_document()),
    "a document without encoding": (b'{"signature":"MII="}', lambda client: client.attested_document()),
    "a signature that is a number": (b'{"encoding":"pkcs7","signature":1}', lambda client: client.attested_document()),
}


@pytest.mark.parametrize(("body", "call"), SHAPES.values(), ids=SHAPES.keys())
def test_response_of_another_shape_is_not_imds(listen: Callable[..., Any], body: bytes, call: Callable[[Client], Any]) -> None:
    listener = listen(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)
    with pytest.raises(ClientError) as error:
        call(Client(listener.url))
    assert error.value.code == "not-imds"


def test_scheduled_events_use_a_separate_version(listen: Callable[..., Any]) -> None:
    listener = listen(b"HTTP/1.1 200 OK\r\n\r\n{}")
    Client(listener.url).get("scheduledevents")
    Client(listener.url).get("versions")
    assert [head.split(b" ")[1] for head in listener.heads] == [b"/metadata/scheduledevents?api-version=2020-07-01", b"/metadata/versions"]


def test_import_loads_neither_cryptography_nor_network_modules() -> None:
    program = "import sys; before = set(sys.modules); import imdskit.client; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(PACKAGE)!r}); {program}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "imdskit.client.client" in loaded
    ours = {"imdskit.backends", "imdskit.verify", "imdskit.asn1", "imdskit.emulator"}
    assert not loaded & (ours | {"hashlib", "ssl", "socket", "http.client", "urllib.request"})
