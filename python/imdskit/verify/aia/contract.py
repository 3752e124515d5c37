"""Interface between the fetcher and the network: a resolver of names, and a transport for one bounded response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Target(NamedTuple):
    """What to ask for. ``path`` is in the form of the wire, percent-encoded."""

    host: str
    port: int
    path: str


class Response(NamedTuple):
    """What came back. ``body`` is whole."""

    status: int
    body: bytes


class Resolver(Protocol):
    """Names to addresses. Asked once for each fetch; whatever it would say a moment later does not matter."""

    def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
        """IPv4 and IPv6 addresses as text, the best first.

        Raises:
            FetchError: ``timed-out``.
            OSError: the name cannot be resolved.
        """


class Transport(Protocol):
    """One HTTP GET. Follows no redirect, asks no proxy, sends no credentials."""

    def get(self, target: Target, address: str, *, limit: int, timeout_ns: int) -> Response:
        """Ask ``address``, and no other, for ``target``.

        Args:
            limit: octets that the body may have.
            timeout_ns: for everything together, from the first packet to the last octet.

        Raises:
            FetchError: ``timed-out``, ``too-large`` or ``not-http``.
            OSError: the address cannot be reached, or hung up.
        """
