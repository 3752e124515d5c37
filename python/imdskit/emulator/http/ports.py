"""Many ports for one server: additional listening sockets, and one thread that accepts connections from all of them.

:mod:`imdskit.emulator.machine_selection` says which machine a port stands for.
"""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress

from imdskit.emulator.http.server import Server
from imdskit.errors import UsageError

BACKLOG = 16


class Ports:
    """Ports besides the server's own, all of which lead to it.

    Args:
        server: gets the connections; its own port is the first of all.
        host: address to listen on.
        count: of ports, the server's own included.
        consecutive: the ports follow the server's own; otherwise any free ones are taken.

    Attributes:
        numbers: all ports, the server's own first.

    Raises:
        UsageError: one of them cannot be listened on, or there are too many for this process.
    """

    def __init__(self, server: Server, host: str, count: int, *, consecutive: bool) -> None:
        self._server = server
        self._sockets: list[socket.socket] = []
        self._wake, self._woken = socket.socketpair()
        self._thread: threading.Thread | None = None
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        port = server.server_port
        try:
            for number in range(1, count):
                listener = socket.socket(family)
                self._sockets.append(listener)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host, port + number if consecutive else 0))
                listener.listen(BACKLOG)
                listener.setblocking(False)
        except (OSError, OverflowError) as error:
            self.close()
            wanted = f"ports {port} to {port + count - 1}" if consecutive else f"{count} ports"
            raise UsageError("bad-argument", f"Cannot listen on {host}, {wanted}: {error}.", hint=_HINT) from None
        self.numbers: tuple[int, ...] = (port, *(listener.getsockname()[1] for listener in self._sockets))

    def start(self) -> None:
        """Take connections from now on."""
        self._thread = threading.Thread(target=self._run, name="imdskit-accept-ports", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections. Safe to call twice."""
        if self._thread is not None:
            with suppress(OSError):
                self._wake.send(b"\0")
            self._thread.join()
            self._thread = None
        for each in (*self._sockets, self._wake, self._woken):
            each.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ, None)
            for listener in self._sockets:
                selector.register(listener, selectors.EVENT_READ, listener)
            while True:
                for key, _ in selector.select():
                    listener = key.data
                    if listener is None:
                        return
                    with suppress(OSError):  # the client has gone again, or there are no more descriptors
                        connection, address = listener.accept()
                        connection.setblocking(True)
                        self._server.process_request(connection, address)


_HINT = "Each port takes a file descriptor: `ulimit -n` says how many there are. By path or by source address a fleet needs one port."
