"""Exceptions of imdskit.

Each exception has a stable ``code``, a plain sentence (``message``), a ``location``, and a ``hint``
that says what to do. Programs should depend only on the class and the code; the other attributes
are texts for people. The package deliberately raises only these exceptions, and those built-in
exceptions that a docstring names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imdskit.reasons import Reason, Stage, hint_for

if TYPE_CHECKING:
    from imdskit.codes import ClientCode


class ImdskitError(Exception):
    """Base class of all errors of the package.

    Attributes:
        code: stable name of the kind of error, in lower case with hyphens.
        message: one plain sentence that says what is wrong.
        location: where the error is, such as a path in a document, the name of a file, or a URL.
            ``""`` if this is unknown.
        hint: text that says what to do; may be ``""``.
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
    """Raised when a document is refused.

    Attributes:
        reason: reason for the refusal. The attribute ``code`` has the same value, as a plain str.
        stage: the stage of verification that refused the document.
        location: ASN.1 path or JSON path of the invalid element. If the element's offset in the DER
            is known, ``@`` and the offset in bytes follow the path.
        detail: what was found, for logs. The text may change in any release, so programs must not
            depend on it.
    """

    def __init__(self, reason: Reason, *, location: str = "", detail: str = "") -> None:
        super().__init__(reason.value, reason.sentence, location=location, hint=hint_for(reason, detail))
        self.reason = reason
        self.detail = detail

    @property
    def stage(self) -> Stage:
        return self.reason.stage

    def to_json(self) -> dict[str, str]:
        """Return the error as a dict for JSON, with the members ``reason``, ``stage``,
        ``location``, ``message``, ``detail`` and ``hint``."""
        return {
            "reason": self.reason.value,
            "stage": self.stage.value,
            "location": self.location,
            "message": self.message,
            "detail": self.detail,
            "hint": self.hint,
        }


class DerError(ImdskitError):
    """Raised if bytes are not DER of the expected type.

    Attributes:
        offset: offset of the invalid element in bytes from the start of the outermost buffer.
        field: ASN.1 path of the invalid element, such as ``tbsCertificate.serialNumber``. It may be
            ``""``.
    """

    def __init__(self, message: str, offset: int, field: str = "") -> None:
        super().__init__("bad-der", message, location=f"{field}@{offset}", hint=Reason.BAD_DER.hint)
        self.offset = offset
        self.field = field


class FreshnessError(ImdskitError):
    """Raised if a nonce is not acceptable. Either another issuer issued it, or it was issued for
    another request, or it has expired, or its time of issue is in the future.

    Codes: ``nonce-unknown``, ``nonce-not-yet``, ``nonce-expired``.
    """


class StoreError(ImdskitError):
    """Raised when the store of used documents cannot tell whether a document was used before. In
    this case, the caller must not accept the document.

    Codes: ``store-unreachable``, ``store-full``, ``store-broken``, ``store-format``,
    ``store-forked``, ``store-clock``.
    """


class FetchError(ImdskitError):
    """Raised when the certificate of an issuer cannot be fetched. Callers of a verifier do not see
    this error: it is logged, and the verifier refuses the document as ``unknown-issuer``.

    Codes: ``url-refused``, ``address-refused``, ``unreachable``, ``timed-out``, ``too-large``,
    ``redirected``, ``unexpected-status``, ``not-http``, ``not-a-certificate``, ``wrong-issuer``,
    ``fetch-budget``.
    """


class TrustError(ImdskitError):
    """Raised when trust anchors, intermediates or revocation lists cannot be used, or when a trust
    bundle cannot be updated.

    Codes: ``bad-trust``, ``no-trust``, ``bad-bundle`` (not a bundle, or an incomplete one),
    ``bundle-format`` (a bundle of an unknown format), ``bad-intermediate``, ``issuer-not-found``,
    ``bundle-unwritable``, ``bundle-busy``.
    """


class UsageError(ImdskitError, ValueError):
    """Raised when an argument is invalid. Examples are a wrong type, a value out of range, an
    unknown cloud, and a time without a time zone. The class is also a subclass of ValueError.

    Codes: ``bad-argument``, ``namespaces-refused`` (the system refuses what `imdskit run` needs).
    """


class BackendError(ImdskitError):
    """Raised when the native backend, which is the Rust extension, cannot be used or has failed.

    Codes: ``backend-absent``, ``backend-broken``, ``backend-contract``, ``backend-debug`` (a debug
    build, which must not be measured), ``backend-panic`` (the extension has a bug).
    """


class SelectionError(ImdskitError):
    """Raised when a part of a metadata document cannot be selected. Codes: ``not-found``,
    ``leaf-needs-text``, ``bad-document``."""


class ScenarioError(ImdskitError):
    """Raised when a scenario, a fault script or a snapshot of the emulator is invalid.

    Codes: ``bad-scenario``, ``bad-faults``, ``bad-snapshot``. ``location`` is a JSON pointer (RFC
    6901), or ``""`` if the file cannot be read.
    """


class ClientError(ImdskitError):
    """Raised when the metadata service does not respond, or its response is an error.

    Attributes:
        code: a member of :class:`imdskit.codes.ClientCode`.
        status: status of the response, or None if there was no response.
        body: body of the response, truncated to 4096 bytes.
        retry_after: number of seconds to wait before the next request, from the header field
            ``Retry-After``; None if it is absent.
        connected: False if no connection could be established.
        attempts: number of attempts that the client made. The other attributes describe the error
            of the last attempt.
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
