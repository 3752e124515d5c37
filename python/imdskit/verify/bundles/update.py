"""Updates of a trust bundle without a new release of imdskit.

This module decides which certificates may be added to a bundle. It replaces the bundle atomically,
so other processes can read the bundle at the same time. An update adds only intermediates and never
an anchor. Neither a document nor a server may decide which roots are trusted; only the operator who
installs a bundle decides this.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from imdskit.clock import SECOND, SystemClock, WaitingClock
from imdskit.errors import TrustError, UsageError, VerificationError
from imdskit.pki.x509 import parser
from imdskit.pki.x509.certificate import Certificate
from imdskit.reasons import Reason, Stage, missing_authority
from imdskit.verify.bundles import bundle
from imdskit.verify.bundles.authority_path import authority_path
from imdskit.verify.bundles.bundle import Bundle
from imdskit.verify.issuers import IssuerSource, signer_of
from imdskit.verify.policy import Policy
from imdskit.verify.trust import Trust
from imdskit.verify.verifier import Verifier

if sys.platform != "win32":
    import fcntl

MAX_OFFERED = 64
"""Maximum number of certificates that one update can add. Azure has about forty intermediates."""

MAX_CERTIFICATE_BYTES = 16 * 1024
"""Maximum size of a certificate in bytes. The fetcher has the same limit. The certificates of
Azure's authorities have at most 1950 bytes."""

WAIT_SECONDS = 30
"""Maximum time in seconds that an update waits for another update of the same bundle. An update
normally takes milliseconds."""

_POLL_SECONDS = 0.05


class Offered(NamedTuple):
    """Certificate to add to a bundle if it is acceptable: its DER, and its name in error
    messages."""

    der: bytes
    location: str


@dataclass(frozen=True, slots=True)
class Update:
    """Result of an update.

    Attributes:
        folder: the folder of the current bundle.
        added: DER of the intermediates that the update added. Empty if it added none.
    """

    folder: Path
    added: tuple[bytes, ...]


def acceptable(offered: Sequence[Offered], anchors: Sequence[bytes], intermediates: Sequence[bytes], at: int) -> tuple[bytes, ...]:
    """Return the DER of those offered certificates that the bundle does not contain yet. Raise an
    error if one of them is not acceptable.

    A certificate is acceptable if it belongs to an authority, and a valid path leads from it to an
    anchor at the time ``at`` (RFC 5280 section 6.1). Other offered certificates may be part of this
    path.

    Args:
        offered: certificates to add.
        anchors: anchors of the bundle, as DER.
        intermediates: intermediates of the bundle, as DER.
        at: time of validation in Unix seconds.

    Raises:
        TrustError: ``bad-trust``: the data is not a certificate; ``bad-intermediate``: the
            certificate must not be added to the bundle.
    """
    known = {*anchors, *intermediates}
    new = list({one.der: one for one in offered if one.der not in known}.values())
    if len(new) > MAX_OFFERED:
        raise _bad(
            new[MAX_OFFERED].location, f"At most {MAX_OFFERED} new certificates can be added at a time.", "Add them in several updates."
        )
    parsed = [_parsed(one) for one in new]
    trusted = [parser.parse_certificate(der) for der in anchors]
    others = [*parsed, *(parser.parse_certificate(der) for der in intermediates)]
    for one, certificate in zip(new, parsed, strict=True):
        _check(one, certificate, authority_path(certificate, trusted, others, at))
    return tuple(one.der for one in new)


def _parsed(offered: Offered) -> Certificate:
    if len(offered.der) > MAX_CERTIFICATE_BYTES:
        raise _bad(
            offered.location,
            f"The certificate has more than {MAX_CERTIFICATE_BYTES} bytes.",
            "Check the file: certificates of authorities have about 2000 bytes.",
        )
    return bundle.parsed(offered.der, offered.location, "Give PEM, or the DER of one certificate.")


