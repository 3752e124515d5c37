"""Tests of the arguments of Emulator and Fleet, which are validated on construction. The location of an error is the argument's name."""

from __future__ import annotations

import errno
import socket
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from imdskit.emulator import Emulator, Fleet
from imdskit.emulator.machine import expansion
from imdskit.errors import UsageError

COMMON: list[tuple[str, Any]] = [
    ("seed", "1"),
    ("seed", 1.0),
    ("seed", True),
    ("port", "8080"),
    ("port", 80.0),
    ("port", True),
    ("port", -1),
    ("port", 65536),
    ("host", ""),
    ("host", None),
    ("host", b"127.0.0.1"),
    ("rate_limit", "no"),
    ("rate_limit", 0),
    ("rate_limit", None),
    ("clock", 1_767_268_800),
    ("backend", "rust"),
    ("events_enabling", -1),
    ("events_enabling", 0.5),
    ("events_enabling", "120"),
    ("profile", 2021),
    ("rules_off", "limit"),
    ("rules_off", 7),
    ("rules_off", ["limit", None]),
    ("faults", {"fault": {"status": 500}}),
    ("faults", b"script.json"),
    ("allow_hosts", "imds.test"),
    ("allow_hosts", [80]),
    ("journal", -1),
    ("journal", "many"),
    ("journal", True),
    ("journal", 10**30),
    ("admin_port", "0"),
    ("admin_port", False),
    ("admin_port", 70_000),
    ("admin_token", 16 * b"a"),
]
ONE: list[tuple[str, Any]] = [("scenario", 1), ("scenario", {"cloud": "public"}), ("snapshot_file", 3), ("keys", {}), ("listener", 3)]
MANY: list[tuple[str, Any]] = [
    ("template", None),
    ("count", "5"),
    ("count", 2.0),
    ("count", True),
    ("count", 0),
    ("select", "colour"),
    ("resident", 0),
    ("resident", "all"),
    ("connections", 0),
    ("connections", 1.5),
    ("journal", 1.5),
]


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [(Emulator, *each) for each in COMMON + ONE] + [(Fleet, *each) for each in COMMON + MANY],
    ids=lambda each: getattr(each, "__name__", repr(each)[:20]),
)
def test_refuses_invalid_argument_and_names_it(make: Callable[..., object], name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        make(**{name: value})
    assert caught.value.code == "bad-argument"
    assert caught.value.location == name
    assert f"`{name}` must be " in caught.value.message
    assert "; got " in caught.value.message


@pytest.mark.parametrize("value", [5, "300.0.0.0/8", "10.0.0.0/30"], ids=str)
def test_refuses_invalid_network(value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Fleet("fleet", 9, 1, "source", network=value)
    assert caught.value.location == "network"


def test_machine_is_expanded_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    expanded = []
    compute = expansion._compute
    monkeypatch.setattr(expansion, "_compute", lambda *given: expanded.append(given) or compute(*given))  # type: ignore[func-returns-value]
    imds = Emulator("linux", 1)
    assert len(expanded) == 1
    imds.patch({"compute": {"name": "other"}})
    assert len(expanded) == 2
    imds.stop()


def test_emulator_listens_on_a_given_socket() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with Emulator("linux", 1, port=1, listener=listener) as imds:
        assert imds.url == f"http://127.0.0.1:{port}"
        request = urllib.request.Request(imds.url + "/metadata/versions", headers={"Metadata": "true"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            assert reply.status == 200
    assert listener.fileno() == -1


@pytest.mark.parametrize(
    ("host", "port", "number", "words"),
    [
        ("169.254.169.254", 80, errno.EADDRNOTAVAIL, ("imdskit run", "ip address add 169.254.169.254/32 dev lo", "reach-the-address.md")),
        ("192.0.2.1", 80, errno.EADDRNOTAVAIL, ("ip address", "0.0.0.0")),
        ("127.0.0.1", 80, errno.EADDRINUSE, ("Another program",)),
        ("127.0.0.1", 80, errno.EACCES, ("port 80", "imdskit run")),
        ("no-such-name", 80, None, ("127.0.0.1",)),
    ],
    ids=str,
)
def test_unavailable_address_is_reported_with_a_hint(
    host: str, port: int, number: int | None, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, "raised by the test")

    monkeypatch.setattr("socketserver.TCPServer.server_bind", fail)
    with pytest.raises(UsageError) as caught:
        Emulator("linux", 1, host=host, port=port)
    assert [word for word in words if word not in caught.value.hint] == []


def test_hint_explains_how_to_get_the_imds_address() -> None:
    with pytest.raises(UsageError) as caught:
        Emulator("linux", 1, host="169.254.169.254")
    assert "imdskit run" in caught.value.hint
