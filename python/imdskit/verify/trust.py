"""Whom a verifier believes: anchors, which are trusted, intermediates, which only help to reach them, and lists of what has been revoked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from imdskit.errors import TrustError
from imdskit.verify import bundle, pem


@dataclass(frozen=True, slots=True)
class Trust:
    """Anchors and intermediates, as DER. Immutable; checked when a verifier is made of it.

    Attributes:
        anchors: certificates whose name and key are trusted (RFC 5280 section 6.1.1 (d)). At least one.
        intermediates: certificates that may stand between a signer and an anchor.
        origin: in words, for reports.
        crls: certificate revocation lists, which are never fetched. None: revocation is not checked. Any: every certificate below the anchor
            needs a current one that speaks for it, unless ``Policy.require_crl`` is False.
        date: of the bundle, ``YYYY-MM-DD``; ``""`` for what is not from a bundle.
    """

    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    origin: str = "given by the caller"
    crls: tuple[bytes, ...] = ()
    date: str = ""

    def __post_init__(self) -> None:
        if not self.anchors:
            raise TrustError("no-trust", "No trust anchor was given.", hint="Use Trust.bundled(), or give the root certificates.")

    @staticmethod
    @cache
    def bundled() -> Trust:
        """The roots and known intermediates of the four Azure clouds; ``roots/README.md`` says where each comes from."""
        found = bundle.read(files("imdskit.verify") / "roots", "roots")
        return Trust(found.anchors, found.intermediates, "bundled with imdskit", date=found.date)

    @staticmethod
    def from_bundle(path: str | os.PathLike[str]) -> Trust:
        """The bundle in a folder, in place of the bundled one; ``docs/trust.md`` describes the format. It is checked to be whole; who made it is for
        you to know.

        Raises:
            TrustError: ``bad-bundle``, ``bundle-format`` or ``bad-trust``.
        """
        found = bundle.read(Path(path), str(Path(path)))
        return Trust(found.anchors, found.intermediates, f"bundle {path}", date=found.date)

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
