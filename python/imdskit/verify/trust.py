"""Trust of a verifier, which consists of trust anchors, intermediates that help to build a path to
them, and revocation lists."""

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
"""Content of one file, or contents of several files."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Trust anchors, intermediates and revocation lists. A trust is immutable. Its certificates and
    lists are parsed when a verifier is created.

    Attributes:
        anchors: DER of the certificates whose name and key are trusted (RFC 5280 section 6.1.1
            (d)). There must be at least one.
        intermediates: DER of certificates that may be part of a path from a signer to an anchor.
            They are not trusted.
        origin: description of the source of the certificates, for reports.
        crls: certificate revocation lists as DER. imdskit never fetches lists. If there are none,
            revocation is not checked. Otherwise, each certificate below the anchor needs a current
            list that covers it, unless ``Policy.require_crl`` is False.
        date: date of the trust bundle from which the certificates come, ``YYYY-MM-DD``; ``""`` if
            they do not come from a bundle.
        signing: authorities that are known to issue certificates for signers of attested documents,
            according to the bundle. Only ``imdskit doctor`` and ``imdskit trust`` use them.
        audit: SHA-256, in hexadecimal, of certificates that the bundle keeps only for audits of old
            documents. Only ``imdskit doctor`` and ``imdskit trust`` use them.

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
        """Return the trust that is part of the package: the roots and the known intermediates of
        the four Azure clouds. ``roots/README.md`` lists the source of each certificate."""
        return _of_bundle(_bundles().read_bundled(), "bundled with imdskit")

    @staticmethod
    def from_bundle(path: str | os.PathLike[str]) -> Trust:
        """Return a trust with the certificates of the trust bundle in a folder. ``docs/trust.md``
        describes the format of a bundle.

        imdskit verifies that the bundle is complete and intact. It cannot verify who created the
        bundle. If ``path`` is a symbolic link, the link is followed only once. Therefore all files
        come from the same folder, even if ``imdskit trust update`` replaces the link at the same
        time.

        Raises:
            TrustError: ``bad-bundle``, ``bundle-format`` or ``bad-trust``.
            UsageError: ``path`` is not a path.
        """
        return _of_bundle(_bundles().read_folder(arguments.path(path, "path")), f"bundle {path}")

    @staticmethod
    def from_pem(anchors: Contents, intermediates: Contents = (), *, origin: str = "given by the caller") -> Trust:
        """Return a trust with the certificates in the contents of PEM or DER files. It does not
        include the bundled roots.

        Args:
            anchors: content of one file with trusted certificates, or contents of several files.
            intermediates: content of one file with intermediates, or contents of several files.
            origin: description of the source of the certificates, for reports.

        Raises:
            TrustError: ``bad-trust`` or ``no-trust``.
            UsageError: an argument is not bytes or str.
        """
        return Trust(_certificates(anchors, "anchors"), _certificates(intermediates, "intermediates"), origin)

    def with_intermediates(self, *files_of_pem: bytes | str) -> Trust:
        """Return a copy with additional intermediates, from the contents of PEM or DER files.

        Raises:
            TrustError: ``bad-trust``.
            UsageError: an argument is not bytes or str.
        """
        return replace(self, intermediates=(*_certificates(files_of_pem, "intermediates"), *self.intermediates))

    def with_crls(self, *files: bytes | str) -> Trust:
        """Return a copy with additional revocation lists, from the contents of PEM or DER files.

        Raises:
            TrustError: ``bad-trust``.
            UsageError: an argument is not bytes or str.
        """
        return replace(self, crls=(*self.crls, *(der for data in _contents(files, "crls") for der in pem.crls(data, "crls"))))


def _bundles() -> ModuleType:
    from imdskit.verify.bundles import bundle  # a late import, because it takes 18 ms, and only bundled() and from_bundle() need it

    return bundle


def _of_bundle(found: Bundle, origin: str) -> Trust:
    return Trust(found.anchors, found.intermediates, origin, date=found.date, signing=found.signing, audit=found.audit)


def _certificates(contents: Contents, origin: str) -> tuple[bytes, ...]:
    return tuple(der for data in _contents(contents, origin) for der in pem.certificates(data, origin))


def _contents(contents: Contents, origin: str) -> Iterator[bytes]:
    one = isinstance(contents, bytes | str) or not isinstance(contents, Iterable)
    for data in (contents,) if one else contents:
        if not isinstance(data, bytes | str):
            hint = "Pass the content of the file, such as Path(...).read_bytes()."
            raise UsageError("bad-argument", f"The data must be bytes or str; got {type(data).__name__}.", location=origin, hint=hint)
        yield data.encode("utf-8", "replace") if isinstance(data, str) else data
