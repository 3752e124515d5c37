"""One request and one answer, as they stand on the wire, without a socket.

What belongs here: the two shapes that the transport and the service exchange. What they mean is in :mod:`imdskit.protocol.requests` and
:mod:`imdskit.protocol.responses`.
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
    """A request as it was received.

    Attributes:
        method: as sent, for instance ``GET``.
        target: in origin form, path and query, nothing decoded (RFC 9112 section 3.2.1).
        headers: (name, value) in the order of the wire, names as sent.
        body: the whole body; empty where there is none.
        source: address of the sender, for limits, faults and the journal; ``""`` when unknown.
        port: that it was sent to; 0 when unknown.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    source: str = ""
    port: int = 0

    def header_values(self, name: str) -> tuple[str, ...]:
        """Every value of the header called ``name``, in any letter case (RFC 9110 section 5.1), in the order of the wire."""
        return _values(self.headers, name)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an answer leaves, where it does not leave at once and whole. Times are on the emulator's clock.

    Attributes:
        delay_ns: nanoseconds to wait before anything is sent.
        drip_octets: how many octets leave at a time; 0: all at once.
        drip_ns: nanoseconds between two such pieces.
        cut: after so many octets of the body the connection is closed, whatever Content-Length says; None: the body is whole.
        reset: the connection is reset where the answer should have been.
        left: called once when the answer has left, or cannot leave; until then the request is under way. None: nothing to call.
    """

    delay_ns: int = 0
    drip_octets: int = 0
    drip_ns: int = 0
    cut: int | None = None
    reset: bool = False
    left: Callable[[], None] | None = None


class Response(NamedTuple):
    """An answer as it will be sent. One is made for each request, which is why it is a tuple.

    Attributes:
        status: the status code.
        headers: (name, value) in the order of the wire, without Content-Length and Date, which the transport adds.
        body: the whole body.
        delivery: how it leaves, or None: at once and whole.
        rule: name of the rule that refused the request, or ``""``; for the journal, never on the wire.
        fault: kind of the fault that applied, or ``""``; likewise.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delivery: Delivery | None = None
    rule: str = ""
    fault: str = ""

    def header_values(self, name: str) -> tuple[str, ...]:
        """Every value of the header called ``name``, in any letter case."""
        return _values(self.headers, name)
