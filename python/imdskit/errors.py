"""Every exception of imdskit.

Each has a stable ``code``, a plain sentence (``message``), a ``location`` and a ``hint`` that says what to do. Programs branch on the
class and the code; people read the rest. Nothing else is raised on purpose, by any part of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imdskit.reasons import Reason, Stage, hint_for

if TYPE_CHECKING:
    from imdskit.codes import ClientCode


class ImdskitError(Exception):
    """What all errors of the package have in common.

    Attributes:
        code: stable name of the kind of error, lower case with hyphens.
        message: one plain sentence.
        location: where it happened: a path in a document, a file, an address. ``""`` if there is nothing to point at.
        hint: what to do. ``""`` if there is nothing to do.
    """

    def __init__(self, code: str, message: str, *, location: str = "", hint: str = "") -> None:
        super().__init__(code, message, location, hint)
        self.code = code
        self.message = message
        self.location = location
        self.hint = hint

    def __str__(self) -> str:
        place = f" (at {self.location})" if self.location and f"`{self.location}`" not in self.message else ""
        return f"{self.code}: {self.message}{place}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


def _rebuild(kind: type[ImdskitError], args: tuple[object, ...], state: dict[str, object]) -> ImdskitError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class VerificationError(ImdskitError):
    """The document is refused.

    Attributes:
        reason: why; the ``code`` is its text.
        stage: the step that refused it.
        location: ASN.1 or JSON path of the member at fault, with its byte offset in the DER after ``@`` where there is one.
        detail: what exactly was found, for a log. Never needed to act on, and may change at any time.
    """

    def __init__(self, reason: Reason, *, location: str = "", detail: str = "") -> None:
        super().__init__(reason.value, reason.sentence, location=location, hint=hint_for(reason, detail))
        self.reason = reason
        self.detail = detail

    @property
    def stage(self) -> Stage:
        return self.reason.stage

    def to_json(self) -> dict[str, str]:
        """Return the refusal as JSON members: ``reason``, ``stage``, ``location``, ``message``, ``detail`` and ``hint``."""
        return {
            "reason": self.reason.value,
            "stage": self.stage.value,
            "location": self.location,
            "message": self.message,
            "detail": self.detail,
            "hint": self.hint,
        }


class DerError(ImdskitError):
    """Bytes that are not the DER of what they should be.

    Attributes:
        offset: of the element at fault, in bytes from the start of the outermost buffer.
        field: ASN.1 path of the element at fault, such as ``tbsCertificate.serialNumber``; may be ``""``.
    """

    def __init__(self, message: str, offset: int, field: str = "") -> None:
        super().__init__("bad-der", message, location=f"{field}@{offset}", hint=Reason.BAD_DER.hint)
        self.offset = offset
        self.field = field


class FreshnessError(ImdskitError):
    """A nonce that was not issued here, or not for this request, or too long ago. Codes: ``nonce-unknown``, ``nonce-not-yet``,
    ``nonce-expired``."""


class StoreError(ImdskitError):
    """It cannot be said whether a document was used before, so it must not be admitted. Codes: ``store-unreachable``, ``store-full``,
    ``store-broken``, ``store-format``, ``store-forked``, ``store-clock``."""


class FetchError(ImdskitError):
    """The certificate of an issuer could not be fetched. Never leaves the verifier, which then raises ``unknown-issuer``; it is in the log.

    Codes: ``url-refused``, ``address-refused``, ``unreachable``, ``timed-out``, ``too-large``, ``redirected``, ``unexpected-status``,
    ``not-http``, ``not-a-certificate``, ``wrong-issuer``, ``fetch-budget``.
    """


class TrustError(ImdskitError):
    """Certificates that the caller gave as trust anchors or intermediates cannot be used, or a bundle cannot be updated.

    Codes: ``bad-trust``, ``no-trust``, ``bad-bundle`` (a folder that is no bundle, or not whole), ``bundle-format`` (a bundle of a format that is
    not known), ``bad-intermediate``, ``issuer-not-found``, ``bundle-unwritable``, ``bundle-busy``.
    """


class UsageError(ImdskitError, ValueError):
    """Invalid argument: a wrong type, a value out of range, an unknown cloud, a time without zone. Also a ValueError. Codes: ``bad-argument``,
    ``namespaces-refused`` (the system refuses what `imdskit run` needs)."""


class BackendError(ImdskitError):
    """The native backend was asked for and cannot be had. Codes: ``backend-absent``, ``backend-broken``, ``backend-contract``, ``backend-debug`` (compiled for
    debugging, where figures are asked for), ``backend-panic`` (the extension has a bug)."""


class SelectionError(ImdskitError):
    """A path into a metadata document leads nowhere. Codes: ``not-found``, ``leaf-needs-text``, ``bad-document``."""


class ScenarioError(ImdskitError):
    """A scenario of the emulator is not usable, or a script of faults. Codes: ``bad-scenario``, ``bad-faults``, ``bad-snapshot``; ``location`` is a JSON
    pointer (RFC 6901)."""


class ClientError(ImdskitError):
    """The metadata service could not be reached, or did not respond as it should.

    Attributes:
        code: a member of :class:`imdskit.codes.ClientCode`.
        status: of the response, or None if there was none.
        body: of the response, at most the first 4096 bytes.
        retry_after: seconds that the response demands to wait (``Retry-After``), or None.
        connected: False if not even a connection could be made: nothing listens there, or packets vanish.
        attempts: number of attempts made. This error is that of the last one.
    """

    code: ClientCode

    def __init__(
        self,
        code: ClientCode,
        message: str,
        *,
        location: str = "",
        hint: str = "",
        status: int | None = None,
        body: bytes = b"",
        retry_after: float | None = None,
        connected: bool = True,
    ) -> None:
        super().__init__(code, message, location=location, hint=hint)
        self.status = status
        self.body = body[:4096]
        self.retry_after = retry_after
        self.connected = connected
        self.attempts = 1


__all__ = [
    "BackendError",
    "ClientError",
    "DerError",
    "FetchError",
    "FreshnessError",
    "ImdskitError",
    "ScenarioError",
    "SelectionError",
    "StoreError",
    "TrustError",
    "UsageError",
    "VerificationError",
]
