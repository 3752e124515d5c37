"""Signatures by AlgorithmIdentifier, as certificates and messages name them (RFC 4055, RFC 5754, RFC 5758), and which of them are accepted.

``fault`` says whether a signature is good, of every algorithm that is known; ``algorithm_fault`` and ``key_fault`` are the policy: what is
known but too weak.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from imdskit.asn1 import oids
from imdskit.asn1.reader import Reader, context
from imdskit.backends.python import ecdsa, rsa
from imdskit.backends.python.certificate import AlgorithmIdentifier, EcPublicKey, PublicKey, RsaPublicKey, UnsupportedPublicKey
from imdskit.backends.python.keys import NULL
from imdskit.errors import DerError

ACCEPTED_HASHES = frozenset({"sha256", "sha384", "sha512"})
MAX_RSA_BITS = 8192
MIN_RSA_EXPONENT = 65537
MAX_RSA_EXPONENT_BITS = 32

HASHES = {
    oids.SHA1: "sha1",
    oids.SHA224: "sha224",
    oids.SHA256: "sha256",
    oids.SHA384: "sha384",
    oids.SHA512: "sha512",
    oids.SHA512_224: "sha512_224",
    oids.SHA512_256: "sha512_256",
}

RSA_WITH = {
    oids.SHA1_WITH_RSA: "sha1",
    oids.SHA224_WITH_RSA: "sha224",
    oids.SHA256_WITH_RSA: "sha256",
    oids.SHA384_WITH_RSA: "sha384",
    oids.SHA512_WITH_RSA: "sha512",
    oids.SHA512_224_WITH_RSA: "sha512_224",
    oids.SHA512_256_WITH_RSA: "sha512_256",
}

ECDSA_WITH = {
    oids.ECDSA_WITH_SHA1: "sha1",
    oids.ECDSA_WITH_SHA224: "sha224",
    oids.ECDSA_WITH_SHA256: "sha256",
    oids.ECDSA_WITH_SHA384: "sha384",
    oids.ECDSA_WITH_SHA512: "sha512",
}


class Fault(Enum):
    """Why a signature is not good."""

    ALGORITHM = "the algorithm is not known, or its parameters are wrong"
    KEY = "the key is not one for this algorithm"
    SIGNATURE = "the signature does not fit"


class PssParameters(NamedTuple):
    """RSASSA-PSS-params (RFC 4055 section 3.1); the trailer field is always 1."""

    hash_name: str
    mgf_hash: str
    salt_length: int


def fault(algorithm: AlgorithmIdentifier, key: PublicKey, message: bytes, signature: bytes) -> Fault | None:
    """What is wrong with a signature, or None. Weak algorithms are computed like all others."""
    if algorithm.oid in RSA_WITH:
        # RFC 4055 section 5: NULL is sent, its absence must be accepted.
        if algorithm.parameters not in (NULL, None):
            return Fault.ALGORITHM
        if not isinstance(key, RsaPublicKey) or key.only_pss:
            return Fault.KEY
        return None if rsa.verify_pkcs1v15(key, RSA_WITH[algorithm.oid], message, signature) else Fault.SIGNATURE
    if algorithm.oid in ECDSA_WITH:
        # RFC 5758 section 3.2: parameters are absent.
        if algorithm.parameters is not None:
            return Fault.ALGORITHM
        if not isinstance(key, EcPublicKey):
            return Fault.KEY
        return None if ecdsa.verify(key, ECDSA_WITH[algorithm.oid], message, signature) else Fault.SIGNATURE
    if algorithm.oid == oids.RSASSA_PSS:
        parameters = pss_parameters(algorithm.parameters)
        if parameters is None:
            return Fault.ALGORITHM
        if not isinstance(key, RsaPublicKey) or not _key_allows(key, parameters):
            return Fault.KEY
        return None if rsa.verify_pss(key, *parameters, message, signature) else Fault.SIGNATURE
    return Fault.ALGORITHM


def algorithm_fault(algorithm: AlgorithmIdentifier) -> str | None:
    """Why an algorithm is not accepted: unknown, with wrong parameters, or with a hash below SHA-256. None if it is."""
    hash_names: tuple[str | None, ...]
    if algorithm.oid == oids.RSASSA_PSS:
        parameters = pss_parameters(algorithm.parameters)
        if parameters is None:
            return "RSASSA-PSS with parameters that are not understood"
        hash_names = (parameters.hash_name, parameters.mgf_hash)
    else:
        hash_names = (RSA_WITH.get(algorithm.oid) or ECDSA_WITH.get(algorithm.oid),)
    if None in hash_names:
        return f"{algorithm.oid} is not known"
    weak = [name for name in hash_names if name not in ACCEPTED_HASHES]
    return f"{weak[0]} is not accepted" if weak else None


def key_fault(key: PublicKey, min_rsa_bits: int) -> str | None:
    """Why a key is not accepted: of another kind, too small, too large, or with an odd exponent. None if it is."""
    if isinstance(key, UnsupportedPublicKey):
        return f"{key.oid}: {key.why}"
    if isinstance(key, EcPublicKey):
        return None
    if key.bits < min_rsa_bits:
        return f"RSA of {key.bits} bits; at least {min_rsa_bits}"
    if key.bits > MAX_RSA_BITS:
        return f"RSA of {key.bits} bits; at most {MAX_RSA_BITS}"
    if key.modulus % 2 == 0:
        return "an even RSA modulus"
    if key.exponent % 2 == 0 or key.exponent < MIN_RSA_EXPONENT or key.exponent.bit_length() > MAX_RSA_EXPONENT_BITS:
        return "an RSA exponent that is even, below 65537, or longer than 32 bits"
    return None


def describe_key(key: PublicKey) -> str:
    """In words, for reports."""
    if isinstance(key, RsaPublicKey):
        return f"RSA of {key.bits} bits, exponent {key.exponent}"
    return key.curve if isinstance(key, EcPublicKey) else f"a key of kind {key.oid}"


@lru_cache(maxsize=256)
def pss_parameters(der: bytes | None) -> PssParameters | None:
    """RSASSA-PSS-params, or None where they are absent (a signature must have them), malformed or of an unknown kind."""
    if der is None:
        return None
    try:
        return _read_pss_parameters(Reader(der))
    except DerError:
        return None


def _read_pss_parameters(reader: Reader) -> PssParameters | None:
    members = reader.sequence()
    hash_name: str | None = "sha1"
    mgf_hash: str | None = "sha1"
    salt_length, trailer = 20, 1
    if members.peek() == context(0):
        wrapped = members.enter(context(0))
        hash_name = _read_hash(wrapped)
        wrapped.finish()
    if members.peek() == context(1):
        wrapped = members.enter(context(1))
        mask = wrapped.sequence()
        mgf_hash = _read_hash(mask) if mask.oid() == oids.MGF1 else None
        if mgf_hash is not None:
            mask.finish()
        wrapped.finish()
    if members.peek() == context(2):
        wrapped = members.enter(context(2))
        salt_length = wrapped.integer()
        wrapped.finish()
    if members.peek() == context(3):
        wrapped = members.enter(context(3))
        trailer = wrapped.integer()
        wrapped.finish()
    members.finish()
    reader.finish()
    if hash_name is None or mgf_hash is None or trailer != 1 or not 0 <= salt_length <= MAX_RSA_BITS // 8:
        return None
    return PssParameters(hash_name, mgf_hash, salt_length)


def _read_hash(reader: Reader) -> str | None:
    """HashAlgorithm with NULL or absent parameters (RFC 4055 section 2.1)."""
    algorithm = reader.sequence()
    name = HASHES.get(algorithm.oid())
    if algorithm:
        algorithm.null()
    algorithm.finish()
    return name


def _key_allows(key: RsaPublicKey, used: PssParameters) -> bool:
    """A key for RSASSA-PSS may fix its hashes and set a least salt length (RFC 4055 section 3.3)."""
    if not key.only_pss or key.pss is None:
        return True
    fixed = pss_parameters(key.pss)
    return fixed is not None and fixed[:2] == used[:2] and used.salt_length >= fixed.salt_length