def _check(offered: Offered, certificate: Certificate, found: tuple[Certificate, ...] | Reason) -> None:
    if certificate.basic_constraints is None or not certificate.basic_constraints.ca:
        raise _bad(
            offered.location, "The certificate does not belong to an authority.", "Give the certificate of the issuer, not of the signer."
        )
    if isinstance(found, tuple):
        return
    if certificate.self_issued:
        hint = "An update never adds an anchor. If you trust this root, create a separate bundle with it; see docs/trust.md."
        raise _bad(offered.location, "The certificate is self-issued, and no path leads from it to an anchor of the bundle.", hint)
    hint = "Also give the certificates between this one and the anchor. Check that this one is valid now, or at the time given with `--at`."
    raise _bad(offered.location, f"No path leads from the certificate to an anchor of the bundle: {found}: {found.sentence}", hint)


def _bad(location: str, message: str, hint: str) -> TrustError:
    return TrustError("bad-intermediate", message, location=location, hint=hint)


def missing_issuers(document: bytes, trust: Trust, source: IssuerSource, at: int) -> tuple[bytes, ...]:
    """Return the DER of those issuer certificates that are missing for the verification of a
    document. The result is empty if none is missing.

    The function requests issuers from ``source`` only if the signature of the document is valid.

    Args:
        document: attested document, in a form that :meth:`imdskit.verify.Verifier.verify` accepts.
        trust: anchors and intermediates that are already available.
        source: source of issuers, such as an :class:`imdskit.verify.aia.AiaFetcher`.
        at: time as of which the chain is validated, in Unix seconds.

    Raises:
        VerificationError: a check in one of the stages up to ``chain`` fails for a reason other
            than a missing issuer. Failures in later stages are ignored.
        TrustError: ``issuer-not-found``: the source did not find the issuer.
    """
    policy = Policy.offline_audit()
    try:
        Verifier(trust, policy).verify(document, at=at)
    except VerificationError as refusal:
        if refusal.stage in (Stage.IDENTITY, Stage.CLAIMS):
            return ()
        signer = signer_of(document, policy.limits) if refusal.stage is Stage.CHAIN else None
        if signer is None:
            raise
        found = source.issuers(signer, trust.anchors)
        known = {*trust.anchors, *trust.intermediates}
        if not set(found) <= known:
            # Leave out certificates from which no path leads to an anchor. If no new certificate is
            # left, return all of them instead, so that the error of the update says why they are
            # refused.
            leading = _leading(found, trust, at)
            return found if set(leading) <= known else leading
        if refusal.reason is not Reason.UNKNOWN_ISSUER:
            raise
        raise TrustError(
            "issuer-not-found",
            "The certificate of the missing authority could not be fetched.",
            location=refusal.location,
            hint=f"{missing_authority(refusal.detail)} The log of imdskit.verify.aia says why. Get the certificate and give it with --from.",
        ) from None
    return ()


def update(link: Path, offered: Sequence[Offered], at: int, *, clock: WaitingClock | None = None) -> Update:
    """Add intermediates to the bundle to which a symbolic link points.

    The function writes the new bundle into a new folder beside the link, reads it to check it, and
    replaces the link atomically (:func:`os.replace`). Other processes therefore find either the old
    bundle or the new one at any time. The old folder is kept, because other processes may still be
    reading it. Concurrent updates of the same link wait for one another, so no update is lost.

    Args:
        link: symbolic link to the folder of a bundle. If it does not exist, it is created, and the
            update extends the bundle of this release.
        offered: certificates to add.
        at: time as of which the certificates are validated, in Unix seconds. The date of the new
            bundle is the day of this time or the date of the old bundle, whichever is later.
        clock: clock for waiting; the system clock by default.

    Raises:
        TrustError: ``bad-trust`` or ``bad-intermediate``: a certificate is not acceptable;
            ``bad-bundle`` or ``bundle-format``: the old bundle cannot be read;
            ``bundle-unwritable``: the new bundle cannot be written; ``bundle-busy``: another update
            takes too long. In each case, the old bundle is unchanged.
        UsageError: ``link`` exists and is not a symbolic link.
    """
    check_link(link)
    try:
        with _lock(link, clock or SystemClock()):
            old = current(link)
            added = acceptable(offered, old.anchors, old.intermediates, at)
            if not added and os.path.lexists(link):
                return Update(Path(os.path.realpath(link)), ())
            day = max(bundle.day(at), old.date) if added else old.date
            folder = _written(link, replace(old, date=day, intermediates=(*old.intermediates, *added)))
            _swap(link, folder)
            return Update(folder, added)
    except OSError as failure:
        message = f"The new bundle cannot be written: {failure.strerror or failure}."
        hint = "Give a path in a folder that this user may write to, on a file system that supports symbolic links."
        raise TrustError("bundle-unwritable", message, location=str(link), hint=hint) from None


