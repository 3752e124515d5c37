"""RSASSA-PSS in three implementations: Python, the AVX-512 kernels and AWS-LC. They must agree on every signature."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from time import process_time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imdskit import backends
from imdskit.backends.contract import Backend
from imdskit.pki.signatures import rsa
from imdskit.pki.x509.certificate import RsaPublicKey

MESSAGE = b"what was signed"
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha512_256": hashes.SHA512_256(),
}


@pytest.fixture(params=["kernels", "aws-lc"])
def verify(request: pytest.FixtureRequest, native: Backend) -> Iterator[Callable[..., bool]]:
    if request.param == "aws-lc":
        backends.without_kernels(native)
    from imdskit._native import parts

    yield parts.verify
    backends.with_kernels(native)


@pytest.fixture(scope="module", params=[(2048, 65537), (2048, 3), (2049, 65537), (2056, 65537), (1032, 65537)], ids=str)
def private(request: pytest.FixtureRequest) -> RSAPrivateKey:
    bits, exponent = request.param
    return generate_private_key(exponent, bits)


def raw(private: RSAPrivateKey, block: int) -> bytes:
    """Return the signature from which the public key recovers the number ``block``."""
    numbers = private.private_numbers()
    n = numbers.public_numbers.n
    return pow(block, numbers.d, n).to_bytes((n.bit_length() + 7) // 8, "big")


def changed(private: RSAPrivateKey, signature: bytes) -> Iterator[bytes]:
    """Yield changed signatures: of other lengths, with numbers near or above the modulus, and with
    blocks that differ from the valid block in one bit."""
    numbers = private.public_key().public_numbers()
    size = len(signature)
    yield from (b"", signature[:-1], b"\0" + signature, signature + b"\0", bytes(size), b"\xff" * size)
    for number in (numbers.n - 1, numbers.n, int.from_bytes(signature, "big") + numbers.n):
        if number.bit_length() <= 8 * size:
            yield number.to_bytes(size, "big")
    block = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n)
    bits = numbers.n.bit_length() - 1
    for bit in (0, 7, 8, 300, bits // 2, bits - 9, bits - 8, bits - 2, bits - 1, bits):
        if block ^ 1 << bit < numbers.n:
            yield raw(private, block ^ 1 << bit)


def test_both_backends_agree_on_any_pss_hash_and_salt(private: RSAPrivateKey, verify: Callable[..., bool]) -> None:
    numbers = private.public_key().public_numbers()
    key = RsaPublicKey(numbers.n, numbers.e)
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    room = (numbers.n.bit_length() + 6) // 8 - 2
    counts = [0, 0]
    for name, algorithm in HASHES.items():
        own = hashlib.new(name).digest_size
        for mask in {name, "sha256"}:
            for salt in {0, 1, own - 1, own, own + 1, room - own}:
                if not 0 <= salt <= room - own:
                    continue
                signature = private.sign(MESSAGE, padding.PSS(padding.MGF1(HASHES[mask]), salt), algorithm)
                bent = changed(private, signature) if salt == own and name == "sha256" else ()
                for each in (signature, *bent):
                    for claimed in {salt, own}:
                        expected = rsa.verify_pss(key, name, mask, claimed, MESSAGE, each)
                        assert verify("rsa-pss", name, spki, MESSAGE, each, (mask, claimed)) == expected, (name, mask, salt, claimed)
                        counts[expected] += 1
                assert not verify("rsa-pss", name, spki, MESSAGE + b"!", signature, (mask, salt))
                assert not verify("rsa-pss", name, spki, MESSAGE, signature, (mask, room - own + 1))
    assert min(counts) > 20


def test_pss_takes_about_as_long_as_pkcs1(verify: Callable[..., bool]) -> None:
    private = generate_private_key(65537, 2048)
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    sha256 = hashes.SHA256()
    pss = private.sign(MESSAGE, padding.PSS(padding.MGF1(sha256), 32), sha256)
    pkcs1 = private.sign(MESSAGE, padding.PKCS1v15(), sha256)

    def seconds(scheme: str, signature: bytes, *mask: object) -> float:
        found = []
        for _ in range(5):
            start = process_time()
            assert all(verify(scheme, "sha256", spki, MESSAGE, signature, *mask) for _ in range(50))
            found.append(process_time() - start)
        return min(found)

    assert seconds("rsa-pss", pss, ("sha256", 32)) < 3 * seconds("rsa-pkcs1", pkcs1)
