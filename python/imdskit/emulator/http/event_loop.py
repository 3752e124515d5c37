"""Event loop that serves many connections in one thread, on Linux (epoll).

A server with one thread per connection is slower, because its threads spend most of their time
passing the global interpreter lock to each other. In the event loop, a request with an immediate
response costs one ``recv`` and one ``send``. A connection could block the loop if its response is
slow, if the message is malformed, or if the client does not read its response. The loop then hands
the connection off to a thread, which serves it until it ends.

This module polls sockets and hands connections off. :mod:`imdskit.emulator.http.connection` parses
requests, and :mod:`imdskit.emulator.http.server` owns the threads.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from imdskit.emulator.http.connection import CLOSED, NEED_DATA, Connection, Event
from imdskit.emulator.http.messages import Request, Response

Quick: TypeAlias = Callable[[Request], bool]
Socket: TypeAlias = socket.socket

POLL_SECONDS = 0.25
"""Maximum duration of a poll in seconds.

Time limits are enforced after each poll, even if no data arrives.
"""
LAST_POLLS = 64
"""Maximum number of polls after the server has stopped.

These polls serve requests that have already arrived.
"""
RECEIVED = 8192
"""Maximum number of bytes per read."""

_IN = getattr(select, "EPOLLIN", 0)


@dataclass(frozen=True, slots=True)
class Handoff:
    """Connection that the event loop hands off to a thread.

    Attributes:
        connection: protocol state of the connection.
        event: next event to handle.
        response: response to the request in ``event``, if the service has already returned it.
        unsent: rest of an earlier response, which the thread has to send first.
    """

    connection: Connection
    event: Event = NEED_DATA
    response: Response | None = None
    unsent: bytes = b""


class Driven(Protocol):
    """Server interface that the event loop uses."""

    socket: Socket
    stopping: bool

    def connect(self, request: Socket, client_address: Any) -> Connection:
        """Return the protocol state of a new connection."""

    def answer(self, request: Request, connection: Connection) -> Response:
        """Return the response to a request."""

    def date(self) -> str:
        """Return the value of the Date header."""

    def give_thread(self, request: Socket, client_address: Any, handoff: Handoff) -> None:
        """Serve a connection in a thread until it ends."""

    def handle_request(self) -> None:
        """Accept a connection."""

    def handle_error(self, request: Socket, client_address: Any) -> None:
        """Report the exception that is being handled."""

    def service_actions(self) -> None:
        """Enforce time limits."""


class _Waiting:
    """Connection without a thread: its non-blocking socket and its protocol state.

    As a context manager, it lets an unexpected exception end this connection instead of the loop.
    ``socketserver`` does the same for threads.
    """

    __slots__ = ("address", "connection", "loop", "number", "registered", "socket")

    def __init__(self, loop: EventLoop, connection: Connection, sock: Socket, address: Any) -> None:
        self.loop = loop
        self.connection = connection
        self.socket = sock
        self.number = sock.fileno()
        self.address = address
        self.registered = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self.loop.fail(self)
        return True


class EventLoop:
    """Event loop for the connections without a thread.

    Other threads may call only :meth:`take`, :meth:`stop` and ``len``.

    Args:
        server: server that the connections belong to.
        quick: function that returns whether the service responds to a request without waiting.
    """

    possible = hasattr(select, "epoll")

    def __init__(self, server: Driven, quick: Quick) -> None:
        self._server = server
        self._quick = quick
        self._epoll = select.epoll()
        self._listener = server.socket.fileno()
        self._epoll.register(self._listener, _IN)
        server.socket.setblocking(False)
        self._waiting: dict[int, _Waiting] = {}
        self._stop = threading.Event()
        self._ended = threading.Event()

    def __len__(self) -> int:
        """Return the number of connections that have no thread."""
        return len(self._waiting)

    def run(self) -> None:
        """Serve until :meth:`stop` is called."""
        try:
            while not self._stop.is_set():
                self._poll_once(POLL_SECONDS)
                self._server.service_actions()
        finally:
            self._ended.set()

    def stop(self) -> None:
        """Stop :meth:`run`, and wait until it has returned."""
        self._stop.set()
        self._ended.wait()

    def take(self, sock: Socket, address: Any) -> None:
        """Add a new connection. Respond immediately if its first request has already arrived."""
        try:
            sock.setblocking(False)
            waiting = _Waiting(self, self._server.connect(sock, address), sock, address)
        except OSError:
            sock.close()
            return
        self._waiting[waiting.number] = waiting
        with waiting:
            self._exchange(waiting)
        if self._waiting.get(waiting.number) is waiting:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            self._epoll.register(waiting.number, _IN)
            waiting.registered = True

    def expire(self, now: int) -> None:
        """End the connections whose deadline has passed."""
        for waiting in [each for each in list(self._waiting.values()) if each.connection.deadline <= now]:
            event = waiting.connection.timed_out()
            if event is CLOSED:
                self._close(waiting)
            else:
                self._hand_off(waiting, Handoff(waiting.connection, event))

    def close(self) -> None:
        """Respond to requests that have already arrived, and close all connections.

        Call this only after :meth:`run` has returned.
        """
        with suppress(OSError):
            self._epoll.unregister(self._listener)
        for _ in range(LAST_POLLS):
            if not self._poll_once(0):
                break
        for waiting in list(self._waiting.values()):
            self._close(waiting)
        self._epoll.close()

    def _poll_once(self, seconds: float) -> bool:
        """Wait for sockets that are ready, and serve them. Return False if none was ready."""
        ready = self._epoll.poll(seconds)
        for number, _ in ready:
            waiting = self._waiting.get(number)
            if waiting is not None:
                with waiting:
                    self._exchange(waiting)
            elif number == self._listener:
                self._server.handle_request()
        return bool(ready)

    def fail(self, waiting: _Waiting) -> None:
        """Report the exception that is being handled, and end the connection."""
        self._server.handle_error(waiting.socket, waiting.address)
        self._close(waiting)

    def _exchange(self, waiting: _Waiting) -> None:
        """Read once, and respond to the requests that are complete."""
        server, connection = self._server, waiting.connection
        try:
            data = waiting.socket.recv(RECEIVED)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        event = connection.receive(data)
        while event is not NEED_DATA:
            if event is CLOSED:
                self._close(waiting)
                return
            if not isinstance(event, Request) or (connection.allowed and not self._quick(event)):
                self._hand_off(waiting, Handoff(connection, event))
                return
            response = server.answer(event, connection)
            if response.delivery is not None:
                self._hand_off(waiting, Handoff(connection, event, response))
                return
            outgoing = connection.respond(response, server.date(), last=server.stopping)
            try:
                sent = waiting.socket.send(outgoing)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._close(waiting)
                return
            connection.idle()
            event = CLOSED if not connection.keep_alive else connection.next_event() if connection.pending else NEED_DATA
            if sent < len(outgoing) or (event is CLOSED and connection.pending):
                self._hand_off(waiting, Handoff(connection, event, unsent=outgoing[sent:]))
                return

    def _hand_off(self, waiting: _Waiting, handoff: Handoff) -> None:
        if self._waiting.pop(waiting.number, None) is None:
            return
        if waiting.registered:
            self._epoll.unregister(waiting.number)
        with suppress(OSError):
            waiting.socket.setblocking(True)
        self._server.give_thread(waiting.socket, waiting.address, handoff)

    def _close(self, waiting: _Waiting) -> None:
        """Close a connection.

        The kernel sends no TCP reset, because all received data has been read. Closing the socket
        also removes it from epoll.
        """
        if self._waiting.pop(waiting.number, None) is not None:
            waiting.socket.close()
