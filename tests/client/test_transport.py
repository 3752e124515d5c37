"""Tests that the client returns in time, with a response or a documented error, and connects to no other server."""

from __future__ import annotations

import gc
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from imdskit.client import Client
from imdskit.client.client import MAX_BYTES
from imdskit.clock import ManualClock
from imdskit.errors import ClientError

Listen = Callable[..., Any]
"""Type of the fixture ``listen``."""


def reply(status: str = "200 OK", body: bytes = b"{}", media_type: str = "application/json; charset=utf-8", *headers: str) -> bytes:
    """Return a complete response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    if media_type:
        lines.append(f"Content-Type: {media_type}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


OBJECT = reply(body=b'{"compute":{}}')


def refused(url: str, **limits: float) -> ClientError:
    with pytest.raises(ClientError) as error:
        Client(url, retry=None, **limits).get("instance")  # type: ignore[arg-type]  # the arguments are only limits
    assert error.value.location.startswith(url)
    assert error.value.hint
    return error.value


def test_request_has_the_form_that_the_service_requires(listen: Listen) -> None:
    listener = listen(OBJECT)
    assert Client(listener.url).get("compute", extended="true") == {"compute": {}}
    lines = listener.heads[0].decode().split("\r\n")
    assert lines[0] == "GET /metadata/instance/compute?api-version=2021-02-01&format=json&extended=true HTTP/1.1"
    assert "Metadata: true" in lines
    assert f"Host: 127.0.0.1:{listener.port}" in lines
    names = [line.partition(":")[0].lower() for line in lines[1:] if line]
    assert sorted(names) == ["accept", "accept-encoding", "connection", "host", "metadata", "user-agent"]


def test_proxy_settings_are_ignored(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    trap, listener = listen(OBJECT), listen(OBJECT)
    for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"):
        monkeypatch.setenv(name, trap.url)
        monkeypatch.setenv(name.upper(), trap.url)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)  # with it, the standard library ignores HTTP_PROXY by itself
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    Client(listener.url).get("instance")
    assert (trap.connections, listener.connections) == (0, 1)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "304 Not Modified", "307 Temporary", "308 Permanent"])
def test_redirect_is_not_followed(listen: Listen, status: str) -> None:
    trap = listen(OBJECT)
    listener = listen(reply(status, b"", "", f"Location: {trap.url}/metadata/instance"))
    error = refused(listener.url)
    assert (error.code, error.status) == ("redirected", int(status[:3]))
    assert trap.connections == 0


def test_slow_body_does_not_extend_the_timeout(listen: Listen) -> None:
    clock = ManualClock(0)

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")
        while True:  # until the client closes; every byte takes a second on the client's clock
            connection.sendall(b" ")
            clock.advance(1)

    listener = listen(drip)
    with pytest.raises(ClientError) as error:
        Client(listener.url, clock=clock).get("instance")
    assert error.value.code == "timed-out"


def test_slow_head_does_not_extend_the_timeout(listen: Listen) -> None:
    clock = ManualClock(0)

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"A: b\r\n")
            clock.advance(1)

    listener = listen(drip)
    with pytest.raises(ClientError) as error:
        Client(listener.url, clock=clock).get("instance")
    assert error.value.code == "timed-out"


HALF = {"nothing": b"", "an incomplete line": b"HTTP/1.1 200", "an incomplete body": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"}


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF.keys())
def test_missing_response_ends_at_the_timeout(listen: Listen, sent: bytes) -> None:
    gone = threading.Event()

    def fall_silent(connection: socket.socket) -> None:
        connection.sendall(sent)
        connection.recv(1)  # returns when the client closes
        gone.set()

    start = time.monotonic()
    error = refused(listen(fall_silent).url, timeout=0.2)
    assert error.code == "timed-out"
    assert 0.2 <= time.monotonic() - start < 2
    assert gone.wait(5), "the connection is closed"


def test_slow_body_ends_at_the_timeout_in_real_time(listen: Listen) -> None:
    never = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not never.wait(0.02):
            connection.sendall(b" ")

    start = time.monotonic()
    assert refused(listen(drip).url, timeout=0.2).code == "timed-out"
    assert time.monotonic() - start < 2


def test_endless_body_is_read_up_to_the_limit(listen: Listen) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            sent += connection.send(b" " * 65536)

    assert refused(listen(flood).url).code == "too-large"
    assert sent < 32 * MAX_BYTES  # socket buffers hold a part of it


@pytest.mark.parametrize("count", [MAX_BYTES, MAX_BYTES + 1])
def test_body_limit_is_exact(listen: Listen, count: int) -> None:
    listener = listen(reply(body=b"[" + b" " * (count - 2) + b"]"))
    if count > MAX_BYTES:
        assert refused(listener.url).code == "too-large"
    else:
        assert Client(listener.url).get("instance") == []


def test_body_limit_applies_to_chunked_bodies(listen: Listen) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    assert refused(listen(flood).url).code == "too-large"


def test_endless_head_is_read_up_to_the_limit(listen: Listen) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    assert refused(listen(flood).url).code == "too-large"


def test_provisional_responses_are_ignored(listen: Listen) -> None:
    assert Client(listen(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OBJECT).url).get("instance") == {"compute": {}}


def test_chunks_are_joined(listen: Listen) -> None:
    response = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"com\r\n9\r\npute":{}}\r\n0\r\n\r\n'
    assert Client(listen(response).url).get("instance") == {"compute": {}}


CUT = {
    "at once": b"",
    "in the status line": b"HTTP/1.",
    "in the head": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n",
    "before the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
    "in the body": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"compute":{}}',
    "in a chunk": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{"compute":{}}',
    "before the last chunk": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{"compute":{}}\r\n',
}


@pytest.mark.parametrize("sent", CUT.values(), ids=CUT.keys())
def test_truncated_response_is_an_error(listen: Listen, sent: bytes) -> None:
    assert refused(listen(sent).url).code in ("unreachable", "not-imds")


def test_reset_connection_is_reported(listen: Listen) -> None:
    def reset(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert refused(listen(reset).url).code == "unreachable"


NOT_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "octets": bytes(range(256)),
    "a status that is not a number": b"HTTP/1.1 OK 200\r\n\r\n",
    "an unknown version": b"HTTP/7.0 200 OK\r\n\r\n",
    "a line of 100 kB": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
    "a thousand fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_response_that_is_not_http_is_not_imds(listen: Listen, sent: bytes) -> None:
    assert refused(listen(sent).url).code in ("not-imds", "too-large")


def test_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refused(f"http://127.0.0.1:{port}").code == "unreachable"


def test_connection_attempt_ends_at_the_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def hang(address: tuple[str, int], timeout: float) -> socket.socket:
        limits.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    assert refused("http://127.0.0.1:9", timeout=5.0, connect_timeout=0.5).code == "timed-out"
    assert 0 < limits[0] <= 0.5


def test_endless_name_resolution_ends_at_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = threading.Event()

    def hang(host: str, port: int, *, flags: int, **_: int) -> list[object]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror
        resolved.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    assert refused("http://imds.example", connect_timeout=0.1).code == "timed-out"
    assert time.monotonic() - start < 2
    resolved.set()


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")], ids=repr)
def test_unresolvable_name_is_unreachable(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def fail(host: str, port: int, *, flags: int, **_: int) -> list[object]:
        raise socket.gaierror if flags & socket.AI_NUMERICHOST else failure

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert refused("http://imds.example").code == "unreachable"


def test_tries_every_address_of_a_name(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = listen(OBJECT)
    real = socket.getaddrinfo

    def two(host: str, port: int, *rest: int, flags: int = 0, **_: int) -> list[object]:
        if host != "imds.example":
            return list(real(host, port, 0, socket.SOCK_STREAM))
        if flags:
            raise socket.gaierror
        return [(0, 0, 0, "", ("127.0.0.2", port)), (0, 0, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert Client(f"http://imds.example:{listener.port}").get("instance") == {"compute": {}}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
def test_closes_every_connection(listen: Listen) -> None:
    listeners = [listen(OBJECT), listen(b"SSH-2.0\r\n"), listen(CUT["in the body"]), listen(reply("302 Found"))]
    gc.collect()
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        for listener in listeners * 5:
            try:
                Client(listener.url, retry=None).get("instance")
            except ClientError:
                continue
        for listener in listeners:
            listener.close()
        after = len(os.listdir("/proc/self/fd"))
    finally:
        gc.enable()
    assert after <= before - len(listeners)
