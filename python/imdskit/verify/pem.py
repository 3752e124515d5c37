"""PEM as people have it: certificates, or revocation lists, among comments, keys and blank lines (RFC 7468 section 5)."""

from __future__ import annotations

import binascii

from imdskit.errors import TrustError

MAX_BYTES = 4 * 1024 * 1024
MAX_CRL_BYTES = 16 * 1024 * 1024


def certificates(data: bytes, origin: str) -> tuple[bytes, ...]:
    """The DER of every certificate in ``data``: PEM with one or more of them, or the DER of one.

    Args:
        data: content of a file.
        origin: what to call it in an error.

    Raises:
        TrustError: ``bad-trust``: nothing usable in it.
    """
    if len(data) > MAX_BYTES:
        raise TrustError("bad-trust", "The file is too large to be a list of certificates.", location=origin)
    return _blocks(data, "CERTIFICATE", "certificate", origin)


def crls(data: bytes, origin: str) -> tuple[bytes, ...]:
    """The same for certificate revocation lists."""
    if len(data) > MAX_CRL_BYTES:
        raise TrustError("bad-trust", "The file is too large to be a revocation list.", location=origin)
    return _blocks(data, "X509 CRL", "revocation list", origin)


def _blocks(data: bytes, label: str, noun: str, origin: str) -> tuple[bytes, ...]:
    if data[:1] == b"0":
        return (data,)
    begin, end_of_block = f"-----BEGIN {label}-----", f"-----END {label}-----"
    blocks = [block.partition(end_of_block.encode()) for block in data.split(begin.encode())[1:]]
    if not blocks:
        hint = f"Give PEM blocks that begin with {begin}, or one {noun} in DER."
        raise TrustError("bad-trust", f"The file contains no {noun}.", location=origin, hint=hint)
    if not all(end for _, end, _ in blocks):
        raise TrustError("bad-trust", f"A {noun} has no end.", location=origin)
    found = []
    for index, (block, _, _) in enumerate(blocks):
        text = block.translate(None, b" \t\r\n")
        try:
            found.append(binascii.a2b_base64(text, strict_mode=True))
            if len(text) != (len(found[-1]) + 2) // 3 * 4:  # python/cpython#118314
                raise binascii.Error("Excess padding")
        except binascii.Error as error:
            raise TrustError("bad-trust", f"{noun.capitalize()} {index + 1} is not base64: {error}.", location=origin) from None
    return tuple(found)


__all__ = ["certificates", "crls"]
