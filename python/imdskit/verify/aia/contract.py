"""Interfaces through which the fetcher uses the network: a resolver of host names, and a transport
that performs HTTP requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Target(NamedTuple):
    """Target of a request.

    Attributes:
        host: name of the server.
        port: TCP port of the server.
        path: path of the resource, percent-encoded.
    """

    host: str
    port: int
    path: str


class Response(NamedTuple):
    """HTTP response: its status and its complete body."""

    status: int
    body: bytes


class Resolver(Protocol):
    """Resolver of host names.

    The fetcher calls the resolver once for each fetch, and connects only to the addresses in the
    result of this call. A later change of the DNS record therefore has no effect on the fetch.
    """

    def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
        """Return the IPv4 and IPv6 addresses of ``host`` as text, in order of preference.

        Raises:
            FetchError: ``timed-out``: there was no result within ``timeout_ns`` nanoseconds.
            OSError: the name cannot be resolved.
        """


class Transport(Protocol):
    """Client for HTTP GET requests. It must not follow redirects, use a proxy or send
    credentials."""

    def get(self, target: Target, address: str, *, limit: int, timeout_ns: int) -> Response:
        """Send a GET request for ``target`` to ``address``, and return the response. The method
        must not connect to any other address.

        Args:
            target: host, port and path of the request.
            address: IP address of the server.
            limit: the largest size of the body in bytes.
            timeout_ns: time limit in nanoseconds for the whole exchange, from connecting to the
                last byte.

        Raises:
            FetchError: ``timed-out``, ``too-large`` or ``not-http``.
            OSError: the address cannot be reached, or the server closed the connection.
        """
