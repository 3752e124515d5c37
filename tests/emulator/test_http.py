"""Tests of the HTTP server on real sockets: framing, order of responses, limits, and a clean shutdown."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator.http.messages import Request, Response
from imdskit.emulator.http.server import CONNECTIONS, Handler, Server
from imdskit.errors import UsageError

from .conftest import Serve

HEADERS = (("Content-Type", "application/json; charset=utf-8"), ("Server", "IMDS/150.870.65.1854"))
BAD_REQUEST = b'{ "error": "Bad request" }'
PATIENCE = 10.0
"""Timeout of a test in seconds. Only a failing test waits so long."""


class Service:
    """Service that responds with method, target and body of the request, and records the request."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, HEADERS, f"{request.method} {request.target} ".encode() + request.body)


@dataclass
class Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Client:
    """Client that sends bytes on a socket, and reads responses from it."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.server_port), PATIENCE)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, head_only: bool = False) -> Answer:
        line = self.file.readline().decode().removesuffix("\r\n")
        version, status, reason = line.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = []
        while (field := self.file.readline().decode()) != "\r\n":
            name, value = field.removesuffix("\r\n").split(": ", 1)
            headers.append((name, value))
        length = 0 if head_only else int(dict(headers).get("Content-Length", "0"))
        return Answer(int(status), reason, headers, self.file.read(length))

    def at_end(self) -> bool:
        return self.file.read(1) == b""


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def server(service: Service, serve: Serve) -> Iterator[Server]:
    with serve(service) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected


def get(target: str, *fields: str, method: str = "GET", version: str = "1.1", body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", *(["Host: a"] if version == "1.1" else []), *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def test_response_has_the_recorded_headers_in_their_order(service: Service, serve: Serve) -> None:
    with serve(service, clock=ManualClock(1_770_462_286)) as server, Client(server) as client:
        client.send(get("/x"))
        answer = client.answer()
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"GET /x ")
    assert answer.headers == [*HEADERS, ("Date", "Sat, 07 Feb 2026 11:04:46 GMT"), ("Content-Length", "7")]


def test_service_receives_headers_body_source_and_port(client: Client, service: Service, server: Server) -> None:
    client.send(get("/a?b", "mEtadata:  true ", "Content-Length: 3", method="POST", body=b"xyz"))
    assert client.answer().body == b"POST /a?b xyz"
    (request,) = service.requests
    headers = (("Host", "a"), ("mEtadata", "true"), ("Content-Length", "3"))
    assert request == Request("POST", "/a?b", headers, b"xyz", "127.0.0.1", server.server_port)


def test_pipelined_requests_get_responses_in_order(client: Client) -> None:
    client.send(b"".join(get(f"/{number}", "Content-Length: 1", method="POST", body=b"#") for number in range(50)))
    assert [client.answer().body for _ in range(50)] == [f"POST /{number} #".encode() for number in range(50)]


def test_request_may_arrive_byte_by_byte(client: Client) -> None:
    for octet in get("/slow", "Content-Length: 2", method="POST", body=b"ab"):
        client.send(bytes((octet,)))
    assert client.answer().body == b"POST /slow ab"


def test_empty_line_before_a_request_is_ignored(client: Client) -> None:
    client.send(b"\r\n" + get("/1") + b"\r\n" + get("/2"))
    assert [client.answer().body, client.answer().body] == [b"GET /1 ", b"GET /2 "]


@pytest.mark.parametrize(
    ("request_octets", "connection", "closes"),
    [
        pytest.param(get("/"), None, False, id="1.1"),
        pytest.param(get("/", "Connection: close"), "close", True, id="1.1-close"),
        pytest.param(get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"), None, False, id="h2c"),
        pytest.param(get("/", version="1.0"), "close", True, id="1.0"),
        pytest.param(get("/", "Connection: keep-alive", version="1.0"), "keep-alive", False, id="1.0-keep-alive"),
    ],
)
def test_client_decides_how_long_a_connection_lasts(client: Client, request_octets: bytes, connection: str | None, closes: bool) -> None:
    client.send(request_octets)
    answer = client.answer()
    assert (answer.status, answer.header("Connection")) == (200, connection)
    if not closes:
        client.send(get("/again", "Connection: close"))
        assert client.answer().body == b"GET /again "
    assert client.at_end()


def test_data_after_the_last_request_gets_no_response(client: Client, service: Service) -> None:
    client.send(get("/1", version="1.0") + get("/2"))
    assert client.answer().body == b"GET /1 "
    assert client.at_end()
    assert len(service.requests) == 1


def test_chunked_body_is_decoded_and_ends_the_connection(client: Client, service: Service) -> None:
    client.send(get("/c", "Transfer-Encoding: chunked", method="POST", body=b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n") + get("/smuggled"))
    answer = client.answer()
    assert (answer.body, answer.header("Connection")) == (b"POST /c abc", "close")
    assert client.at_end()
    assert [request.target for request in service.requests] == ["/c"]


def test_client_that_waits_for_100_continue_gets_it(client: Client) -> None:
    client.send(get("/", "Expect: 100-continue", "Content-Length: 2", method="POST"))
    assert client.answer().status == 100
    client.send(b"ok")
    assert client.answer().body == b"POST / ok"


def test_client_that_does_not_wait_gets_no_100_continue(client: Client) -> None:
    client.send(get("/", "Expect: 100-continue", "Content-Length: 2", method="POST", body=b"ok"))
    assert client.answer().status == 200


def test_response_to_head_has_no_body(client: Client) -> None:
    client.send(get("/x", method="HEAD") + get("/y"))
    assert client.answer(head_only=True).header("Content-Length") == "8"
    assert client.answer().body == b"GET /y "


def test_service_may_set_content_length_of_an_omitted_body(serve: Serve) -> None:
    with serve(lambda request: Response(400, (("Content-Length", "323"),))) as server, Client(server) as client:
        client.send(get("/", method="HEAD", version="1.0"))
        assert client.answer(head_only=True).header("Content-Length") == "323"
        assert client.at_end()


@pytest.mark.parametrize(("status", "reason"), [(200, "OK"), (404, "Not Found"), (410, "Gone"), (429, ""), (599, "")])
def test_every_status_except_429_has_a_reason_phrase(status: int, reason: str, serve: Serve) -> None:
    with serve(lambda request: Response(status, HEADERS)) as server, Client(server) as client:
        client.send(get("/"))
        answer = client.answer()
    assert (answer.status, answer.reason) == (status, reason)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no-host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400, id="blank-before-colon"),
        pytest.param(b"GET / HTTP/1.1\n", 400, id="bare-lf-and-no-more"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, id="tls"),
        pytest.param(b"GET /" + b"x" * 9000, 414, id="endless-target"),
        pytest.param(get("/", *["X: y"] * 100), 431, id="many-fields"),
        pytest.param(get("/", "Content-Length: 70000", method="POST", body=bytes(70_000)), 413, id="large-body"),
        pytest.param(get("/", "Transfer-Encoding: gzip", method="POST"), 400, id="coding"),
        pytest.param(get("/", "Transfer-Encoding: chunked", method="POST", body=b"z\r\n"), 400, id="bad-chunk"),
        pytest.param(get("/", "Expect: tea"), 417, id="expectation"),
    ],
)
def test_framing_error_gets_one_response_and_ends_the_connection(client: Client, service: Service, data: bytes, status: int) -> None:
    client.send(get("/good") + data + get("/smuggled") * 3)
    assert client.answer().status == 200
    answer = client.answer()
    assert (answer.status, answer.body, answer.header("Connection")) == (status, BAD_REQUEST, "close")
    assert answer.headers[:2] == [*HEADERS]
    assert client.at_end()
    assert [request.target for request in service.requests] == ["/good"]


def test_response_is_sent_in_one_write_without_delay(serve: Serve) -> None:
    writes: list[bytes] = []
    options: list[int] = []

    class Recorder:
        def __init__(self, connection: socket.socket) -> None:
            self.connection = connection

        def sendall(self, data: bytes) -> None:
            writes.append(data)
            self.connection.sendall(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.connection, name)

    class Watched(Handler):
        def setup(self) -> None:
            super().setup()
            options.append(self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            self.connection = Recorder(self.connection)  # type: ignore[assignment]

    with serve(lambda request: Response(200, HEADERS, bytes(4096)), handler=Watched) as server, Client(server) as client:
        client.send(get("/"))
        client.answer()
    assert len(writes) == 1
    assert options[0] != 0


def test_handler_can_be_subclassed(serve: Serve) -> None:
    class Teapot(Handler):
        def respond(self, request: Request) -> Response:
            answer = super().respond(request)
            return Response(418, answer.headers, f"{self.command} {self.path}".encode())

    with serve(Service(), handler=Teapot) as server, Client(server) as client:
        client.send(get("/pot"))
        answer = client.answer()
        assert (answer.status, answer.body) == (418, b"GET /pot")


def test_service_error_gets_500_and_keeps_the_connection(capfd: pytest.CaptureFixture[str], serve: Serve) -> None:
    def fail(request: Request) -> Response:
        raise UsageError("bad-argument", "Something is wrong.")

    with serve(fail) as server, Client(server) as client:
        client.send(get("/") * 2)
        assert [client.answer().status, client.answer().status] == [500, 500]
    assert "Traceback" not in capfd.readouterr().err


def test_idle_connections_expire(service: Service, serve: Serve) -> None:
    watch = ManualClock(0)
    with serve(service, watch=watch) as server, Client(server) as client:
        client.send(get("/"))
        client.answer()
        assert read_while_time_passes(server, watch, client) == b""


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHo", get("/", "Content-Length: 9", method="POST", body=b"x")], ids=["head", "body"])
def test_request_that_takes_too_long_gets_408(service: Service, data: bytes, serve: Serve) -> None:
    watch, waits = ManualClock(0), threading.Semaphore(0)

    class Noticed(Handler):
        def _receive(self) -> bytes:
            waits.release()
            return super()._receive()

    with serve(service, watch=watch, handler=Noticed) as server, Client(server) as client:
        client.send(data)
        # In its second wait, the server waits for the rest of the request. In its first wait, it
        # would close the idle connection without a response.
        assert waits.acquire(timeout=PATIENCE)
        assert waits.acquire(timeout=PATIENCE)
        received = read_while_time_passes(server, watch, client)
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"408"]
    assert not service.requests


def read_while_time_passes(server: Server, watch: ManualClock, client: Client) -> bytes:
    """Return everything that the server sends until it closes the connection. Advance the server's
    clock quickly, so that all deadlines pass."""
    received = b""
    client.socket.settimeout(0.02)
    for _ in range(int(PATIENCE / 0.02)):
        watch.advance(61)
        server.sweep()
        try:
            data = client.socket.recv(65536)
        except TimeoutError:
            continue
        if not data:
            return received
        received += data
    raise AssertionError("the connection was never closed")


def test_service_has_no_time_limit(serve: Serve) -> None:
    watch = ManualClock(0)

    def slow(request: Request) -> Response:
        watch.advance(100_000)
        running.sweep()
        return Response(200, HEADERS, b"at last")

    running = serve(slow, watch=watch)
    with running, Client(running) as client:
        client.send(get("/"))
        assert client.answer().body == b"at last"


def test_connections_beyond_the_limit_get_503(service: Service, serve: Serve) -> None:
    with serve(service, connections=2) as server:
        with Client(server) as first, Client(server) as second:
            for client in (first, second):
                client.send(get("/"))
                assert client.answer().status == 200
            with Client(server) as third:
                assert third.answer().status == 503
                assert third.at_end()
            first.send(get("/still"))
            assert first.answer().body == b"GET /still "
        assert any(_accepted(server) for _ in range(1000)), "a released slot can be used again"


def _accepted(server: Server) -> bool:
    with Client(server) as client:
        try:
            client.send(get("/"))
            return client.answer().status == 200
        except ConnectionError:
            return False


def test_in_flight_request_gets_its_response_when_the_server_stops(serve: Serve) -> None:
    entered, leave = threading.Event(), threading.Event()

    def wait(request: Request) -> Response:
        if request.target == "/wait":
            entered.set()
            leave.wait(PATIENCE)
        return Response(200, HEADERS, b"done")

    server = serve(wait)
    server.start()
    with Client(server) as client, Client(server) as idle:
        idle.send(get("/"))
        assert idle.answer().status == 200
        client.send(get("/wait"))
        assert entered.wait(PATIENCE)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        assert idle.at_end()
        leave.set()
        answer = client.answer()
        stopper.join(PATIENCE)
        assert not stopper.is_alive()
        assert (answer.body, answer.header("Connection")) == (b"done", "close")
        assert client.at_end()


def test_stopped_server_leaves_no_threads_or_sockets(service: Service, serve: Serve) -> None:
    before = set(threading.enumerate())
    server = serve(service)
    clients = []
    with server:
        for number in range(20):
            client = Client(server)
            clients.append(client)
            client.send(get("/") if number % 2 else b"GET / HT")
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", server.server_port), PATIENCE)
    for client in clients:
        client.__exit__()


def test_stop_is_safe_twice_and_without_start(service: Service, serve: Serve) -> None:
    server = serve(service)
    server.stop()
    server.stop()


def test_a_server_stops_even_if_its_thread_could_not_start(service: Service, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server = serve(service)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        with pytest.raises(UsageError, match="start a thread: can't start new thread"):
            server.start()
    stopper = threading.Thread(target=server.stop, daemon=True)
    stopper.start()
    stopper.join(30)
    assert not stopper.is_alive()


def test_connection_reset_by_client_leaves_no_trace(capfd: pytest.CaptureFixture[str], serve: Serve) -> None:
    requested = threading.Event()

    def large(request: Request) -> Response:
        requested.set()
        return Response(200, HEADERS, bytes(8 * 1024 * 1024))

    with serve(large) as server:
        for data in (b"", b"GET / HT", get("/"), get("/", "Content-Length: 5", method="POST")):
            client = Client(server)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.send(data)
            client.__exit__()
        assert requested.wait(PATIENCE)
    assert capfd.readouterr().err == ""


def test_http_client_of_the_standard_library_keeps_its_connection(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
    for number in range(3):
        connection.request("POST", f"/{number}", body=b"x" * number)
        answer = connection.getresponse()
        assert answer.read() == f"POST /{number} ".encode() + b"x" * number
        assert not answer.will_close
    connection.close()


def test_server_listens_on_loopback_and_has_its_address_before_start(service: Service, serve: Serve) -> None:
    server = serve(service)
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9][0-9]*", server.url)
    with server:
        assert server.url.endswith(str(server.server_port))


@pytest.mark.skipif(not socket.has_ipv6, reason="Python was built without IPv6")
def test_ipv6_address_is_in_brackets(service: Service, serve: Serve) -> None:
    try:
        server = serve(service, "::1")
    except UsageError:
        pytest.skip("this machine has no IPv6 loopback")
    assert server.url.startswith("http://[::1]:")
    server.server_close()


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 65536), ("192.0.2.1", 0), ("no such host", 0)])
def test_unavailable_address_is_a_usage_error(service: Service, host: str, port: int, serve: Serve) -> None:
    with pytest.raises(UsageError):
        serve(service, host, port)


def test_port_in_use_is_a_usage_error(server: Server, service: Service, serve: Serve) -> None:
    with pytest.raises(UsageError, match="Cannot listen"):
        serve(service, port=server.server_port)


def test_many_concurrent_connections_are_served(server: Server) -> None:
    clients = [Client(server) for _ in range(min(60, CONNECTIONS))]
    for client in clients:
        client.send(get("/"))
    assert [client.answer().status for client in clients] == [200] * len(clients)
    for client in clients:
        client.__exit__()


def test_parses_the_requests_of_public_suites_correctly(server: Server, shared: Path) -> None:
    probe = [sys.executable, "http_probe.py", "../open/http1-requests.json.gz", str(server.server_port), "--inject", "Metadata: true"]
    lines = subprocess.run(probe, cwd=shared / "suites" / "tools", capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 4, lines
    assert all(line.split()[2] == "pass" for line in lines), lines
    assert sum(int(line.split()[3]) for line in lines) == 724
