"""RSA signatures: valid ones of another library, and blocks that a lenient verifier would accept."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from imdskit.pki.signatures import rsa
from imdskit.pki.x509.certificate import RsaPublicKey

MESSAGE = b"what was signed"
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha512_224": hashes.SHA512_224(),
    "sha512_256": hashes.SHA512_256(),
}


@pytest.fixture(scope="module")
def private() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def key(private: RSAPrivateKey) -> RsaPublicKey:
    return public(private)


def public(private: RSAPrivateKey) -> RsaPublicKey:
    numbers = private.public_key().public_numbers()
    return RsaPublicKey(numbers.n, numbers.e)


def raw(private: RSAPrivateKey, block: bytes) -> bytes:
    """Return the signature that decrypts to ``block``."""
    numbers = private.private_numbers()
    n = numbers.public_numbers.n
    return pow(int.from_bytes(block, "big"), numbers.d, n).to_bytes((n.bit_length() + 7) // 8, "big")


def mask(hash_name: str, seed: bytes, length: int) -> bytes:
    blocks = (hashlib.new(hash_name, seed + counter.to_bytes(4, "big")).digest() for counter in range(length // 20 + 1))
    return b"".join(blocks)[:length]


@pytest.mark.parametrize("hash_name", HASHES)
def test_accepts_pkcs1_signatures_of_another_library(private: RSAPrivateKey, key: RsaPublicKey, hash_name: str) -> None:
    signature = private.sign(MESSAGE, padding.PKCS1v15(), HASHES[hash_name])
    assert rsa.verify_pkcs1v15(key, hash_name, MESSAGE, signature)
    assert not rsa.verify_pkcs1v15(key, hash_name, MESSAGE + b"!", signature)
    other = "sha256" if hash_name != "sha256" else "sha384"
    assert not rsa.verify_pkcs1v15(key, other, MESSAGE, signature)


@pytest.mark.parametrize("bits", [1024, 1031, 3072])
def test_accepts_keys_of_any_size(bits: int) -> None:
    private = generate_private_key(65537, bits)
    signature = private.sign(MESSAGE, padding.PKCS1v15(), HASHES["sha256"])
    assert rsa.verify_pkcs1v15(public(private), "sha256", MESSAGE, signature)
    salted = padding.PSS(padding.MGF1(HASHES["sha256"]), 32)
    assert rsa.verify_pss(public(private), "sha256", "sha256", 32, MESSAGE, private.sign(MESSAGE, salted, HASHES["sha256"]))


INFO = rsa.DIGEST_INFO["sha256"] + hashlib.sha256(MESSAGE).digest()
NO_NULL = bytes.fromhex("302f300b0609608648016503040201") + INFO[17:]
FILL = 256 - 3 - len(INFO)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"\0\2" + b"\xff" * FILL + b"\0" + INFO, id="block-type-2"),
        pytest.param(b"\0\0" + b"\0" * FILL + b"\0" + INFO, id="block-type-0"),
        pytest.param(b"\0\1" + b"\xff" * (FILL - 1) + b"\xfe\0" + INFO, id="padding-is-not-all-ones"),
        pytest.param(b"\0\1" + b"\xff" * 8 + b"\0" + INFO + b"\0" * (FILL - 8), id="zeros-after-the-digest"),
        pytest.param(b"\0\1" + b"\xff" * 8 + b"\0" + INFO + b"\xff" * (FILL - 8), id="ones-after-the-digest"),
        pytest.param(b"\0\1\0" + INFO + b"\0" * FILL, id="no-padding"),
        pytest.param(b"\0\1" + b"\xff" * (FILL - 1) + b"\0\0" + INFO, id="two-separators"),
        pytest.param(b"\0\1" + b"\xff" * (FILL + 1) + INFO, id="no-separator"),
        pytest.param(b"\0\1" + b"\xff" * (FILL + 2) + b"\0" + NO_NULL, id="digest-info-without-null"),
        pytest.param(b"\0\1" + b"\xff" * (FILL + 19) + b"\0" + INFO[19:], id="digest-without-digest-info"),
        pytest.param(b"\0\1" + b"\xff" * (FILL + 1) + b"\0" + INFO[:-1], id="digest-truncated"),
        pytest.param(b"\0\1" + b"\xff" * (FILL - 1) + b"\0\x30\x81" + INFO[1:], id="digest-info-in-a-longer-form"),
    ],
)
def test_rejects_pkcs1_blocks_that_are_almost_valid(private: RSAPrivateKey, key: RsaPublicKey, block: bytes) -> None:
    assert len(block) == 256
    assert not rsa.verify_pkcs1v15(key, "sha256", MESSAGE, raw(private, block))


def test_accepts_the_valid_pkcs1_block(private: RSAPrivateKey, key: RsaPublicKey) -> None:
    assert rsa.verify_pkcs1v15(key, "sha256", MESSAGE, raw(private, b"\0\1" + b"\xff" * FILL + b"\0" + INFO))


def test_signature_must_be_below_the_modulus_and_of_its_length(private: RSAPrivateKey, key: RsaPublicKey) -> None:
    good = private.sign(MESSAGE, padding.PKCS1v15(), HASHES["sha256"])
    number = int.from_bytes(good, "big")
    for signature in (b"", good[1:], b"\0" + good, good + b"\0", (number + key.modulus).to_bytes(257, "big"), b"\xff" * 256):
        assert not rsa.verify_pkcs1v15(key, "sha256", MESSAGE, signature)
        assert not rsa.verify_pss(key, "sha256", "sha256", 32, MESSAGE, signature)
    for number in (0, 1, key.modulus - 1, key.modulus):
        assert not rsa.verify_pkcs1v15(key, "sha256", MESSAGE, number.to_bytes(256, "big"))
        assert not rsa.verify_pss(key, "sha256", "sha256", 32, MESSAGE, number.to_bytes(256, "big"))


def test_rejects_a_signature_plus_the_modulus() -> None:
    # The modulus leaves unused bits in its first byte, so the valid signature plus the modulus still has the right length.
    private = generate_private_key(65537, 1025)
    key = public(private)
    good = int.from_bytes(private.sign(MESSAGE, padding.PKCS1v15(), HASHES["sha256"]), "big")
    assert rsa.verify_pkcs1v15(key, "sha256", MESSAGE, good.to_bytes(129, "big"))
    assert not rsa.verify_pkcs1v15(key, "sha256", MESSAGE, (good + key.modulus).to_bytes(129, "big"))


@pytest.mark.parametrize("modulus", [0, 1, 55, 2**64 + 13, 2**360 + 1])
def test_modulus_too_small_for_the_block_verifies_nothing(modulus: int) -> None:
    key = RsaPublicKey(modulus, 3)
    signature = bytes((key.bits + 7) // 8)
    assert not rsa.verify_pkcs1v15(key, "sha256", MESSAGE, signature)
    assert not rsa.verify_pss(key, "sha256", "sha256", 32, MESSAGE, signature)
    assert not rsa.verify_pss(key, "sha256", "sha256", 0, MESSAGE, signature)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(RsaPublicKey((1 << (rsa.MAX_MODULUS_BITS + 1)) - 1, 65537), id="modulus"),
        pytest.param(RsaPublicKey((1 << 2048) - 1, (1 << 2000) + 1), id="exponent"),
    ],
)
def test_does_not_compute_with_huge_numbers(key: RsaPublicKey) -> None:
    signature = b"\1" * ((key.bits + 7) // 8)
    assert not rsa.verify_pkcs1v15(key, "sha256", MESSAGE, signature)
    assert not rsa.verify_pss(key, "sha256", "sha256", 32, MESSAGE, signature)


@pytest.mark.parametrize(
    ("hash_name", "mgf_hash", "salt_length"),
    [
        ("sha256", "sha256", 32),
        ("sha256", "sha256", 0),
        ("sha256", "sha256", 222),
        ("sha384", "sha384", 48),
        ("sha512", "sha512", 64),
        ("sha512", "sha256", 20),
        ("sha1", "sha1", 20),
        ("sha256", "sha1", 20),
        ("sha512_256", "sha512_224", 7),
    ],
)
def test_accepts_pss_signatures_of_another_library(
    private: RSAPrivateKey, key: RsaPublicKey, hash_name: str, mgf_hash: str, salt_length: int
) -> None:
    signature = private.sign(MESSAGE, padding.PSS(padding.MGF1(HASHES[mgf_hash]), salt_length), HASHES[hash_name])
    assert rsa.verify_pss(key, hash_name, mgf_hash, salt_length, MESSAGE, signature)
    assert not rsa.verify_pss(key, hash_name, mgf_hash, salt_length, MESSAGE + b"!", signature)
    assert not rsa.verify_pss(key, hash_name, mgf_hash, salt_length + 1, MESSAGE, signature)
    assert not rsa.verify_pss(key, hash_name, mgf_hash, salt_length - 1, MESSAGE, signature)
    assert not rsa.verify_pss(key, hash_name, "sha384" if mgf_hash != "sha384" else "sha256", salt_length, MESSAGE, signature)
    assert not rsa.verify_pkcs1v15(key, hash_name, MESSAGE, signature)


def pss_block(
    *, zeros: bytes | None = None, one: bytes = b"\1", salt: bytes = b"s" * 32, trailer: bytes = b"\xbc", high_bit: bool = False
) -> bytes:
    """Return an EMSA-PSS block for a 2048-bit modulus and SHA-256 (RFC 8017 section 9.1.1). Without arguments, the block is valid. Each
    argument replaces one part of it."""
    h = hashlib.sha256(bytes(8) + hashlib.sha256(MESSAGE).digest() + salt).digest()
    db = (bytes(256 - 32 - 1 - 1 - len(salt)) if zeros is None else zeros) + one + salt
    masked = bytearray(a ^ b for a, b in zip(db, mask("sha256", h, len(db)), strict=True))
    masked[0] = masked[0] & 0x7F | (0x80 if high_bit else 0)
    return bytes(masked) + h + trailer


def test_pss_block_of_this_test_is_valid(private: RSAPrivateKey, key: RsaPublicKey) -> None:
    assert rsa.verify_pss(key, "sha256", "sha256", 32, MESSAGE, raw(private, pss_block()))


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(pss_block(trailer=b"\xcc"), id="trailer"),
        pytest.param(pss_block(one=b"\2"), id="separator-is-2"),
        pytest.param(pss_block(one=b"\0"), id="separator-is-0"),
        pytest.param(pss_block(zeros=b"\0" * 189 + b"\1"), id="padding-ends-in-1"),
        pytest.param(pss_block(zeros=b"\0\1" + b"\0" * 188), id="padding-has-a-1"),
        pytest.param(pss_block(salt=b"s" * 31), id="salt-too-short"),
        pytest.param(pss_block(salt=b"s" * 33), id="salt-too-long"),
    ],
)
def test_rejects_pss_blocks_that_are_almost_valid(private: RSAPrivateKey, key: RsaPublicKey, block: bytes) -> None:
    assert len(block) == 256
    assert not rsa.verify_pss(key, "sha256", "sha256", 32, MESSAGE, raw(private, block))


def test_rejects_a_pss_block_with_the_highest_bit_set(private: RSAPrivateKey, key: RsaPublicKey) -> None:
    blocks = (pss_block(salt=number.to_bytes(32, "big"), high_bit=True) for number in range(1000))
    block = next(block for block in blocks if int.from_bytes(block, "big") < key.modulus)
    assert not rsa.verify_pss(key, "sha256", "sha256", 32, MESSAGE, raw(private, block))
