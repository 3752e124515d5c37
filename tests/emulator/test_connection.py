"""Tests of the protocol state of a connection, as used both by threads and by the event loop.
Events do not depend on how bytes are split, and every wait has a deadline."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.clock import ManualClock
from imdskit.emulator.http.connection import CLOSED, IDLE_NS, NEED_DATA, REQUEST_NS, SEND_CONTINUE, Connection, Event
from imdskit.emulator.http.framing import Refusal
from imdskit.emulator.http.host_header import Hosts
from imdskit.emulator.http.messages import Request, Response

DATE = "Sat, 07 Feb 2026 11:04:46 GMT"
GET = b"GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
OTHER = b"GET /b HTTP/1.1\r\nHost: evil.example\r\n\r\n"
LAST = b"GET /c HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
OLD = b"GET /d HTTP/1.0\r\n\r\n"
POST = b"POST /e HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello"
WAITING = b"POST /f HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"POST /g HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
BROKEN = b"GET /h HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n"
TWO_LENGTHS = b"POST /i HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
EMPTY = b"\r\n"
PARTS = [GET, GET, OTHER, LAST, OLD, POST, WAITING, CHUNKED, BROKEN, TWO_LENGTHS, EMPTY]


@dataclass
class Driver:
    """Object that feeds bytes to a connection without a socket, and records the events."""

    connection: Connection
    seen: list[object] = field(default_factory=list)
    over: bool = False

    def feed(self, data: bytes) -> None:
        event: Event = self.connection.receive(data)
        while event is not NEED_DATA:
            if event is SEND_CONTINUE:
                event = self.connection.next_event()
                continue
            if isinstance(event, Request):
                stream = self.connection.respond(Response(200, (), b"body"), DATE)
                self.seen.append((event, self.connection.allowed, stream))
                event = self.connection.next_event() if self.connection.keep_alive else CLOSED
                continue
            if isinstance(event, Refusal):
                self.seen.append((event.status, self.connection.refuse(Response(event.status), DATE)))
            self.over = True
            return


def driver(watch: ManualClock | None = None) -> Driver:
    return Driver(Connection("127.0.0.9", "127.0.0.1", 80, Hosts(), watch or ManualClock(0)))


@given(st.lists(st.sampled_from(PARTS), max_size=6).map(b"".join), st.data())
def test_events_do_not_depend_on_how_bytes_are_split(data: bytes, draw: st.DataObject) -> None:
    whole, pieces = driver(), driver()
    if data:
        whole.feed(data)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=12)))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if start < end and not pieces.over:
            pieces.feed(data[start:end])
    assert pieces.seen == whole.seen
    assert pieces.over == whole.over


def test_requests_have_body_source_and_port() -> None:
    one = driver()
    one.feed(GET + POST + OTHER)
    requests = [(request.method, request.target, request.body, request.source, request.port, allowed) for request, allowed, _ in one.seen]  # type: ignore[misc]
    assert requests == [
        ("GET", "/a", b"", "127.0.0.9", 80, True),
        ("POST", "/e", b"hello", "127.0.0.9", 80, True),
        ("GET", "/b", b"", "127.0.0.9", 80, False),
    ]
    assert not one.over


@pytest.mark.parametrize(("data", "closes"), [(GET, False), (LAST, True), (OLD, True), (CHUNKED, True), (POST, False)])
def test_connection_stays_open_unless_client_or_framing_ends_it(data: bytes, closes: bool) -> None:
    one = driver()
    one.feed(data + GET)
    assert (one.over, len(one.seen)) == (closes, 1 if closes else 2)
    assert one.connection.pending == closes
    assert (b"Connection: close" in one.seen[0][2]) == closes  # type: ignore[index]


def test_server_may_close_a_connection_that_the_client_would_keep() -> None:
    one = driver().connection
    assert isinstance(one.receive(GET), Request)
    assert b"Connection: close" in one.respond(Response(200), DATE, last=True)
    assert not one.keep_alive


def test_waiting_client_gets_100_continue_once() -> None:
    one = driver().connection
    assert one.receive(WAITING[:-2]) is SEND_CONTINUE
    assert one.next_event() is NEED_DATA
    event = one.receive(b"ok")
    assert isinstance(event, Request)
    assert event.body == b"ok"


def test_repeated_bytes_return_the_same_request_object() -> None:
    one = driver().connection
    first = one.receive(GET)
    one.respond(Response(200), DATE)
    assert one.receive(GET) is first


def test_every_wait_for_the_client_has_a_deadline() -> None:
    watch = ManualClock(0)
    one = driver(watch).connection
    assert one.deadline == IDLE_NS
    assert one.timed_out() is CLOSED
    watch.advance(ns=7)
    assert one.receive(GET[:9]) is NEED_DATA
    assert one.deadline == 7 + REQUEST_NS
    watch.advance(ns=7)
    assert one.receive(GET[9:12]) is NEED_DATA
    assert one.deadline == 7 + REQUEST_NS
    assert one.timed_out() == Refusal(408, "the head took too long")
    assert isinstance(one.receive(GET[12:]), Request)
    assert one.deadline > 10**18
    one.respond(Response(200), DATE)
    one.idle()
    assert one.deadline == 14 + IDLE_NS
    assert one.receive(POST[:-1]) is NEED_DATA
    assert one.deadline == 14 + REQUEST_NS
    assert one.timed_out() == Refusal(408, "the body took too long")


def test_empty_lines_do_not_extend_the_deadline() -> None:
    watch = ManualClock(0)
    one = driver(watch).connection
    assert one.receive(b"\r") is NEED_DATA
    for octet in b"\n\r\n\r\n":
        watch.advance(ns=100)
        assert one.receive(bytes((octet,))) is NEED_DATA
    assert one.deadline == REQUEST_NS
