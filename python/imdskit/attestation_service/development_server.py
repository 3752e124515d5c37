"""WSGI server for development and tests: :mod:`wsgiref` with a thread for each connection. In
production, use a server such as gunicorn."""

from __future__ import annotations

import socket
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

TIMEOUT = 10
"""Maximum time in seconds that a connection may be idle."""

MAX_DISCARDED = 1024 * 1024
"""Maximum number of bytes that the server reads and discards when it closes a connection."""


class DevelopmentServer(ThreadingMixIn, WSGIServer):
    """WSGI server with one thread for each connection. It listens as soon as it is created.
    ``serve_forever`` handles the requests.

    Args:
        address: host and port to listen on.
        application: WSGI application.
    """

    daemon_threads = True
    request_queue_size = 128
    multiprocess = False

    def __init__(self, address: tuple[str, int], application: Any) -> None:
        super().__init__(address, _Handler)
        self.set_app(application)

    def server_bind(self) -> None:
        """Bind the socket. The method of the base class also looks up the name of the host, which
        can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def shutdown_request(self, request: Any) -> None:
        """Close the connection after reading the rest of the data that the client sends. If the
        server did not read this data, the client might not receive the response (RFC 9112 section
        9.6)."""
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            left = MAX_DISCARDED
            while left > 0 and (data := request.recv(min(left, 65536))):
                left -= len(data)
        self.close_request(request)


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # The base class determines the name.
        """Log nothing, because the metrics count requests and the audit log contains decisions."""