def of_release(base: Bundle, at: int) -> tuple[Offered, ...]:
    """Return those intermediates of this release that the bundle ``base`` lacks.

    An intermediate is returned only if a path leads from it to an anchor of ``base`` at the time
    ``at``, in Unix seconds.
    """
    new = [der for der in Trust.bundled().intermediates if der not in base.intermediates]
    return tuple(Offered(der, "this release") for der in _leading(new, Trust(base.anchors, base.intermediates), at))


def _leading(certificates: Sequence[bytes], trust: Trust, at: int) -> tuple[bytes, ...]:
    """Return those certificates from which a valid path leads to an anchor of ``trust``. Other
    certificates in ``certificates`` may be part of the path."""
    anchors = [parser.parse_certificate(der) for der in trust.anchors]
    parsed = [parser.parse_certificate(der) for der in certificates]
    others = [*parsed, *(parser.parse_certificate(der) for der in trust.intermediates)]
    return tuple(one.der for one in parsed if isinstance(authority_path(one, anchors, others, at), tuple))


def check_link(link: Path) -> None:
    """Raise UsageError if ``link`` exists and is not a symbolic link. Only a link can be replaced
    atomically, not a folder."""
    if "\0" in str(link):
        raise UsageError("bad-argument", "The path contains a NUL character.", location=str(link))
    if os.path.lexists(link) and not os.path.islink(link):
        hint = f"Only a link can be replaced atomically. Convert the folder once: mv {link} {link}.1 && ln -s {link.name}.1 {link}"
        raise UsageError("bad-argument", "The path is not a symbolic link to a bundle.", location=str(link), hint=hint)


def current(link: Path) -> Bundle:
    """Return the bundle to which a link points, or the bundle of this release if the link does not
    exist.

    Raises:
        TrustError: see :func:`imdskit.verify.bundles.bundle.read`.
    """
    if os.path.lexists(link):
        return bundle.read_folder(link)
    release = Trust.bundled()
    return Bundle(release.date, release.anchors, release.intermediates, release.signing, release.audit)


def _written(link: Path, new: Bundle) -> Path:
    """Write the bundle into a new folder beside the link, flush it to the disk, and return the
    folder."""
    folder = Path(tempfile.mkdtemp(prefix=f"{link.name}.{new.date}.", dir=link.parent))
    try:
        bundle.write(folder, new)
        for path in folder.iterdir():
            # Certificates are public. Verifiers that run as other users must be able to read them,
            # whatever the umask is.
            path.chmod(0o644)
        folder.chmod(0o755)
        bundle.read(folder, str(folder))
        _to_disk(folder)
        _to_disk(link.parent)
    except (OSError, TrustError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _swap(link: Path, folder: Path) -> None:
    temporary = link.with_name(f".{folder.name}")  # this name is unique, because the name of the folder is unique
    try:
        os.symlink(folder.name, temporary, target_is_directory=True)
        os.replace(temporary, link)
    except OSError:
        temporary.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _to_disk(link.parent)


def _to_disk(folder: Path) -> None:
    """Flush the directory entries of a folder to the disk, so that they survive a crash of the
    machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _lock(link: Path, clock: WaitingClock) -> Iterator[None]:
    """Hold the lock of a bundle, so that no other process updates this bundle at the same time. The
    operating system releases the lock even if the process is killed."""
    if sys.platform == "win32":
        hint = "Replace the folder manually; see docs/trust.md."
        raise TrustError("bundle-unwritable", "This system cannot lock files.", location=str(link), hint=hint)
    descriptor = os.open(link.with_name(f".{link.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = clock.monotonic_ns() + WAIT_SECONDS * SECOND
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock.monotonic_ns() >= deadline:
                    message = f"Another update of this bundle has not ended within {WAIT_SECONDS} seconds."
                    raise TrustError(
                        "bundle-busy", message, location=str(link), hint="Look for an update that hangs, and try again."
                    ) from None
                clock.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
