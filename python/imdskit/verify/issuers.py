"""Where a verifier may get the certificate of an unknown issuer from, and for which certificate it asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from imdskit.backends import envelope
from imdskit.backends.contract import Limits
from imdskit.errors import DerError, VerificationError
from imdskit.pki import cms


class IssuerSource(Protocol):
    """Finds certificates above a given one. :class:`imdskit.verify.aia.AiaFetcher` is one; none is used unless it is handed in."""

    def known(self) -> tuple[bytes, ...]:
        """DER of certificates that need no search. Asked once, when a verifier is made."""

    def issuers(self, certificate: bytes, anchors: Sequence[bytes]) -> tuple[bytes, ...]:
        """DER of certificates above ``certificate``, nearest first; empty if none was found. Hints, trusted by nobody. Raises nothing."""

    def keep(self, certificates: Sequence[bytes]) -> None:
        """Told of what stood on an accepted path and was not known before."""


def signer_of(document: bytes, limits: Limits) -> bytes | None:
    """DER of the certificate that the document's signer names. None if there is none, which a checked document never leads to."""
    try:
        message = cms.parse(envelope.decode(document, limits))
        certificate = cms.find_certificate(message.signers[0], message.certificates) if message.signers else None
    except (VerificationError, DerError):
        return None
    return None if certificate is None else certificate.der
