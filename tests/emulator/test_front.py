"""Connections without threads behave like those with: every test of the server is run again with requests that count as quick."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator.http.event_loop import Front
from imdskit.emulator.http.server import Server
from imdskit.errors import UsageError
from imdskit.protocol.messages import Delivery, Request, Response

from . import test_http
from .test_http import HEADERS, PATIENCE, Client, Service, get

pytestmark = pytest.mark.skipif(not Front.possible, reason="the system has no epoll: every connection has a thread")

APART = {"test_the_service_may_take_its_time": "such a service is not quick"}
FIXTURES = {"service", "server", "client"}

globals().update(
    {name: each for name, each in vars(test_http).items() if name in FIXTURES or (name.startswith("test_") and name not in APART)}
)


def quick(request: Request) -> bool:
    return not request.target.startswith("/wait")


@pytest.fixture(autouse=True)
def with_a_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_http, "Server", partial(Server, quick=quick))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "process_request" in thread.name]


def test_a_quick_request_has_no_thread_and_another_has() -> None:
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


def test_an_answer_that_nobody_fetches_does_not_hold_up_the_others() -> None:
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


def test_an_answer_that_leaves_in_another_way_leaves_so() -> None:
    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(200, HEADERS, b"0123456789", Delivery(cut=4))

    asked: list[Request] = []
    with Server(answer, quick=quick) as server, Client(server) as client:
        client.send(get("/"))
        assert client.answer().body == b"0123"
        assert client.at_end()
    assert len(asked) == 1


def test_a_request_in_two_parts_and_two_requests_in_one_are_answered_in_order() -> None:
    with Server(Service(), quick=quick) as server, Client(server) as client:
        client.send(get("/1") + get("/2") + get("/3")[:9])
        assert [client.answer().body, client.answer().body] == [b"GET /1 ", b"GET /2 "]
        client.send(get("/3")[9:])
        assert client.answer().body == b"GET /3 "


def connected(server: Server) -> Client:
    """A client of a server that was not started, so that nothing happens but what the test does."""
    client = Client(server)
    server.socket.settimeout(PATIENCE)
    server.process_request(*server.socket.accept())
    return client


def test_what_has_come_when_the_server_stops_is_answered() -> None:
    server = Server(Service(), quick=quick)
    with connected(server) as client:
        client.send(get("/"))
        server.stop()
        answer = client.answer()
        assert (answer.body, answer.header("Connection")) == (b"GET / ", "close")
        assert client.at_end()


def test_connections_without_threads_count_and_expire() -> None:
    watch = ManualClock(0)
    server = Server(Service(), quick=quick, watch=watch, connections=2)
    with connected(server) as first, connected(server) as second, connected(server) as third:
        assert third.answer().status == 503
        watch.advance(61)
        server.sweep()
        assert [first.at_end(), second.at_end(), threads()] == [True, True, []]
        server.stop()


def test_a_service_that_fails_is_told_and_answered(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(request: Request) -> Response:
        raise UsageError("bad-argument", "Something is wrong.")

    with Server(fail, quick=quick) as server, Client(server) as client:
        client.send(get("/"))
        assert client.answer().status == 500
    assert "Something is wrong." in capfd.readouterr().err
