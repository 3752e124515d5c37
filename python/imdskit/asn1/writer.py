"""Writing DER: each function gives the octets of one element (X.690 sections 8 and 10).

What belongs here: the universal types that certificates and CMS messages are made of, and context tags. What the elements mean is in
:mod:`imdskit.emulator.authority.certificates` and :mod:`imdskit.emulator.authority.signed_document`; reading is in :mod:`imdskit.asn1.reader`.

Values come from our own code, not from strangers: a value that the type cannot hold is a :class:`~imdskit.errors.UsageError`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from imdskit.errors import UsageError

_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*", re.ASCII)
_CONSTRUCTED = 0x20


def element(tag: int, *contents: bytes) -> bytes:
    """Identifier octet ``tag``, definite length in its shortest form, contents (X.690 sections 8.1.3 and 10.1)."""
    body = b"".join(contents)
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def sequence(*items: bytes) -> bytes:
    """SEQUENCE or SEQUENCE OF."""
    return element(0x30, *items)


def set_of(*items: bytes) -> bytes:
    """SET OF: the elements in ascending order of their octets (X.690 section 11.6)."""
    return element(0x31, *sorted(items))


def boolean(value: bool) -> bytes:
    """BOOLEAN; TRUE is all ones (X.690 section 11.1)."""
    return element(0x01, b"\xff" if value else b"\x00")


def integer(value: int) -> bytes:
    """INTEGER in the fewest octets (X.690 section 8.3)."""
    return element(0x02, value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True))


def null() -> bytes:
    """NULL."""
    return element(0x05)


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER of dotted decimal text (X.690 section 8.19).

    Raises:
        UsageError: fewer than two arcs, a first arc above 2, or a second above 39 under the first two.
    """
    arcs = [int(arc) for arc in dotted.split(".") if arc.isdecimal()]
    if len(arcs) < 2 or len(arcs) != dotted.count(".") + 1 or arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
        raise UsageError("bad-argument", f"{dotted!r} is not an object identifier.")
    octets = bytearray()
    for arc in (40 * arcs[0] + arcs[1], *arcs[2:]):
        base128 = [arc & 0x7F]
        while arc := arc >> 7:
            base128.append(0x80 | arc & 0x7F)
        octets += bytes(reversed(base128))
    return element(0x06, bytes(octets))


def octet_string(value: bytes) -> bytes:
    """OCTET STRING, primitive."""
    return element(0x04, value)


def bit_string(value: bytes, unused: int = 0) -> bytes:
    """BIT STRING, primitive; the last ``unused`` bits are no part of it and must be zero (X.690 section 11.2.1)."""
    return element(0x03, bytes((unused,)), value)


def named_bits(*positions: int) -> bytes:
    """BIT STRING of a list of named bits: those at ``positions`` are set, trailing zeros are left out (X.690 section 11.2.2)."""
    if not positions:
        return bit_string(b"")
    last = max(positions)
    octets = bytearray(last // 8 + 1)
    for position in positions:
        octets[position // 8] |= 0x80 >> position % 8
    return bit_string(bytes(octets), 7 - last % 8)


def printable_string(text: str) -> bytes:
    """PrintableString (X.680 section 41.4). Raises UsageError for a character that it does not have."""
    if not _PRINTABLE.fullmatch(text):
        raise UsageError("bad-argument", f"{text!r} cannot be a PrintableString.")
    return element(0x13, text.encode("ascii"))


def utf8_string(text: str) -> bytes:
    """UTF8String."""
    return element(0x0C, text.encode("utf-8"))


def ia5_string(text: str) -> bytes:
    """IA5String. Raises UsageError for a character beyond ASCII."""
    return element(0x16, ascii_octets(text))


def ascii_octets(text: str) -> bytes:
    """The contents of an IA5String, for implicit tags. Raises UsageError for a character beyond ASCII."""
    if not text.isascii():
        raise UsageError("bad-argument", f"{text!r} cannot be an IA5String.")
    return text.encode("ascii")


def time(seconds: int) -> bytes:
    """Time of certificates: UTCTime through 2049, then GeneralizedTime (RFC 5280 section 4.1.2.5). Unix seconds, years 1950 to 9999."""
    moment = datetime.fromtimestamp(seconds, UTC)
    # Not strftime: its %Y is not padded for early years on every platform.
    rest = f"{moment.month:02}{moment.day:02}{moment.hour:02}{moment.minute:02}{moment.second:02}Z"
    if 1950 <= moment.year <= 2049:
        return element(0x17, f"{moment.year % 100:02}{rest}".encode("ascii"))
    return element(0x18, f"{moment.year:04}{rest}".encode("ascii"))


def explicit(number: int, *items: bytes) -> bytes:
    """Context tag round whole elements: ``[number] EXPLICIT``. Also ``[number] IMPLICIT`` of a SEQUENCE or SET, given its items."""
    return element(0x80 | _CONSTRUCTED | number, *items)


def implicit(number: int, contents: bytes) -> bytes:
    """Context tag in place of a primitive type's own: ``[number] IMPLICIT``, given the contents."""
    return element(0x80 | number, contents)
