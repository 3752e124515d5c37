"""One request and one answer, as they stand on the wire, without a socket.

What belongs here: the two shapes that the transport and the service exchange. What they mean is in :mod:`imdskit.protocol.requests` and
:mod:`imdskit.protocol.responses`.
"""

from __future__ import annotations

from dataclasses import dataclass


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
        peer: address of the sender, for limits and the journal; ``""`` when unknown.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    peer: str = ""

    def header_values(self, name: str) -> tuple[str, ...]:
        """Every value of the header called ``name``, in any letter case (RFC 9110 section 5.1), in the order of the wire."""
        return _values(self.headers, name)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it will be sent.

    Attributes:
        status: the status code.
        headers: (name, value) in the order of the wire, without Content-Length and Date, which the transport adds.
        body: the whole body.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header_values(self, name: str) -> tuple[str, ...]:
        """Every value of the header called ``name``, in any letter case."""
        return _values(self.headers, name)
