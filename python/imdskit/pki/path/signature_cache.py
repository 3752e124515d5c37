"""Cache of signature checks on certificates, shared by all searches for paths."""

from __future__ import annotations

from collections.abc import Iterable

from imdskit.pki.signatures import signature
from imdskit.pki.x509.certificate import Certificate

CACHED_SIGNATURES = 1024
"""Maximum number of cached results. When the cache is full, other signatures are checked again in each search."""


class SignatureCache:
    """Results of checking the signatures on certificates. Safe to share between threads; at worst two of them check the same signature.

    Only signatures whose certificate and issuer were both configured by the owner of the checker are cached, so strangers cannot fill the
    cache.

    Args:
        own: the certificates that the owner configured.
    """

    def __init__(self, own: Iterable[Certificate] = ()) -> None:
        self._own = frozenset(certificate.der for certificate in own)
        self._faults: dict[tuple[bytes, bytes], signature.Fault | None] = {}

    def fault(self, child: Certificate, issuer: Certificate) -> signature.Fault | None:
        """Return the reason why the signature on ``child`` was not made by the key of ``issuer``, or None if it was."""
        key = (child.der, issuer.spki)
        if key in self._faults:
            return self._faults[key]
        fault = signature.fault(child.signature_algorithm, issuer.public_key, child.tbs, child.signature)
        if child.der in self._own and issuer.der in self._own and len(self._faults) < CACHED_SIGNATURES:
            self._faults[key] = fault
        return fault
