"""Writer of X.509 certificates and revocation lists in DER, in the form that the certificate
authorities behind Azure's metadata service use (RFC 5280).

This module builds names, extensions, certificates and revocation lists from values.
:mod:`imdskit.emulator.authority.authority` chooses the values and keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from imdskit.asn1 import writer as der
from imdskit.emulator.authority.keys import RsaKey

RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
SHA384_WITH_RSA = "1.2.840.113549.1.1.12"

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"

DIGITAL_SIGNATURE = 0
KEY_ENCIPHERMENT = 2
KEY_CERT_SIGN = 5
CRL_SIGN = 6
"""Bits of KeyUsage (RFC 5280 section 4.2.1.3)."""

_ATTRIBUTES = {"C": "2.5.4.6", "ST": "2.5.4.8", "L": "2.5.4.7", "O": "2.5.4.10", "CN": "2.5.4.3"}


def algorithm(oid: str) -> bytes:
    """Return an AlgorithmIdentifier with NULL parameters, which all RSA algorithms have (RFC 3279
    section 2.2.1)."""
    return der.sequence(der.oid(oid), der.null())


def name(*attributes: tuple[str, str]) -> bytes:
    """Return a Name with one relative distinguished name per attribute.

    Types are C, ST, L, O and CN. Values become PrintableStrings.
    """
    return der.sequence(*(der.set_of(der.sequence(der.oid(_ATTRIBUTES[kind]), der.printable_string(value))) for kind, value in attributes))


def rsa_public_key(key: RsaKey) -> bytes:
    """Return the RSAPublicKey of a key (RFC 8017 appendix A.1.1)."""
    return der.sequence(der.integer(key.modulus), der.integer(key.exponent))


def subject_public_key_info(key: RsaKey) -> bytes:
    """Return the SubjectPublicKeyInfo of an RSA key (RFC 3279 section 2.3.1)."""
    return der.sequence(algorithm(RSA_ENCRYPTION), der.bit_string(rsa_public_key(key)))


def key_identifier(key: RsaKey) -> bytes:
    """Return the SHA-1 hash of the subjectPublicKey bits (RFC 5280 section 4.2.1.2, method 1).

    The hash only identifies the key. No security depends on it.
    """
    return hashlib.sha1(rsa_public_key(key), usedforsecurity=False).digest()


def extension(oid: str, value: bytes, critical: bool = False) -> bytes:
    """Return an Extension.

    ``critical`` is omitted when it is FALSE, its default (RFC 5280 section 4.1, X.690 section
    11.5).
    """
    return der.sequence(der.oid(oid), *([der.boolean(True)] if critical else []), der.octet_string(value))


def application_policies(*purposes: str) -> bytes:
    """Return Microsoft's extension szOID_APPLICATION_CERT_POLICIES: the extended key usages in the
    syntax of certificate policies."""
    return extension("1.3.6.1.4.1.311.21.10", der.sequence(*(der.sequence(der.oid(purpose)) for purpose in purposes)))


def authority_information_access(ca_issuers: str) -> bytes:
    """Return the extension authorityInfoAccess with the address of the issuer's certificate (RFC
    5280 section 4.2.2.1)."""
    access = der.sequence(der.oid("1.3.6.1.5.5.7.48.2"), _uri(ca_issuers))
    return extension("1.3.6.1.5.5.7.1.1", der.sequence(access))


def subject_key_identifier(identifier: bytes) -> bytes:
    """Return the extension subjectKeyIdentifier (RFC 5280 section 4.2.1.2)."""
    return extension("2.5.29.14", der.octet_string(identifier))


def key_usage(*bits: int) -> bytes:
    """Return the critical extension keyUsage (RFC 5280 section 4.2.1.3)."""
    return extension("2.5.29.15", der.named_bits(*bits), critical=True)


def subject_alternative_names(*dns_names: str) -> bytes:
    """Return the extension subjectAltName with dNSName entries (RFC 5280 section 4.2.1.6)."""
    return extension("2.5.29.17", der.sequence(*(der.implicit(2, der.ascii_octets(dns_name)) for dns_name in dns_names)))


def basic_constraints(ca: bool, path_length: int | None = None) -> bytes:
    """Return the critical extension basicConstraints (RFC 5280 section 4.2.1.9).

    ``cA`` is omitted when it is FALSE, its default.
    """
    members = [der.boolean(True)] if ca else []
    if path_length is not None:
        members.append(der.integer(path_length))
    return extension("2.5.29.19", der.sequence(*members), critical=True)


def crl_distribution_points(uri: str) -> bytes:
    """Return the extension cRLDistributionPoints with one point, whose full name is one address
    (RFC 5280 section 4.2.1.13)."""
    return extension("2.5.29.31", der.sequence(der.sequence(der.explicit(0, der.explicit(0, _uri(uri))))))


def certificate_policies(*policies: tuple[str, str | None]) -> bytes:
    """Return the extension certificatePolicies (RFC 5280 section 4.2.1.4).

    Args:
        policies: pairs of a policy's object identifier and the address of its practice statement.
            The address is None if the policy has no practice statement.
    """
    return extension("2.5.29.32", der.sequence(*(_policy(oid, statement) for oid, statement in policies)))


def authority_key_identifier(identifier: bytes) -> bytes:
    """Return the extension authorityKeyIdentifier with only a key identifier (RFC 5280 section
    4.2.1.1)."""
    return extension("2.5.29.35", der.sequence(der.implicit(0, identifier)))


def extended_key_usage(*purposes: str) -> bytes:
    """Return the extension extKeyUsage (RFC 5280 section 4.2.1.12)."""
    return extension("2.5.29.37", der.sequence(*(der.oid(purpose) for purpose in purposes)))


def _uri(address: str) -> bytes:
    """Return a GeneralName of type uniformResourceIdentifier."""
    return der.implicit(6, der.ascii_octets(address))


def _policy(oid: str, statement: str | None) -> bytes:
    if statement is None:
        return der.sequence(der.oid(oid))
    qualifier = der.sequence(der.oid("1.3.6.1.5.5.7.2.1"), der.ia5_string(statement))
    return der.sequence(der.oid(oid), der.sequence(qualifier))


@dataclass(frozen=True, slots=True)
class Body:
    """Content of a certificate before it is signed (RFC 5280 section 4.1.2).

    Names and extensions are in DER, times in Unix seconds.
    """

    serial: int
    issuer: bytes
    not_before: int
    not_after: int
    subject: bytes
    key: RsaKey
    extensions: Sequence[bytes]


def certificate(body: Body, issuer_key: RsaKey) -> bytes:
    """Return a version 3 certificate in DER, signed with sha384WithRSAEncryption like genuine
    certificates since 2022."""
    tbs = der.sequence(
        der.explicit(0, der.integer(2)),
        der.integer(body.serial),
        algorithm(SHA384_WITH_RSA),
        body.issuer,
        der.sequence(der.time(body.not_before), der.time(body.not_after)),
        body.subject,
        subject_public_key_info(body.key),
        der.explicit(3, der.sequence(*body.extensions)),
    )
    return _signed(tbs, issuer_key)


def empty_revocation_list(issuer: bytes, issuer_key: RsaKey, number: int, this_update: int, next_update: int) -> bytes:
    """Return a version 2 CertificateList in DER that revokes no certificate (RFC 5280 section 5.1).

    Times are Unix seconds.
    """
    tbs = der.sequence(
        der.integer(1),
        algorithm(SHA384_WITH_RSA),
        issuer,
        der.time(this_update),
        der.time(next_update),
        der.explicit(
            0,
            der.sequence(authority_key_identifier(key_identifier(issuer_key)), extension("2.5.29.20", der.integer(number))),
        ),
    )
    return _signed(tbs, issuer_key)


def _signed(tbs: bytes, issuer_key: RsaKey) -> bytes:
    return der.sequence(tbs, algorithm(SHA384_WITH_RSA), der.bit_string(issuer_key.sign(tbs, "sha384")))
