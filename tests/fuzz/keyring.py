"""The keys that sign generated documents and certificates, and all signature algorithms.

All keys are derived from the seed of a run, so a case has the same bytes on every machine. They protect nothing. The ``cryptography``
library makes most signatures, because it is fast. This module computes the signatures that the library does not offer or makes only with
random numbers.
"""

from __future__ import annotations

import hashlib
import random
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imdskit.asn1 import oids
from imdskit.asn1 import writer as der
from imdskit.emulator.authority.keys import generate_prime, seeded

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(), "sha224": hashes.SHA224(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512(),
}  # fmt: skip
_DIGESTS = {"sha1": oids.SHA1, "sha224": oids.SHA224, "sha256": oids.SHA256, "sha384": oids.SHA384, "sha512": oids.SHA512}
_CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "p256": (ec.SECP256R1(), 256),
    "p384": (ec.SECP384R1(), 384),
    "p521": (ec.SECP521R1(), 520),
}

RSA_KEYS = ("rsa-0", "rsa-1", "rsa-2", "rsa-3", "rsa-4", "rsa-5")
EC_KEYS = ("p256-0", "p256-1", "p256-2", "p384-0", "p521-0")
ODD_KEYS = ("rsa1024-0", "rsa2304-0", "rsa2047-0")
ALL_KEYS = (*RSA_KEYS, *EC_KEYS, *ODD_KEYS)
STRANGER = "rsa-stranger"
"""Name of a key for which there is no certification path to a trust anchor."""


class Algorithm(NamedTuple):
    """Signature algorithm: AlgorithmIdentifier, hash, and form of the signature."""

    identifier: bytes
    digest: str
    form: str


def _plain(oid: str, digest: str, form: str, parameters: bytes = b"") -> Algorithm:
    return Algorithm(der.sequence(der.oid(oid), parameters), digest, form)


def pss_parameters(digest: str, mask: str, salt: int, trailer: int | None = None) -> bytes:
    """Return RSASSA-PSS-params (RFC 4055 section 3.1)."""
    hash_of = der.sequence(der.oid(_DIGESTS[digest]), der.null())
    mask_of = der.sequence(der.oid(oids.MGF1), der.sequence(der.oid(_DIGESTS[mask]), der.null()))
    members = [der.explicit(0, hash_of), der.explicit(1, mask_of), der.explicit(2, der.integer(salt))]
    return der.sequence(*members, *([] if trailer is None else [der.explicit(3, der.integer(trailer))]))


def _pss(digest: str, mask: str | None = None, salt: int | None = None) -> Algorithm:
    size = hashlib.new(digest).digest_size if salt is None else salt
    return _plain(oids.RSASSA_PSS, digest, "pss", pss_parameters(digest, mask or digest, size))


RSA_ALGORITHMS = {
    "rsa-sha256": _plain(oids.SHA256_WITH_RSA, "sha256", "pkcs1", der.null()),
    "rsa-sha384": _plain(oids.SHA384_WITH_RSA, "sha384", "pkcs1", der.null()),
    "rsa-sha512": _plain(oids.SHA512_WITH_RSA, "sha512", "pkcs1", der.null()),
}
ODD_RSA_ALGORITHMS = {
    "rsa-sha1": _plain(oids.SHA1_WITH_RSA, "sha1", "pkcs1", der.null()),
    "rsa-sha224": _plain(oids.SHA224_WITH_RSA, "sha224", "pkcs1", der.null()),
    "rsa-sha256-no-null": _plain(oids.SHA256_WITH_RSA, "sha256", "pkcs1"),
    "pss-sha256": _pss("sha256"),
    "pss-sha384": _pss("sha384"),
    "pss-sha512": _pss("sha512"),
    "pss-mixed": _pss("sha256", "sha384"),
    "pss-short-salt": _pss("sha256", None, 8),
}
EC_ALGORITHMS = {
    "ecdsa-sha256": _plain(oids.ECDSA_WITH_SHA256, "sha256", "ecdsa"),
    "ecdsa-sha384": _plain(oids.ECDSA_WITH_SHA384, "sha384", "ecdsa"),
    "ecdsa-sha512": _plain(oids.ECDSA_WITH_SHA512, "sha512", "ecdsa"),
}
ODD_EC_ALGORITHMS = {
    "ecdsa-sha224": _plain(oids.ECDSA_WITH_SHA224, "sha224", "ecdsa"),
    "ecdsa-sha256-null": _plain(oids.ECDSA_WITH_SHA256, "sha256", "ecdsa", der.null()),
}


