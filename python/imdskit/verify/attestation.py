"""The result of a successful verification."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256

from imdskit.backends.contract import Claims, Signed, SignedDocument
from imdskit.clouds import Cloud
from imdskit.verify import signed_content


class Attestation:
    """A document that Azure signed, for whom, and when. A value: it does not change, equals another with the same attributes, and can be pickled.

    What it is made of stays with the backend until it is asked for: a service that only admits pays for nothing else.
    """

    __slots__ = ("_at", "_backend", "_cloud", "_relaxed", "_signed")

    def __init__(self, signed: Signed, cloud: Cloud, at: int, backend: str, relaxed: tuple[str, ...] = ()) -> None:
        self._signed = signed
        self._cloud = cloud
        self._at = at
        self._backend = backend
        self._relaxed = relaxed

    @property
    def claims(self) -> Claims:
        """What it says of the machine."""
        return self._signed.claims

    @property
    def cloud(self) -> Cloud:
        """Whose metadata service signed it."""
        return self._cloud

    @property
    def name(self) -> str:
        """DNS name in the signer's certificate that shows it, such as ``westeurope.metadata.azure.com``."""
        return self._signed.name

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER certificates, signer first, trust anchor last."""
        return self._signed.chain

    @property
    def content(self) -> bytes:
        """The signed octets, unchanged."""
        return self._signed.content

    @property
    def at(self) -> int:
        """Unix seconds at which it was judged."""
        return self._at

    @property
    def backend(self) -> str:
        """Name of the backend that decided."""
        return self._backend

    @property
    def relaxed(self) -> tuple[str, ...]:
        """Checks that the policy left out; empty under every policy but those that say so."""
        return self._relaxed

    @property
    def replay_key(self) -> bytes:
        """SHA-256 of the signed content: the same for every way in which the same document can be written down. Store it to refuse a second
        use. The message's own bytes are no key: its base64, its certificates and its unsigned parts can be changed at will."""
        return sha256(self.content).digest()

    def members(self) -> dict[str, object]:
        """Return the signed content as JSON members, unknown ones included. A number that ``int`` or ``float`` would write otherwise, such as ``1e999``, is a
        :class:`imdskit.verify.signed_content.Number`: a str with its text."""
        members = signed_content.loads(self.content)
        assert isinstance(members, dict)  # the check of the claims has seen to it
        return members

    def to_json(self) -> dict[str, object]:
        """Return everything but the certificates themselves, as JSON members; ``json.dumps`` makes valid JSON (RFC 8259) of them."""
        return {**self._verdict(), "claims": self.members()}

    def json_text(self) -> str:
        """Return the same as :meth:`to_json` as one line of JSON in ASCII, in which the claims stand as they were signed, numbers of any size included."""
        return f'{json.dumps(self._verdict(), separators=(",", ":"))[:-1]},"claims":{signed_content.line(self.content)}}}'

    def _verdict(self) -> dict[str, object]:
        return {
            "verified": not self.relaxed,
            "relaxed": list(self.relaxed),
            "cloud": self.cloud.name,
            "azEnvironment": self.cloud.environment,
            "name": self.name,
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(),
            "backend": self.backend,
            "chain": [sha256(der).hexdigest() for der in self.chain],
        }

    def _values(self) -> tuple[object, ...]:
        return (self.claims, self.cloud, self.name, self.chain, self.content, self.at, self.backend, self.relaxed)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, Attestation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        said = {"claims": self.claims, "cloud": self.cloud.name, "name": self.name, "at": self.at, "backend": self.backend}
        return f"Attestation({', '.join(f'{name}={value!r}' for name, value in said.items())}, relaxed={self.relaxed!r})"

    def __reduce__(self) -> tuple[object, ...]:
        signed = SignedDocument(self.content, self.claims, self._signed.label, self.name, self.chain)
        return (Attestation, (signed, self.cloud, self.at, self.backend, self.relaxed))
