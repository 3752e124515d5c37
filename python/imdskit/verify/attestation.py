"""The answer of a verification that succeeded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from imdskit.backends.contract import Claims
from imdskit.clouds import Cloud


@dataclass(frozen=True, slots=True)
class Attestation:
    """A document that Azure signed, for whom, and when.

    Attributes:
        claims: what it says of the machine.
        cloud: whose metadata service signed it.
        name: DNS name in the signer's certificate that shows it, such as ``westeurope.metadata.azure.com``.
        chain: DER certificates, signer first, trust anchor last.
        content: the signed octets, unchanged.
        at: Unix seconds at which it was judged.
        backend: name of the backend that decided.
        relaxed: checks that the policy left out; empty under every policy but those that say so.
    """

    claims: Claims
    cloud: Cloud
    name: str
    chain: tuple[bytes, ...]
    content: bytes
    at: int
    backend: str
    relaxed: tuple[str, ...] = ()

    @property
    def replay_key(self) -> bytes:
        """SHA-256 of the signed content: the same for every way in which the same document can be written down. Store it to refuse a second
        use. The message's own bytes are no key: its base64, its certificates and its unsigned parts can be changed at will."""
        return sha256(self.content).digest()

    def members(self) -> dict[str, object]:
        """The signed content as JSON members, unknown ones included."""
        members: dict[str, object] = json.loads(self.content)
        return members

    def to_json(self) -> dict[str, object]:
        """Everything but the certificates themselves, as JSON members."""
        return {
            "verified": not self.relaxed,
            "relaxed": list(self.relaxed),
            "cloud": self.cloud.name,
            "azEnvironment": self.cloud.environment,
            "name": self.name,
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(),
            "backend": self.backend,
            "chain": [sha256(der).hexdigest() for der in self.chain],
            "claims": self.members(),
        }
