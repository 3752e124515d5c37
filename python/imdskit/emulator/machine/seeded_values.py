"""Identifiers and other values that a scenario does not give. The same seed reproduces them."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping


class Seeded:
    """Source of values that depend only on a seed and on the purpose of the value.

    Args:
        seed: the seed.
        kept: values from an earlier emulator's snapshot, in hexadecimal, by purpose. They take
            precedence over the seed.

    Attributes:
        made: all values returned so far, in hexadecimal, by purpose. They are public. A small
            seed can be guessed from them.
    """

    def __init__(self, seed: int, kept: Mapping[str, str] | None = None) -> None:
        self._seed = seed
        self._kept = kept or {}
        self.made: dict[str, str] = {}

    def bytes_for(self, purpose: str, length: int) -> bytes:
        """Return ``length`` pseudorandom bytes, at most 64."""
        value = bytes.fromhex(self._kept.get(purpose, ""))
        if len(value) != length:
            value = hashlib.sha512(f"imdskit machine {self._seed} {purpose}".encode()).digest()[:length]
        self.made[purpose] = value.hex()
        return value

    def uuid(self, purpose: str) -> str:
        """Return a version 4 UUID (RFC 9562 section 5.4) in lower case."""
        return str(uuid.UUID(bytes=self.bytes_for(purpose, 16), version=4))

    def mac(self, index: int) -> str:
        """Return a MAC address as IMDS writes it, with 12 upper-case hexadecimal digits and no
        separators, from an address block that Azure uses."""
        return "000D3A" + self.bytes_for(f"mac {index}", 3).hex().upper()

    def public_key(self, user: str, host: str) -> str:
        """Return a line that looks like an OpenSSH ed25519 public key.

        Nobody has the private key for it.
        """
        blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + self.bytes_for("public key", 32)
        return f"ssh-ed25519 {base64.b64encode(blob).decode('ascii')} {user}@{host}"
