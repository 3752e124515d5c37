"""The Host of requests: what real clients send is answered, what a rebinding page sends is not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.http.host_header import Hosts
from imdskit.emulator.http.server import Server
from imdskit.protocol.messages import Response

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
def test_a_host_is_allowed_if_no_strange_page_can_have_it(host: str, allowed: bool) -> None:
    hosts = Hosts(["imds", "imds.example"])
    assert hosts.allow((("Accept", "*/*"), ("hOST", host)), "10.0.0.4") is allowed


@pytest.mark.parametrize("local", ["fd00::4", "::ffff:10.0.0.4", "fe80::1%eth0"])
def test_the_address_that_a_connection_came_to_may_be_named(local: str) -> None:
    host = local.removeprefix("::ffff:").partition("%")[0]
    assert Hosts().allow((("Host", f"[{host}]" if ":" in host else host),), local)


def test_a_request_without_host_comes_from_no_browser() -> None:
    assert Hosts().allow((("Accept", "*/*"),), "127.0.0.1")


def test_every_host_can_be_allowed() -> None:
    assert Hosts(["*"]).allow((("Host", "evil.example"),), "127.0.0.1")


@pytest.fixture(scope="module")
def imds(backend: Backend) -> Iterator[Emulator]:
    with Emulator("linux", seed=1, clock=ManualClock(NOON), backend=backend, rate_limit=False, allow_hosts=["imds.test"]) as emulator:
        yield emulator


def ask(port: int, head: str) -> tuple[int, bytes]:
    """Status and body of the answer to one request, sent as it is."""
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
    ("a page asks for certificates", "GET /pki/x.crt HTTP/1.1\nHost: evil.example", 421),
    ("a page in HTTP/1.0", "GET /metadata/versions HTTP/1.0\nHost: evil.example\nMetadata: true", 421),
    ("what counts is the absolute form", "GET http://evil.example/metadata/versions HTTP/1.1\nHost: 127.0.0.1\nMetadata: true", 421),
    ("a page announces a request", "OPTIONS /metadata/versions HTTP/1.1\nHost: evil.example\nOrigin: http://evil.example", 421),
    ("two hosts", "GET /metadata/versions HTTP/1.1\nHost: 127.0.0.1\nHost: evil.example\nMetadata: true", 400),
]


@pytest.mark.parametrize(("head", "status"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS])
def test_the_emulator_looks_at_the_host(head: str, status: int, imds: Emulator) -> None:
    port = int(imds.url.rpartition(":")[2])
    answered, body = ask(port, head.replace("{port}", str(port)))
    assert answered == status
    assert status != 421 or "--allow-host" in json.loads(body)["error"]


def test_a_page_cannot_use_a_fault_up(imds: Emulator) -> None:
    imds.faults.load([{"fault": {"status": 500}}])
    ask(int(imds.url.rpartition(":")[2]), "GET /metadata/versions HTTP/1.1\nHost: evil.example\nMetadata: true")
    assert imds.faults.list()[0]["applied"] == 0
    imds.faults.clear()


def test_what_was_refused_for_its_host_is_in_the_journal(imds: Emulator) -> None:
    imds.journal.reset()
    ask(int(imds.url.rpartition(":")[2]), "GET /metadata/versions HTTP/1.1\nHost: evil.example\nOrigin: http://evil.example")
    ask(int(imds.url.rpartition(":")[2]), "GET /metadata/versions HTTP/1.1\nHost: 127.0.0.1\nMetadata: true")
    refused, answered = imds.journal.list()
    assert (refused.status, refused.rule, refused.header("Host"), refused.source) == (421, "wrong-host", "evil.example", "127.0.0.1")
    assert (answered.status, answered.rule) == (200, "")
    assert imds.journal.count(rule="wrong-host") == 1


def test_a_server_of_its_own_asks_for_no_host_unless_told() -> None:
    with Server(lambda _: Response(200, (), b"x")) as server:
        assert ask(server.server_port, "GET / HTTP/1.1\nHost: evil.example") == (200, b"x")
