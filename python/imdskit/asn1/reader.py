"""Strict reader of DER (X.690). DER allows exactly one encoding of each value, and the reader
refuses every other encoding.

A :class:`Reader` is a cursor over the elements between two offsets of a buffer. To read the
contents of a constructed element, the caller creates another reader over the same buffer, for
example with :meth:`Reader.enter`. An error can therefore report its offset in the buffer. No method
calls itself for each level of nesting, so deeply nested data from an attacker cannot exhaust the
stack.

This module handles only the encoding. :mod:`imdskit.pki.x509.parser` and :mod:`imdskit.pki.cms`
interpret the elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from imdskit.errors import DerError

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_IDENTIFIER, ENUMERATED = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A
UTF8_STRING, NUMERIC_STRING, PRINTABLE_STRING, TELETEX_STRING, IA5_STRING = 0x0C, 0x12, 0x13, 0x14, 0x16
UTC_TIME, GENERALIZED_TIME, VISIBLE_STRING, UNIVERSAL_STRING, BMP_STRING = 0x17, 0x18, 0x1A, 0x1C, 0x1E
SEQUENCE, SET = 0x30, 0x31

MAX_DEPTH = 32
"""Maximum depth of nesting inside an element whose type the grammar leaves open (ANY). Genuine
certificates and messages have fewer than 10 levels."""

MAX_OID_OCTETS = 64
"""Maximum length of an OBJECT IDENTIFIER in bytes. The longest ones in use have about 20 bytes."""


_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)


def context(number: int, *, constructed: bool = True) -> int:
    """Return the identifier octet of the context-specific tag ``number``, which must be at most 30
    (X.690 section 8.1.2)."""
    return (0xA0 if constructed else 0x80) | number


def unix_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Return a time in UTC as Unix seconds. Raise ValueError if there is no such time."""
    return (datetime(year, month, day, hour, minute, second) - _EPOCH) // _SECOND


def named_bits(octets: bytes, names: Sequence[str]) -> frozenset[str]:
    """Return the names of the bits that are set in a BIT STRING. Bits without a name are ignored.

    DER forbids trailing zeros in named bits (X.690 section 11.2.2). Some authorities have encoded
    them anyway. The function accepts trailing zeros, because they have no meaning.
    """
    size = 8 * len(octets)
    number = int.from_bytes(octets, "big")
    return frozenset(name for bit, name in enumerate(names) if bit < size and number >> (size - 1 - bit) & 1)


