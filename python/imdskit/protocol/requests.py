"""What a request asks for: its path and parameters decoded as the service decodes them, and the header that every request must carry.

Nothing here judges a request; that is the emulator's table of rules. Sources: IMDS documentation, "Access Azure Instance Metadata Service";
Azure/GuestProxyAgent, which had to match the service's decoding byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

from imdskit.protocol.messages import Request


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a request, decoded.

    Attributes:
        path: percent-decoded, without the query.
        segments: of the path; empty ones (double or trailing slashes) are left out.
        parameters: (name, value) of the query, decoded, in the order of the wire.
    """

    path: str
    segments: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]

    def parameter(self, name: str) -> str | None:
        """The first value of the parameter called ``name`` in any letter case, or None. ``""`` where it stands there without a value."""
        wanted = name.lower()
        for key, value in self.parameters:
            if key.lower() == wanted:
                return value
        return None

    @property
    def repeated(self) -> str | None:
        """The first parameter name that occurs twice, in any letter case, or None."""
        seen: set[str] = set()
        for key, _ in self.parameters:
            folded = key.lower()
            if folded in seen:
                return key
            seen.add(folded)
        return None


@lru_cache(maxsize=256)
def parse_target(target: str) -> Target:
    """Decode a request target in origin form; the transport has turned the absolute form into it (RFC 9112 section 3.2).

    The path is percent-decoded *before* it is routed, so an encoded question mark starts the query like a plain one. Octets that are not
    UTF-8 become U+FFFD, and a percent sign that starts no escape stays as it is: such a path leads nowhere, but it is not an error.
    Clients ask for the same again and again, so the last ones are remembered.
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


def asks_for_metadata(request: Request) -> bool:
    """Whether the request carries ``Metadata: true``; name and value in any letter case, white space around the value ignored.

    Clients in use send ``true``, ``True`` and ``TRUE``. A header that is sent twice must say so twice.
    """
    values = request.header_values("Metadata")
    return bool(values) and all(value.strip().lower() == "true" for value in values)
