"""Parser of strict JSON (RFC 8259, RFC 7493 sections 2.1 to 2.3). This module is internal.

The text must be UTF-8. It must not contain an object with two members of the same name, or a lone
surrogate (half of a surrogate pair). The number of opening brackets is limited, and with it the
depth. The parser refuses JSON that other parsers could read differently, because an attacker could
use such a difference for a forgery.
"""

from __future__ import annotations

import json
from typing import NamedTuple


class Number(NamedTuple):
    """JSON number as text. The parser does not convert numbers, because converting a very long
    number would take much time."""

    text: str


class JsonError(ValueError):
    """Raised if a text is not strict JSON. ``args[0]`` is a sentence that says why."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonError("A member occurs twice.")
    return members


def _constant(text: str) -> object:
    raise JsonError(f"{text} is not JSON.")


_WHITE_SPACE = " \t\n\r"
_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_int=Number, parse_float=Number)


def loads(data: bytes, brackets: int) -> object:
    """Parse a JSON text into dict, list, str, :class:`Number`, bool or None.

    Args:
        data: the whole text.
        brackets: maximum number of opening braces and brackets, including those in strings. They
            are counted before the text is parsed. This limits the depth of the JSON.

    Raises:
        JsonError: the text is not strict JSON.
    """
    if data.count(b"{") + data.count(b"[") > brackets:
        raise JsonError(f"More than {brackets} opening brackets.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"Not UTF-8 at byte {error.start}.") from None
    try:
        value, end = _DECODER.raw_decode(text, len(text) - len(text.lstrip(_WHITE_SPACE)))
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise JsonError("Too deep.") from None
    if text[end:].strip(_WHITE_SPACE):
        raise JsonError(f"Something follows the value at character {end}.")
    if "\\" in text and "\\u" in text:  # searching for one character first is much faster than searching for both
        _refuse_lone_surrogates(value)
    return value


def _refuse_lone_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise JsonError("A string contains half of a surrogate pair.") from None
    except RecursionError:
        raise JsonError("Too deep.") from None
