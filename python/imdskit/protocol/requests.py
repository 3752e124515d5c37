"""Decoding of requests in the same way as the service: path, parameters and the required header
``Metadata``.

This module refuses no request; the emulator's rules do. Sources: IMDS documentation, "Access Azure
Instance Metadata Service"; Azure/GuestProxyAgent, a program of Microsoft that had to match the
service's decoding byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

from imdskit.protocol.messages import Request


@dataclass(frozen=True, slots=True)
class Target:
    """Decoded target of a request.

    Attributes:
        path: percent-decoded path, without the query.
        segments: segments of the path. Empty segments, which double or trailing slashes cause, are
            left out.
        parameters: pairs of name and value from the query, decoded, in the order of the query.
    """

    path: str
    segments: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]

    def parameter(self, name: str) -> str | None:
        """Return the first value of the parameter called ``name``, or None if there is none.

        Letter case is ignored.

        A parameter that is written without a value has the value ``""``.
        """
        wanted = name.lower()
        for key, value in self.parameters:
            if key.lower() == wanted:
                return value
        return None

    @property
    def repeated(self) -> str | None:
        """First name of a parameter that occurs twice, or None. Letter case is ignored."""
        seen: set[str] = set()
        for key, _ in self.parameters:
            folded = key.lower()
            if folded in seen:
                return key
            seen.add(folded)
        return None


@lru_cache(maxsize=256)
def parse_target(target: str) -> Target:
    """Decode a request target in origin form (RFC 9112 section 3.2).

    The transport has already converted the absolute form to the origin form.

    The path is percent-decoded *before* it is routed, so an encoded question mark starts the query
    like a plain one. Bytes that are not UTF-8 are replaced by U+FFFD. A percent sign without two
    hexadecimal digits after it is kept. Neither of the two is an error in this function, although
    no endpoint has such a path. The last results are cached, because clients often repeat requests.
    """
    raw_path, _, query = target.partition("?")
    path, encoded_mark, decoded_query = unquote(raw_path).partition("?")
    parameters: list[tuple[str, str]] = []
    if encoded_mark:
        parameters.extend(_pairs(decoded_query))
    parameters.extend((unquote_plus(name), unquote_plus(value)) for name, value in _pairs(query))
    return Target(path, tuple(segment for segment in path.split("/") if segment), tuple(parameters))


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(name, value) for name, _, value in pairs]


def has_metadata_header(request: Request) -> bool:
    """Return whether the request has the header ``Metadata: true``.

    Letter case is ignored, and so is white space around the value.

    Existing clients send ``true``, ``True`` and ``TRUE``. If the header occurs several times, every
    value must be ``true``.
    """
    values = request.header_values("Metadata")
    return bool(values) and all(value.strip().lower() == "true" for value in values)
