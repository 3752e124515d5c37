"""Disposable RSA keys of the emulator. They exist only in memory, until the process ends.

**Only for the emulator.** Nothing here runs in constant time, and anyone who knows the seed of a
key can compute the key. The keys protect nothing. Their only purpose is that tests get
mathematically valid signatures.

This module generates random bits, primes, keys and RSASSA-PKCS1-v1_5 signatures.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Literal, NoReturn, TypeAlias

from imdskit.errors import UsageError

RandomBits: TypeAlias = Callable[[int], int]
"""Function that returns a random integer of the given number of bits."""

Hash: TypeAlias = Literal["sha256", "sha384"]

PUBLIC_EXPONENT = 65537

ROUNDS = 5
"""Number of Miller-Rabin rounds.

With this number, a random candidate of 1024 bits that passes is composite with a probability below
2**-112 (FIPS 186-4 table C.3).
"""

DIGEST_INFO: dict[Hash, bytes] = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
}
"""Bytes that precede the digest in the DER of DigestInfo (RFC 8017 section 9.2, note 1)."""

_SIEVE_BOUND = 1 << 15
_SIEVE_SPAN = 1 << 13


def seeded(seed: int, purpose: str) -> RandomBits:
    """Return a deterministic source of random bits.

    Its output depends only on the seed and the purpose, not on the computer or the version of
    Python.

    The source concatenates blocks; block ``i`` is the SHA-512 hash of seed, purpose and ``i``. Each
    random number consumes whole bytes of this sequence.
    """
    key = hashlib.sha512(f"imdskit throw-away keys\0{seed}\0{purpose}".encode()).digest()

    def key_stream() -> Iterator[int]:
        counter = 0
        while True:
            yield from hashlib.sha512(key + counter.to_bytes(8, "big")).digest()
            counter += 1

    stream = key_stream()

    def randbits(bits: int) -> int:
        size = (bits + 7) // 8
        return int.from_bytes(bytes(next(stream) for _ in range(size)), "big") >> (8 * size - bits)

    return randbits


def _small_primes() -> tuple[int, ...]:
    is_prime = bytearray([1]) * _SIEVE_BOUND
    for number in range(3, int(_SIEVE_BOUND**0.5) + 1, 2):
        if is_prime[number]:
            is_prime[number * number :: 2 * number] = bytes(len(range(number * number, _SIEVE_BOUND, 2 * number)))
    return tuple(number for number in range(3, _SIEVE_BOUND, 2) if is_prime[number])


_ODD_PRIMES = _small_primes()


def is_probable_prime(number: int, randbits: RandomBits) -> bool:
    """Return whether ``number`` passes the Miller-Rabin test with :data:`ROUNDS` random bases (FIPS
    186-5 appendix B.3.1).

    ``number`` must be odd and greater than 3.
    """
    twos = ((number - 1) & (1 - number)).bit_length() - 1
    odd = (number - 1) >> twos
    for _ in range(ROUNDS):
        base = 2 + randbits(number.bit_length() + 64) % (number - 3)
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def generate_prime(bits: int, randbits: RandomBits) -> int:
    """Return a probable prime p of exactly ``bits`` bits (at least 64).

    Its two top bits are set, and p - 1 is coprime to the public exponent. The search starts at a
    random odd number. It removes multiples of small primes from a window of odd numbers, and
    returns the first remaining number that passes :func:`is_probable_prime`.
    """
    while True:
        start = randbits(bits) | 3 << (bits - 2) | 1
        composite = bytearray(_SIEVE_SPAN)
        for prime in _ODD_PRIMES:
            # `first` is the smallest i for which `prime` divides start + 2 * i; (prime + 1) // 2 is
            # the inverse of 2 modulo `prime`.
            first = (-start) * ((prime + 1) // 2) % prime
            composite[first::prime] = b"\1" * len(range(first, _SIEVE_SPAN, prime))
        index = composite.find(0)
        while index >= 0:
            candidate = start + 2 * index
            if candidate >> bits:
                break
            if candidate % PUBLIC_EXPONENT != 1 and is_probable_prime(candidate, randbits):
                return candidate
            index = composite.find(0, index + 1)


class RsaKey:
    """A disposable RSA key.

    Its private part never leaves the object: ``repr`` does not show it, and the key cannot be
    pickled or copied.

    Attributes:
        modulus: the modulus n.
        exponent: the public exponent e, always 65537.
    """

    __slots__ = ("_p", "_p_exponent", "_q", "_q_exponent", "_q_inverse", "exponent", "modulus")

    def __init__(self, p: int, q: int) -> None:
        self.modulus = p * q
        self.exponent = PUBLIC_EXPONENT
        self._p, self._q = p, q
        self._p_exponent = pow(PUBLIC_EXPONENT, -1, p - 1)
        self._q_exponent = pow(PUBLIC_EXPONENT, -1, q - 1)
        self._q_inverse = pow(q, -1, p)

    @classmethod
    def generate(cls, bits: int = 2048, randbits: RandomBits = secrets.randbits) -> RsaKey:
        """Return a new key. A key of 2048 bits takes a quarter of a second.

        Args:
            bits: exact size of the modulus, an even number from 1024 to 8192.
            randbits: source of randomness.

        Raises:
            UsageError: ``bits`` is odd or out of range.
        """
        if bits % 2 or not 1024 <= bits <= 8192:
            raise UsageError("bad-argument", f"`bits` must be an even number from 1024 to 8192; got {bits}.")
        p = generate_prime(bits // 2, randbits)
        q = generate_prime(bits // 2, randbits)
        while abs(p - q) >> (bits // 2 - 100) == 0:  # FIPS 186-5 appendix A.1.3, step 5.4
            q = generate_prime(bits // 2, randbits)
        return cls(p, q)

    def sign(self, message: bytes, digest: Hash = "sha256") -> bytes:
        """Return the RSASSA-PKCS1-v1_5 signature of ``message`` (RFC 8017 section 8.2.1).

        The signature has the length of the modulus.

        The method checks the signature with the public key before it returns it. A wrong result in
        one half of the Chinese remainder computation would otherwise reveal the primes (RFC 8017
        section 5.1.2 leaves this check to the implementation).
        """
        size = (self.modulus.bit_length() + 7) // 8
        info = DIGEST_INFO[digest] + hashlib.new(digest, message).digest()
        block = int.from_bytes(b"\x00\x01" + b"\xff" * (size - 3 - len(info)) + b"\x00" + info, "big")
        at_p = pow(block, self._p_exponent, self._p)
        at_q = pow(block, self._q_exponent, self._q)
        signature = at_q + self._q * ((at_p - at_q) * self._q_inverse % self._p)
        if pow(signature, self.exponent, self.modulus) != block:
            raise UsageError("bad-argument", "The key's two primes do not belong together, or are not primes.")
        return signature.to_bytes(size, "big")

    def __repr__(self) -> str:
        return f"<disposable RSA key of {self.modulus.bit_length()} bits>"

    def __reduce__(self) -> NoReturn:
        raise UsageError("bad-argument", "Disposable keys cannot be pickled or copied.")


class KeyRing:
    """The 2048-bit keys of one emulator. Safe to share between threads.

    A key is generated on first use, which takes a quarter of a second.

    Args:
        seed: number from which the keys are generated. None means random keys.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._keys: dict[str, RsaKey] = {}

    def key(self, purpose: str) -> RsaKey:
        """Return the key for a purpose."""
        with self._lock:
            if purpose not in self._keys:
                randbits = secrets.randbits if self._seed is None else seeded(self._seed, purpose)
                self._keys[purpose] = RsaKey.generate(2048, randbits)
            return self._keys[purpose]


class Keys:
    """Cache of key rings by seed. Safe to share between threads.

    Emulators with the same seed have the same keys, with or without this cache. If they share the
    cache, each key is generated only once. Keys without a seed are never shared, so a client that
    trusts one emulator does not thereby trust another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings: dict[int, KeyRing] = {}

    def ring(self, seed: int | None) -> KeyRing:
        """Return the keys for a seed. Without a seed, return a new ring each time."""
        if seed is None:
            return KeyRing(None)
        with self._lock:
            return self._rings.setdefault(seed, KeyRing(seed))
