"""Delivery faults on a socket: responses that arrive late, in pieces, truncated, or not at all, according to the emulator's clock."""

from __future__ import annotations

import itertools
import select
import socket
import threading
from contextlib import suppress
from typing import Any

import pytest

from imdskit.clock import ManualClock, SystemClock
from imdskit.emulator.http.messages import Delivery, Request, Response
from imdskit.emulator.http.server import Server

from .conftest import Serve

NOON = 1_767_268_800
PATIENCE = 10.0
"""Seconds after which a test fails. A successful test never waits this long."""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Watched(ManualClock):
    """A clock that counts how often it is read."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.reads = threading.Semaphore(0)

    def monotonic_ns(self) -> int:
        self.reads.release()
        return super().monotonic_ns()

    def await_reads(self, number: int) -> None:
        while self.reads.acquire(blocking=False):
            pass
        for _ in range(number):
            assert self.reads.acquire(timeout=PATIENCE)


def serving(serve: Serve, delivery: Delivery, clock: Any = None) -> Server:
    return serve(lambda _: Response(200, (), b"0123456789", delivery), clock=clock or SystemClock())


def connect(server: Server) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.server_port), PATIENCE)
    connection.sendall(GET)
    return connection


def silent(connection: socket.socket) -> bool:
    return not select.select([connection], [], [], 0)[0]


def test_a_delay_follows_the_clock_of_the_emulator(serve: Serve) -> None:
    clock = Watched(NOON)
    with serving(serve, Delivery(delay_ns=60_000_000_000), clock) as server, connect(server) as connection:
        clock.await_reads(3)
        clock.advance(59)
        clock.await_reads(3)
        assert silent(connection)
        clock.advance(1)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_delay_lasts_its_full_time_on_the_system_clock(serve: Serve) -> None:
    clock = SystemClock()
    with serving(serve, Delivery(delay_ns=50_000_000)) as server:
        before = clock.monotonic_ns()
        with connect(server) as connection:
            assert connection.recv(4096)
        assert clock.monotonic_ns() - before >= 50_000_000


@pytest.mark.parametrize(
    "delivery", [Delivery(delay_ns=3_600 * 10**9), Delivery(drip_bytes=1, drip_ns=3_600 * 10**9)], ids=["delay", "drip"]
)
@pytest.mark.parametrize("clock", [SystemClock(), ManualClock(NOON)], ids=["system", "manual"])
def test_delayed_responses_are_sent_when_the_server_stops(delivery: Delivery, clock: Any, serve: Serve) -> None:
    entered = threading.Event()

    def service(_: Request) -> Response:
        entered.set()
        return Response(200, (), b"0123456789", delivery)

    watch = SystemClock()
    server = serve(service, clock=clock)
    server.start()
    with connect(server) as connection, connection.makefile("rb") as file:
        assert entered.wait(PATIENCE)
        before = watch.monotonic_ns()
        server.stop()
        assert watch.monotonic_ns() - before < 5 * 10**9
        assert file.read().endswith(b"\r\n\r\n0123456789")


def test_sends_a_response_piece_by_piece(serve: Serve) -> None:
    clock = Watched(NOON)
    with serving(serve, Delivery(drip_bytes=30, drip_ns=1_000_000_000), clock) as server, connect(server) as connection:
        pieces = [connection.recv(4096)]
        while not pieces[-1].endswith(b"0123456789"):
            clock.await_reads(3)
            assert silent(connection)
            clock.advance(1)
            pieces.append(connection.recv(4096))
    assert [len(piece) for piece in pieces] == [30, 30, 26]
    assert b"".join(pieces).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_deliberate_delay_is_not_treated_as_an_idle_connection(serve: Serve) -> None:
    watch, clock = ManualClock(0), Watched(NOON)
    server = serve(lambda _: Response(200, (), b"0123456789", Delivery(drip_bytes=50, drip_ns=10**9)), clock=clock, watch=watch)
    with server, connect(server) as connection:
        assert len(connection.recv(4096)) == 50
        clock.await_reads(3)
        watch.advance(1000)
        server.sweep()
        clock.advance(1)
        assert connection.recv(4096).endswith(b"0123456789")


@pytest.mark.parametrize(("cut", "body"), [(0, b""), (4, b"0123"), (99, b"0123456789")])
def test_a_truncated_response_keeps_its_content_length(cut: int, body: bytes, serve: Serve) -> None:
    with serving(serve, Delivery(cut=cut)) as server, connect(server) as connection, connection.makefile("rb") as file:
        head, _, rest = file.read().partition(b"\r\n\r\n")
    assert b"Content-Length: 10" in head
    assert rest == body


def test_truncation_does_not_affect_head_requests(serve: Serve) -> None:
    with serving(serve, Delivery(cut=0)) as server, socket.create_connection(("127.0.0.1", server.server_port), PATIENCE) as connection:
        connection.sendall(GET.replace(b"GET", b"HEAD"))
        with connection.makefile("rb") as file:
            assert file.read().endswith(b"\r\n\r\n")


def test_the_client_sees_a_reset_and_the_server_continues(serve: Serve) -> None:
    deliveries = [Delivery(reset=True), None]
    with serve(lambda _: Response(200, (), b"0123456789", deliveries.pop(0))) as server:
        with connect(server) as connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
        with connect(server) as connection:
            assert connection.recv(4096).endswith(b"0123456789")


@pytest.mark.parametrize("delivery", [{}, {"reset": True}, {"cut": 1}, {"drip_bytes": 9}], ids=str)
def test_calls_the_callback_once_after_the_response_was_sent(delivery: dict[str, Any], serve: Serve) -> None:
    called = threading.Semaphore(0)
    with serving(serve, Delivery(**delivery, left=lambda: called.release())) as server:
        with connect(server) as connection:
            try:
                connection.recv(4096)
            except ConnectionResetError:
                assert delivery == {"reset": True}
            assert called.acquire(timeout=PATIENCE)
        assert not called.acquire(blocking=False)


def test_abnormally_closed_connections_leak_no_threads(serve: Serve) -> None:
    before = threading.active_count()
    kinds = itertools.cycle([Delivery(reset=True), Delivery(cut=3), Delivery(drip_bytes=7, drip_ns=1), Delivery(delay_ns=1), None])
    with serve(lambda _: Response(200, (), b"0123456789", next(kinds))) as server:
        for _ in range(100):
            with connect(server) as connection, suppress(ConnectionResetError):
                connection.recv(1)
    assert threading.active_count() == before
