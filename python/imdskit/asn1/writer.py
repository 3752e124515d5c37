"""Writer of DER. Each function returns the bytes of one element (X.690 sections 8 and 10).

The module supports context tags, and those universal types that certificates and CMS messages
contain. :mod:`imdskit.emulator.authority.certificates` and
:mod:`imdskit.emulator.authority.signed_document` build certificates and messages from these
elements. :mod:`imdskit.asn1.reader` reads DER.

The values come from the emulator, not from an attacker. A function raises
:class:`~imdskit.errors.UsageError` if the ASN.1 type cannot represent the value.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from imdskit.errors import UsageError

_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*", re.ASCII)
_CONSTRUCTED = 0x20


def element(tag: int, *contents: bytes) -> bytes:
    """Return an element with the identifier octet ``tag``, the length in its shortest form, and the
    joined ``contents`` (X.690 sections 8.1.3 and 10.1)."""
    body = b"".join(contents)
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def sequence(*items: bytes) -> bytes:
    """Return a SEQUENCE or SEQUENCE OF."""
    return element(0x30, *items)


def set_of(*items: bytes) -> bytes:
    """Return a SET OF. Its elements are sorted by their bytes (X.690 section 11.6)."""
    return element(0x31, *sorted(items))


def boolean(value: bool) -> bytes:
    """Return a BOOLEAN. TRUE is encoded as FF (X.690 section 11.1)."""
    return element(0x01, b"\xff" if value else b"\x00")


def integer(value: int) -> bytes:
    """Return an INTEGER in its shortest form (X.690 section 8.3)."""
    return element(0x02, value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True))


def null() -> bytes:
    """Return a NULL."""
    return element(0x05)


def oid(dotted: str) -> bytes:
    """Return the OBJECT IDENTIFIER for text in dotted decimal form (X.690 section 8.19).

    Raises:
        UsageError: there are fewer than two arcs; the first arc is above 2; or the first arc is 0
            or 1 and the second arc is above 39.
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
    """Return a primitive OCTET STRING."""
    return element(0x04, value)


def bit_string(value: bytes, unused: int = 0) -> bytes:
    """Return a primitive BIT STRING. Its last ``unused`` bits do not belong to the value and must
    be zero (X.690 section 11.2.1)."""
    return element(0x03, bytes((unused,)), value)


def named_bits(*positions: int) -> bytes:
    """Return a BIT STRING in which the bits at ``positions`` are set. Trailing zeros are removed,
    as DER requires for named bits (X.690 section 11.2.2)."""
    if not positions:
        return bit_string(b"")
    last = max(positions)
    octets = bytearray(last // 8 + 1)
    for position in positions:
        octets[position // 8] |= 0x80 >> position % 8
    return bit_string(bytes(octets), 7 - last % 8)


def printable_string(text: str) -> bytes:
    """Return a PrintableString (X.680 section 41.4). Raise UsageError if the text has a character
    that the type does not allow."""
    if not _PRINTABLE.fullmatch(text):
        raise UsageError("bad-argument", f"{text!r} cannot be a PrintableString.")
    return element(0x13, text.encode("ascii"))


def utf8_string(text: str) -> bytes:
    """Return a UTF8String."""
    return element(0x0C, text.encode("utf-8"))


def ia5_string(text: str) -> bytes:
    """Return an IA5String. Raise UsageError if the text has a character beyond ASCII."""
    return element(0x16, ascii_octets(text))


def ascii_octets(text: str) -> bytes:
    """Return the contents of an IA5String without tag and length, so that the caller can add an
    implicit tag. Raise UsageError if the text has a character beyond ASCII."""
    if not text.isascii():
        raise UsageError("bad-argument", f"{text!r} cannot be an IA5String.")
    return text.encode("ascii")


def time(seconds: int) -> bytes:
    """Return a time in the form that certificates require: UTCTime from 1950 through 2049, and
    GeneralizedTime from 2050 on (RFC 5280 section 4.1.2.5).

    ``seconds`` are Unix seconds in the years 1950 to 9999.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    # strftime is not used, because on some platforms its %Y does not pad early years with zeros.
    rest = f"{moment.month:02}{moment.day:02}{moment.hour:02}{moment.minute:02}{moment.second:02}Z"
    if 1950 <= moment.year <= 2049:
        return element(0x17, f"{moment.year % 100:02}{rest}".encode("ascii"))
    return element(0x18, f"{moment.year:04}{rest}".encode("ascii"))


def explicit(number: int, *items: bytes) -> bytes:
    """Return an element with the context tag ``[number] EXPLICIT``. Its contents are the complete
    elements ``items``.

    The function can also encode a SEQUENCE or SET with the tag ``[number] IMPLICIT``. In this case,
    ``items`` are the items of the SEQUENCE or SET.
    """
    return element(0x80 | _CONSTRUCTED | number, *items)


def implicit(number: int, contents: bytes) -> bytes:
    """Return a primitive element with the context tag ``[number] IMPLICIT``, which replaces its
    universal tag."""
    return element(0x80 | number, contents)
