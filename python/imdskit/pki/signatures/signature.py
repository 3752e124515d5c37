"""Verification of signatures whose algorithm is given by an AlgorithmIdentifier (RFC 4055, RFC
5754, RFC 5758), and rules that say which algorithms and keys are accepted.

:func:`fault` verifies a signature made with any known algorithm. :func:`algorithm_fault` and
:func:`key_fault` contain the rules. They refuse known algorithms and keys that are too weak. They
also refuse keys that are so large that verifying a signature would take too long.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from imdskit.asn1 import oids
from imdskit.asn1.reader import Reader, context
from imdskit.errors import DerError
from imdskit.pki.signatures import ecdsa, rsa
from imdskit.pki.signatures.digests import HASHES
from imdskit.pki.x509.certificate import AlgorithmIdentifier, EcPublicKey, PublicKey, RsaPublicKey, UnsupportedPublicKey
from imdskit.pki.x509.keys import NULL

ACCEPTED_HASHES = frozenset({"sha256", "sha384", "sha512"})
"""Names of the hashes that :func:`algorithm_fault` accepts."""
MAX_RSA_BITS = 8192
MIN_RSA_EXPONENT = 65537
MAX_RSA_EXPONENT_BITS = 32

MAX_PSS_OCTETS = 128
"""Maximum length of RSASSA-PSS-params in bytes. Parameters with known hashes have fewer than 80
bytes. Longer parameters are refused without parsing, so that the cache of :func:`_pss_parameters`
stays small."""

RSA_WITH = {
    oids.SHA1_WITH_RSA: "sha1",
    oids.SHA224_WITH_RSA: "sha224",
    oids.SHA256_WITH_RSA: "sha256",
    oids.SHA384_WITH_RSA: "sha384",
    oids.SHA512_WITH_RSA: "sha512",
    oids.SHA512_224_WITH_RSA: "sha512_224",
    oids.SHA512_256_WITH_RSA: "sha512_256",
}
"""Maps the object identifier of an RSASSA-PKCS1-v1_5 algorithm to the name of its hash."""

ECDSA_WITH = {
    oids.ECDSA_WITH_SHA1: "sha1",
    oids.ECDSA_WITH_SHA224: "sha224",
    oids.ECDSA_WITH_SHA256: "sha256",
    oids.ECDSA_WITH_SHA384: "sha384",
    oids.ECDSA_WITH_SHA512: "sha512",
}
"""Maps the object identifier of an ECDSA algorithm to the name of its hash."""


class Fault(Enum):
    """Reason why a signature is not valid."""

    ALGORITHM = "the algorithm is not known, or its parameters are wrong"
    KEY = "the type of the key is not that of the algorithm"
    SIGNATURE = "the signature does not match"


class PssParameters(NamedTuple):
    """Decoded RSASSA-PSS-params (RFC 4055 section 3.1). The mask generation function is always
    MGF1, and the trailer field is always 1. ``salt_length`` is in bytes."""

    hash_name: str
    mgf_hash: str
    salt_length: int


def fault(algorithm: AlgorithmIdentifier, key: PublicKey, message: bytes, signature: bytes) -> Fault | None:
    """Verify a signature. Return None if it is valid, and otherwise the reason why it is not. This
    function accepts weak algorithms and keys."""
    oid = algorithm.oid
    if oid in RSA_WITH:
        # Signers must send NULL, but verifiers must accept absent parameters too (RFC 4055 section
        # 5).
        if algorithm.parameters not in (NULL, None):
            return Fault.ALGORITHM
        if not isinstance(key, RsaPublicKey) or key.only_pss:
            return Fault.KEY
        return None if rsa.verify_pkcs1v15(key, RSA_WITH[oid], message, signature) else Fault.SIGNATURE
    if oid in ECDSA_WITH:
        # The parameters must be absent (RFC 5758 section 3.2).
        if algorithm.parameters is not None:
            return Fault.ALGORITHM
        if not isinstance(key, EcPublicKey):
            return Fault.KEY
        return None if ecdsa.verify(key, ECDSA_WITH[oid], message, signature) else Fault.SIGNATURE
    if oid == oids.RSASSA_PSS:
        parameters = pss_parameters(algorithm.parameters)
        if parameters is None:
            return Fault.ALGORITHM
        if not isinstance(key, RsaPublicKey) or not _key_allows(key, parameters):
            return Fault.KEY
        return None if rsa.verify_pss(key, *parameters, message, signature) else Fault.SIGNATURE
    return Fault.ALGORITHM


def hash_of(algorithm: AlgorithmIdentifier) -> str | None:
    """Return the name of the hash that a signature algorithm uses. Return None if the algorithm is
    unknown or does not determine the hash."""
    if algorithm.oid == oids.RSASSA_PSS:
        parameters = pss_parameters(algorithm.parameters)
        return parameters.hash_name if parameters else None
    return RSA_WITH.get(algorithm.oid) or ECDSA_WITH.get(algorithm.oid)


def algorithm_fault(algorithm: AlgorithmIdentifier) -> str | None:
    """Return None if a signature algorithm is accepted, and otherwise a text that says why it is
    refused.

    An algorithm is refused if it is unknown, has wrong parameters, or uses a hash weaker than
    SHA-256.
    """
    named = hash_of(algorithm)
    if named is None:
        return f"the algorithm {algorithm.oid} or its parameters are unknown"
    hash_names = [named]
    if algorithm.oid == oids.RSASSA_PSS:
        parameters = pss_parameters(algorithm.parameters)
        hash_names += [parameters.mgf_hash] if parameters else []
    weak = [name for name in hash_names if name not in ACCEPTED_HASHES]
    return f"{weak[0]} is not accepted" if weak else None


def key_fault(key: PublicKey, min_rsa_bits: int) -> str | None:
    """Return None if a key is accepted, and otherwise a text that says why it is refused.

    A key is refused if its type is unsupported, if its modulus is too small, too large or even, or
    if its exponent is even, too small or too long.

    Args:
        key: the key of a signer or of an authority.
        min_rsa_bits: minimum size of an RSA modulus in bits. The maximum is :data:`MAX_RSA_BITS`.
    """
    if isinstance(key, UnsupportedPublicKey):
        return f"{key.oid}: {key.why}"
    if isinstance(key, EcPublicKey):
        return None
    if not min_rsa_bits <= key.bits <= MAX_RSA_BITS:
        return f"RSA of {key.bits} bits; {min_rsa_bits} to {MAX_RSA_BITS} are accepted"
    if key.modulus % 2 == 0:
        return "an even RSA modulus"
    if key.exponent % 2 == 0 or key.exponent < MIN_RSA_EXPONENT or key.exponent.bit_length() > MAX_RSA_EXPONENT_BITS:
        return "an RSA exponent that is even, below 65537, or longer than 32 bits"
    return None


def is_too_large(key: PublicKey) -> bool:
    """Return True if the key is so large that verifying a signature with it would take too long."""
    return isinstance(key, RsaPublicKey) and (key.bits > MAX_RSA_BITS or key.exponent.bit_length() > MAX_RSA_EXPONENT_BITS)


def describe_key(key: PublicKey) -> str:
    """Return a description of the key for reports."""
    if isinstance(key, RsaPublicKey):
        return f"RSA of {key.bits} bits" + (f", exponent {key.exponent}" if key.exponent.bit_length() <= MAX_RSA_EXPONENT_BITS else "")
    return key.curve if isinstance(key, EcPublicKey) else f"a key of kind {key.oid}"


def pss_parameters(der: bytes | None) -> PssParameters | None:
    """Return the decoded RSASSA-PSS-params. Return None if they are malformed or of an unknown
    kind. Absent parameters give None as well, because a signature must have them."""
    return None if der is None or len(der) > MAX_PSS_OCTETS else _pss_parameters(der)


@lru_cache(maxsize=64)
def _pss_parameters(der: bytes) -> PssParameters | None:
    try:
        reader = Reader(der)
        parameters = _read_pss_parameters(reader.sequence())
        reader.finish()
    except DerError:
        return None
    return parameters


def _read_pss_parameters(members: Reader) -> PssParameters | None:
    """Decode the members of RSASSA-PSS-params.

    Absent members have the defaults of RFC 4055 section 3.1: SHA-1, MGF1 with SHA-1, a salt of 20
    bytes, and trailer 1.
    """
    hash_name: str | None = "sha1"
    mgf_hash: str | None = "sha1"
    salt_length = 20
    trailer = 1
    if members.peek() == context(0):
        wrapped = members.enter(context(0), "hashAlgorithm")
        hash_name = _read_hash(wrapped)
        wrapped.finish()
    if members.peek() == context(1):
        wrapped = members.enter(context(1), "maskGenAlgorithm")
        mask = wrapped.sequence()
        wrapped.finish()
        mgf_hash = _read_hash(mask) if mask.oid() == oids.MGF1 else None
        if mgf_hash is not None:
            mask.finish()
    if members.peek() == context(2):
        wrapped = members.enter(context(2), "saltLength")
        salt_length = wrapped.integer()
        wrapped.finish()
    if members.peek() == context(3):
        wrapped = members.enter(context(3), "trailerField")
        trailer = wrapped.integer()
        wrapped.finish()
    members.finish()
    if hash_name is None or mgf_hash is None or trailer != 1 or not 0 <= salt_length <= rsa.MAX_MODULUS_BITS // 8:
        return None
    return PssParameters(hash_name, mgf_hash, salt_length)


def _read_hash(reader: Reader) -> str | None:
    """Parse a HashAlgorithm. Return the name of the hash, or None if the hash is unknown. The
    parameters of the algorithm must be NULL or absent (RFC 4055 section 2.1)."""
    algorithm = reader.sequence()
    name = HASHES.get(algorithm.oid())
    if algorithm:
        algorithm.null()
    algorithm.finish()
    return name


def _key_allows(key: RsaPublicKey, used: PssParameters) -> bool:
    """Return True if the key may be used with these parameters. An id-RSASSA-PSS key can have
    parameters as well. They determine the hashes and the minimum length of the salt (RFC 4055
    section 3.3)."""
    if not key.only_pss or key.pss is None:
        return True
    fixed = pss_parameters(key.pss)
    return fixed is not None and fixed[:2] == used[:2] and used.salt_length >= fixed.salt_length
