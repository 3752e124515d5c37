"""Tests of the Host header check: it accepts the values of real clients, and refuses those of a DNS rebinding page."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.http.host_header import Hosts
from imdskit.emulator.http.messages import Response
from imdskit.emulator.http.server import Server

NOON = 1_767_268_800
PATIENCE = 10.0

ALLOWED = [
    "localhost",
    "LOCALHOST:8080",
    "localhost.",
    "imds.localhost",
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.8.9.10",
    "[::1]",
    "[::1]:8080",
    "[::ffff:127.0.0.1]",
    "169.254.169.254",
    "169.254.169.254:80",
    "10.0.0.4",
    "10.0.0.4:8080",
    "imds",
    "IMDS.example.:80",
]
REFUSED = [
    "a",
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "169.254.169.254.evil.example",
    "evillocalhost",
    "notimds",
    "imds.evil.example",
    "10.0.0.5",
    "0.0.0.0",
    "[::2]",
    "[fe80::1]",
    "169.254.169.253",
    "*",
    "127.1",
]


@pytest.mark.parametrize(("host", "allowed"), [*((host, True) for host in ALLOWED), *((host, False) for host in REFUSED)])
def test_allows_only_hosts_that_no_foreign_page_can_have(host: str, allowed: bool) -> None:
    hosts = Hosts(["imds", "imds.example"])
    assert hosts.allow((("Accept", "*/*"), ("hOST", host)), "10.0.0.4") is allowed


@pytest.mark.parametrize("local", ["fd00::4", "::ffff:10.0.0.4", "fe80::1%eth0"])
def test_allows_the_address_that_the_client_connected_to(local: str) -> None:
    host = local.removeprefix("::ffff:").partition("%")[0]
    assert Hosts().allow((("Host", f"[{host}]" if ":" in host else host),), local)


def test_allows_request_without_host_header() -> None:
    assert Hosts().allow((("Accept", "*/*"),), "127.0.0.1")


def test_asterisk_allows_every_host() -> None:
    assert Hosts(["*"]).allow((("Host", "evil.example"),), "127.0.0.1")


@pytest.fixture(scope="module")
def imds(backend: Backend) -> Iterator[Emulator]:
    with Emulator("linux", seed=1, clock=ManualClock(NOON), backend=backend, rate_limit=False, allow_hosts=["imds.test"]) as emulator:
        yield emulator


def ask(port: int, head: str) -> tuple[int, bytes]:
    """Send a request unchanged, and return status and body of the response."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            answer = file.read()
    top, _, body = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), body


REQUESTS = [
    ("a relay leaves the address of the service", "GET /metadata/versions HTTP/1.1\nHost: 169.254.169.254\nMetadata: true", 200),
    ("absolute form, as to a proxy", "GET http://169.254.169.254/metadata/versions HTTP/1.1\nHost: 169.254.169.254\nMetadata: true", 200),
    ("its own address", "GET /metadata/versions HTTP/1.1\nHost: 127.0.0.1:{port}\nMetadata: true", 200),
    ("a name that was given", "GET /metadata/versions HTTP/1.1\nHost: imds.test:{port}\nMetadata: true", 200),
    ("HTTP/1.0 without Host", "GET /metadata/versions HTTP/1.0\nMetadata: true", 200),
    ("a page by its own name", "GET /metadata/versions HTTP/1.1\nHost: evil.example:{port}\nMetadata: true", 421),
    ("a page requests certificates", "GET /pki/x.crt HTTP/1.1\nHost: evil.example", 421),
    ("a page in HTTP/1.0", "GET /metadata/versions HTTP/1.0\nHost: evil.example\nMetadata: true", 421),
    ("what counts is the absolute form", "GET http://evil.example/metadata/versions HTTP/1.1\nHost: 127.0.0.1\nMetadata: true", 421),
    ("a page announces a request", "OPTIONS /metadata/versions HTTP/1.1\nHost: evil.example\nOrigin: http://evil.example", 421),
    ("two hosts", "GET /metadata/versions HTTP/1.1\nHost: 127.0.0.1\nHost: evil.example\nMetadata: true", 400),
]


@pytest.mark.parametrize(("head", "status"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS])
def test_emulator_checks_the_host_header(head: str, status: int, imds: Emulator) -> None:
    port = int(imds.url.rpartition(":")[2])
    received, body = ask(port, head.replace("{port}", str(port)))
    assert received == status
    assert status != 421 or "--allow-host" in json.loads(body)["error"]


def test_refused_host_does_not_consume_a_fault(imds: Emulator) -> None:
    imds.faults.load([{"fault": {"status": 500}}])
    ask(int(imds.url.rpartition(":")[2]), "GET /metadata/versions HTTP/1.1\nHost: evil.example\nMetadata: true")
    assert imds.faults.list()[0]["applied"] == 0
    imds.faults.clear()


def test_journal_contains_requests_refused_for_their_host(imds: Emulator) -> None:
    imds.journal.reset()
    ask(int(imds.url.rpartition(":")[2]), "GET /metadata/versions HTTP/1.1\nHost: evil.example\nOrigin: http://evil.example")
    ask(int(imds.url.rpartition(":")[2]), "GET /metadata/versions HTTP/1.1\nHost: 127.0.0.1\nMetadata: true")
    refused, accepted = imds.journal.list()
    assert (refused.status, refused.rule, refused.header("Host"), refused.source) == (421, "wrong-host", "evil.example", "127.0.0.1")
    assert (accepted.status, accepted.rule) == (200, "")
    assert imds.journal.count(rule="wrong-host") == 1


def test_bare_server_does_not_check_the_host_by_default() -> None:
    with Server(lambda _: Response(200, (), b"x")) as server:
        assert ask(server.server_port, "GET / HTTP/1.1\nHost: evil.example") == (200, b"x")
