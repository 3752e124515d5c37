"""Verification of RSA signatures (RFC 8017). This module only verifies. It therefore handles no
secrets, and its duration may depend on its input."""

from __future__ import annotations

from imdskit.pki.signatures.digests import digest_of
from imdskit.pki.x509.certificate import RsaPublicKey

DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha224": bytes.fromhex("302d300d06096086480165030402040500041c"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
    "sha512_224": bytes.fromhex("302d300d06096086480165030402050500041c"),
    "sha512_256": bytes.fromhex("3031300d060960864801650304020605000420"),
}
"""Maps the name of a hash to the bytes that precede the digest in the DER of DigestInfo (RFC 8017
section 9.2, note 1)."""

MAX_MODULUS_BITS = 16384
MAX_EXPONENT_BITS = 64
"""Maximum sizes of the modulus and of the public exponent. If a key exceeds one of them, its
signatures count as invalid. Without these limits, the sender of a document could choose how long
one exponentiation takes (CVE-2023-29409)."""


def verify_pkcs1v15(key: RsaPublicKey, hash_name: str, message: bytes, signature: bytes) -> bool:
    """Return True if an RSASSA-PKCS1-v1_5 signature is valid (section 8.2.2).

    The function builds the complete block that a valid signature must contain, and compares it with
    the block in the signature. It never parses padding, so it cannot accept malformed padding.
    """
    size = (key.bits + 7) // 8
    info = DIGEST_INFO[hash_name] + digest_of(hash_name, message)
    if size < len(info) + 11:
        return False
    block = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return _public_operation(key, signature, size) == int.from_bytes(block, "big")


def verify_pss(key: RsaPublicKey, hash_name: str, mgf_hash: str, salt_length: int, message: bytes, signature: bytes) -> bool:
    """Return True if an RSASSA-PSS signature with MGF1 is valid (sections 8.1.2 and 9.1.2).
    ``salt_length`` is in bytes."""
    em_bits = key.bits - 1
    em_length = (em_bits + 7) // 8
    number = _public_operation(key, signature, (key.bits + 7) // 8)
    digest = digest_of(hash_name, message)
    if number is None or number.bit_length() > em_bits or salt_length < 0 or em_length < len(digest) + salt_length + 2:
        return False
    block = number.to_bytes(em_length, "big")
    db_length = em_length - len(digest) - 1
    masked, h, trailer = block[:db_length], block[db_length:-1], block[-1]
    # The number has at most em_bits bits, so the excess bits of the first byte of the block are
    # zero (section 9.1.2, steps 6 and 9).
    db = int.from_bytes(masked, "big") ^ int.from_bytes(_mgf1(mgf_hash, h, db_length), "big")
    db &= (1 << 8 * db_length - (8 * em_length - em_bits)) - 1
    # DB consists of zeros, one byte with the value 1, and the salt (step 10).
    if trailer != 0xBC or db >> 8 * salt_length != 1:
        return False
    salt = (db - (1 << 8 * salt_length)).to_bytes(salt_length, "big")
    return digest_of(hash_name, bytes(8) + digest + salt) == h


def _public_operation(key: RsaPublicKey, signature: bytes, size: int) -> int | None:
    """Apply RSAVP1 (section 5.2.2) and return the resulting number.

    Return None if the signature is not exactly as long as the modulus, or if the key or the number
    in the signature is out of range.
    """
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= key.modulus or key.bits > MAX_MODULUS_BITS or key.exponent.bit_length() > MAX_EXPONENT_BITS:
        return None
    return pow(number, key.exponent, key.modulus)


def _mgf1(hash_name: str, seed: bytes, length: int) -> bytes:
    """Return ``length`` bytes of the mask generation function MGF1 (appendix B.2.1)."""
    mask = b""
    counter = 0
    while len(mask) < length:
        mask += digest_of(hash_name, seed + counter.to_bytes(4, "big"))
        counter += 1
    return mask[:length]
