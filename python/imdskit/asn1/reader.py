"""Strict DER (X.690): one way to write each value, and nothing that is written otherwise is read.

A :class:`Reader` walks the elements between two offsets of one buffer; a constructed element gives another reader over the same buffer. It
descends only where the grammar of the caller does, so hostile depth costs nothing. What belongs here: the encoding. What elements mean is the
business of :mod:`imdskit.backends.python.x509` and :mod:`imdskit.backends.python.cms`.
"""

from __future__ import annotations

from calendar import timegm
from datetime import datetime
from functools import lru_cache

from imdskit.errors import DerError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_IDENTIFIER = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
ENUMERATED, UTF8_STRING, PRINTABLE_STRING, TELETEX_STRING, IA5_STRING = 0x0A, 0x0C, 0x13, 0x14, 0x16
UTC_TIME, GENERALIZED_TIME, VISIBLE_STRING, UNIVERSAL_STRING, BMP_STRING = 0x17, 0x18, 0x1A, 0x1C, 0x1E
SEQUENCE, SET = 0x30, 0x31

MAX_DEPTH = 32
"""Of elements whose type the grammar leaves open (ANY). Certificates and messages stay below 10."""


def context(number: int, *, constructed: bool = True) -> int:
    """Identifier octet of a context-specific tag."""
    return (0xA0 if constructed else 0x80) | number


