"""Decoders of certificate extensions (RFC 5280 section 4.2).

A decoder raises :class:`~imdskit.errors.DerError` if the value does not follow the grammar of its
extension. RFC 5280 has further rules for some of these values. They are in
:mod:`imdskit.pki.x509.rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from imdskit.asn1 import oids
from imdskit.asn1.reader import BOOLEAN, INTEGER, SEQUENCE, Reader, context, named_bits
from imdskit.pki.x509.certificate import (
    AuthorityKeyIdentifier,
    BasicConstraints,
    GeneralName,
    GeneralSubtree,
    NameConstraints,
    PolicyConstraints,
)
from imdskit.pki.x509.names import read_general_name, read_general_names

T = TypeVar("T")

KEY_USAGE_BITS = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)
"""Names of the bits of keyUsage (section 4.2.1.3), in the order of their bit numbers."""


MAX_ITEMS = 1024
"""Maximum number of items in a list inside one extension. Path validation compares such items with
one another, so longer lists would take too long. A list of general names, such as subjectAltName,
has no such limit."""


def _items(reader: Reader, read: Callable[[Reader, str], T]) -> tuple[T, ...]:
    """Decode items up to the end of the reader, and return them. The arguments of ``read``, which
    decodes one item, are the reader and the name of the item for errors."""
    found: list[T] = []
    while reader:
        found.append(read(reader, f"[{len(found)}]"))
        if len(found) > MAX_ITEMS:
            raise reader.fault(f"The list has more than {MAX_ITEMS} items.")
    return tuple(found)


def _list_of(read: Callable[[Reader, str], T]) -> Callable[[Reader], tuple[T, ...]]:
    """Return a decoder of a SEQUENCE OF items. ``read`` decodes one item."""
    return lambda reader: _items(reader.sequence(), read)


def _basic_constraints(reader: Reader) -> BasicConstraints:
    members = reader.sequence()
    # FALSE is the default, so DER forbids encoding it (X.690 section 11.5). Some authorities have
    # encoded it anyway. It is accepted, because the meaning is the same.
    ca = members.boolean("cA") if members.peek() == BOOLEAN else False
    path_length = _count(members, "pathLenConstraint", INTEGER) if members else None
    members.finish()
    return BasicConstraints(ca, path_length)


def _key_usage(reader: Reader) -> frozenset[str]:
    _, value = reader.bits()
    return named_bits(value, KEY_USAGE_BITS)


def _authority_key_identifier(reader: Reader) -> AuthorityKeyIdentifier:
    members = reader.sequence()
    key_identifier = members.contents(0x80, "keyIdentifier") if members.peek() == 0x80 else None
    issuer = read_general_names(members.enter(context(1), "authorityCertIssuer")) if members.peek() == context(1) else None
    serial = members.integer("authorityCertSerialNumber", 0x82) if members.peek() == 0x82 else None
    members.finish()
    return AuthorityKeyIdentifier(key_identifier, issuer, serial)


def _general_names(reader: Reader) -> tuple[GeneralName, ...]:
    return read_general_names(reader.sequence())


def _name_constraints(reader: Reader) -> NameConstraints:
    members = reader.sequence()
    permitted = _subtrees(members.enter(context(0), "permittedSubtrees")) if members.peek() == context(0) else None
    excluded = _subtrees(members.enter(context(1), "excludedSubtrees")) if members.peek() == context(1) else None
    members.finish()
    return NameConstraints(permitted, excluded)


def _subtrees(reader: Reader) -> tuple[GeneralSubtree, ...]:
    """Decode GeneralSubtrees, which must have at least one item."""
    if not reader:
        raise reader.fault("The list of subtrees is empty.")
    return _items(reader, _subtree)


def _subtree(reader: Reader, field: str) -> GeneralSubtree:
    subtree = reader.sequence(field)
    base = read_general_name(subtree, "base")
    minimum = _count(subtree, "minimum", 0x80) if subtree.peek() == 0x80 else 0
    maximum = _count(subtree, "maximum", 0x81) if subtree.peek() == 0x81 else None
    subtree.finish()
    return GeneralSubtree(base, minimum, maximum)


def _policy_identifier(reader: Reader, field: str) -> str:
    """Return the policy of a PolicyInformation. Only the form of its qualifiers is checked, because
    path validation does not use them."""
    information = reader.sequence(field)
    policy = information.oid("policyIdentifier")
    if information:
        items = information.sequence("policyQualifiers")
        if not items:
            raise items.fault("The list of qualifiers is empty.")
        while items:
            item = items.sequence()
            item.oid("policyQualifierId")
            item.any("qualifier")
            item.finish()
    information.finish()
    return policy


def _policy_mapping(reader: Reader, field: str) -> tuple[str, str]:
    mapping = reader.sequence(field)
    pair = mapping.oid("issuerDomainPolicy"), mapping.oid("subjectDomainPolicy")
    mapping.finish()
    return pair


def _policy_constraints(reader: Reader) -> PolicyConstraints:
    members = reader.sequence()
    require_explicit = _count(members, "requireExplicitPolicy", 0x80) if members.peek() == 0x80 else None
    inhibit_mapping = _count(members, "inhibitPolicyMapping", 0x81) if members.peek() == 0x81 else None
    members.finish()
    return PolicyConstraints(require_explicit, inhibit_mapping)


def _count(reader: Reader, field: str, tag: int) -> int:
    """Decode an INTEGER (0..MAX), such as pathLenConstraint."""
    pos = reader.pos
    number = reader.integer(field, tag)
    if number < 0:
        raise reader.fault("The count is negative.", field, pos)
    return number


def _inhibit_any_policy(reader: Reader) -> int:
    return _count(reader, "", INTEGER)


def _access_description(reader: Reader, field: str) -> tuple[str, GeneralName]:
    description = reader.sequence(field)
    found = description.oid("accessMethod"), read_general_name(description, "accessLocation")
    description.finish()
    return found


def _authority_info_access(reader: Reader) -> tuple[str, ...]:
    """Return the URLs of the certificates of the issuer. Descriptions with another access method,
    or with a location that is not a URL, are skipped."""
    descriptions = _items(reader.sequence(), _access_description)
    if not descriptions:
        raise reader.fault("The list of access descriptions is empty.")
    return tuple(name.text for method, name in descriptions if method == oids.CA_ISSUERS and name.kind == "uniformResourceIdentifier")


def _subject_key_identifier(reader: Reader) -> bytes:
    return reader.octet_string()


def _any_sequence(reader: Reader) -> None:
    """Check that the value of an extension is a well-formed SEQUENCE. The contents are decoded
    elsewhere, or not used."""
    if reader.peek() != SEQUENCE:
        raise reader.fault("The element is not a SEQUENCE.")
    reader.any()


DECODERS: dict[str, tuple[str | None, Callable[[Reader], object]]] = {
    oids.BASIC_CONSTRAINTS: ("basic_constraints", _basic_constraints),
    oids.KEY_USAGE: ("key_usage", _key_usage),
    oids.EXTENDED_KEY_USAGE: ("extended_key_usage", _list_of(Reader.oid)),
    oids.SUBJECT_ALT_NAME: ("subject_alt_name", _general_names),
    oids.SUBJECT_KEY_IDENTIFIER: ("subject_key_identifier", _subject_key_identifier),
    oids.AUTHORITY_KEY_IDENTIFIER: ("authority_key_identifier", _authority_key_identifier),
    oids.NAME_CONSTRAINTS: ("name_constraints", _name_constraints),
    oids.CERTIFICATE_POLICIES: ("certificate_policies", _list_of(_policy_identifier)),
    oids.POLICY_MAPPINGS: ("policy_mappings", _list_of(_policy_mapping)),
    oids.POLICY_CONSTRAINTS: ("policy_constraints", _policy_constraints),
    oids.INHIBIT_ANY_POLICY: ("inhibit_any_policy", _inhibit_any_policy),
    oids.AUTHORITY_INFO_ACCESS: ("ca_issuers", _authority_info_access),
    oids.ISSUER_ALT_NAME: (None, _general_names),
    oids.CRL_DISTRIBUTION_POINTS: (None, _any_sequence),
}
"""Maps the object identifier of an extension to a pair. The first item is the name of the attribute
of Certificate that the extension sets, or None. The second item is the decoder. An extension that
sets an attribute is understood, so it may be critical."""
