"""The driver with one thread for all connections, on Linux (epoll).

A thread for each connection spends most of its time handing the interpreter's lock to the next one. Here a request that is quick to answer
costs one ``recv`` and one ``send``. A connection gets a thread, and keeps it, as soon as anything on it has to wait: a slow response, a
refusal, or a client that does not fetch its response.

This module waits and hands over. :mod:`imdskit.emulator.http.connection` reads requests, :mod:`imdskit.emulator.http.server` does the rest.
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
from imdskit.protocol.messages import Request, Response

Quick: TypeAlias = Callable[[Request], bool]
Socket: TypeAlias = socket.socket

POLL_SECONDS = 0.25
"""How long each poll waits, so that time limits are enforced even when nothing happens."""
LAST_POLLS = 64
"""Maximum number of polls for what has already arrived when the server stops."""
RECEIVED = 8192
"""Bytes read at once."""

_IN = getattr(select, "EPOLLIN", 0)


@dataclass(frozen=True, slots=True)
class Handoff:
    """A connection on its way to a thread.

    Attributes:
        connection: its state.
        event: the next one to deal with.
        response: to the request that ``event`` is, if the service has already given it.
        unsent: rest of an earlier response, which has to be sent first.
    """

    connection: Connection
    event: Event = NEED_DATA
    response: Response | None = None
    unsent: bytes = b""


class Driven(Protocol):
    """What the event loop needs of the server."""

    socket: Socket
    stopping: bool

    def connect(self, request: Socket, client_address: Any) -> Connection:
        """Return the state of a new connection."""

    def answer(self, request: Request, connection: Connection) -> Response:
        """Return the response to a request."""

    def date(self) -> str:
        """Return the value of the Date header."""

    def give_thread(self, request: Socket, client_address: Any, handoff: Handoff) -> None:
        """Serve a connection in a thread from now on."""

    def handle_request(self) -> None:
        """Accept a connection."""

    def handle_error(self, request: Socket, client_address: Any) -> None:
        """Report the error that is being handled."""

    def service_actions(self) -> None:
        """Enforce time limits."""


class _Waiting:
    """A connection without a thread: its socket, which does not block, and its state.

    As a context manager it lets an unexpected error end this connection instead of the loop, as ``socketserver`` does with its threads.
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
    """The connections of a server that have no thread. Only :meth:`take`, :meth:`stop` and ``len`` may be called by other threads.

    Args:
        server: to which they belong.
        quick: returns whether the service answers a request without waiting.
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
        """Return the number of connections."""
        return len(self._waiting)

    def run(self) -> None:
        """Serve until :meth:`stop` is called."""
        try:
            while not self._stop.is_set():
                self._turn(POLL_SECONDS)
                self._server.service_actions()
        finally:
            self._ended.set()

    def stop(self) -> None:
        """End :meth:`run`, and wait for its end."""
        self._stop.set()
        self._ended.wait()

    def take(self, sock: Socket, address: Any) -> None:
        """Take a new connection. If its first request has already arrived, it is answered at once."""
        try:
            sock.setblocking(False)
            taken = _Waiting(self, self._server.connect(sock, address), sock, address)
        except OSError:
            sock.close()
            return
        self._waiting[taken.number] = taken
        with taken:
            self._exchange(taken)
        if self._waiting.get(taken.number) is taken:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            self._epoll.register(taken.number, _IN)
            taken.registered = True

    def expire(self, now: int) -> None:
        """End connections whose time limit has passed."""
        for waiting in [each for each in list(self._waiting.values()) if each.connection.deadline <= now]:
            event = waiting.connection.timed_out()
            if event is CLOSED:
                self._close(waiting)
            else:
                self._hand_over(waiting, Handoff(waiting.connection, event))

    def close(self) -> None:
        """Answer what has already arrived, and close everything. Called after :meth:`run` has ended."""
        with suppress(OSError):
            self._epoll.unregister(self._listener)
        for _ in range(LAST_POLLS):
            if not self._turn(0):
                break
        for waiting in list(self._waiting.values()):
            self._close(waiting)
        self._epoll.close()

    def _turn(self, seconds: float) -> bool:
        """Wait for sockets and serve them. False if there was nothing to do."""
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
        """Report the error that is being handled, and end the connection."""
        self._server.handle_error(waiting.socket, waiting.address)
        self._close(waiting)

    def _exchange(self, waiting: _Waiting) -> None:
        """Read once, and answer the requests that are complete."""
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
                self._hand_over(waiting, Handoff(connection, event))
                return
            response = server.answer(event, connection)
            if response.delivery is not None:
                self._hand_over(waiting, Handoff(connection, event, response))
                return
            octets = connection.respond(response, server.date(), last=server.stopping)
            try:
                sent = waiting.socket.send(octets)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._close(waiting)
                return
            connection.idle()
            event = CLOSED if not connection.keep_alive else connection.next_event() if connection.pending else NEED_DATA
            if sent < len(octets) or (event is CLOSED and connection.pending):
                self._hand_over(waiting, Handoff(connection, event, unsent=octets[sent:]))
                return

    def _hand_over(self, waiting: _Waiting, handoff: Handoff) -> None:
        if self._waiting.pop(waiting.number, None) is None:
            return
        if waiting.registered:
            self._epoll.unregister(waiting.number)
        with suppress(OSError):
            waiting.socket.setblocking(True)
        self._server.give_thread(waiting.socket, waiting.address, handoff)

    def _close(self, waiting: _Waiting) -> None:
        """Everything received has been read, so that closing resets nothing. It also removes the socket from the poll."""
        if self._waiting.pop(waiting.number, None) is not None:
            waiting.socket.close()
