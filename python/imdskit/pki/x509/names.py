"""Parser of distinguished names and general names (RFC 5280 sections 4.1.2.4 and 4.2.1.6), and the
comparison of names (section 7.1)."""

from __future__ import annotations

import re
from unicodedata import combining, normalize

from imdskit.asn1 import oids
from imdskit.asn1.reader import (
    BMP_STRING,
    IA5_STRING,
    NUMERIC_STRING,
    PRINTABLE_STRING,
    SEQUENCE,
    SET,
    TELETEX_STRING,
    UNIVERSAL_STRING,
    UTF8_STRING,
    VISIBLE_STRING,
    Reader,
    context,
)
from imdskit.pki.x509.certificate import GeneralName, Name

_ENCODINGS = {
    UTF8_STRING: "utf-8",
    NUMERIC_STRING: "ascii",
    PRINTABLE_STRING: "ascii",
    TELETEX_STRING: "latin-1",
    IA5_STRING: "ascii",
    VISIBLE_STRING: "ascii",
    BMP_STRING: "utf-16-be",
    UNIVERSAL_STRING: "utf-32-be",
}
"""Encodings of the string types. The definition of TeletexString has a complex encoding of
characters beyond ASCII, which no implementation follows. In practice, these strings are Latin-1."""

_CHARACTERS = {
    NUMERIC_STRING: re.compile("[0-9 ]*"),
    PRINTABLE_STRING: re.compile(r"[A-Za-z0-9 '()+,\-./:=?*&]*"),
    VISIBLE_STRING: re.compile("[ -~]*"),
}
"""Characters of those string types that allow only a part of ASCII (X.680 sections 41.3 and 41.4).

The standard does not allow ``*`` and ``&`` in a PrintableString. They are accepted here because
authorities use both, for example in "*.metadata.azure.com". OpenSSL and Go accept them as well. See
docs/verification.md.
"""

MAX_CHARACTERS = 1024
"""Maximum number of characters of a string that contains characters beyond ASCII.

RFC 5280 appendix A.1 allows 64 to 255 characters in most attributes, and some authorities use a few
more. For ASCII strings there is no limit, because all operations on them are fast.
"""

MAX_COMBINING = 30
"""Maximum number of consecutive combining characters, as in the Stream-Safe Text Format (UAX 15
section 13).

No writing system needs a longer sequence. A string with a longer sequence is refused, because
Unicode normalization would take quadratic time.
"""

_STRINGS_ONLY = frozenset(
    {
        oids.COMMON_NAME,
        oids.SURNAME,
        oids.SERIAL_NUMBER,
        oids.COUNTRY_NAME,
        oids.LOCALITY_NAME,
        oids.STATE_OR_PROVINCE_NAME,
        oids.ORGANIZATION_NAME,
        oids.ORGANIZATIONAL_UNIT_NAME,
        oids.TITLE,
        oids.NAME,
        oids.GIVEN_NAME,
        oids.INITIALS,
        oids.GENERATION_QUALIFIER,
        oids.DN_QUALIFIER,
        oids.PSEUDONYM,
        oids.DOMAIN_COMPONENT,
        oids.EMAIL_ADDRESS,
    }
)
"""Attributes whose values are strings (RFC 5280 appendix A.1). Values of other attributes may have
any type."""

GENERAL_NAMES = {
    context(0): "otherName",
    context(1, constructed=False): "rfc822Name",
    context(2, constructed=False): "dNSName",
    context(3): "x400Address",
    context(4): "directoryName",
    context(5): "ediPartyName",
    context(6, constructed=False): "uniformResourceIdentifier",
    context(7, constructed=False): "iPAddress",
    context(8, constructed=False): "registeredID",
}
"""Kinds of general names by identifier octet. The tag of directoryName is explicit because its type
is a CHOICE."""

IA5_KINDS = frozenset({"rfc822Name", "dNSName", "uniformResourceIdentifier"})

# Blanks are U+0085, the separators of Unicode, and TAB, LF, VT, FF, CR and SPACE of ASCII (RFC 4518
# sections 2.2 and 2.6.1).
_BLANKS = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_SEPARATORS = re.compile("[\x1c-\x1f]")


def read_name(reader: Reader, field: str) -> Name:
    """Parse a Name, which is a sequence of relative distinguished names. Raise DerError if one of
    them is empty."""
    pos = reader.pos
    rdns = reader.enter(SEQUENCE, field)
    return _parse(rdns, reader.data[pos : reader.pos])


def read_relative_name(reader: Reader, field: str, tag: int) -> tuple[bytes, ...]:
    """Parse a RelativeDistinguishedName with the implicit tag ``tag``, and return it in the form of
    a ``Name.key`` with one entry."""
    pos = reader.pos
    reader.expect(tag, field)
    element = bytes((SET,)) + reader.data[pos + 1 : reader.pos]
    return _parse(Reader(element, base=reader.base + pos, field=reader.path(field)), element).key


