"""Distinguished names and general names (RFC 5280 sections 4.1.2.4 and 4.2.1.6), and when two names are the same (section 7.1)."""

from __future__ import annotations

from imdskit.asn1 import oids
from imdskit.asn1.reader import (
    BMP_STRING,
    IA5_STRING,
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
from imdskit.backends.python.certificate import GeneralName, Name

_ENCODINGS = {
    UTF8_STRING: "utf-8",
    PRINTABLE_STRING: "latin-1",
    TELETEX_STRING: "latin-1",
    IA5_STRING: "latin-1",
    VISIBLE_STRING: "latin-1",
    BMP_STRING: "utf-16-be",
    UNIVERSAL_STRING: "utf-32-be",
}

DIRECTORY_ATTRIBUTES = "2.5.4."
NOT_STRINGS = frozenset({"2.5.4.45"})
"""x500UniqueIdentifier is a BIT STRING; every other attribute of X.520 that stands in names is a string."""

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


def read_name(reader: Reader, field: str) -> Name:
    """Name: a sequence of relative distinguished names, none of them empty."""
    start = reader.pos
    rdns = reader.enter(SEQUENCE, field)
    key = []
    common_names: list[str] = []
    email_addresses: list[str] = []
    while rdns:
        attributes = rdns.enter(SET)
        if not attributes:
            raise attributes.fault("A relative distinguished name without attributes.")
        parts = []
        while attributes:
            attribute = attributes.enter(SEQUENCE)
            oid = attribute.oid("type")
            tag, text, whole = _read_value(attribute, oid)
            attribute.finish()
            parts.append(oid.encode() + b"=" + (whole if text is None else b"text:" + comparable(text)))
            if text is not None and oid == oids.COMMON_NAME:
                common_names.append(text)
            elif text is not None and oid == oids.EMAIL_ADDRESS:
                email_addresses.append(text)
        key.append(b"\0".join(sorted(parts)))
    return Name(reader.data[start : reader.pos], tuple(key), tuple(common_names), tuple(email_addresses))


def _read_value(attribute: Reader, oid: str) -> tuple[int, str | None, bytes]:
    start = attribute.pos
    tag = attribute.peek()
    encoding = _ENCODINGS.get(tag)
    if encoding is None:
        if oid.startswith(DIRECTORY_ATTRIBUTES) and oid not in NOT_STRINGS:
            raise attribute.fault(f"A directory string with tag {tag & 0xFF:02x}.", "value")
        return tag, None, attribute.any("value")
    contents = attribute.contents(tag, "value")
    try:
        return tag, contents.decode(encoding), attribute.data[start : attribute.pos]
    except UnicodeDecodeError:
        raise attribute.fault("A string that is not what its type says.", "value", start) from None


def comparable(text: str) -> bytes:
    """The form in which two values are compared (RFC 5280 section 7.1, after RFC 4518): letters of ASCII without case, blanks at the ends
    dropped and in the middle squeezed. Letters beyond ASCII are compared as they are: no authority of the service uses any."""
    return " ".join(text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass").split()).encode("utf-8", "surrogatepass")


def read_general_name(reader: Reader, field: str) -> GeneralName:
    """GeneralName, its contents checked as far as its kind says what they are."""
    pos = reader.pos
    tag = reader.peek()
    kind = GENERAL_NAMES.get(tag)
    if kind is None:
        raise reader.fault(f"No general name has tag {tag & 0xFF:02x}.", field)
    if kind == "directoryName":
        inner = reader.enter(tag, field)
        start = inner.pos
        name = read_name(inner, "directoryName")
        inner.finish()
        return GeneralName(kind, inner.data[start : inner.stop], name)
    if tag & 0x20:
        whole = Reader(reader.any(field), base=reader.base + pos, field=reader.field)
        _, start, stop = whole.header(field)
        return GeneralName(kind, whole.data[start:stop])
    value = reader.contents(tag, field)
    if kind in ("dNSName", "rfc822Name", "uniformResourceIdentifier") and not value.isascii():
        raise reader.fault("An IA5String with octets beyond ASCII.", field, pos)
    return GeneralName(kind, value)


def read_general_names(reader: Reader, field: str) -> tuple[GeneralName, ...]:
    """The general names up to the end of the reader."""
    names = []
    while reader:
        names.append(read_general_name(reader, f"{field}[{len(names)}]"))
    return tuple(names)
