"""Certificate extensions that path validation needs, decoded (RFC 5280 section 4.2)."""

from __future__ import annotations

from collections.abc import Callable

from imdskit.asn1 import oids
from imdskit.asn1.reader import INTEGER, Reader, context
from imdskit.backends.python.certificate import (
    AuthorityKeyIdentifier,
    BasicConstraints,
    GeneralSubtree,
    NameConstraints,
    PolicyConstraints,
    PolicyInformation,
)
from imdskit.backends.python.names import read_general_name, read_general_names

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

MAX_ITEMS = 1024
"""Of any list inside one extension."""


def _basic_constraints(reader: Reader) -> BasicConstraints:
    members = reader.sequence()
    ca = members.boolean("cA") if members.peek() == 0x01 else False
    path_length = None
    if members:
        path_length = members.integer("pathLenConstraint")
        if path_length < 0:
            raise members.fault("A negative path length.", "pathLenConstraint")
    members.finish()
    return BasicConstraints(ca, path_length)


def _key_usage(reader: Reader) -> frozenset[str]:
    unused, octets = reader.bits()
    # Zeros at the end of named bits are no DER (X.690 section 11.2.2) but are in many certificates, and mean nothing else.
    size = 8 * len(octets)
    number = int.from_bytes(octets, "big")
    return frozenset(name for bit, name in enumerate(KEY_USAGE_BITS) if bit < size and number >> (size - 1 - bit) & 1)


def _extended_key_usage(reader: Reader) -> tuple[str, ...]:
    purposes = reader.sequence()
    found = []
    while purposes:
        found.append(purposes.oid(f"[{len(found)}]"))
    return tuple(found)


def _authority_key_identifier(reader: Reader) -> AuthorityKeyIdentifier:
    members = reader.sequence()
    key_identifier = members.contents(0x80, "keyIdentifier") if members.peek() == 0x80 else None
    issuer = read_general_names(members.enter(context(1)), "authorityCertIssuer") if members.peek() == context(1) else None
    serial = members.integer("authorityCertSerialNumber", 0x82) if members.peek() == 0x82 else None
    members.finish()
    return AuthorityKeyIdentifier(key_identifier, issuer, serial)


def _name_constraints(reader: Reader) -> NameConstraints:
    members = reader.sequence()
    permitted = _subtrees(members.enter(context(0), "permittedSubtrees")) if members.peek() == context(0) else None
    excluded = _subtrees(members.enter(context(1), "excludedSubtrees")) if members.peek() == context(1) else None
    members.finish()
    return NameConstraints(permitted, excluded)


def _subtrees(reader: Reader) -> tuple[GeneralSubtree, ...]:
    subtrees = []
    while reader:
        subtree = reader.sequence(f"[{len(subtrees)}]")
        base = read_general_name(subtree, "base")
        minimum = subtree.integer("minimum", 0x80) if subtree.peek() == 0x80 else 0
        maximum = subtree.integer("maximum", 0x81) if subtree.peek() == 0x81 else None
        subtree.finish()
        subtrees.append(GeneralSubtree(base, minimum, maximum))
        if len(subtrees) > MAX_ITEMS:
            raise reader.fault(f"More than {MAX_ITEMS} subtrees.")
    if not subtrees:
        raise reader.fault("No subtrees.")
    return tuple(subtrees)


def _certificate_policies(reader: Reader) -> tuple[PolicyInformation, ...]:
    policies = reader.sequence()
    found = []
    while policies:
        information = policies.sequence(f"[{len(found)}]")
        policy = information.oid("policyIdentifier")
        qualifiers = information.any("policyQualifiers") if information.peek() == 0x30 else None
        information.finish()
        found.append(PolicyInformation(policy, qualifiers))
        if len(found) > MAX_ITEMS:
            raise policies.fault(f"More than {MAX_ITEMS} policies.")
    return tuple(found)


