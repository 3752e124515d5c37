"""Disposable keys: valid signatures, the same key from the same seed, and a private key that never leaves its object."""

from __future__ import annotations

import copy
import hashlib
import pickle
import re

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from imdskit.emulator.authority import keys
from imdskit.errors import UsageError


@pytest.fixture(scope="module")
def key() -> keys.RsaKey:
    return keys.RsaKey.generate(2048, keys.seeded(1, "test"))


def test_the_same_seed_gives_the_same_key_on_every_machine(key: keys.RsaKey) -> None:
    assert hashlib.sha256(str(key.modulus).encode()).hexdigest() == "bafe4f0667a5d4623688a03e063c8073f7fd71c0eb2ecf0e00654a51b3489565"


def test_different_seeds_and_purposes_give_different_keys() -> None:
    moduli = {keys.RsaKey.generate(1024, keys.seeded(seed, purpose)).modulus for seed in (1, 2) for purpose in ("a", "b")}
    assert len(moduli) == 4


def test_keys_without_a_seed_are_random() -> None:
    assert keys.RsaKey.generate(1024).modulus != keys.RsaKey.generate(1024).modulus


@pytest.mark.parametrize("bits", [1024, 1026, 2048])
def test_the_modulus_has_exactly_the_requested_size(bits: int) -> None:
    assert keys.RsaKey.generate(bits, keys.seeded(7, "bits")).modulus.bit_length() == bits


@pytest.mark.parametrize("bits", [0, 512, 1023, 2049, 16384])
def test_rejects_unsupported_sizes(bits: int) -> None:
    with pytest.raises(UsageError):
        keys.RsaKey.generate(bits)


@pytest.mark.parametrize(("digest", "algorithm"), [("sha256", hashes.SHA256()), ("sha384", hashes.SHA384())])
@pytest.mark.parametrize("message", [b"", b"a", bytes(100_000)], ids=["empty", "one", "long"])
def test_another_library_verifies_the_signature(
    key: keys.RsaKey, digest: keys.Hash, algorithm: hashes.HashAlgorithm, message: bytes
) -> None:
    public = rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
    public.verify(key.sign(message, digest), message, padding.PKCS1v15(), algorithm)


def test_a_wrong_computation_returns_no_signature() -> None:
    faulty = keys.RsaKey.generate(1024, keys.seeded(3, "fault"))
    faulty._q_exponent += 2
    with pytest.raises(UsageError):
        faulty.sign(b"x")


def test_the_private_key_is_never_shown_copied_or_pickled(key: keys.RsaKey) -> None:
    assert not re.search(r"[0-9]{6}", repr(key) + str(key))
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError):
            leak(key)


PRIMES = [5, 7, 65537, 2**61 - 1, 2**127 - 1, 2**521 - 1]
COMPOSITES = [9, 561, 1105, 2047, 3215031751, 3825123056546413051, (2**61 - 1) * (2**31 - 1), 318665857834031151167461]
"""Composite numbers, including Carmichael numbers and strong pseudoprimes to the first bases."""


@pytest.mark.parametrize("number", PRIMES)
def test_recognises_primes(number: int) -> None:
    assert keys.is_probable_prime(number, keys.seeded(0, "bases"))


@pytest.mark.parametrize("number", COMPOSITES)
def test_recognises_composite_numbers(number: int) -> None:
    assert not keys.is_probable_prime(number, keys.seeded(0, "bases"))
