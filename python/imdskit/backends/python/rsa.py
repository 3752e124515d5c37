"""RSA signatures (RFC 8017). Verification only: nothing here is secret."""

from __future__ import annotations

import hashlib

from imdskit.backends.python.certificate import RsaPublicKey

DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha224": bytes.fromhex("302d300d06096086480165030402040500041c"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
    "sha512_224": bytes.fromhex("302d300d06096086480165030402050500041c"),
    "sha512_256": bytes.fromhex("3031300d060960864801650304020605000420"),
}
"""What stands before the digest in the DER of DigestInfo (RFC 8017 section 9.2, note 1)."""


def verify_pkcs1v15(key: RsaPublicKey, hash_name: str, message: bytes, signature: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 (section 8.2.2): the block that must come out is built and compared whole. Nothing is unpadded, so nothing in the
    padding can be lenient."""
    size = (key.bits + 7) // 8
    info = DIGEST_INFO[hash_name] + hashlib.new(hash_name, message).digest()
    if size < len(info) + 11:
        return False
    block = _public_operation(key, signature, size)
    return block is not None and block == b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info


def verify_pss(key: RsaPublicKey, hash_name: str, mgf_hash: str, salt_length: int, message: bytes, signature: bytes) -> bool:
    """RSASSA-PSS (sections 8.1.2 and 9.1.2). ``salt_length`` in octets."""
    em_bits = key.bits - 1
    em_length = (em_bits + 7) // 8
    block = _public_operation(key, signature, (key.bits + 7) // 8)
    if block is None or any(block[: len(block) - em_length]):
        return False
    block = block[len(block) - em_length :]
    digest = hashlib.new(hash_name, message).digest()
    if salt_length < 0 or em_length < len(digest) + salt_length + 2 or block[-1] != 0xBC:
        return False
    masked, h = block[: em_length - len(digest) - 1], block[em_length - len(digest) - 1 : -1]
    unused = 8 * em_length - em_bits
    if masked[0] >> (8 - unused) if unused else 0:
        return False
    db = bytearray(a ^ b for a, b in zip(masked, _mgf1(mgf_hash, h, len(masked)), strict=True))
    db[0] &= 0xFF >> unused
    padding = len(db) - salt_length - 1
    if any(db[:padding]) or db[padding] != 0x01:
        return False
    return hashlib.new(hash_name, b"\0" * 8 + digest + bytes(db[padding + 1 :])).digest() == h


def _public_operation(key: RsaPublicKey, signature: bytes, size: int) -> bytes | None:
    """RSAVP1 (section 5.2.2) on a signature of exactly the modulus' length; None where its number is out of range."""
    s = int.from_bytes(signature, "big")
    if len(signature) != size or s >= key.modulus:
        return None
    return pow(s, key.exponent, key.modulus).to_bytes(size, "big")


def _mgf1(hash_name: str, seed: bytes, length: int) -> bytes:
    """Mask generation function (appendix B.2.1)."""
    mask = b""
    counter = 0
    while len(mask) < length:
        mask += hashlib.new(hash_name, seed + counter.to_bytes(4, "big")).digest()
        counter += 1
    return mask[:length]
