"""Message digests by object identifier and by name (RFC 3370 section 2, RFC 5754 section 2, RFC
8017 appendix B.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from imdskit.asn1 import oids

HASHES = {
    oids.SHA1: "sha1",
    oids.SHA224: "sha224",
    oids.SHA256: "sha256",
    oids.SHA384: "sha384",
    oids.SHA512: "sha512",
    oids.SHA512_224: "sha512_224",
    oids.SHA512_256: "sha512_256",
}
"""Maps the object identifier of each known digest to its name in hashlib.
:mod:`imdskit.pki.signatures.signature` defines which of them are strong enough.
"""

_DIRECT: dict[str, Callable[[bytes], Any]] = {
    "sha1": hashlib.sha1,
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}


def digest_of(hash_name: str, message: bytes) -> bytes:
    """Return the digest of ``message``. ``hash_name`` is one of the names in :data:`HASHES`."""
    hasher = _DIRECT.get(hash_name)
    digest: bytes = (hasher(message) if hasher else hashlib.new(hash_name, message)).digest()
    return digest