class Reader:
    """A cursor over DER elements.

    Args:
        data: the buffer.
        start, stop: the range to read.
        base: offset of ``data`` in the outermost buffer, for the offsets in errors.
        field: ASN.1 path of what is read, for errors.
    """

    __slots__ = ("base", "data", "field", "pos", "stop")

    def __init__(self, data: bytes, start: int = 0, stop: int | None = None, *, base: int = 0, field: str = "") -> None:
        self.data = data
        self.pos = start
        self.stop = len(data) if stop is None else stop
        self.base = base
        self.field = field

    def fault(self, message: str, field: str = "", pos: int | None = None) -> DerError:
        """A DerError at ``pos``, or where the reader stands; not raised yet."""
        path = f"{self.field}.{field}" if self.field and field else self.field or field
        return DerError(message, self.base + (self.pos if pos is None else pos), path)

    def __bool__(self) -> bool:
        """Whether there is more to read."""
        return self.pos < self.stop

    def peek(self) -> int:
        """Identifier octet of the next element, or -1 at the end."""
        return self.data[self.pos] if self.pos < self.stop else -1

    def header(self, field: str = "") -> tuple[int, int, int]:
        """Step over the next element: its identifier octet, and where its contents start and stop (X.690 sections 8.1 and 10.1)."""
        data, pos, end = self.data, self.pos, self.stop
        if pos + 2 > end:
            raise self.fault("An element is missing." if pos == end else "An element is cut.", field)
        tag, length = data[pos], data[pos + 1]
        if tag & 0x1F == 0x1F:
            raise self.fault("A tag number above 30.", field)
        start = pos + 2
        if length >= 0x80:
            octets = length - 0x80
            if octets == 0:
                raise self.fault("An indefinite length.", field)
            if octets > 4:
                raise self.fault("A length of more than four octets.", field)
            start += octets
            if start > end:
                raise self.fault("A length is cut.", field)
            length = int.from_bytes(data[pos + 2 : start], "big")
            if length < 0x80 or length >> 8 * (octets - 1) == 0:
                raise self.fault("A length that is not written in its shortest form.", field)
        stop = start + length
        if stop > end:
            raise self.fault("An element is longer than what contains it.", field)
        self.pos = stop
        return tag, start, stop

    def contents(self, tag: int, field: str = "") -> bytes:
        """Contents of the next element, which has this identifier octet."""
        pos = self.pos
        found, start, stop = self.header(field)
        if found != tag:
            raise self.fault(f"Expected tag {tag:02x}, found {found:02x}.", field, pos)
        return self.data[start:stop]

    def enter(self, tag: int, field: str = "") -> Reader:
        """A reader over the contents of the next element, which has this identifier octet."""
        pos = self.pos
        found, start, stop = self.header(field)
        if found != tag:
            raise self.fault(f"Expected tag {tag:02x}, found {found:02x}.", field, pos)
        path = f"{self.field}.{field}" if self.field and field else self.field or field
        return Reader(self.data, start, stop, base=self.base, field=path)

    def sequence(self, field: str = "") -> Reader:
        """A reader over a SEQUENCE."""
        return self.enter(SEQUENCE, field)

    def set(self, field: str = "") -> Reader:
        """A reader over a SET."""
        return self.enter(SET, field)

    def element(self, field: str = "") -> bytes:
        """The whole next element, whatever it is, identifier and length included."""
        pos = self.pos
        self.header(field)
        return self.data[pos : self.pos]

    def any(self, field: str = "") -> bytes:
        """The whole next element of a type that the grammar leaves open; well-formed to the bottom."""
        pos = self.pos
        self.header(field)
        self._check(pos, self.pos, field)
        return self.data[pos : self.pos]

    def finish(self) -> None:
        """Nothing is left to read."""
        if self.pos < self.stop:
            raise self.fault("Something follows the last element.")

    def boolean(self, field: str = "") -> bool:
        """BOOLEAN: 00 or FF (X.690 section 11.1)."""
        value = self.contents(BOOLEAN, field)
        if value not in (b"\x00", b"\xff"):
            raise self.fault("A BOOLEAN that is neither 00 nor FF.", field)
        return value == b"\xff"

    def integer(self, field: str = "", tag: int = INTEGER) -> int:
        """INTEGER in its shortest form (X.690 section 8.3)."""
        return int.from_bytes(self.integer_octets(field, tag), "big", signed=True)

    def integer_octets(self, field: str = "", tag: int = INTEGER) -> bytes:
        """Contents of an INTEGER in its shortest form."""
        value = self.contents(tag, field)
        if not value:
            raise self.fault("An INTEGER without contents.", field)
        if len(value) > 1 and (value[0] == 0x00) == (value[1] < 0x80) and value[0] in (0x00, 0xFF):
            raise self.fault("An INTEGER that is not written in its shortest form.", field)
        return value

    def oid(self, field: str = "", tag: int = OBJECT_IDENTIFIER) -> str:
        """OBJECT IDENTIFIER as dotted decimal text (X.690 section 8.19)."""
        value = self.contents(tag, field)
        try:
            return decode_oid(value)
        except ValueError as error:
            raise self.fault(str(error), field) from None

    def null(self, field: str = "") -> None:
        """NULL (X.690 section 8.8)."""
        if self.contents(NULL, field):
            raise self.fault("A NULL with contents.", field)

    def octet_string(self, field: str = "") -> bytes:
        """OCTET STRING, primitive (X.690 section 10.2)."""
        return self.contents(OCTET_STRING, field)

    def bit_string(self, field: str = "") -> bytes:
        """BIT STRING of whole octets, as keys and signatures are."""
        unused, value = self.bits(field)
        if unused:
            raise self.fault("A BIT STRING that does not consist of whole octets.", field)
        return value

    def bits(self, field: str = "", tag: int = BIT_STRING) -> tuple[int, bytes]:
        """BIT STRING: number of unused bits in the last octet, which are zero, and the octets (X.690 sections 8.6 and 11.2.1)."""
        value = self.contents(tag, field)
        if not value or value[0] > 7 or (len(value) == 1 and value[0]):
            raise self.fault("A BIT STRING without a proper count of unused bits.", field)
        unused = value[0]
        if unused and value[-1] & ((1 << unused) - 1):
            raise self.fault("A BIT STRING whose unused bits are set.", field)
        return unused, value[1:]

    def time(self, field: str = "") -> int:
        """Time of certificates as Unix seconds (RFC 5280 section 4.1.2.5): UTCTime or GeneralizedTime to the second, in UTC. A GeneralizedTime
        before 2050 breaks the profile and is read all the same, as everybody does (PKITS test 4.2.4)."""
        pos = self.pos
        tag, start, stop = self.header(field)
        text = self.data[start:stop]
        if tag == UTC_TIME and len(text) == 13:
            text = (b"19" if text >= b"50" else b"20") + text
        elif tag != GENERALIZED_TIME or len(text) != 15:
            raise self.fault("Neither a UTCTime nor a GeneralizedTime to the second.", field, pos)
        if not text[:14].isdigit() or text[14:] != b"Z":
            raise self.fault("A time that is not all digits and a Z.", field, pos)
        try:
            moment = datetime(*(int(text[i:j]) for i, j in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))))
        except ValueError as error:
            raise self.fault(f"No such time: {error}.", field, pos) from None
        return timegm(moment.timetuple())

    def _check(self, start: int, stop: int, field: str) -> None:
        ranges = [(start, stop, 0)]
        while ranges:
            start, stop, depth = ranges.pop()
            if depth > MAX_DEPTH:
                raise self.fault(f"Elements more than {MAX_DEPTH} deep.", field, start)
            inner = Reader(self.data, start, stop, base=self.base, field=self.field)
            while inner:
                pos = inner.pos
                tag, first, last = inner.header(field)
                if tag & 0x20:
                    ranges.append((first, last, depth + 1))
                elif tag in _PRIMITIVE:
                    inner.pos = pos
                    _PRIMITIVE[tag](inner, field)


_PRIMITIVE = {
    BOOLEAN: Reader.boolean,
    INTEGER: Reader.integer_octets,
    BIT_STRING: Reader.bits,
    NULL: Reader.null,
    OBJECT_IDENTIFIER: Reader.oid,
}
"""Types whose contents can be checked without knowing what they mean."""


@lru_cache(maxsize=1024)
def decode_oid(value: bytes) -> str:
    """Dotted decimal text of the contents of an OBJECT IDENTIFIER.

    Raises:
        ValueError: they are no object identifier; the text says why.
    """
    if not value or value[-1] & 0x80:
        raise ValueError("An OBJECT IDENTIFIER that is empty or cut.")
    if len(value) > 64:
        raise ValueError("An OBJECT IDENTIFIER of more than 64 octets.")
    arcs = []
    number = 0
    first = True
    for octet in value:
        if first and octet == 0x80:
            raise ValueError("An arc of an OBJECT IDENTIFIER that is not written in its shortest form.")
        number = number << 7 | octet & 0x7F
        first = not octet & 0x80
        if first:
            arcs.append(number)
            number = 0
    root = min(arcs[0] // 40, 2)
    return ".".join(map(str, (root, arcs[0] - 40 * root, *arcs[1:])))
