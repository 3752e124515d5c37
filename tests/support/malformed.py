"""Certificates, revocation lists and signed messages that are built element by element, so that a
test can make any element wrong.

Every argument of type bytes is DER. The default values are valid. ``certificates.py`` creates
certificates that a library can create.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imdskit.asn1 import oids
from imdskit.asn1.writer import (
    bit_string,
    boolean,
    element,
    explicit,
    integer,
    null,
    octet_string,
    oid,
    sequence,
    set_of,
    time,
    utf8_string,
)  # fmt: skip

SHA256 = sequence(oid(oids.SHA256), null())
RSA = sequence(oid(oids.RSA_ENCRYPTION), null())
SHA256_RSA = sequence(oid(oids.SHA256_WITH_RSA), null())
SPKI = sequence(RSA, bit_string(sequence(integer((1 << 2047) + 12345), integer(65537))))
"""A 2048-bit public key whose private key nobody has."""

Sign = Callable[[bytes], bytes]


def unsigned(_: bytes) -> bytes:
    """Return a signature of the right length that is not valid."""
    return bytes(256)


def attribute(kind: str, *values: bytes) -> bytes:
    """Return an attribute of a signed message (RFC 5652 section 5.3)."""
    return sequence(oid(kind), set_of(*values))


def name(*values: bytes) -> bytes:
    """Return a name that consists of common names."""
    return sequence(*(set_of(sequence(oid(oids.COMMON_NAME), value)) for value in values))


def called(text: str) -> bytes:
    return name(utf8_string(text))


def extension(kind: str, *value: bytes, critical: bool = False) -> bytes:
    return sequence(oid(kind), boolean(True) if critical else b"", octet_string(b"".join(value)))


AUTHORITY = extension(oids.BASIC_CONSTRAINTS, sequence(boolean(True)), critical=True)


def certificate(
    *extensions: bytes,
    version: bytes = explicit(0, integer(2)),
    serial: bytes = integer(77),
    inner_algorithm: bytes | None = None,
    issuer: bytes = called("issuer"),
    validity: bytes = sequence(time(0), time(4_000_000_000)),
    subject: bytes = called("subject"),
    spki: bytes = SPKI,
    unique_ids: bytes = b"",
    tail: bytes = b"",
    algorithm: bytes = SHA256_RSA,
    sign: Sign = unsigned,
    change: Callable[[bytes], bytes] = bytes,
    signature: bytes | None = None,
    outer_tail: bytes = b"",
) -> bytes:
    """Return a Certificate (RFC 5280 section 4.1).

    Args:
        change: function that changes the TBSCertificate before it is signed.
        signature: a BIT STRING that replaces the result of ``sign``.
        tail, outer_tail: bytes after the extensions, and bytes after the signature.
    """
    listed = explicit(3, sequence(*extensions)) if extensions else b""
    tbs = change(sequence(version, serial, inner_algorithm or algorithm, issuer, validity, subject, spki, unique_ids, listed, tail))
    return sequence(tbs, algorithm, signature or bit_string(sign(tbs)), outer_tail)


def revocation_list(
    *entries: bytes,
    extensions: Sequence[bytes],
    version: bytes = integer(1),
    algorithm: bytes = SHA256_RSA,
    issuer: bytes = called("issuer"),
    this_update: bytes,
    next_update: bytes,
    sign: Sign = unsigned,
    change: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """Return a CertificateList (RFC 5280 section 5.1). ``change`` changes the TBSCertList before it
    is signed."""
    listed = sequence(*entries) if entries else b""
    tbs = change(sequence(version, algorithm, issuer, this_update, next_update, listed, explicit(0, sequence(*extensions))))
    return sequence(tbs, algorithm, bit_string(sign(tbs)))


def signer_info(
    signature: bytes,
    *,
    sid: bytes,
    version: bytes = integer(1),
    digest: bytes = SHA256,
    attributes: bytes = b"",
    algorithm: bytes = RSA,
    tail: bytes = b"",
) -> bytes:
    """Return a SignerInfo (RFC 5652 section 5.3). ``tail`` contains the unsigned attributes."""
    return sequence(version, sid, digest, attributes, algorithm, octet_string(signature), tail)


def signed_data(
    *infos: bytes,
    version: bytes = integer(1),
    digests: bytes = set_of(SHA256),
    content_type: str = oids.DATA,
    content: bytes,
    certificates: bytes = b"",
    crls: bytes = b"",
    outer_type: str = oids.SIGNED_DATA,
    tail: bytes = b"",
) -> bytes:
    """Return the ContentInfo of a SignedData (RFC 5652 sections 3 and 5.1). ``content``,
    ``certificates`` and ``crls`` include their tags."""
    inner = sequence(oid(content_type), content)
    body = sequence(version, digests, inner, certificates, crls, element(0x31, *infos), tail)
    return sequence(oid(outer_type), explicit(0, body))
