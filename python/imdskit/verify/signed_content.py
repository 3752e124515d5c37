"""Lossless conversion of the signed JSON content (decision 0023).

The content of an accepted document is strict JSON (RFC 8259), but its numbers may have any size and
form. Python's ``int`` and ``float`` do not preserve all of them. For this reason, the functions
that return JSON text keep the original tokens, and :func:`loads` returns a :class:`Number` for
every number that Python would change.
"""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^"\[\]{},:\s]+')
_NOT_ASCII = re.compile(r"[^ -~]")
_MOST_DIGITS = 640
"""Maximum number of digits of an ``int`` that Python converts from and to text in every
configuration (``sys.int_info.str_digits_check_threshold``)."""


class Number(str):
    """Text of a JSON number that ``int`` and ``float`` would change, such as ``1e999``, ``1.50`` or
    ``-0``."""

    __slots__ = ()


def loads(text: str | bytes) -> object:
    """Parse a JSON text, and return its value. A number that ``int`` or ``float`` would change is
    returned as a :class:`Number`.

    Raises:
        ValueError: the text is not JSON, contains a member twice, or contains ``NaN`` or
            ``Infinity``.
        RecursionError: the text is nested too deeply.
    """
    return _DECODER.decode(text.decode("utf-8") if isinstance(text, bytes) else text)


def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the members of a JSON object as a dict. Raise ValueError if a name occurs twice,
    because JSON parsers disagree on which of the two values counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member occurs twice")
    return found


def line(content: bytes) -> str:
    """Return JSON ``content`` as one line of ASCII, without white space between tokens. Numbers
    keep their text."""
    return ascii_only("".join(_TOKEN.findall(content.decode("utf-8"))))


def indented(text: str) -> str:
    """Return a JSON text with one value per line, indented by two spaces per level. The tokens do
    not change."""
    lines, depth, tokens = [""], 0, _TOKEN.findall(text)
    for before, part in zip(["", *tokens], tokens, strict=False):
        if part in ("]", "}"):
            depth -= 1
            if before not in ("[", "{"):
                lines.append("  " * depth)
        elif before in ("[", "{", ","):
            lines.append("  " * depth)
        depth += part in ("[", "{")
        lines[-1] += part + " " * (part == ":")
    return "\n".join(lines)


def ascii_only(text: str) -> str:
    r"""Return a JSON text in printable ASCII, with ``\u`` escapes for other characters. In JSON,
    only strings and white space can contain such characters."""
    return text if text.isascii() and text.isprintable() else _NOT_ASCII.sub(_escaped, text)


def _escaped(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1] if character[0] != "\x7f" else "\\u007f"


def _integer(text: str) -> int | Number:
    # Python limits the number of digits that int() and str() convert. A program can change this
    # limit, but not below _MOST_DIGITS.
    return int(text) if len(text) <= _MOST_DIGITS and text != "-0" else Number(text)


def _real(text: str) -> float | Number:
    value = float(text)
    return value if repr(value) == text else Number(text)


def _constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=members, parse_int=_integer, parse_float=_real, parse_constant=_constant)
