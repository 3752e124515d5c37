"""Tests of the event loop: which connections have no thread. test_http.py tests the behaviour that
is the same with a thread per connection."""

from __future__ import annotations

import socket
import threading

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.http.event_loop import EventLoop
from imdskit.emulator.http.messages import Delivery, Request, Response
from imdskit.emulator.http.server import Server
from imdskit.emulator.service.app import App
from imdskit.errors import UsageError

from .conftest import quick
from .test_http import HEADERS, PATIENCE, Client, Service, get

pytestmark = pytest.mark.skipif(not EventLoop.possible, reason="the system has no epoll: every connection has a thread")


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "process_request" in thread.name]


def test_only_slow_requests_get_a_thread() -> None:
    service = Service()
    with Server(service, quick=quick) as server, Client(server) as client:
        for target in ("/1", "/2"):
            client.send(get(target))
            assert client.answer().body == f"GET {target} ".encode()
            assert threads() == []
        client.send(get("/wait"))
        assert client.answer().status == 200
        assert len(threads()) == 1
        client.send(get("/3"))
        assert client.answer().body == b"GET /3 "
    assert [request.source for request in service.requests] == ["127.0.0.1"] * 4
    assert {request.port for request in service.requests} == {server.server_port}


def test_client_that_does_not_read_does_not_block_others() -> None:
    size = 32 * 1024 * 1024

    def answer(request: Request) -> Response:
        return Response(200, HEADERS, bytes(size if request.target == "/large" else 1))

    with Server(answer, quick=quick) as server, Client(server) as slow, Client(server) as other:
        slow.send(get("/large"))
        for _ in range(3):
            other.send(get("/"))
            assert other.answer().body == b"\0"
        assert len(slow.answer().body) == size
        slow.send(get("/"))
        assert slow.answer().body == b"\0"


def test_response_with_delivery_fault_is_sent_by_a_thread() -> None:
    def answer(request: Request) -> Response:
        requests.append(request)
        return Response(200, HEADERS, b"0123456789", Delivery(cut=4))

    requests: list[Request] = []
    with Server(answer, quick=quick) as server, Client(server) as client:
        client.send(get("/"))
        assert client.answer().body == b"0123"
        assert client.at_end()
    assert len(requests) == 1


def test_split_and_pipelined_requests_get_responses_in_order() -> None:
    with Server(Service(), quick=quick) as server, Client(server) as client:
        client.send(get("/1") + get("/2") + get("/3")[:9])
        assert [client.answer().body, client.answer().body] == [b"GET /1 ", b"GET /2 "]
        client.send(get("/3")[9:])
        assert client.answer().body == b"GET /3 "


def connected(server: Server, data: bytes = b"") -> Client:
    """Return a client of a server that was not started, so that the test controls each step of the event loop."""
    client = Client(server)
    client.send(data)
    server.socket.settimeout(PATIENCE)
    server.process_request(*server.socket.accept())
    return client


def test_requests_that_arrived_before_stop_get_responses() -> None:
    server = Server(Service(), quick=quick)
    with connected(server) as client:
        client.send(get("/"))
        server.stop()
        answer = client.answer()
        assert (answer.body, answer.header("Connection")) == (b"GET / ", "close")
        assert client.at_end()


def test_connections_without_threads_are_counted_and_expire() -> None:
    watch = ManualClock(0)
    server = Server(Service(), quick=quick, watch=watch, connections=2)
    with connected(server) as first, connected(server) as second, connected(server) as third:
        assert third.answer().status == 503
        watch.advance(61)
        server.sweep()
        assert [first.at_end(), second.at_end(), threads()] == [True, True, []]
        server.stop()


def test_failing_request_is_handled_and_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Request] = []

    def fail(_: App, request: Request) -> Response:
        calls.append(request)
        raise UsageError("bad-argument", "Something is wrong.")

    monkeypatch.setattr(App, "handle", fail)
    with Emulator(seed=1) as imds, socket.create_connection(("127.0.0.1", int(imds.url.rpartition(":")[2])), PATIENCE) as connection:
        connection.sendall(b"GET /metadata/instance HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert connection.makefile("rb").readline() == b"HTTP/1.1 500 Internal Server Error\r\n"
    assert len(calls) == 1
    assert [entry.status for entry in imds.journal] == [500]


def test_unexpected_error_ends_one_connection_and_not_the_loop(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(request: Request) -> Response:
        if request.target == "/bad":
            raise RuntimeError("A mistake of ours.")
        return Response(200, HEADERS, b"good")

    with Server(fail, quick=quick) as server, Client(server) as other:
        other.send(get("/good"))
        assert other.answer().body == b"good"
        with Client(server) as client:
            client.send(get("/good"))
            assert client.answer().body == b"good"
            client.send(get("/bad"))
            assert client.at_end()
        other.send(get("/good"))
        assert other.answer().body == b"good"
    assert "A mistake of ours." in capfd.readouterr().err


def test_failing_service_is_reported_and_gets_500(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(request: Request) -> Response:
        raise UsageError("bad-argument", "Something is wrong.")

    with Server(fail, quick=quick) as server, Client(server) as client:
        client.send(get("/"))
        assert client.answer().status == 500
    assert "Something is wrong." in capfd.readouterr().err


def test_incomplete_request_stays_in_the_loop_until_its_deadline() -> None:
    watch = ManualClock(0)
    server = Server(Service(), quick=quick, watch=watch)
    with connected(server, b"GET / HTTP/1.1\r\nHo") as client:
        watch.advance(9)
        server.sweep()
        assert threads() == []
        watch.advance(1)
        server.sweep()
        assert client.answer().status == 408
        server.stop()
