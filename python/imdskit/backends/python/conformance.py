"""What RFC 5280 section 4 asks of who issues certificates, and section 6 does not make who relies on them check.

A path is as safe without these rules; they find issuers that take little care. The verifier does not ask for them by default.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from urllib.parse import urlsplit

from imdskit.asn1 import oids
from imdskit.asn1.reader import BMP_STRING, IA5_STRING, SET, TELETEX_STRING, UNIVERSAL_STRING, UTF8_STRING, Reader, context
from imdskit.backends.python.certificate import Certificate, Extension, GeneralName, Name, PolicyInformation
from imdskit.backends.python.name_constraints import is_host
from imdskit.errors import DerError


class Profile(Enum):
    """How much of section 4 is asked for."""

    NONE = 0
    MUST = 1
    SHOULD = 2
    """What authorities should do, too."""
    WEB = 3
    """What they must do, and what is asked of authorities of the public web (:mod:`imdskit.backends.python.baseline`)."""


Fault = tuple[str, str]
"""A field, and what is wrong with it."""

MAX_SERIAL_BITS = 8 * 20

SUBJECT_DIRECTORY_ATTRIBUTES = "2.5.29.9"
FRESHEST_CRL = "2.5.29.46"
SUBJECT_INFO_ACCESS = "1.3.6.1.5.5.7.1.11"
CPS = "1.3.6.1.5.5.7.2.1"
USER_NOTICE = "1.3.6.1.5.5.7.2.2"
SIGNED_CERTIFICATE_TIMESTAMPS = "1.3.6.1.4.1.11129.2.4.2"

CRITICAL = {
    oids.NAME_CONSTRAINTS: (True, "4.2.1.10"),
    oids.POLICY_CONSTRAINTS: (True, "4.2.1.11"),
    oids.INHIBIT_ANY_POLICY: (True, "4.2.1.14"),
    oids.AUTHORITY_KEY_IDENTIFIER: (False, "4.2.1.1"),
    oids.SUBJECT_KEY_IDENTIFIER: (False, "4.2.1.2"),
    SUBJECT_DIRECTORY_ATTRIBUTES: (False, "4.2.1.8"),
    FRESHEST_CRL: (False, "4.2.1.15"),
    oids.AUTHORITY_INFO_ACCESS: (False, "4.2.2.1"),
    SUBJECT_INFO_ACCESS: (False, "4.2.2.2"),
}
"""Whether an extension has to be critical, and the section that says so."""

BETTER_CRITICAL = {
    oids.KEY_USAGE: (True, "4.2.1.3"),
    oids.POLICY_MAPPINGS: (True, "4.2.1.5"),
    oids.ISSUER_ALT_NAME: (False, "4.2.1.7"),
    oids.CRL_DISTRIBUTION_POINTS: (False, "4.2.1.13"),
}
"""Whether it should be."""


def fault(certificate: Certificate, profile: Profile, *, anchor: bool = False) -> Fault | None:
    """The first rule that the certificate breaks; None if it keeps all. An anchor may have any serial number, and need not name its issuer."""
    if not anchor and (certificate.serial <= 0 or certificate.serial.bit_length() > MAX_SERIAL_BITS):
        return "serialNumber", "not positive, or longer than 20 octets (4.1.2.2)"
    found = next(_must(certificate, anchor=anchor), None)
    return found or (next(_should(certificate), None) if profile is Profile.SHOULD else None)


def reference_fault(certificate: Certificate, issuer: Certificate) -> Fault | None:
    """What is not true of what a certificate says of its issuer (section 4.2.1.1); None if all is."""
    identifier = certificate.authority_key_identifier
    if identifier is None:
        return None
    ours, theirs = identifier.key_identifier, issuer.subject_key_identifier
    if ours is not None and theirs is not None and ours != theirs:
        return "authorityKeyIdentifier", "not the key identifier of the issuer"
    if identifier.serial is not None and identifier.serial != issuer.serial:
        return "authorityKeyIdentifier", "not the serial number of the issuer's certificate"
    return None


def _must(certificate: Certificate, *, anchor: bool) -> Iterator[Fault]:
    if certificate.version != 3:
        return
    yield from _criticality(certificate, CRITICAL)
    for extension in certificate.extensions:
        if extension.oid == oids.BASIC_CONSTRAINTS and not extension.critical and _is_authority(certificate):
            yield "basicConstraints", "not critical (4.2.1.9)"
        if extension.oid == oids.SUBJECT_ALT_NAME and not extension.critical and not certificate.subject.key:
            yield "subjectAltName", "not critical, although the subject is empty (4.2.1.6)"
    yield from _authority(certificate)
    yield from _key_identifiers(certificate, anchor=anchor)
    for name in certificate.subject_alt_name or ():
        yield from _alternative_name(name)
    yield from _constraints(certificate)
    for extension in certificate.extensions:
        try:
            yield from _contents(extension)
        except DerError as error:
            yield extension.oid, error.message
    for information in certificate.certificate_policies or ():
        try:
            yield from _qualifiers(information)
        except DerError as error:
            yield "certificatePolicies", error.message


def _should(certificate: Certificate) -> Iterator[Fault]:
    for field, name in (("issuer", certificate.issuer), ("subject", certificate.subject)):
        if _has_old_string(name):
            yield field, "a TeletexString, BMPString or UniversalString (4.1.2.4)"
    yield from _criticality(certificate, BETTER_CRITICAL)
    for extension in certificate.extensions:
        if extension.oid == oids.SUBJECT_ALT_NAME and extension.critical and certificate.subject.key:
            yield "subjectAltName", "critical, although there is a subject (4.2.1.6)"
        if (
            extension.oid == oids.EXTENDED_KEY_USAGE
            and extension.critical
            and oids.ANY_EXTENDED_KEY_USAGE in (certificate.extended_key_usage or ())
        ):
            yield "extendedKeyUsage", "critical, and yet for any purpose (4.2.1.12)"
    asserted = {information.policy for information in certificate.certificate_policies or ()}
    for issuer_domain_policy, _ in certificate.policy_mappings or ():
        if issuer_domain_policy not in asserted:
            yield "policyMappings", "of a policy that is not asserted (4.2.1.5)"


def _is_authority(certificate: Certificate) -> bool:
    return certificate.basic_constraints is not None and certificate.basic_constraints.ca


def _criticality(certificate: Certificate, table: dict[str, tuple[bool, str]]) -> Iterator[Fault]:
    for extension in certificate.extensions:
        wanted, section = table.get(extension.oid, (extension.critical, ""))
        if extension.critical != wanted:
            yield extension.oid, f"{'not critical' if wanted else 'critical'} ({section})"


def _authority(certificate: Certificate) -> Iterator[Fault]:
    usage, basic = certificate.key_usage, certificate.basic_constraints
    signs = usage is not None and "keyCertSign" in usage
    if not _is_authority(certificate):
        if signs:
            yield "keyUsage", "keyCertSign without cA (4.2.1.3)"
        if basic is not None and basic.path_length is not None:
            yield "basicConstraints", "a path length without cA (4.2.1.9)"
        if certificate.name_constraints is not None:
            yield "nameConstraints", "in a certificate that is no authority's (4.2.1.10)"
        return
    if not certificate.subject.key:
        yield "subject", "empty (4.1.2.6)"
    if certificate.subject_key_identifier is None:
        yield "subjectKeyIdentifier", "absent (4.2.1.2)"
    if usage is not None and not signs and basic is not None and basic.path_length is not None:
        yield "basicConstraints", "a path length without keyCertSign (4.2.1.9)"


def _key_identifiers(certificate: Certificate, *, anchor: bool) -> Iterator[Fault]:
    identifier = certificate.authority_key_identifier
    if identifier is None:
        if not certificate.self_issued and not anchor:
            yield "authorityKeyIdentifier", "absent (4.2.1.1)"
    elif identifier.key_identifier is None:
        yield "authorityKeyIdentifier", "without keyIdentifier (4.2.1.1)"


def _alternative_name(name: GeneralName) -> Iterator[Fault]:
    """4.2.1.6"""
    if name.kind == "dNSName" and (not is_host(name.value.removeprefix(b"*.")) or b"_" in name.value):
        yield "subjectAltName", "a DNS name that is not in the preferred syntax"
    if name.kind == "uniformResourceIdentifier" and not _is_absolute(name.value):
        yield "subjectAltName", "a malformed or relative URI"


def _is_absolute(uri: bytes) -> bool:
    try:
        address = urlsplit(uri)
    except ValueError:
        return False
    return bool(address.scheme) and (address.scheme not in (b"http", b"https", b"ftp", b"ldap") or bool(address.hostname))


def _constraints(certificate: Certificate) -> Iterator[Fault]:
    """4.2.1.10"""
    constraints = certificate.name_constraints
    if constraints is None:
        return
    if not constraints.permitted and not constraints.excluded:
        yield "nameConstraints", "empty"
    for subtree in (*(constraints.permitted or ()), *(constraints.excluded or ())):
        if subtree.minimum != 0 or subtree.maximum is not None:
            yield "nameConstraints", "minimum or maximum"
        if subtree.base.kind in ("x400Address", "ediPartyName", "registeredID"):
            yield "nameConstraints", f"on {subtree.base.kind}"
        if subtree.base.kind == "dNSName" and subtree.base.value.startswith(b"."):
            yield "nameConstraints", "a leading dot"


def _qualifiers(information: PolicyInformation) -> Iterator[Fault]:
    """4.2.1.4"""
    if information.qualifiers is None:
        return
    qualifiers = Reader(information.qualifiers).sequence()
    if not qualifiers:
        yield "certificatePolicies", "no qualifiers in a list of them"
    while qualifiers:
        qualifier = qualifiers.sequence()
        kind = qualifier.oid()
        if information.policy == oids.ANY_POLICY and kind not in (CPS, USER_NOTICE):
            yield "certificatePolicies", f"anyPolicy with the qualifier {kind}"
        if kind != USER_NOTICE:
            continue
        notice = qualifier.sequence()
        if notice.peek() == 0x30:
            notice.any()
        if notice:
            tag, start, stop = notice.header()
            text = notice.data[start:stop]
            if tag not in (UTF8_STRING, IA5_STRING):
                yield "certificatePolicies", "an explicitText that is neither UTF8String nor IA5String"
            elif any(octet < 0x20 or octet == 0x7F for octet in text):
                yield "certificatePolicies", "a control character in explicitText"


def _contents(extension: Extension) -> Iterator[Fault]:
    """Extensions that path validation does not read."""
    if extension.oid in (SUBJECT_DIRECTORY_ATTRIBUTES, SUBJECT_INFO_ACCESS, oids.AUTHORITY_INFO_ACCESS):
        if not Reader(extension.value).sequence():
            yield extension.oid, "empty (4.2.1.8, 4.2.2)"
    elif extension.oid in (oids.CRL_DISTRIBUTION_POINTS, FRESHEST_CRL):
        points = Reader(extension.value).sequence()
        while points:
            point = points.sequence()
            if point.peek() == context(1, constructed=False):
                point.header()
                if not point:
                    yield extension.oid, "a distribution point with nothing but reasons (4.2.1.13)"
    elif extension.oid == SIGNED_CERTIFICATE_TIMESTAMPS:
        reader = Reader(extension.value)
        timestamps = reader.octet_string()
        reader.finish()
        if int.from_bytes(timestamps[:2], "big") != len(timestamps) - 2:
            yield extension.oid, "not one list of timestamps (RFC 6962 section 3.3)"


def _has_old_string(name: Name) -> bool:
    rdns = Reader(name.der).sequence()
    while rdns:
        attributes = rdns.enter(SET)
        while attributes:
            attribute = attributes.sequence()
            attribute.oid()
            if attribute.peek() in (TELETEX_STRING, BMP_STRING, UNIVERSAL_STRING):
                return True
    return False
