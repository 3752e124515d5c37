"""PEM as people have it: certificates among comments, keys and blank lines (RFC 7468 section 5)."""

from __future__ import annotations

import binascii

from imdskit.errors import TrustError

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
MAX_BYTES = 4 * 1024 * 1024


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
    if data[:1] == b"0":
        return (data,)
    blocks = [block.partition(_END) for block in data.split(_BEGIN)[1:]]
    if not blocks:
        hint = "Expected are PEM blocks that begin with -----BEGIN CERTIFICATE-----, or one certificate in DER."
        raise TrustError("bad-trust", "There is no certificate in it.", location=origin, hint=hint)
    if not all(end for _, end, _ in blocks):
        raise TrustError("bad-trust", "A certificate has no end.", location=origin)
    found = []
    for index, (block, _, _) in enumerate(blocks):
        try:
            found.append(binascii.a2b_base64(block.translate(None, b" \t\r\n"), strict_mode=True))
        except binascii.Error as error:
            raise TrustError("bad-trust", f"Certificate {index + 1} is not base64: {error}.", location=origin) from None
    return tuple(found)
