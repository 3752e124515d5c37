"""Keys and certificates of the vectors: a root, an issuing authority, signers, and certificates with defects.

Everything is derived from one number, so that the result is the same on every machine. Certificates are built here field by field, and not
by the emulator, because most of them are wrong on purpose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd

import malformed
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509
from imdskit.emulator.authority.keys import generate_prime, seeded

SEED = 20261123
AT = 1_795_000_000
DAY = 86_400

SHA256_RSA, SHA384_RSA, SHA512_RSA = "1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13"
SHA1_RSA, MD5_RSA, RSA, PSS = "1.2.840.113549.1.1.5", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"

DIGEST_INFO = {
    "md5": bytes.fromhex("3020300c06082a864886f70d020505000410"),
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
HASH_OF = {SHA256_RSA: "sha256", SHA384_RSA: "sha384", SHA512_RSA: "sha512", SHA1_RSA: "sha1", MD5_RSA: "md5"}


@dataclass(frozen=True)
class Key:
    """Test-only RSA key, including its private exponent."""

    modulus: int
    exponent: int
    p: int = 0
    q: int = 0


@cache
def key(purpose: str, bits: int = 2048, exponent: int = 65537) -> Key:
    randbits = seeded(SEED, f"{purpose} {bits} {exponent}")
    while True:
        p, q = generate_prime(bits // 2, randbits), generate_prime(bits // 2, randbits)
        if gcd(exponent, (p - 1) * (q - 1)) == 1:
            return Key(p * q, exponent, p, q)


def raw(block: int, signer: Key) -> bytes:
    """Return the result of the RSA private operation on any number."""
    p, q = signer.p, signer.q
    at_p = pow(block, pow(signer.exponent, -1, p - 1), p)
    at_q = pow(block, pow(signer.exponent, -1, q - 1), q)
    return (at_q + q * ((at_p - at_q) * pow(q, -1, p) % p)).to_bytes((signer.modulus.bit_length() + 7) // 8, "big")


def padded(info_and_digest: bytes, size: int, *, head: bytes = b"\x00\x01", fill: bytes = b"\xff", zero: bytes = b"\x00") -> bytes:
    """Return an EMSA-PKCS1-v1_5 block (RFC 8017 section 9.2). The keywords replace its parts with wrong ones."""
    room = size - len(head) - len(zero) - len(info_and_digest)
    return head + fill * room + zero + info_and_digest


def sign(message: bytes, signer: Key, digest: str = "sha256") -> bytes:
    size = (signer.modulus.bit_length() + 7) // 8
    block = padded(DIGEST_INFO[digest] + hashlib.new(digest, message).digest(), size)
    return raw(int.from_bytes(block, "big"), signer)


def name(common_name: str | None, organisation: str = "imdskit test vectors") -> bytes:
    attributes = [("O", organisation)] + ([("CN", common_name)] if common_name else [])
    return x509.name(*attributes)


ROOT, ISSUING = name("Vector Root"), name("Vector Issuing CA")

SIGNER_NAMES = ("westeurope.metadata.azure.com", "metadata.azure.com")


def leaf_extensions(*, names: Sequence[str] = SIGNER_NAMES, **replaced: bytes | None) -> list[bytes]:
    """Return the extensions of a genuine signer. A keyword replaces one of them; None removes it."""
    extensions: dict[str, bytes | None] = {
        "key_usage": x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_ENCIPHERMENT),
        "extended_key_usage": x509.extended_key_usage(x509.CLIENT_AUTH, x509.SERVER_AUTH),
        "basic_constraints": x509.basic_constraints(False),
        "subject_key_identifier": x509.subject_key_identifier(x509.key_identifier(key("leaf"))),
        "authority_key_identifier": x509.authority_key_identifier(x509.key_identifier(key("issuing"))),
        "subject_alternative_names": x509.subject_alternative_names(*names),
    }
    return [value for value in (extensions | replaced).values() if value is not None]


def ca_extensions(own: Key, issuer: Key | None, *, path_length: int | None = None, **replaced: bytes | None) -> list[bytes]:
    extensions: dict[str, bytes | None] = {
        "key_usage": x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_CERT_SIGN, x509.CRL_SIGN),
        "basic_constraints": x509.basic_constraints(True, path_length),
        "subject_key_identifier": x509.subject_key_identifier(x509.key_identifier(own)),
        "authority_key_identifier": x509.authority_key_identifier(x509.key_identifier(issuer)) if issuer else None,
    }
    return [value for value in (extensions | replaced).values() if value is not None]


def certificate(
    *,
    subject: bytes,
    own: Key,
    issuer: bytes = ISSUING,
    signer: Key | None = None,
    extensions: Sequence[bytes] | None = None,
    serial: bytes = der.integer(0x1234567890ABCDEF),
    not_before: bytes = der.time(AT - 30 * DAY),
    not_after: bytes = der.time(AT + 150 * DAY),
    algorithm: str = SHA384_RSA,
    inner_algorithm: bytes | None = None,
    version: bytes | None = der.explicit(0, der.integer(2)),
    spki: bytes | None = None,
    unique_ids: bytes = b"",
    signature: bytes | None = None,
    extensions_field: bytes | None = None,
    outer: bytes = b"",
) -> bytes:
    """Return a certificate, built field by field (RFC 5280 section 4.1)."""
    if extensions_field is None:
        extensions_field = der.explicit(3, der.sequence(*(extensions if extensions is not None else leaf_extensions())))
    return malformed.certificate(
        version=version or b"",
        serial=serial,
        inner_algorithm=inner_algorithm,
        issuer=issuer,
        validity=der.sequence(not_before, not_after),
        subject=subject,
        spki=spki or x509.subject_public_key_info(own),
        unique_ids=unique_ids,
        tail=extensions_field,
        algorithm=x509.algorithm(algorithm),
        sign=lambda tbs: sign(tbs, signer or key("issuing"), HASH_OF.get(algorithm, "sha384")) if signature is None else signature,
        outer_tail=outer,
    )


def leaf(**changes: object) -> bytes:
    """Return the signer's certificate, with changes."""
    members: dict[str, object] = {"subject": name("metadata.azure.com"), "own": key("leaf")}
    return certificate(**(members | changes))  # type: ignore[arg-type]  # the members are those of `certificate`


def issuing(**changes: object) -> bytes:
    """Return the issuing authority's certificate, with changes."""
    members: dict[str, object] = {
        "subject": ISSUING,
        "own": key("issuing"),
        "issuer": ROOT,
        "signer": key("root"),
        "extensions": ca_extensions(key("issuing"), key("root"), path_length=0),
        "not_before": der.time(AT - 400 * DAY),
        "not_after": der.time(AT + 800 * DAY),
    }
    return certificate(**(members | changes))  # type: ignore[arg-type]  # the members are those of `certificate`


def root(**changes: object) -> bytes:
    members: dict[str, object] = {
        "subject": ROOT,
        "own": key("root"),
        "issuer": ROOT,
        "signer": key("root"),
        "extensions": ca_extensions(key("root"), None),
        "not_before": der.time(AT - 4000 * DAY),
        "not_after": der.time(AT + 4000 * DAY),
    }
    return certificate(**(members | changes))  # type: ignore[arg-type]  # the members are those of `certificate`