def _policy_mappings(reader: Reader) -> tuple[tuple[str, str], ...]:
    mappings = reader.sequence()
    found = []
    while mappings:
        mapping = mappings.sequence(f"[{len(found)}]")
        found.append((mapping.oid("issuerDomainPolicy"), mapping.oid("subjectDomainPolicy")))
        mapping.finish()
        if len(found) > MAX_ITEMS:
            raise mappings.fault(f"More than {MAX_ITEMS} mappings.")
    return tuple(found)


def _policy_constraints(reader: Reader) -> PolicyConstraints:
    members = reader.sequence()
    require_explicit = _skip_certificates(members, "requireExplicitPolicy", 0x80)
    inhibit_mapping = _skip_certificates(members, "inhibitPolicyMapping", 0x81)
    members.finish()
    return PolicyConstraints(require_explicit, inhibit_mapping)


def _skip_certificates(reader: Reader, field: str, tag: int) -> int | None:
    """SkipCerts: a number of certificates, zero or more."""
    if reader.peek() != tag:
        return None
    number = reader.integer(field, tag)
    if number < 0:
        raise reader.fault("A negative number of certificates.", field)
    return number


def _inhibit_any_policy(reader: Reader) -> int:
    number = _skip_certificates(reader, "skipCerts", INTEGER)
    if number is None:
        raise reader.fault("Not a number of certificates.")
    return number


def _authority_info_access(reader: Reader) -> tuple[str, ...]:
    """Addresses of certificates of the issuer; other access methods are checked and passed over."""
    descriptions = reader.sequence()
    found = []
    while descriptions:
        description = descriptions.sequence()
        method = description.oid("accessMethod")
        location = read_general_name(description, "accessLocation")
        description.finish()
        if method == oids.CA_ISSUERS and location.kind == "uniformResourceIdentifier":
            found.append(location.text)
    return tuple(found)


def _subject_key_identifier(reader: Reader) -> bytes:
    return reader.octet_string()


def _general_names(reader: Reader) -> object:
    return read_general_names(reader.sequence(), "names")


def _any_sequence(reader: Reader) -> None:
    """Well-formed and a SEQUENCE; what it says is of no use to us."""
    if reader.peek() != 0x30:
        raise reader.fault("Not a SEQUENCE.")
    reader.any()


DECODERS: dict[str, tuple[str | None, Callable[[Reader], object]]] = {
    oids.BASIC_CONSTRAINTS: ("basic_constraints", _basic_constraints),
    oids.KEY_USAGE: ("key_usage", _key_usage),
    oids.EXTENDED_KEY_USAGE: ("extended_key_usage", _extended_key_usage),
    oids.SUBJECT_ALT_NAME: ("subject_alt_name", _general_names),
    oids.SUBJECT_KEY_IDENTIFIER: ("subject_key_identifier", _subject_key_identifier),
    oids.AUTHORITY_KEY_IDENTIFIER: ("authority_key_identifier", _authority_key_identifier),
    oids.NAME_CONSTRAINTS: ("name_constraints", _name_constraints),
    oids.CERTIFICATE_POLICIES: ("certificate_policies", _certificate_policies),
    oids.POLICY_MAPPINGS: ("policy_mappings", _policy_mappings),
    oids.POLICY_CONSTRAINTS: ("policy_constraints", _policy_constraints),
    oids.INHIBIT_ANY_POLICY: ("inhibit_any_policy", _inhibit_any_policy),
    oids.AUTHORITY_INFO_ACCESS: ("ca_issuers", _authority_info_access),
    oids.ISSUER_ALT_NAME: (None, _general_names),
    oids.CRL_DISTRIBUTION_POINTS: (None, _any_sequence),
}
"""Extension -> (member of Certificate or None, decoder). All of them are understood, so all may be critical."""

EMPTY = {
    oids.EXTENDED_KEY_USAGE: "extended_key_usage",
    oids.SUBJECT_ALT_NAME: "subject_alt_name",
    oids.CERTIFICATE_POLICIES: "certificate_policies",
    oids.POLICY_MAPPINGS: "policy_mappings",
    oids.KEY_USAGE: "key_usage",
}
"""Extensions that RFC 5280 wants to have at least one item."""

