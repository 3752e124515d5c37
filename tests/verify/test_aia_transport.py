"""The HTTP client of the fetcher against good and bad servers on loopback. No test sleeps; servers advance the clock."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.clock import ManualClock
from imdskit.errors import FetchError
from imdskit.verify.aia import Response, Target
from imdskit.verify.aia.transport import HEAD_BYTES, HttpTransport, SystemResolver, _Incoming, _response

AT = 1_790_000_000
SECOND = 1_000_000_000
LIMIT = 16 * 1024
Behaviour = Callable[[socket.socket], None]


class Server:
    """Server that accepts one connection at a time, reads the header of the request, and behaves as configured.

    Attributes:
        requests: headers of the requests, in order.
        sent: number of bytes that were passed to the socket.
    """

    def __init__(self, behave: Behaviour) -> None:
        self.requests: list[bytes] = []
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                head = b""
                while not head.endswith(b"\r\n\r\n") and (more := connection.recv(4096)):
                    head += more
                if head:
                    self.requests.append(head)
                    self._behave(connection)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextmanager
def serving(behave: Behaviour) -> Iterator[Server]:
    server = Server(behave)
    try:
        yield server
    finally:
        server.close()


def saying(response: bytes) -> Behaviour:
    return lambda connection: connection.sendall(response)


def get(server: Server, clock: ManualClock | None = None, timeout_ns: int = 10 * SECOND) -> Response:
    target = Target("authority.example", server.port, "/pki/a%20b.crt")
    return HttpTransport(clock or ManualClock(AT)).get(target, "127.0.0.1", limit=LIMIT, timeout_ns=timeout_ns)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"0\x82\x00\x00"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"0\x82\x00\x00"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"0\x82\x00\x00"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n", b"0\x82\x00\x00"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"0\x82\x00\x00"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n", b"x" * 16384),
    ],
    ids=["length", "until the end", "HTTP/1.0", "another media type", "empty", "after a continue", "at the cap"],
)
def test_returns_the_complete_response(head: bytes, body: bytes) -> None:
    with serving(saying(head + body)) as server:
        assert get(server) == Response(200, body)


def test_chunks_are_put_together() -> None:
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n0\x82\r\n2;x=y\r\n\x01\x02\r\n0\r\n\r\n"
    with serving(saying(response)) as server:
        assert get(server) == Response(200, b"0\x82\x01\x02")


def test_request_is_minimal_and_contains_the_host() -> None:
    with serving(saying(b"HTTP/1.1 404 Not Found\r\n\r\n")) as server:
        assert get(server) == Response(404, b"")
    (request,) = server.requests
    assert request.startswith(b"GET /pki/a%20b.crt HTTP/1.1\r\n")
    assert f"\r\nHost: authority.example:{server.port}\r\n".encode() in request
    assert b"\r\nConnection: close\r\n" in request
    for word in (b"cookie", b"authorization", b"referer"):
        assert word not in request.lower()


def test_proxy_settings_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(saying(b"HTTP/1.1 200 OK\r\n\r\nproxy")) as proxy, serving(saying(b"HTTP/1.1 200 OK\r\n\r\nserver")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert get(server).body == b"server"
    assert not proxy.requests


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_loopback_is_not_followed(status: int) -> None:
    with serving(saying(b"HTTP/1.1 200 OK\r\n\r\nsecret")) as inside:
        location = f"http://127.0.0.1:{inside.port}/secret"
        with serving(saying(f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 2\r\n\r\nno".encode())) as server:
            assert get(server) == Response(status, b"")
    assert not inside.requests


class Flood:
    """Response with a header and an endless body, or one of 100 MiB."""

    def __init__(self, head: bytes, block: bytes = b"x" * 65536) -> None:
        self.head, self.block, self.sent = head, block, 0

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(self.head)
        while self.sent < 100 * 1024 * 1024:
            connection.sendall(self.block)
            self.sent += len(self.block)


@pytest.mark.parametrize(
    "flood",
    [
        Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"),
        Flood(b"HTTP/1.1 200 OK\r\n\r\n"),
        Flood(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10000),
        Flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: x\r\n" * 50),
        Flood(b"HTTP/1.1 200 OK\r\nX-Header: "),
        Flood(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        Flood(b"HTTP/1.1 "),
    ],
    ids=["length", "no length", "length below zero", "chunks", "small chunks", "header fields", "one header field", "continues", "status"],
)
def test_does_not_read_a_body_of_100_mebibytes(flood: Flood) -> None:
    with serving(flood) as server, pytest.raises(FetchError) as error:
        get(server)
    assert error.value.code in ("too-large", "not-http")
    assert flood.sent < 16 * 1024 * 1024  # the operating system buffers this much; most of the body was never sent


def test_rejects_body_one_byte_over_the_limit() -> None:
    with serving(saying(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LIMIT + 1))) as server, pytest.raises(FetchError) as error:
        get(server)
    assert error.value.code == "too-large"


class Drip:
    """Response of one byte per second, by a clock that the server advances."""

    def __init__(self, clock: ManualClock, head: bytes, octet: bytes) -> None:
        self.clock, self.head, self.octet, self.sent = clock, head, octet, 0

    def __call__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(self.head)
        while self.sent < 5000:
            self.clock.advance(1)
            connection.sendall(self.octet)
            self.sent += 1


@pytest.mark.parametrize(
    ("head", "octet"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 16000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Header: ", b"x"),
        (b"", b"H"),
    ],
    ids=["body", "chunks", "header", "status"],
)
def test_slow_response_times_out(head: bytes, octet: bytes) -> None:
    clock = ManualClock(AT)
    with serving(Drip(clock, head, octet)) as server, pytest.raises(FetchError) as error:
        get(server, clock)
    assert error.value.code == "timed-out"


def test_silent_server_times_out() -> None:
    """This test uses a short real time, because it tests the socket timeout."""
    done = threading.Event()

    def silent(_: socket.socket) -> None:
        done.wait(30)

    with serving(silent) as server:
        with pytest.raises(FetchError) as error:
            get(server, timeout_ns=SECOND // 20)
        done.set()
    assert error.value.code == "timed-out"


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\r\n",
        b"0\x82\x00\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 9999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort",
    ],
    ids=repr,
)
def test_response_that_is_not_http_raises_fetch_error(response: bytes) -> None:
    with serving(saying(response)) as server, pytest.raises((FetchError, OSError)) as error:
        get(server)
    if isinstance(error.value, FetchError):
        assert error.value.code == "not-http"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "response",
    [
        *(
            CHUNKED + size + b"\r\n0123456789abcdef\r\n0\r\n\r\n"
            for size in (b"-5", b"+5", b"0x5", b"5_0", b" 5", b"", b"f" * 17, b"-0", b"\xb2", b"5 5")
        ),
        CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"2\rab\r0\r\r",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        *(
            b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nabcd"
            for length in (b"-4", b"+4", b"4_0", b"4, 4", b"", b"9" * 5000, b"\xb2")
        ),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\nabcd",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabcd",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"HTTP/1.1 2_0 OK\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 200\x1b[2J\r\n\r\n",
        b"\x1b]0;owned\x07\xc2\x85\xe2\x80\xa8\r\n\r\n",
    ],
    ids=lambda response: repr(response[-60:]),
)
def test_malformed_response_raises_fetch_error_without_its_content(response: bytes) -> None:
    clock = ManualClock(AT)
    incoming = _Incoming(Connection(response), LIMIT + HEAD_BYTES, clock, clock.monotonic_ns() + SECOND)  # type: ignore[arg-type]  # like one
    with pytest.raises(FetchError) as error:
        _response(incoming, Target("authority.example", 80, "/a"), LIMIT)
    assert error.value.code in ("not-http", "too-large")
    assert str(error.value).isascii()
    assert str(error.value).isprintable()


class Connection:
    """Fake socket with given content."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def recv_into(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self.data))
        buffer[:count], self.data = self.data[:count], self.data[count:]
        return count


