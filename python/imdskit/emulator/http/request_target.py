"""Decoder of request targets. It decodes path and parameters in the same way as the service.

This module refuses no request. :mod:`imdskit.emulator.service.rules` decides which targets are
refused.

Sources: IMDS documentation, "Access Azure Instance Metadata Service"; Azure/GuestProxyAgent, a
program of Microsoft that had to match the service's decoding byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, unquote_plus


@dataclass(frozen=True, slots=True)
class Target:
    """Decoded target of a request.

    Attributes:
        path: percent-decoded path, without the query.
        segments: segments of the path. Empty segments, which double or trailing slashes cause, are
            left out.
        parameters: pairs of name and value from the query, decoded, in the order of the query.
        folded: segments in lower case, each after a slash.
        category: second segment of the path in lower case; ``""`` for ``/metadata`` alone, and None
            for other paths.
        rest: segments of the path after the category, in their original letter case.
        route: segments of ``rest`` in lower case.
        first: first value of each parameter, by its name in lower case.
        repeated: name of the first parameter that occurs twice, or None if each occurs once. Letter
            case is ignored.
    """

    path: str
    segments: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    folded: str
    category: str | None
    rest: tuple[str, ...]
    route: tuple[str, ...]
    first: Mapping[str, str]
    repeated: str | None

    def parameter(self, name: str) -> str | None:
        """Return the first value of the parameter called ``name``, or None if there is none.

        Letter case is ignored.

        A parameter that is written without a value has the value ``""``.
        """
        return self.first.get(name.lower())


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
    segments = tuple(segment for segment in path.split("/") if segment)
    lower = tuple(segment.lower() for segment in segments)
    inside = lower[:1] == ("metadata",)
    skipped = 2 if inside else 0
    first: dict[str, str] = {}
    repeated: str | None = None
    for name, value in parameters:
        folded = name.lower()
        if folded not in first:
            first[folded] = value
        elif repeated is None:
            repeated = name
    return Target(
        path,
        segments,
        tuple(parameters),
        "/" + "/".join(lower),
        (lower[1] if len(lower) > 1 else "") if inside else None,
        segments[skipped:],
        lower[skipped:],
        first,
        repeated,
    )


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(name, value) for name, _, value in pairs]
