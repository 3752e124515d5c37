"""Tools for building hostile documents: the two tables of shapes, and functions that make keys,
certificates and signed messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import malformed
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from malformed import SHA256, SHA256_RSA, called, extension

from imdskit.asn1 import oids, writer
from imdskit.asn1.writer import element, explicit, implicit, integer, octet_string, oid, sequence

NOW = 1_780_000_000
FULL = 64 * 1024

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Shape = Callable[[int], bytes]

SHAPES: dict[str, Shape] = {}
TRUSTED: dict[str, Shape] = {}


def shape(make: Shape) -> Shape:
    SHAPES[make.__name__.replace("_", "-")] = make
    return make


def trusted(make: Shape) -> Shape:
    TRUSTED[make.__name__.replace("_", "-")] = make
    return make


SHA256_ECDSA = sequence(oid("1.2.840.10045.4.3.2"))
VALIDITY = sequence(writer.time(NOW - 1000), writer.time(NOW + 1000))
CONTENT = (
    b'{"licenseType":"","nonce":"1","plan":{"name":"","product":"","publisher":""},"sku":"s","subscriptionId":"a",'
    b'"timeStamp":{"createdOn":"05/28/26 20:00:00 -0000","expiresOn":"05/29/26 02:00:00 -0000"},"vmId":"b"}'
)


@cache
def key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key that is generated once per process. The same arguments return the same key."""
    return rsa.generate_private_key(65537, bits)


@cache
def elliptic(curve: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-521": ec.SECP521R1()}[curve])


def spki_of(private: Key) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(private: Key, message: bytes) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return private.sign(message, ec.ECDSA(hashes.SHA256()))


def algorithm_of(private: Key) -> bytes:
    return SHA256_RSA if isinstance(private, rsa.RSAPrivateKey) else SHA256_ECDSA


def attribute(kind: str, value: bytes) -> bytes:
    """Return a SEQUENCE of a type and a value: an attribute of a name, or one of a signer if the
    value is a SET."""
    return sequence(oid(kind), value)


ALT_NAMES = extension(oids.SUBJECT_ALT_NAME, sequence(implicit(2, b"metadata.azure.com")))
SERVER = extension(oids.EXTENDED_KEY_USAGE, sequence(oid(oids.SERVER_AUTH)))


def certificate(
    *extensions: bytes,
    subject: bytes = called("signer"),
    issuer: bytes = called("nobody"),
    spki: bytes | None = None,
    by: Key | None = None,
    serial: int = 7,
) -> bytes:
    """Return a certificate. Its signature is valid only if ``by`` is the key of the issuer."""
    return malformed.certificate(
        *extensions,
        serial=integer(serial),
        issuer=issuer,
        validity=VALIDITY,
        subject=subject,
        spki=spki or spki_of(key()),
        algorithm=SHA256_RSA if by is None else algorithm_of(by),
        sign=malformed.unsigned if by is None else partial(sign, by),
    )


def signer_info(
    issuer: bytes = called("nobody"),
    serial: int = 7,
    *,
    digest: bytes = SHA256,
    algorithm: bytes = SHA256_RSA,
    signature: bytes = b"\0" * 256,
    signed: bytes = b"",
    unsigned: bytes = b"",
) -> bytes:
    sid = sequence(issuer, integer(serial))
    return malformed.signer_info(signature, sid=sid, digest=digest, attributes=signed, algorithm=algorithm, tail=unsigned)


def message(
    *infos: bytes,
    certificates: tuple[bytes, ...] = (),
    digests: bytes = SHA256,
    version: int = 1,
    crls: bytes = b"",
    content: bytes = CONTENT,
) -> bytes:
    return malformed.signed_data(
        *infos,
        version=integer(version),
        digests=element(0x31, digests),
        content=explicit(0, octet_string(content)),
        certificates=explicit(0, *certificates) if certificates else b"",
        crls=crls,
    )


def signed_message(by: Key, *bag: bytes, content: bytes = CONTENT) -> bytes:
    """Return a message signed with the key ``by``. The first certificate of ``bag`` must be that of
    this key."""
    return message(signer_info(algorithm=algorithm_of(by), signature=sign(by, content)), certificates=bag, content=content)


def with_extension(kind: str, value: bytes, *more: bytes) -> bytes:
    """Return a document that an unknown signer has signed validly. The certificate of the signer
    has the given extensions."""
    return signed_message(key(), certificate(extension(kind, value), *more))


def filled(size: int, item: Callable[[int], bytes], make: Callable[[bytes], bytes]) -> bytes:
    """Call ``make`` with as many items as fit into ``size`` bytes, and return its result."""
    room = size - len(make(b"")) - 40
    items: list[bytes] = []
    while room > 0:
        items.append(item(len(items)))
        room -= len(items[-1])
    return make(b"".join(items[:-1]))


def envelope(members: bytes) -> bytes:
    return b'{"encoding":"pkcs7","signature":"AAAA",' + members + b"}"


def arcs(number: int, octets: int = 60) -> bytes:
    """Return an object identifier with one huge arc."""
    return element(0x06, b"\x2a" + b"\xff" * (octets - 4) + bytes((0x80 | number >> 14 & 0x7F, 0x80 | number >> 7 & 0x7F, number & 0x7F)))


def small_oid(number: int) -> bytes:
    return element(0x06, bytes((0x2A, 0x81, 0x80 | number >> 7 & 0x7F, number & 0x7F)))