class Reader:
    """Cursor over DER elements.

    The methods raise :class:`~imdskit.errors.DerError` if the bytes at the cursor are not the
    expected element. Their argument ``field`` is the ASN.1 name of the element, for the error.

    Args:
        data: the buffer.
        start: offset of the first byte to read.
        stop: offset after the last byte to read; by default the end of the buffer.
        base: offset of ``data`` in the outermost buffer. Errors report offsets in the outermost
            buffer.
        field: ASN.1 name of the element that this reader reads, for errors.
        parent: the reader of the enclosing element. In errors, its path comes before ``field``.
    """

    __slots__ = ("base", "data", "field", "parent", "pos", "stop")

    def __init__(
        self, data: bytes, start: int = 0, stop: int | None = None, base: int = 0, field: str = "", parent: Reader | None = None
    ) -> None:
        self.data = data
        self.pos = start
        self.stop = len(data) if stop is None else stop
        self.base = base
        self.field = field
        self.parent = parent

    def path(self, field: str = "") -> str:
        """Return the ASN.1 path of ``field``, beginning at the outermost reader."""
        names = [field]
        reader: Reader | None = self
        while reader is not None:
            names.append(reader.field)
            reader = reader.parent
        return ".".join(name for name in reversed(names) if name).replace(".[", "[")

    def fault(self, message: str, field: str = "", pos: int | None = None) -> DerError:
        """Return a DerError for the caller to raise. Its offset is ``pos``, or by default the
        current position."""
        return DerError(message, self.base + (self.pos if pos is None else pos), self.path(field))

    def __bool__(self) -> bool:
        """Return True if at least one byte is left to read."""
        return self.pos < self.stop

    def peek(self) -> int:
        """Return the identifier octet of the next element, or -1 at the end."""
        return self.data[self.pos] if self.pos < self.stop else -1

    def header(self, field: str = "") -> tuple[int, int, int]:
        """Step over the next element. Return its identifier octet, and the start and the end of its
        contents as offsets in the buffer (X.690 sections 8.1 and 10.1)."""
        data, pos, end = self.data, self.pos, self.stop
        if pos + 2 > end:
            raise self.fault("An element is missing." if pos >= end else "The element is truncated.", field)
        tag, length = data[pos], data[pos + 1]
        if tag & 0x1F == 0x1F:
            raise self.fault("The tag number is above 30.", field)
        start = pos + 2
        if length >= 0x80:
            octets = length - 0x80
            if octets == 0:
                raise self.fault("The length is indefinite, which DER does not allow.", field)
            if octets > 4:
                raise self.fault("The length has more than four octets.", field)
            start += octets
            if start > end:
                raise self.fault("The length is truncated.", field)
            length = int.from_bytes(data[pos + 2 : start], "big")
            if length < 0x80 or length >> 8 * (octets - 1) == 0:
                raise self.fault("The length is not in its shortest form.", field)
        stop = start + length
        if stop > end:
            raise self.fault("The element is longer than the element that contains it.", field)
        self.pos = stop
        return tag, start, stop

    def expect(self, tag: int, field: str = "") -> tuple[int, int]:
        """Step over the next element, and return the start and the end of its contents as offsets
        in the buffer. Raise DerError if its identifier octet is not ``tag``."""
        pos = self.pos
        data = self.data
        # This fast path reads nearly every element. `header` reads all others and raises the errors
        # for malformed ones.
        if pos + 2 <= self.stop and data[pos] == tag and (length := data[pos + 1]) < 0x80 and pos + 2 + length <= self.stop:
            self.pos = pos + 2 + length
            return pos + 2, pos + 2 + length
        found, start, stop = self.header(field)
        if found != tag:
            raise self.fault(f"Expected tag {tag:02x}, found {found:02x}.", field, pos)
        return start, stop

    def contents(self, tag: int, field: str = "") -> bytes:
        """Return the contents of the next element. Raise DerError if its identifier octet is not
        ``tag``."""
        start, stop = self.expect(tag, field)
        return self.data[start:stop]

    def enter(self, tag: int, field: str = "") -> Reader:
        """Return a reader over the contents of the next element. Raise DerError if its identifier
        octet is not ``tag``."""
        start, stop = self.expect(tag, field)
        return Reader(self.data, start, stop, self.base, field, self)

    def sequence(self, field: str = "") -> Reader:
        """Return a reader over the contents of the next element, which must be a SEQUENCE."""
        return self.enter(SEQUENCE, field)

    def element(self, field: str = "") -> bytes:
        """Return all bytes of the next element, including its identifier and length. The element
        may have any type, and its contents are not checked."""
        pos = self.pos
        self.header(field)
        return self.data[pos : self.pos]

    def any(self, field: str = "") -> bytes:
        """Return all bytes of the next element, whose type the grammar leaves open (ANY). All
        elements inside it must be well-formed."""
        pos = self.pos
        self.header(field)
        element = self.data[pos : self.pos]
        if element != b"\x05\x00":
            self._check(pos, self.pos, field)
        return element

    def finish(self) -> None:
        """Raise DerError unless everything has been read."""
        if self.pos < self.stop:
            raise self.fault("There are more octets after the last element.")

    def boolean(self, field: str = "", tag: int = BOOLEAN) -> bool:
        """Read a BOOLEAN, which must be 00 or FF (X.690 section 11.1)."""
        pos = self.pos
        value = self.contents(tag, field)
        if value not in (b"\x00", b"\xff"):
            raise self.fault("The BOOLEAN is neither 00 nor FF.", field, pos)
        return value == b"\xff"

    def integer(self, field: str = "", tag: int = INTEGER) -> int:
        """Read an INTEGER, which must have its shortest form (X.690 section 8.3)."""
        pos = self.pos
        value = self.contents(tag, field)
        if not value:
            raise self.fault("The INTEGER has no contents.", field, pos)
        if len(value) > 1 and value[0] in (0x00, 0xFF) and (value[0] == 0x00) == (value[1] < 0x80):
            raise self.fault("The INTEGER is not in its shortest form.", field, pos)
        return int.from_bytes(value, "big", signed=True)

    def enumerated(self, field: str = "") -> int:
        """Read an ENUMERATED (X.690 section 8.4)."""
        return self.integer(field, ENUMERATED)

    def oid(self, field: str = "", tag: int = OBJECT_IDENTIFIER) -> str:
        """Read an OBJECT IDENTIFIER and return it in dotted decimal form (X.690 section 8.19)."""
        pos = self.pos
        try:
            return decode_oid(self.contents(tag, field))
        except ValueError as error:
            raise self.fault(str(error), field, pos) from None

    def null(self, field: str = "") -> None:
        """Read a NULL (X.690 section 8.8)."""
        pos = self.pos
        if self.contents(NULL, field):
            raise self.fault("The NULL has contents.", field, pos)

    def octet_string(self, field: str = "") -> bytes:
        """Read an OCTET STRING, which must be primitive (X.690 section 10.2)."""
        return self.contents(OCTET_STRING, field)

    def bits(self, field: str = "", tag: int = BIT_STRING) -> tuple[int, bytes]:
        """Read a BIT STRING and return the number of unused bits in its last byte, and its bytes
        (X.690 sections 8.6 and 11.2.1).

        The unused bits must be zero.
        """
        pos = self.pos
        value = self.contents(tag, field)
        if not value or value[0] > 7 or (len(value) == 1 and value[0]):
            raise self.fault("The BIT STRING has no valid count of unused bits.", field, pos)
        unused = value[0]
        if unused and value[-1] & ((1 << unused) - 1):
            raise self.fault("The BIT STRING has unused bits that are set.", field, pos)
        return unused, value[1:]

    def bit_string(self, field: str = "") -> bytes:
        """Read a BIT STRING without unused bits, and return its bytes. Keys and signatures have
        this form."""
        pos = self.pos
        unused, value = self.bits(field)
        if unused:
            raise self.fault("The BIT STRING does not consist of whole octets.", field, pos)
        return value

    def enter_bit_string(self, field: str = "") -> Reader:
        """Return a reader over the contents of a BIT STRING that contains DER. Public keys have
        this form."""
        pos = self.pos
        start, stop = self.expect(BIT_STRING, field)
        if start == stop or self.data[start]:
            raise self.fault("The BIT STRING does not consist of whole octets.", field, pos)
        return Reader(self.data, start + 1, stop, self.base, field, self)

    def time(self, field: str = "") -> int:
        """Read a UTCTime or GeneralizedTime and return Unix seconds.

        The time must be in UTC and have whole seconds (RFC 5280 section 4.1.2.5; X.690 sections
        11.7 and 11.8). Authorities must use UTCTime through 2049, but readers must accept both
        types.
        """
        pos = self.pos
        tag, start, stop = self.header(field)
        text = self.data[start:stop]
        if tag == UTC_TIME and len(text) == 13:
            text = (b"19" if text >= b"50" else b"20") + text
        elif tag != GENERALIZED_TIME or len(text) != 15:
            raise self.fault("The time is neither a UTCTime nor a GeneralizedTime with seconds.", field, pos)
        if not text[:14].isdigit() or text[14:] != b"Z":
            raise self.fault("The time does not consist of digits and a Z.", field, pos)
        year, month, day, hour, minute, second = int(text[:4]), *(int(text[at : at + 2]) for at in (4, 6, 8, 10, 12))
        try:
            return unix_seconds(year, month, day, hour, minute, second)
        except ValueError as error:
            raise self.fault(f"The time does not exist: {error}.", field, pos) from None

    def _check(self, start: int, stop: int, field: str) -> None:
        """Check that a range of the buffer consists of well-formed elements at all depths, and that
        the values of primitive elements are valid.

        The method uses a list of pending ranges instead of recursion, so deep nesting cannot
        exhaust the stack.
        """
        ranges = [(start, stop, 0)]
        while ranges:
            start, stop, depth = ranges.pop()
            if depth > MAX_DEPTH:
                raise self.fault(f"The elements are nested more than {MAX_DEPTH} deep.", field, start)
            inner = Reader(self.data, start, stop, self.base, field, self)
            while inner:
                pos = inner.pos
                tag, first, last = inner.header()
                if tag & 0xC0 == 0 and (tag == 0 or (tag & 0x1F in _ALWAYS_CONSTRUCTED) != bool(tag & 0x20)):
                    raise inner.fault("DER does not allow this tag (X.690 sections 8 and 10.2).", pos=pos)
                if tag & 0x20:
                    ranges.append((first, last, depth + 1))
                elif tag in _VALUES:
                    inner.pos = pos
                    _VALUES[tag](inner, "")


