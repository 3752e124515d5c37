"""Fixtures for the client: an emulator on a clock that tests advance, and loopback servers that misbehave as a test specifies."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from imdskit import testing
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator

AT = 1767268800

Behaviour = Callable[[socket.socket], None]


class Listener:
    """Server on a free loopback port. ``url`` is its address. ``heads`` are the request heads that
    it has received."""

    def __init__(self, behaviour: Behaviour | bytes) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self._answer = behaviour if isinstance(behaviour, bytes) else b""
        self._behaviour = self._send if isinstance(behaviour, bytes) else behaviour
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        # Closing alone does not wake a thread that waits in accept.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(10)
            with connection:
                try:
                    head = b""
                    while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                        head += more
                    self.heads.append(head)
                    self._behaviour(connection)
                except OSError:
                    pass  # the client has closed the connection, as expected

    def _send(self, connection: socket.socket) -> None:
        connection.sendall(self._answer)


@pytest.fixture
def listen() -> Iterator[Callable[[Behaviour | bytes], Listener]]:
    """Return a function that starts a server. For each request, the server calls the given function
    or sends the given bytes."""
    open_ones: list[Listener] = []

    def start(behaviour: Behaviour | bytes) -> Listener:
        open_ones.append(Listener(behaviour))
        return open_ones[-1]

    yield start
    for listener in open_ones:
        listener.close()


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that only the test and the waiting client advance."""
    return ManualClock(AT)


@pytest.fixture
def imds(clock: ManualClock) -> Iterator[Emulator]:
    """Start an emulator that uses the fixture ``clock`` and has no rate limit."""
    with testing.emulator("linux", clock=clock, rate_limit=False) as running:
        yield running