def _parse(rdns: Reader, der: bytes) -> Name:
    key = []
    common_names: list[str] = []
    email_addresses: list[str] = []
    while rdns:
        attributes = rdns.enter(SET)
        if not attributes:
            raise attributes.fault("The relative distinguished name has no attributes.")
        parts = []
        previous = b""
        while attributes:
            pos = attributes.pos
            attribute = attributes.sequence()
            oid = attribute.oid("type")
            value = _read_value(attribute, oid)
            attribute.finish()
            element = attributes.data[pos : attributes.pos]
            if element <= previous:
                raise attributes.fault("The attributes are not in the order of DER, or one occurs twice (X.690 section 11.6).", pos=pos)
            previous = element
            if isinstance(value, bytes):
                parts.append(b"%s:%s" % (oid.encode(), value))
                continue
            parts.append(b"%s=%s" % (oid.encode(), comparable(value)))
            if oid == oids.COMMON_NAME:
                common_names.append(value)
            elif oid == oids.EMAIL_ADDRESS:
                email_addresses.append(value)
        # The length of each part precedes the part, so that two different lists of parts never give
        # the same bytes.
        key.append(b"".join(b"%d:%s" % (len(part), part) for part in sorted(parts)) if len(parts) > 1 else parts[0])
    return Name(der, tuple(key), tuple(common_names), tuple(email_addresses))


def _read_value(attribute: Reader, oid: str) -> str | bytes:
    """Return the text of a string value, or the DER of any other value."""
    pos = attribute.pos
    tag = attribute.peek()
    encoding = _ENCODINGS.get(tag)
    if encoding is None:
        if oid in _STRINGS_ONLY:
            raise attribute.fault("The element is not a string.", "value")
        return attribute.any("value")
    try:
        text = attribute.contents(tag, "value").decode(encoding)
    except UnicodeDecodeError:
        raise attribute.fault("The string has octets that its type does not allow.", "value", pos) from None
    if tag in _CHARACTERS and not _CHARACTERS[tag].fullmatch(text):
        raise attribute.fault("The string has characters that its type does not allow.", "value", pos)
    if not text.isascii():
        if len(text) > MAX_CHARACTERS:
            raise attribute.fault(f"The string is not ASCII and has more than {MAX_CHARACTERS} characters.", "value", pos)
        if _has_long_row(text):
            raise attribute.fault(f"The string has more than {MAX_COMBINING} combining characters in a row.", "value", pos)
    return text


def _has_long_row(text: str) -> bool:
    row = 0
    for character in text:
        row = row + 1 if combining(character) else 0
        if row > MAX_COMBINING:
            return True
    return False


def comparable(text: str) -> bytes:
    """Return the comparable form of a string. Two strings are equal in a name if their comparable
    forms are equal, whatever their ASN.1 types are.

    The function folds letter case and applies a Unicode normal form. It removes blanks at both
    ends, and replaces each sequence of blanks inside by one blank (RFC 5280 section 7.1; RFC 4518
    sections 2.2, 2.3 and 2.6.1). RFC 4518 also removes or forbids some characters. This function
    keeps them, so two strings that differ only in such characters are different.

    RFC 4518 uses the normal form NFKC, and this function uses NFKD. The result of a comparison is
    the same, and Python computes NFKD in a tenth of the time.
    """
    if text.isascii():
        return b" ".join(text.lower().encode("ascii").split())
    folded = normalize("NFKD", text.casefold()).casefold()
    # str.split is faster. It is used unless the text contains one of the four control characters
    # that it would treat as blanks.
    words = filter(None, _BLANKS.split(folded)) if _SEPARATORS.search(folded) else folded.split()
    return " ".join(words).encode("utf-8", "surrogatepass")


def read_general_name(reader: Reader, field: str) -> GeneralName:
    """Parse a GeneralName. The form of its contents is checked for the kinds of names that RFC 5280
    defines completely."""
    pos = reader.pos
    tag = reader.peek()
    kind = GENERAL_NAMES.get(tag)
    if kind is None:
        raise reader.fault("The element is not a GeneralName.", field)
    if not tag & 0x20:
        value = reader.contents(tag, field)
        if kind in IA5_KINDS and not value.isascii():
            raise reader.fault("The IA5String has octets beyond ASCII.", field, pos)
        if kind == "registeredID":
            reader.pos = pos
            reader.oid(field, tag)
        return GeneralName(kind, value)
    inner = reader.enter(tag, field)
    value = inner.data[inner.pos : inner.stop]
    name = None
    if kind == "directoryName":
        name = read_name(inner, "directoryName")
    elif kind == "otherName":
        _read_other_name(inner)
    else:
        while inner:
            inner.any()
    inner.finish()
    return GeneralName(kind, value, name)


def read_general_names(reader: Reader) -> tuple[GeneralName, ...]:
    """Parse all general names up to the end of the reader."""
    names: list[GeneralName] = []
    while reader:
        names.append(read_general_name(reader, f"[{len(names)}]"))
    return tuple(names)


def _read_other_name(reader: Reader) -> None:
    """Parse an OtherName, which has a type and a value. Only the value of the type
    hardwareModuleName (RFC 4108 section 5) is checked in detail. Any other value must be
    well-formed DER."""
    kind = reader.oid("type-id")
    value = reader.enter(context(0), "value")
    if kind == oids.HARDWARE_MODULE_NAME:
        module = value.sequence("hardwareModuleName")
        module.oid("hwType")
        module.octet_string("hwSerialNum")
        module.finish()
    else:
        value.any()
    value.finish()
