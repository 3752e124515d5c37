"""Rules of RFC 5280 for a single certificate that follows the grammar.

A certificate that violates a rule can be parsed, but no valid path may contain it. Section numbers
are those of RFC 5280. The grammar is in :mod:`imdskit.pki.x509.parser` and
:mod:`imdskit.pki.x509.extensions`. Rules for paths are in :mod:`imdskit.pki.path.validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imdskit.asn1 import oids
from imdskit.pki.x509.certificate import AlgorithmIdentifier, Certificate, GeneralName

ADDRESS_OCTETS = (4, 16)
"""Valid lengths of an iPAddress in bytes: 4 for IPv4 and 16 for IPv6 (section 4.2.1.6). In name
constraints, a mask of the same length follows the address (section 4.2.1.10)."""

MAX_SERIAL_BITS = 8 * 20
"""Maximum length of a serial number in bits (section 4.1.2.2)."""

NEVER_CRITICAL = {
    oids.AUTHORITY_KEY_IDENTIFIER: "section 4.2.1.1",
    oids.SUBJECT_KEY_IDENTIFIER: "section 4.2.1.2",
    oids.AUTHORITY_INFO_ACCESS: "section 4.2.2.1",
}
"""Extensions that must not be critical. The values are the sections that forbid this."""

_ABSOLUTE_URI = re.compile(rb"[A-Za-z][A-Za-z0-9+\-.]*:.+", re.DOTALL)
_MAILBOX = re.compile(rb"[^@ ]+@[^@ ]+")


def faults(certificate: Certificate, inner_algorithm: AlgorithmIdentifier) -> Iterator[tuple[str, str]]:
    """Yield a pair for each rule that the certificate violates: the name of the field, and a text
    that says what is wrong.

    Args:
        certificate: the parsed certificate. Its attribute ``faults`` is not set yet.
        inner_algorithm: the field tbsCertificate.signature. ``certificate`` has no attribute for
            it, because it must be equal to ``signature_algorithm``.
    """
    # Zero and negative serial numbers are no fault here. Authorities must not use them, but
    # verifiers "SHOULD be prepared to gracefully handle such certificates" (section 4.1.2.2; PKITS
    # 4.4.14).
    if certificate.serial.bit_length() > MAX_SERIAL_BITS:
        yield "serialNumber", "longer than 20 octets (section 4.1.2.2)"
    if inner_algorithm.der != certificate.signature_algorithm.der:
        yield "signature", "differs from signatureAlgorithm (section 4.1.1.2)"
    if not certificate.issuer.key:
        yield "issuer", "empty (section 4.1.2.4)"
    seen = set()
    for index, extension in enumerate(certificate.extensions):
        if extension.oid in seen:
            yield f"extensions[{index}]", "the extension occurs twice (section 4.2)"
        seen.add(extension.oid)
        if extension.critical and extension.oid in NEVER_CRITICAL:
            yield f"extensions[{index}]", f"critical ({NEVER_CRITICAL[extension.oid]})"
        elif extension.oid == oids.SUBJECT_ALT_NAME and not extension.critical and not certificate.subject.key:
            yield f"extensions[{index}]", "not critical, although the subject is empty (section 4.2.1.6)"
    yield from _empty_lists(certificate)
    yield from _identifiers(certificate)
    for name in certificate.subject_alt_name or ():
        if _is_bad_name(name):
            yield "subjectAltName", f"a malformed {name.kind} (section 4.2.1.6)"
    yield from _constraints(certificate)
    yield from _policies(certificate)


def _empty_lists(certificate: Certificate) -> Iterator[tuple[str, str]]:
    for field, value, section in (
        ("keyUsage", certificate.key_usage, "4.2.1.3"),
        ("certificatePolicies", certificate.certificate_policies, "4.2.1.4"),
        ("policyMappings", certificate.policy_mappings, "4.2.1.5"),
        ("subjectAltName", certificate.subject_alt_name, "4.2.1.6"),
        ("extendedKeyUsage", certificate.extended_key_usage, "4.2.1.12"),
    ):
        if value is not None and not value:
            yield field, f"empty (section {section})"


def _identifiers(certificate: Certificate) -> Iterator[tuple[str, str]]:
    identifier = certificate.authority_key_identifier
    if identifier is not None and (identifier.issuer is None) != (identifier.serial is None):
        yield "authorityKeyIdentifier", "an issuer without a serial number, or a serial number without an issuer (section 4.2.1.1)"


def _is_bad_name(name: GeneralName) -> bool:
    match name.kind:
        case "iPAddress":
            return len(name.value) not in ADDRESS_OCTETS
        case "uniformResourceIdentifier":
            return not _ABSOLUTE_URI.fullmatch(name.value)
        case "rfc822Name":
            return not _MAILBOX.fullmatch(name.value)
        case _:
            return False


def _constraints(certificate: Certificate) -> Iterator[tuple[str, str]]:
    constraints = certificate.name_constraints
    if constraints is None:
        return
    if constraints.permitted is None and constraints.excluded is None:
        yield "nameConstraints", "empty (section 4.2.1.10)"
    if certificate.basic_constraints is None or not certificate.basic_constraints.ca:
        yield "nameConstraints", "in a certificate that does not belong to an authority (section 4.2.1.10)"
    for subtree in (*(constraints.permitted or ()), *(constraints.excluded or ())):
        if subtree.base.kind == "iPAddress" and not is_address_range(subtree.base.value):
            yield "nameConstraints", "an iPAddress that is not a valid address and mask (section 4.2.1.10)"


def is_address_range(value: bytes) -> bool:
    """Return True if the value consists of an IP address and a mask of the same length. In the
    mask, no 1 bit may follow a 0 bit (RFC 4632 section 3.1)."""
    size = len(value) // 2
    if size not in ADDRESS_OCTETS or len(value) != 2 * size:
        return False
    inverted = int.from_bytes(value[size:], "big") ^ ((1 << 8 * size) - 1)
    return inverted & (inverted + 1) == 0


def _policies(certificate: Certificate) -> Iterator[tuple[str, str]]:
    policies = certificate.certificate_policies or ()
    if len(policies) != len(set(policies)):
        yield "certificatePolicies", "a policy occurs twice (section 4.2.1.4)"
    if any(oids.ANY_POLICY in mapping for mapping in certificate.policy_mappings or ()):
        yield "policyMappings", "anyPolicy is mapped (section 4.2.1.5)"
    constraints = certificate.policy_constraints
    if constraints is not None and constraints.require_explicit is None and constraints.inhibit_mapping is None:
        yield "policyConstraints", "empty (section 4.2.1.11)"
