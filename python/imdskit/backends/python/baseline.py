"""What the CA/Browser Forum's Baseline Requirements (section 7.1.2, version 2) ask of certificates of the public web, beyond RFC 5280.

Asked for with ``Profile.WEB`` only: the authorities of the service keep these rules today, but have promised nothing to who verifies documents.
"""

from __future__ import annotations

import ipaddress

from imdskit.asn1 import oids
from imdskit.backends.python.certificate import Certificate, RsaPublicKey

Fault = tuple[str, str]
"""A field, and what is wrong with it."""

FOREIGN_PURPOSES = {
    oids.ANY_EXTENDED_KEY_USAGE: "any purpose",
    "1.3.6.1.5.5.7.3.3": "code signing",
    "1.3.6.1.5.5.7.3.4": "mail protection",
    "1.3.6.1.5.5.7.3.8": "time stamping",
    "1.3.6.1.5.5.7.3.9": "OCSP signing",
}


def subscriber_fault(certificate: Certificate) -> Fault | None:
    """The first rule that the certificate of a server breaks (7.1.2.7); None if it keeps all."""
    purposes = certificate.extended_key_usage
    if certificate.basic_constraints is not None and certificate.basic_constraints.ca:
        return "basicConstraints", "cA is TRUE (7.1.2.7.8)"
    if purposes is None or _is_critical(certificate, oids.EXTENDED_KEY_USAGE):
        return "extendedKeyUsage", "absent or critical (7.1.2.7.6)"
    foreign = [name for purpose, name in FOREIGN_PURPOSES.items() if purpose in purposes]
    if foreign:
        return "extendedKeyUsage", f"also for {foreign[0]} (7.1.2.7.10)"
    if certificate.subject.key and _is_critical(certificate, oids.SUBJECT_ALT_NAME):
        return "subjectAltName", "critical, although there is a subject (7.1.2.7.12)"
    if not all(_is_canonical(name) for name in certificate.subject.common_names):
        return "subject", "a common name that is not written as an alternative name would be (7.1.4.3)"
    if isinstance(certificate.public_key, RsaPublicKey) and certificate.public_key.bits % 8:
        return "subjectPublicKeyInfo", "an RSA modulus not of whole octets (6.1.5)"
    return _identifier_fault(certificate)


def subordinate_fault(certificate: Certificate) -> Fault | None:
    """The same for an intermediate (7.1.2.10)."""
    if oids.ANY_EXTENDED_KEY_USAGE in (certificate.extended_key_usage or ()):
        return "extendedKeyUsage", "for any purpose (7.1.2.10.6)"
    return _identifier_fault(certificate)


def root_fault(certificate: Certificate) -> Fault | None:
    """The same for a root (7.1.2.1)."""
    if certificate.extended_key_usage is not None:
        return "extendedKeyUsage", "in a root (7.1.2.1.2)"
    identifier = certificate.authority_key_identifier
    if identifier is not None and certificate.self_issued and identifier.key_identifier != certificate.subject_key_identifier:
        return "authorityKeyIdentifier", "not the root's own (7.1.2.1.3)"
    return _identifier_fault(certificate)


def _identifier_fault(certificate: Certificate) -> Fault | None:
    identifier = certificate.authority_key_identifier
    if identifier is not None and (identifier.issuer is not None or identifier.serial is not None):
        return "authorityKeyIdentifier", "with an issuer or a serial number (7.1.2.11.1)"
    return None


def _is_critical(certificate: Certificate, oid: str) -> bool:
    return any(extension.critical for extension in certificate.extensions if extension.oid == oid)


def _is_canonical(common_name: str) -> bool:
    """Whether a common name is in the one form that it would have as an alternative name: addresses as in RFC 5952 and RFC 6943 section 3.1.1, names
    as A-labels. That it repeats an alternative name is not asked for: certificates that mean no harm do not."""
    try:
        return str(ipaddress.ip_address(common_name)) == common_name
    except ValueError:
        looks_like_one = ":" in common_name or common_name[:2].lower() == "0x" or common_name.replace(".", "").isdigit()
    return common_name.isascii() and not looks_like_one
