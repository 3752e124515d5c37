"""HTTP requests and responses, which the emulator's transport and the emulated service exchange.

:mod:`imdskit.emulator.http.request_target` decodes the target of a request, and
:mod:`imdskit.emulator.error_responses` contains the error responses of the service.
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
    """HTTP request as it was received.

    Attributes:
        method: method as the client sent it, such as ``GET``.
        target: path and query in origin form, not decoded (RFC 9112 section 3.2.1).
        headers: pairs of name and value in the order in which they were received. Names have the
            letter case that the client sent.
        body: the whole body. It is empty if the request has no body.
        source: address of the client, or ``""`` if it is unknown. Rate limits, faults and the
            journal use it.
        port: port of the emulator that received the request, or 0 if it is unknown.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    source: str = ""
    port: int = 0

    def header_values(self, name: str) -> tuple[str, ...]:
        """Return every value of the header called ``name``, in any letter case (RFC 9110 section
        5.1), in the order received."""
        return _values(self.headers, name)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Way to deliver a response that is delayed, sent in pieces or cut off.

    The emulator's clock measures all times.

    Attributes:
        delay_ns: nanoseconds to wait before the response is sent.
        drip_bytes: number of bytes per piece. With 0, the response is sent in one piece.
        drip_ns: nanoseconds to wait between two pieces.
        cut: number of bytes of the body after which the connection is closed, regardless of
            Content-Length. None sends the whole body.
        reset: whether to reset the connection instead of sending the response.
        left: function that the transport calls once, after it has sent the response or found that
            it cannot send it. Until this call, the request counts as in progress.
    """

    delay_ns: int = 0
    drip_bytes: int = 0
    drip_ns: int = 0
    cut: int | None = None
    reset: bool = False
    left: Callable[[], None] | None = None


class Response(NamedTuple):
    """HTTP response to send.

    It is a NamedTuple because the emulator creates one for each request, and a NamedTuple is
    created quickly.

    Attributes:
        status: the status code.
        headers: pairs of name and value in the order in which they are sent. The transport adds
            Content-Length and Date.
        body: the whole body.
        delivery: delays and errors of the delivery. None means that the response is sent at once
            and in full.
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
