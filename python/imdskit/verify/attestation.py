"""The result of a successful verification."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256

from imdskit.backends.contract import Claims, Signed, SignedDocument
from imdskit.clouds import Cloud
from imdskit.verify import signed_content


class Attestation:
    """Result of a successful verification: who signed the document, for which machine, and when.

    Attestations are immutable and can be pickled. Two attestations are equal if all their
    attributes are equal.

    The backend, which is the implementation of the checks, may create the claims and the
    certificates only when the caller reads ``claims`` or ``chain`` for the first time. This saves
    time for a caller that needs only the verdict.
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
        """The signed statements about the machine."""
        return self._signed.claims

    @property
    def cloud(self) -> Cloud:
        """The cloud whose metadata service signed the document."""
        return self._cloud

    @property
    def name(self) -> str:
        """The DNS name in the signer's certificate that identifies the cloud, such as
        ``westeurope.metadata.azure.com``."""
        return self._signed.name

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates from the signer (first) to the trust anchor (last), as DER."""
        return self._signed.chain

    @property
    def content(self) -> bytes:
        """The signed bytes, unchanged."""
        return self._signed.content

    @property
    def at(self) -> int:
        """The time as of which the document was verified, in Unix seconds."""
        return self._at

    @property
    def backend(self) -> str:
        """The name of the backend that made the decision."""
        return self._backend

    @property
    def relaxed(self) -> tuple[str, ...]:
        """Descriptions of the checks that the policy left out or weakened; see
        :attr:`imdskit.verify.Policy.relaxed`."""
        return self._relaxed

    @property
    def replay_key(self) -> bytes:
        """The SHA-256 of the signed content, as a key for a store of used documents.

        The key is the same for every encoding of the same document. A digest of the whole message
        would not be suitable, because anybody can change the base64, the certificates and the
        unsigned parts of a message without invalidating its signature.
        """
        return sha256(self.content).digest()

    def members(self) -> dict[str, object]:
        """Return the members of the signed JSON object, including unknown ones.

        If Python's ``int`` or ``float`` would change a number, such as ``1e999``, its value is a
        :class:`imdskit.verify.signed_content.Number`. This is a str with the text of the number.
        """
        members = signed_content.loads(self.content)
        assert isinstance(members, dict)  # the check of the claims refuses anything else
        return members

    def to_json(self) -> dict[str, object]:
        """Return the attestation as a dict that ``json.dumps`` accepts. It contains the SHA-256 of
        each certificate instead of the certificate, and the members of the signed JSON object
        instead of the signed bytes."""
        return {**self._verdict(), "claims": self.members()}

    def json_text(self) -> str:
        """Return the result of :meth:`to_json` as one line of ASCII JSON. Numbers in the claims
        keep the text that was signed."""
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
        shown = {"claims": self.claims, "cloud": self.cloud.name, "name": self.name, "at": self.at, "backend": self.backend}
        return f"Attestation({', '.join(f'{name}={value!r}' for name, value in shown.items())}, relaxed={self.relaxed!r})"

    def __reduce__(self) -> tuple[object, ...]:
        signed = SignedDocument(self.content, self.claims, self._signed.label, self.name, self.chain)
        return (Attestation, (signed, self.cloud, self.at, self.backend, self.relaxed))
