"""Everything that a checker caches between documents. The cache saves work and never changes a
verdict.

An attacker cannot fill the cache with useless entries. An entry is added only if the signer has a
path to an anchor and an accepted name, and the message contains no certificate other than the
signer's. All genuine documents meet these conditions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import TypeVar

from imdskit.backends.python.message_templates import TemplateCache
from imdskit.fork import ForkAware
from imdskit.pki.cms import SignedData
from imdskit.pki.path.signature_cache import SignatureCache
from imdskit.pki.revocation.crl import CertificateList
from imdskit.pki.x509.certificate import Certificate

K = TypeVar("K")
V = TypeVar("V")

CACHED_SIGNERS = 256
"""Maximum number of entries in each of the caches of signers, paths and names. This is enough for
all Azure regions, because a region uses the same signer for weeks."""


class Cache(ForkAware):
    """Caches of signers, paths, names and message templates
    (:mod:`imdskit.backends.python.message_templates`).

    The caches are safe to share between threads. At worst, two threads compute the same entry.

    Attributes:
        signatures: cache for the search for a path. It caches the results of verifying the
            signatures on the anchors and intermediates of the checker.

    Args:
        certificates: anchors and intermediates of the checker.
        crls: revocation lists of the checker.
    """

    def __init__(self, certificates: Iterable[Certificate], crls: Iterable[CertificateList]) -> None:
        super().__init__()
        own = tuple(certificates)
        self.signatures = SignatureCache(own)
        self._boundaries = _boundaries(own, crls)
        self._signers: dict[bytes, Certificate] = {}
        self._paths: dict[tuple[bytes, int, bool], tuple[Certificate, ...]] = {}
        self._names: dict[bytes, tuple[str, str]] = {}
        self._templates = TemplateCache()
        self.watch_forks()

    def signer(self, der: bytes) -> Certificate | None:
        """Return the parsed certificate of a known signer, or None for any other signer."""
        return self._signers.get(der)

    def path(self, signer: Certificate, at: int) -> tuple[Certificate, ...] | None:
        """Return the cached path of a signer whose message contained no other certificates, or None
        if no cached path is valid at ``at``.

        The path of a signer depends on which certificates and lists are valid at ``at``. The set of
        valid ones changes only when a validity period starts or ends. Two times between the same
        two changes therefore have the same path. For this reason, the key of the cache does not
        contain ``at`` itself. It contains the signer, the number of changes up to ``at``, and
        whether the signer's own certificate is valid at ``at``.
        """
        return self._paths.get(self._path_key(signer, at))

    def add_signer(self, signer: Certificate, at: int, path: tuple[Certificate, ...], name: tuple[str, str]) -> None:
        """Cache the certificate, path, label and name of a signer whose message contained no other
        certificates."""
        with self._lock:
            _add(self._paths, self._path_key(signer, at), path)
            _add(self._signers, signer.der, signer)
            _add(self._names, signer.der, name)

    def name(self, signer: Certificate) -> tuple[str, str] | None:
        """Return the pair of label and DNS name for a known signer, or None for any other
        signer."""
        return self._names.get(signer.der)

    def decode(self, text: bytes) -> bytes | None:
        """Return the message whose base64 is ``text``, or None if the message matches no cached
        template. A message matches if it differs from the template only in content and
        signature."""
        return self._templates.decode(text)

    def read(self, der: bytes) -> SignedData | None:
        """Return the parsed message ``der``, or None if the message matches no cached template (see
        :meth:`decode`)."""
        return self._templates.read(der)

    def add_message(self, der: bytes, message: SignedData, signer: Certificate) -> None:
        """Cache the template of an accepted message. Do nothing if the message has signed
        attributes, or if its only certificate is not that of a known signer."""
        if len(message.certificates) == 1 and signer.der in self._signers and message.signers[0].signed_attributes is None:
            with self._lock:
                self._templates.add(der, message, signer.der)

    def _path_key(self, signer: Certificate, at: int) -> tuple[bytes, int, bool]:
        return signer.der, bisect_right(self._boundaries, at), signer.not_before <= at <= signer.not_after


def _add(entries: dict[K, V], key: K, value: V) -> None:
    """Add an entry, and evict the oldest one if there are too many."""
    entries[key] = value
    if len(entries) > CACHED_SIGNERS:
        del entries[next(iter(entries))]


def _boundaries(certificates: Iterable[Certificate], crls: Iterable[CertificateList]) -> list[int]:
    """Return the times at which a certificate or list becomes valid or ceases to be valid, in Unix
    seconds and in ascending order.

    notAfter and nextUpdate are inclusive, so the validity ends one second later.
    """
    ends = {second for c in certificates for second in (c.not_before, c.not_after + 1)}
    ends |= {second for one in crls for second in (one.this_update, *(() if one.next_update is None else (one.next_update + 1,)))}
    return sorted(ends)
