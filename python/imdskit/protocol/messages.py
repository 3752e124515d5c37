"""Requests and responses on the wire, which the transport and the service exchange.

:mod:`imdskit.protocol.requests` and :mod:`imdskit.protocol.responses` interpret them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


def _values(headers: tuple[tuple[str, str], ...], name: str) -> tuple[str, ...]:
    wanted = name.lower()
    return tuple(value for key, value in headers if key.lower() == wanted)


@dataclass(frozen=True, slots=True)
class Request:
    """Request as received.

    Attributes:
        method: method as sent, such as ``GET``.
        target: path and query in origin form, not decoded (RFC 9112 section 3.2.1).
        headers: (name, value) in the order received, with names as sent.
        body: the whole body; empty if there is none.
        source: address of the client, for limits, faults and the journal; ``""`` if unknown.
        port: port that received it; 0 if unknown.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    source: str = ""
    port: int = 0

    def header_values(self, name: str) -> tuple[str, ...]:
        """Return every value of the header called ``name``, in any letter case (RFC 9110 section 5.1), in the order received."""
        return _values(self.headers, name)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivery of a response that is delayed, sent in pieces or cut off. Times are on the emulator's clock.

    Attributes:
        delay_ns: nanoseconds to wait before the response.
        drip_bytes: number of bytes per piece; 0 sends the response in one piece.
        drip_ns: nanoseconds between two pieces.
        cut: number of body bytes after which the connection is closed, regardless of Content-Length; None for the whole body.
        reset: whether to reset the connection instead of sending the response.
        left: function to call once, when the response has been sent or cannot be sent. Until then the request is in progress.
    """

    delay_ns: int = 0
    drip_bytes: int = 0
    drip_ns: int = 0
    cut: int | None = None
    reset: bool = False
    left: Callable[[], None] | None = None


class Response(NamedTuple):
    """Response to send. It is a tuple because one is created for each request.

    Attributes:
        status: the status code.
        headers: (name, value) in the order to send, without Content-Length and Date, which the transport adds.
        body: the whole body.
        delivery: delays and errors of the delivery, or None.
        rule: name of the rule that refused the request, or ``""``. Only the journal shows it.
        fault: type of the injected fault, or ``""``. Only the journal shows it.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delivery: Delivery | None = None
    rule: str = ""
    fault: str = ""

    def header_values(self, name: str) -> tuple[str, ...]:
        """Return every value of the header called ``name``, in any letter case."""
        return _values(self.headers, name)
