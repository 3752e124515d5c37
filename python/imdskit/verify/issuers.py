"""Interface of a source of missing issuer certificates, and a function that returns the certificate whose issuer may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from imdskit.backends import envelope
from imdskit.backends.contract import Limits
from imdskit.errors import DerError, VerificationError


class IssuerSource(Protocol):
    """Source of issuer certificates, such as :class:`imdskit.verify.aia.AiaFetcher`. A verifier has none by default."""

    def known(self) -> tuple[bytes, ...]:
        """Return the certificates that are available without a fetch, as DER. A verifier calls this method once, when it is created."""

    def issuers(self, certificate: bytes, anchors: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return the certificates above ``certificate`` as DER, the direct issuer first. The result is empty if none was found.

        The certificates are not trusted. The method must not raise an exception.

        Args:
            certificate: the certificate whose issuer is unknown, as DER.
            anchors: trust anchors of the verifier, as DER.
        """

    def keep(self, certificates: Sequence[bytes]) -> None:
        """Store new certificates that were part of an accepted path. A verifier calls this method after it has accepted a document."""


def signer_of(document: bytes, limits: Limits) -> bytes | None:
    """Return the certificate of the document's signer as DER, or None. It is never None if the signature of the document is good."""
    from imdskit.pki import cms  # a verifier that fetches nothing need not import the parser: it takes 20 ms

    try:
        message = cms.parse(envelope.decode(document, limits))
        certificate = cms.find_certificate(message.signers[0], message.certificates) if message.signers else None
    except (VerificationError, DerError):
        return None
    return None if certificate is None else certificate.der
