"""Connections without threads: one thread waits for all of them and answers whatever needs no waiting; the rest is handed over.

A thread for each connection spends most of its time in handing the interpreter's lock to the next one. Here a request that arrives whole,
has no body and is quick to answer costs one ``recv`` and one ``send``. Everything else, as a head in pieces, a body, a refusal, a slow
answer, or a client that does not fetch what it asked for, gets a thread with what has come so far, and keeps it.

What belongs here: waiting and handing over. Framing is :mod:`imdskit.emulator.http.framing`'s, all else about connections
:mod:`imdskit.emulator.http`'s.
"""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from imdskit.clock import Clock
from imdskit.emulator.http.framing import Head, answer_octets, parse_head
from imdskit.emulator.http.hosts import Hosts
from imdskit.errors import ImdskitError
from imdskit.protocol.messages import Request, Response

Quick: TypeAlias = Callable[[Request], bool]
Socket: TypeAlias = socket.socket

IDLE_NS = 60_000_000_000
"""How long a connection may be silent between two requests."""
TURNS = 64
"""So often it is looked for more before somebody else may do something, as the sweeping of what has gone on for too long."""
MORE_SECONDS = 0.001
"""And so long each time: clients that are answered ask again."""
RECEIVED = 8192
"""Octets that are read at once; who sends more gets a thread."""

_HEAD_END = b"\r\n\r\n"
_IN = getattr(select, "EPOLLIN", 0)


@dataclass(frozen=True, slots=True)
class Handed:
    """What is there of a connection that gets a thread.

    Attributes:
        received: octets that nobody has looked at.
        unsent: octets of an answer that have to be sent first.
        response: to the first request in ``received``, if it is known already.
    """

    received: bytes = b""
    unsent: bytes = b""
    response: Response | None = None


class Behind(Protocol):
    """The server that the front belongs to."""

    service: Callable[[Request], Response]
    socket: Socket
    watch: Clock
    hosts: Hosts | None
    stopping: bool

    def date(self) -> str:
        """The Date header's value."""

    def give_thread(self, request: Socket, client_address: Any, handed: Handed) -> None:
        """A connection has a thread from now on."""


class _Connection:
    """One that waits for its next request.

    Attributes:
        socket: non-blocking.
        address: of the client.
        source: its host alone.
        local: the address that it came to.
        number: its descriptor.
        port: the port that it came to.
        deadline: monotonic nanoseconds at which it has been silent for too long.
        head: the last one, if its Host may be asked; a client that sends the same octets again gets the same one.
        request: of that head.
        registered: whether it is waited for.
    """

    __slots__ = ("address", "deadline", "head", "local", "number", "port", "registered", "request", "socket", "source")

    def __init__(self, connection: socket.socket, address: Any, deadline: int) -> None:
        self.socket = connection
        self.number = connection.fileno()
        self.address = address
        self.source = str(address[0])
        local, self.port = connection.getsockname()[:2]
        self.local = str(local)
        self.deadline = deadline
        self.head: Head | None = None
        self.request: Request | None = None
        self.registered = False


class Front:
    """The connections of a server that have no thread. All but :meth:`take` is called by the accepting thread.

    Args:
        server: to which they belong.
        quick: which requests the service answers without a wait.
    """

    possible = hasattr(select, "epoll")

    def __init__(self, server: Behind, quick: Quick) -> None:
        self._server = server
        self._quick = quick
        self._epoll = select.epoll()
        self._listener = server.socket.fileno()
        self._epoll.register(self._listener, _IN)
        server.socket.setblocking(False)
        self._connections: dict[int, _Connection] = {}

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def fileno(self) -> int:
        """Readable when there is something to do."""
        return self._epoll.fileno()

    def take(self, connection: socket.socket, address: Any) -> None:
        """A new connection: answered if its first request is there already, and else waits here."""
        try:
            connection.setblocking(False)
            taken = _Connection(connection, address, self._server.watch.monotonic_ns() + IDLE_NS)
        except OSError:
            connection.close()
            return
        self._connections[taken.number] = taken
        self._exchange(taken)
        if self._connections.get(taken.number) is taken:
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            self._epoll.register(taken.number, _IN)
            taken.registered = True

    def turn(self, accept: Callable[[], None]) -> None:
        """Do what there is to do."""
        for _ in range(TURNS):
            ready = self._epoll.poll(0 if self._server.stopping else MORE_SECONDS)
            if not ready:
                return
            deadline = self._server.watch.monotonic_ns() + IDLE_NS
            for number, _ in ready:
                connection = self._connections.get(number)
                if connection is not None:
                    connection.deadline = deadline
                    self._exchange(connection)
                elif number == self._listener:
                    accept()

    def expire(self, now: int) -> None:
        """Close what has been silent for too long."""
        for connection in [each for each in list(self._connections.values()) if each.deadline <= now]:
            self._end(connection)

    def close(self) -> None:
        """Answer what has already come, and close all."""
        with suppress(OSError):
            self._epoll.unregister(self._listener)
        self.turn(lambda: None)
        self.expire(sys.maxsize)
        self._epoll.close()

    def _exchange(self, connection: _Connection) -> None:
        try:
            octets = connection.socket.recv(RECEIVED)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not octets:
            self._end(connection)
            return
        request = self._request(connection, octets)
        head = connection.head
        if request is None or head is None or not self._quick(request):
            self._give_thread(connection, Handed(octets))
            return
        try:
            response = self._server.service(request)
        except ImdskitError:
            self._give_thread(connection, Handed(octets))  # which asks again, and tells
            return
        if response.delivery is not None:
            self._give_thread(connection, Handed(octets, response=response))
            return
        keep_alive = head.keep_alive and not self._server.stopping
        answer = answer_octets(response, head, keep_alive, self._server.date())
        try:
            sent = connection.socket.send(answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent, keep_alive, answer = 0, False, b""
        if sent < len(answer):
            self._give_thread(connection, Handed(unsent=answer[sent:]))
        elif not keep_alive:
            self._end(connection)

    def _request(self, connection: _Connection, octets: bytes) -> Request | None:
        """The request in ``octets``, if it is whole, alone, without a body, and its Host may be asked."""
        if octets.find(_HEAD_END) != len(octets) - len(_HEAD_END):
            return None
        head = parse_head(octets)
        if head is connection.head:
            return connection.request
        connection.head = connection.request = None
        if not isinstance(head, Head) or head.length or head.chunked or head.expects_continue:
            return None
        hosts = self._server.hosts
        if hosts is not None and not hosts.allow(head.headers, connection.local):
            return None
        connection.head = head
        connection.request = Request(head.method, head.target, head.headers, b"", connection.source, connection.port)
        return connection.request

    def _give_thread(self, connection: _Connection, handed: Handed) -> None:
        if not self._leave(connection):
            return
        with suppress(OSError):
            connection.socket.setblocking(True)
        self._server.give_thread(connection.socket, connection.address, handed)

    def _end(self, connection: _Connection) -> None:
        if self._connections.pop(connection.number, None) is not None:
            connection.socket.close()  # which takes it from the waiting, too; all that was received has been read, so nothing is lost

    def _leave(self, connection: _Connection) -> bool:
        """False if it has left already."""
        if self._connections.pop(connection.number, None) is None:
            return False
        if connection.registered:
            self._epoll.unregister(connection.number)
        return True
