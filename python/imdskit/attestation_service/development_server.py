"""A server for development and tests: :mod:`wsgiref` with a thread for each connection. In production use a WSGI server such as gunicorn."""

from __future__ import annotations

import socket
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

TIMEOUT = 10
"""Seconds that a connection may be silent."""

MAX_DISCARDED = 1024 * 1024


class DevelopmentServer(ThreadingMixIn, WSGIServer):
    """Listens as soon as it is created; ``serve_forever`` responds."""

    daemon_threads = True
    request_queue_size = 128
    multiprocess = False

    def __init__(self, address: tuple[str, int], application: Any) -> None:
        super().__init__(address, _Handler)
        self.set_app(application)

    def server_bind(self) -> None:
        """Bind without the search for the host's name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection. What the client is still sending is read first, or it might never see the response (RFC 9112 section 9.6)."""
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            left = MAX_DISCARDED
            while left > 0 and (data := request.recv(min(left, 65536))):
                left -= len(data)
        self.close_request(request)


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # its name
        """Log nothing: requests are counted in the metrics, decisions are in the audit log."""