_ALWAYS_CONSTRUCTED = frozenset({8, 11, 16, 17, 29})
"""Tag numbers of EXTERNAL, EMBEDDED PDV, SEQUENCE, SET and CHARACTER STRING. All other universal
types are primitive in DER."""

_VALUES: dict[int, Callable[[Reader, str], object]] = {
    BOOLEAN: Reader.boolean,
    INTEGER: Reader.integer,
    ENUMERATED: Reader.enumerated,
    BIT_STRING: Reader.bits,
    NULL: Reader.null,
    OBJECT_IDENTIFIER: Reader.oid,
}
"""Maps the identifier octet of a primitive type to the function that checks its contents. A type is
absent if all contents are valid for it."""


@lru_cache(maxsize=1024)
def decode_oid(value: bytes) -> str:
    """Return the dotted decimal form of an OBJECT IDENTIFIER's contents.

    Raises:
        ValueError: ``value`` is not the encoding of an object identifier. The text of the error
            says why.
    """
    if not value or value[-1] & 0x80:
        raise ValueError("The OBJECT IDENTIFIER is empty or truncated.")
    if len(value) > MAX_OID_OCTETS:
        raise ValueError(f"The OBJECT IDENTIFIER has more than {MAX_OID_OCTETS} octets.")
    arcs = []
    number = 0
    first = True
    for octet in value:
        if first and octet == 0x80:
            raise ValueError("An arc of the OBJECT IDENTIFIER is not in its shortest form.")
        number = number << 7 | octet & 0x7F
        first = not octet & 0x80
        if first:
            arcs.append(number)
            number = 0
    root = min(arcs[0] // 40, 2)
    return ".".join(map(str, (root, arcs[0] - 40 * root, *arcs[1:])))
