"""The signed content as JSON that loses nothing (decision 0023).

The content of an accepted document is strict JSON (RFC 8259), but its numbers may have any size, which Python's ``int`` and ``float`` do not preserve.
Text is therefore rendered from the content's own tokens, and values keep the text of every number that Python would write otherwise.
"""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^"\[\]{},:\s]+')
_NOT_ASCII = re.compile(r"[^ -~]")
_MOST_DIGITS = 640
"""Digits of an ``int`` that Python converts from and to text under every setting (``sys.int_info.str_digits_check_threshold``)."""


class Number(str):
    """The text of a JSON number that neither ``int`` nor ``float`` would write back as it stands, such as ``1e999``, ``1.50`` or ``-0``."""

    __slots__ = ()


def loads(text: str | bytes) -> object:
    """Return the value of a JSON text: numbers as ``int`` or ``float`` if Python writes them back the same, else as :class:`Number`.

    Raises:
        ValueError: it is not JSON; ``NaN`` and ``Infinity`` are not either.
        RecursionError: it is too deep.
    """
    return _DECODER.decode(text.decode("utf-8") if isinstance(text, bytes) else text)


def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object's members. Raises ValueError if one occurs twice: two readers could take different ones."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member occurs twice")
    return found


def line(content: bytes) -> str:
    """Return JSON ``content`` as one line of ASCII: without white space between tokens, and with every number as it stands."""
    return ascii_only("".join(_TOKEN.findall(content.decode("utf-8"))))


def indented(text: str) -> str:
    """Return a JSON text with one value per line and two blanks of indent per level; the tokens do not change."""
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
    r"""Return a JSON text with ``\u`` escapes for every character outside of printable ASCII; these stand in strings only, white space aside."""
    return text if text.isascii() and text.isprintable() else _NOT_ASCII.sub(_escaped, text)


def _escaped(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1] if character[0] != "\x7f" else "\\u007f"


def _integer(text: str) -> int | Number:
    # A longer one is no int that every program could print.
    return int(text) if len(text) <= _MOST_DIGITS and text != "-0" else Number(text)


def _real(text: str) -> float | Number:
    value = float(text)
    return value if repr(value) == text else Number(text)


def _constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=members, parse_int=_integer, parse_float=_real, parse_constant=_constant)
