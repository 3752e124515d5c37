"""Trust of a verifier: anchors, which are trusted; intermediates, which only help to reach them; and revocation lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

from imdskit import arguments
from imdskit.errors import TrustError, UsageError
from imdskit.verify import pem

if TYPE_CHECKING:
    from imdskit.verify.bundles.bundle import Bundle, SigningAuthority

Contents: TypeAlias = bytes | str | Iterable[bytes | str]
"""Of one file, or of several."""


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
        signing: the authorities that the bundle lists as known to sign attested documents. For the doctor; no document is judged by it.
        audit: SHA-256, in hexadecimal digits, of certificates that the bundle keeps for audits of old documents only. For the doctor, too.

    Raises:
        UsageError: an attribute is of the wrong type.
        TrustError: ``no-trust``: there is no anchor.
    """

    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    origin: str = "given by the caller"
    crls: tuple[bytes, ...] = ()
    date: str = ""
    signing: tuple[SigningAuthority, ...] = ()
    audit: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("anchors", "intermediates", "crls"):
            arguments.items(getattr(self, name), f"trust.{name}", bytes)
        for name in ("origin", "date"):
            arguments.instance(getattr(self, name), f"trust.{name}", str)
        if not self.anchors:
            raise TrustError("no-trust", "No trust anchor was given.", hint="Use Trust.bundled(), or give the root certificates.")

    @staticmethod
    @cache
    def bundled() -> Trust:
        """The roots and known intermediates of the four Azure clouds; ``roots/README.md`` says where each comes from."""
        return _of_bundle(_bundles().read_bundled(), "bundled with imdskit")

    @staticmethod
    def from_bundle(path: str | os.PathLike[str]) -> Trust:
        """Return the trust of the bundle in a folder, in place of the bundled one. ``docs/trust.md`` describes the format.

        The bundle is checked to be complete and intact. imdskit cannot verify who created it. If ``path`` is a symbolic link, it is
        followed once, so that all files come from the same folder even if ``imdskit trust update`` swaps the link meanwhile.

        Raises:
            TrustError: ``bad-bundle``, ``bundle-format`` or ``bad-trust``.
            UsageError: ``path`` is no path.
        """
        return _of_bundle(_bundles().read_folder(arguments.path(path, "path")), f"bundle {path}")

    @staticmethod
    def from_pem(anchors: Contents, intermediates: Contents = (), *, origin: str = "given by the caller") -> Trust:
        """Of the contents of PEM (or DER) files, each with one or more certificates. The bundled roots are not among them.

        Raises:
            TrustError: ``bad-trust`` or ``no-trust``.
            UsageError: something else than contents.
        """
        return Trust(_certificates(anchors, "anchors"), _certificates(intermediates, "intermediates"), origin)

    def with_intermediates(self, *files_of_pem: bytes | str) -> Trust:
        """The same anchors, and more certificates to reach them by.

        Raises:
            TrustError: ``bad-trust``.
            UsageError: something else than contents.
        """
        return replace(self, intermediates=(*_certificates(files_of_pem, "intermediates"), *self.intermediates))

    def with_crls(self, *files: bytes | str) -> Trust:
        """The same certificates, and more revocation lists, of the contents of PEM or DER files.

        Raises:
            TrustError: ``bad-trust``.
            UsageError: something else than contents.
        """
        return replace(self, crls=(*self.crls, *(der for data in _octets(files, "crls") for der in pem.crls(data, "crls"))))


def _bundles() -> ModuleType:
    from imdskit.verify.bundles import bundle  # 18 ms to the 45 ms of importing the verifier; callers with other certificates do without

    return bundle


def _of_bundle(found: Bundle, origin: str) -> Trust:
    return Trust(found.anchors, found.intermediates, origin, date=found.date, signing=found.signing, audit=found.audit)


def _certificates(contents: Contents, origin: str) -> tuple[bytes, ...]:
    return tuple(der for data in _octets(contents, origin) for der in pem.certificates(data, origin))


def _octets(contents: Contents, origin: str) -> Iterator[bytes]:
    one = isinstance(contents, bytes | str) or not isinstance(contents, Iterable)
    for data in (contents,) if one else contents:
        if not isinstance(data, bytes | str):
            hint = "Pass the content of the file, such as Path(...).read_bytes()."
            raise UsageError("bad-argument", "The data is neither PEM nor DER.", location=origin, hint=hint)
        yield data.encode("utf-8", "replace") if isinstance(data, str) else data
