"""Disposable RSA keys of the emulator: generated at start, used to sign, gone with the process.

**Only for the emulator.** Nothing here runs in constant time, and anyone who knows the seed of a key knows the key. Such keys protect nothing; they
only let software under test see signatures that are mathematically real.

This module makes random bits, primes, keys and RSASSA-PKCS1-v1_5 signatures.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Literal, NoReturn, TypeAlias

from imdskit.errors import UsageError

RandomBits: TypeAlias = Callable[[int], int]
"""Gives a number of that many random bits."""

Hash: TypeAlias = Literal["sha256", "sha384"]

PUBLIC_EXPONENT = 65537

ROUNDS = 5
"""Miller-Rabin rounds: error below 2**-112 for random candidates of 1024 bits (FIPS 186-4 table C.3)."""

DIGEST_INFO: dict[Hash, bytes] = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
}
"""What stands before the digest in the DER of DigestInfo (RFC 8017 section 9.2, note 1)."""

_SIEVE_BOUND = 1 << 15
_SIEVE_SPAN = 1 << 13


def seeded(seed: int, purpose: str) -> RandomBits:
    """A deterministic stream of bits: the same for the same seed and purpose on every machine and version of Python.

    Block ``i`` is SHA-512 of seed, purpose and ``i``. Numbers are taken from the front, whole octets each.
    """
    key = hashlib.sha512(f"imdskit throw-away keys\0{seed}\0{purpose}".encode()).digest()

    def octets() -> Iterator[int]:
        counter = 0
        while True:
            yield from hashlib.sha512(key + counter.to_bytes(8, "big")).digest()
            counter += 1

    stream = octets()

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
    """Miller-Rabin with :data:`ROUNDS` random bases (FIPS 186-5 appendix B.3.1). ``number`` is odd and above 3."""
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
    """A probable prime p of exactly ``bits`` bits (at least 64), its two top bits set, with p - 1 prime to the public exponent.

    A random odd start, then the first prime after it: a window of odd numbers is sieved by small primes and the survivors are tested.
    """
    while True:
        start = randbits(bits) | 3 << (bits - 2) | 1
        composite = bytearray(_SIEVE_SPAN)
        for prime in _ODD_PRIMES:
            # First index i with start + 2 * i divisible by prime; (prime + 1) // 2 is the inverse of 2.
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
    """A disposable RSA key. Its private part never leaves the object: it is not shown, not pickled and not copied.

    Attributes:
        modulus: n.
        exponent: e, always 65537.
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
        """A new key. ``bits`` is the exact size of the modulus, even, 1024 to 8192; 2048 take a quarter of a second.

        Raises:
            UsageError: a size that is not offered.
        """
        if bits % 2 or not 1024 <= bits <= 8192:
            raise UsageError("bad-argument", f"`bits` must be an even number from 1024 to 8192; got {bits}.", hint="Choose another size.")
        p = generate_prime(bits // 2, randbits)
        q = generate_prime(bits // 2, randbits)
        while abs(p - q) >> (bits // 2 - 100) == 0:  # FIPS 186-5 appendix A.1.3, step 5.4
            q = generate_prime(bits // 2, randbits)
        return cls(p, q)

    def sign(self, message: bytes, digest: Hash = "sha256") -> bytes:
        """RSASSA-PKCS1-v1_5 signature of ``message`` (RFC 8017 section 8.2.1), as long as the modulus.

        The result is checked with the public key before it is given out: a fault in one half of the Chinese remainder computation
        would otherwise betray the primes (RFC 8017 section 5.1.2 leaves this to the implementation).
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


class Keys:
    """Keys by purpose, generated on first use, which takes a quarter of a second each. Safe to share between threads.

    Emulators with the same object and the same seed have the same keys, as they would anyway, and generate them once. Keys without a seed are
    never shared, so that trust in one emulator is not trust in another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[int, str], RsaKey] = {}

    def key(self, seed: int | None, purpose: str) -> RsaKey:
        """The key of 2048 bits for this seed and purpose; None: a new one each time, from the operating system."""
        if seed is None:
            return RsaKey.generate(2048, secrets.randbits)
        with self._lock:
            key = self._made.get((seed, purpose))
            if key is None:
                key = self._made[seed, purpose] = RsaKey.generate(2048, seeded(seed, purpose))
            return key
