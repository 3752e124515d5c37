"""Parser of PEM files with certificates or revocation lists. It ignores everything else in the
file, such as comments and keys (RFC 7468 section 5)."""

from __future__ import annotations

import binascii

from imdskit.errors import TrustError

MAX_BYTES = 4 * 1024 * 1024
MAX_CRL_BYTES = 16 * 1024 * 1024
"""Maximum sizes in bytes of a file with certificates and of a file with revocation lists."""


def certificates(data: bytes, origin: str) -> tuple[bytes, ...]:
    """Return the DER of every certificate in a file. The file is PEM with at least one certificate,
    or the DER of one certificate.

    Args:
        data: content of the file.
        origin: name of the file in error messages.

    Raises:
        TrustError: ``bad-trust``: the data is too large, contains no certificate, or is damaged.
    """
    if len(data) > MAX_BYTES:
        raise TrustError(
            "bad-trust", f"The file has more than {MAX_BYTES} bytes, which is too large for a list of certificates.", location=origin
        )
    return _blocks(data, "CERTIFICATE", "certificate", origin)


def crls(data: bytes, origin: str) -> tuple[bytes, ...]:
    """Return the DER of every certificate revocation list in a file. Arguments and errors are those
    of :func:`certificates`."""
    if len(data) > MAX_CRL_BYTES:
        raise TrustError(
            "bad-trust", f"The file has more than {MAX_CRL_BYTES} bytes, which is too large for a revocation list.", location=origin
        )
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
        raise TrustError("bad-trust", f"A {noun} has no END line.", location=origin)
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
