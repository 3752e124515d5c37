"""Verifiers of the service. When the trusted certificates change, all verifiers are replaced
together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imdskit import backends, clouds
from imdskit.attestation_service.configuration.settings import Settings
from imdskit.attestation_service.configuration.watched_files import Watched
from imdskit.clock import Clock
from imdskit.errors import TrustError
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.bundles import bundle


class Verifiers(NamedTuple):
    """Verifiers that trust the same certificates.

    Attributes:
        online: verifier for documents that were just requested. It requires a nonce, and limits the
            age of a document.
        audit: verifier for stored documents, which are verified as of the time when they were
            received.
        trust: certificates that both verifiers trust.
    """

    online: Verifier
    audit: Verifier
    trust: Trust


def watch(settings: Settings, clock: Clock) -> Watched[Verifiers]:
    """Return the verifiers for the configured certificates. The verifiers are created again when
    the files of the certificates change.

    Raises:
        TrustError: The certificates cannot be read or are invalid.
        BackendError: The configured backend is not installed.
    """
    backend = backends.get(settings.backend)
    accept = tuple(clouds.find(name) for name in settings.clouds)

    def read() -> Verifiers:
        trust = _trust(settings)
        online = Verifier(trust, Policy.online(max_age=settings.max_age, accept=accept), backend=backend, clock=clock)
        return Verifiers(online, Verifier(trust, Policy.offline_audit(accept=accept), backend=backend, clock=clock), trust)

    return Watched("trust", tuple(_files(settings)), read, settings.reload_seconds, clock)


def _files(settings: Settings) -> Iterator[Path]:
    if settings.trust_bundle is not None:
        yield from (settings.trust_bundle / name for name in bundle.FILES)
    yield from settings.trust_anchors
    yield from settings.trust_intermediates


def _trust(settings: Settings) -> Trust:
    if settings.trust_bundle is not None:
        # The symbolic links on the path of the bundle are resolved only once, before its files are
        # read. All files therefore belong to the same bundle, even if a link changes meanwhile.
        trust = Trust.from_bundle(settings.trust_bundle.resolve())
    elif settings.trust_anchors:
        trust = Trust.from_pem([_content(path) for path in settings.trust_anchors], origin="trust_anchors")
    else:
        trust = Trust.bundled()
    extra = [_content(path) for path in settings.trust_intermediates]
    return trust.with_intermediates(*extra) if extra else trust


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustError("bad-trust", f"The file cannot be read: {error.strerror}.", location=str(path)) from None
