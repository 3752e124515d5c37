"""Which certificates signed which, remembered between searches for paths."""

from __future__ import annotations

from collections.abc import Iterable

from imdskit.pki.signatures import signature
from imdskit.pki.x509.certificate import Certificate

REMEMBERED_LINKS = 1024
"""Links that are remembered between searches. An owner of more certificates waits a little longer."""


class Links:
    """Signatures on certificates. Remembered are those of the certificates that the owner of a checker gave it: strangers cannot fill this memory.
    Safe to share between threads, which at worst reckon a signature twice.

    Args:
        own: the owner's certificates.
    """

    def __init__(self, own: Iterable[Certificate] = ()) -> None:
        self._own = frozenset(certificate.der for certificate in own)
        self._faults: dict[tuple[bytes, bytes], signature.Fault | None] = {}

    def fault(self, child: Certificate, issuer: Certificate) -> signature.Fault | None:
        """What is wrong with the signature that the key of ``issuer`` made on ``child``, or None."""
        link = (child.der, issuer.spki)
        if link in self._faults:
            return self._faults[link]
        fault = signature.fault(child.signature_algorithm, issuer.public_key, child.tbs, child.signature)
        if child.der in self._own and issuer.der in self._own and len(self._faults) < REMEMBERED_LINKS:
            self._faults[link] = fault
        return fault
