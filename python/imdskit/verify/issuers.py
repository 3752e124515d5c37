"""Interface of a source of missing issuer certificates, and a function that finds the certificate
of a document's signer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from imdskit.backends import envelope
from imdskit.backends.contract import Limits
from imdskit.errors import DerError, VerificationError


class IssuerSource(Protocol):
    """Source of issuer certificates, such as :class:`imdskit.verify.aia.AiaFetcher`. By default, a
    verifier has no source."""

    def known(self) -> tuple[bytes, ...]:
        """Return the certificates that are available without a fetch, as DER. A verifier calls this
        method once, when it is created."""

    def issuers(self, certificate: bytes, anchors: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return the DER of the certificates above ``certificate``, the direct issuer first. The
        result is empty if no issuer was found.

        The verifier does not trust these certificates, and only uses them to build a path. The
        method must not raise an exception.

        Args:
            certificate: the certificate whose issuer is unknown, as DER.
            anchors: trust anchors of the verifier, as DER.
        """

    def keep(self, certificates: Sequence[bytes]) -> None:
        """Store new certificates that were part of an accepted path. A verifier calls this method
        after it has accepted a document."""


def signer_of(document: bytes, limits: Limits) -> bytes | None:
    """Return the certificate of the document's signer as DER, or None.

    The result is None if the document cannot be parsed or does not contain the certificate. It is
    never None for a document with a valid signature.
    """
    from imdskit.pki import cms  # a late import, because it takes 20 ms, and most verifiers never fetch an issuer

    try:
        message = cms.parse(envelope.decode(document, limits))
        certificate = cms.find_certificate(message.signers[0], message.certificates) if message.signers else None
    except (VerificationError, DerError):
        return None
    return None if certificate is None else certificate.der