PIECES = [
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"200", b"301 ", b"100 Continue\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n"),
    *(b"\r\n", b"\r\n\r\n", b"\n", b": ", b" ", b"-1", b"99999999999999999999", b"4", b"f\r\n", b"0\r\n\r\n", b"\x00", b"\xff", b"\t x"),
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=12).map(b"".join), st.booleans())
def test_any_bytes_give_a_response_or_a_fetch_error(data: bytes, headed: bool) -> None:
    clock = ManualClock(AT)
    connection = Connection((b"HTTP/1.1 200 OK\r\n" if headed else b"") + data)
    incoming = _Incoming(connection, LIMIT + HEAD_BYTES, clock, clock.monotonic_ns() + SECOND)  # type: ignore[arg-type]  # like one
    try:
        response = _response(incoming, Target("authority.example", 80, "/a"), LIMIT)
    except FetchError:
        return
    assert 200 <= response.status <= 999


def test_refused_connection_raises_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        HttpTransport().get(Target("authority.example", port, "/a"), "127.0.0.1", limit=LIMIT, timeout_ns=SECOND)


def test_system_resolver_resolves_localhost() -> None:
    assert SystemResolver().resolve("127.0.0.1", 30 * SECOND) == ["127.0.0.1"]
    assert SystemResolver().resolve("::1", 30 * SECOND) == ["::1"]


@pytest.mark.parametrize(
    "name", ["", "a" * 64 + ".example", "\u00fc" * 70, "a..b"], ids=["empty", "long label", "long text", "empty label"]
)
def test_invalid_host_name_raises_os_error(name: str) -> None:
    with pytest.raises(OSError):
        SystemResolver().resolve(name or "\x00", 30 * SECOND)


def test_resolver_that_hangs_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        done.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(FetchError) as error:
        SystemResolver().resolve("authority.example", SECOND // 20)
    done.set()
    assert error.value.code == "timed-out"


def test_verify_imports_network_code_only_with_a_fetcher() -> None:
    code = (
        "import sys, imdskit.verify\n"
        "from imdskit.verify.aia import AiaFetcher\n"
        "imdskit.verify.Verifier(policy=imdskit.verify.Policy.online())\n"
        "network = {'http', 'http.client', 'socket', 'ssl', 'urllib.request', 'sqlite3'}\n"
        "assert not network & set(sys.modules), network & set(sys.modules)\n"
        "AiaFetcher()\n"
        "assert 'socket' in sys.modules and 'http.client' not in sys.modules\n"
    )
    package = Path(__file__).parent.parent.parent / "python"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(package)}, timeout=60)
    assert result.returncode == 0, result.stderr


def test_size_limit_leaves_room_for_the_header() -> None:
    padding = b"X-Header: " + b"x" * 1000 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\n" + padding * 7 + b"\r\n"
    assert len(head) < HEAD_BYTES
    with serving(saying(head + b"x" * LIMIT)) as server:
        assert len(get(server).body) == LIMIT