class Keyring:
    """Keys derived from one seed. Each is created on first use."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._keys: dict[str, PrivateKey] = {}
        self._spki: dict[str, bytes] = {}
        # The cache signs unchanged certificates only once.
        self.sign = lru_cache(maxsize=4096)(self._sign)

    def private(self, name: str) -> PrivateKey:
        if name not in self._keys:
            self._keys[name] = self._make(name)
        return self._keys[name]

    def spki(self, name: str) -> bytes:
        """Return the SubjectPublicKeyInfo of a key."""
        if name not in self._spki:
            self._spki[name] = self.private(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return self._spki[name]

    def identifier(self, name: str) -> bytes:
        """Return a key identifier of 20 bytes that is different for each key."""
        return hashlib.sha1(self.spki(name), usedforsecurity=False).digest()

    def _make(self, name: str) -> PrivateKey:
        kind = name.partition("-")[0]
        if kind in _CURVES:
            curve, bits = _CURVES[kind]
            return ec.derive_private_key(seeded(self._seed, name)(bits - 1) | 1, curve)
        bits = int(kind[3:] or 2048)
        randbits = seeded(self._seed, name)
        while True:
            p, q = generate_prime((bits + 1) // 2, randbits), generate_prime(bits // 2, randbits)
            if (p - 1) % 65537 and (q - 1) % 65537 and (p * q).bit_length() == bits:
                break
        d = pow(65537, -1, (p - 1) * (q - 1))
        numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(65537, p * q))
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)

    def algorithm(self, key: str, rng: random.Random, *, odd: float = 0.0) -> Algorithm:
        """Return an algorithm that suits the key, or with probability ``odd`` one that is rare or refused."""
        elliptic = isinstance(self.private(key), ec.EllipticCurvePrivateKey)
        table = EC_ALGORITHMS if elliptic else RSA_ALGORITHMS
        if rng.random() < odd:
            table = ODD_EC_ALGORITHMS if elliptic else ODD_RSA_ALGORITHMS
        return table[rng.choice(list(table))]

    def _sign(self, message: bytes, key: str, digest: str, form: str, parameters: bytes = b"") -> bytes:
        private = self.private(key)
        if isinstance(private, ec.EllipticCurvePrivateKey):
            return private.sign(message, ec.ECDSA(_HASHES[digest], deterministic_signing=True))
        if form != "pss":
            return private.sign(message, padding.PKCS1v15(), _HASHES[digest])
        salt = 8 if parameters == ODD_RSA_ALGORITHMS["pss-short-salt"].identifier else hashlib.new(digest).digest_size
        mask = "sha384" if parameters == ODD_RSA_ALGORITHMS["pss-mixed"].identifier else digest
        return _pss_signature(private.private_numbers(), message, digest, mask, salt)

    def signature(self, message: bytes, key: str, algorithm: Algorithm) -> bytes:
        """Sign ``message`` with ``key``. The type of the key decides between RSA and ECDSA, whatever the algorithm says."""
        return self.sign(message, key, algorithm.digest, algorithm.form, algorithm.identifier if algorithm.form == "pss" else b"")


def _pss_signature(numbers: rsa.RSAPrivateNumbers, message: bytes, digest: str, mask: str, salt_size: int) -> bytes:
    """Sign as in RFC 8017 section 9.1.1 with a salt derived from the message. The library would use a random salt."""
    bits = numbers.public_numbers.n.bit_length() - 1
    size = (bits + 7) // 8
    hashed = hashlib.new(digest, message).digest()
    if size < salt_size + len(hashed) + 2:
        return bytes(size)  # the key is too short for any signature of this form
    salt = hashlib.sha512(hashed).digest()[:salt_size]
    proof = hashlib.new(digest, bytes(8) + hashed + salt).digest()
    block = bytes(size - salt_size - len(proof) - 2) + b"\x01" + salt
    stream = b"".join(hashlib.new(mask, proof + counter.to_bytes(4, "big")).digest() for counter in range(len(block) // 20 + 1))
    masked = bytearray(a ^ b for a, b in zip(block, stream, strict=False))
    masked[0] &= 0xFF >> (8 * size - bits)
    number = int.from_bytes(bytes(masked) + proof + b"\xbc", "big")
    at_p, at_q = pow(number, numbers.dmp1, numbers.p), pow(number, numbers.dmq1, numbers.q)
    signed = at_q + numbers.q * ((at_p - at_q) * numbers.iqmp % numbers.p)
    return signed.to_bytes((numbers.public_numbers.n.bit_length() + 7) // 8, "big")
