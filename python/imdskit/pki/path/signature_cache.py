"""Cache of verified signatures on certificates. Each checker has one such cache, and uses it
whenever it searches for a certification path."""

from __future__ import annotations

from collections.abc import Iterable

from imdskit.pki.signatures import signature
from imdskit.pki.x509.certificate import Certificate

CACHED_SIGNATURES = 1024
"""Maximum number of cached results. When the cache is full, each search verifies all signatures
that are not in the cache."""


class SignatureCache:
    """Cache of the results of verifying signatures on certificates. It is safe to share between
    threads. At worst, two threads verify the same signature.

    A result is cached only if both the signed certificate and its issuer are in ``own``. The sender
    of a document therefore cannot add entries.

    Args:
        own: the anchors and intermediates that the owner of the checker configured.
    """

    def __init__(self, own: Iterable[Certificate] = ()) -> None:
        self._own = frozenset(certificate.der for certificate in own)
        self._faults: dict[tuple[bytes, bytes], signature.Fault | None] = {}

    def fault(self, child: Certificate, issuer: Certificate) -> signature.Fault | None:
        """Verify the signature on ``child`` with the key of ``issuer``. Return None if the
        signature is valid, and otherwise the reason why it is not."""
        key = (child.der, issuer.spki)
        if key in self._faults:
            return self._faults[key]
        fault = signature.fault(child.signature_algorithm, issuer.public_key, child.tbs, child.signature)
        if child.der in self._own and issuer.der in self._own and len(self._faults) < CACHED_SIGNATURES:
            self._faults[key] = fault
        return fault
