"""Whom a verifier believes: anchors, which are trusted, intermediates, which only help to reach them, and lists of what has been revoked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from imdskit.errors import TrustError
from imdskit.verify import pem


@dataclass(frozen=True, slots=True)
class Trust:
    """Anchors and intermediates, as DER. Immutable; checked when a verifier is made of it.

    Attributes:
        anchors: certificates whose name and key are trusted (RFC 5280 section 6.1.1 (d)). At least one.
        intermediates: certificates that may stand between a signer and an anchor.
        origin: in words, for reports.
        crls: certificate revocation lists, which are never fetched. None: revocation is not checked. Any: every certificate below the anchor
            needs a current one that speaks for it, unless ``Policy.require_crl`` is False.
    """

    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    origin: str = "given by the caller"
    crls: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not self.anchors:
            raise TrustError("no-trust", "No trust anchor was given.", hint="Use Trust.bundled(), or give the root certificates.")

    @staticmethod
    @cache
    def bundled() -> Trust:
        """The roots and known intermediates of the four Azure clouds; ``roots/README.md`` says where each comes from."""
        folder = files("imdskit.verify") / "roots"
        return Trust(
            pem.certificates((folder / "anchors.pem").read_bytes(), "anchors.pem"),
            pem.certificates((folder / "intermediates.pem").read_bytes(), "intermediates.pem"),
            "bundled with imdskit",
        )

    @staticmethod
    def from_pem(anchors: Iterable[bytes], intermediates: Iterable[bytes] = (), *, origin: str = "given by the caller") -> Trust:
        """Of the contents of PEM (or DER) files, each with one or more certificates. The bundled roots are not among them.

        Raises:
            TrustError: ``bad-trust`` or ``no-trust``.
        """
        return Trust(
            tuple(der for data in anchors for der in pem.certificates(data, "anchors")),
            tuple(der for data in intermediates for der in pem.certificates(data, "intermediates")),
            origin,
        )

    def with_intermediates(self, *files_of_pem: bytes) -> Trust:
        """The same anchors, and more certificates to reach them by."""
        more = tuple(der for data in files_of_pem for der in pem.certificates(data, "intermediates"))
        return replace(self, intermediates=(*more, *self.intermediates))

    def with_crls(self, *files: bytes) -> Trust:
        """The same certificates, and more revocation lists, of the contents of PEM or DER files.

        Raises:
            TrustError: ``bad-trust``.
        """
        return replace(self, crls=(*self.crls, *(der for data in files for der in pem.crls(data, "crls"))))
