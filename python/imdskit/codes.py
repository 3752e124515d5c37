"""Codes of all errors that are not refusals of a document, with their documentation. Refusals are in :mod:`imdskit.reasons`.

There is one enumeration for each class of :mod:`imdskit.errors`, because the same code may mean different things for different classes.
Members are strings: ``error.code == ClientCode.GONE`` and ``error.code == "gone"`` mean the same. Codes are stable.

``docs/errors.md`` is generated from this module, and ``imdskit explain`` reads it. The sentences here are general. The message, the location and
the hint of an exception describe the particular error.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Self

__all__ = [
    "FAMILIES",
    "BackendCode",
    "ClientCode",
    "Code",
    "CommandCode",
    "DerCode",
    "FetchCode",
    "FreshnessCode",
    "ScenarioCode",
    "SelectionCode",
    "StoreCode",
    "TrustCode",
    "UsageCode",
]


class Code(StrEnum):
    """Base of the enumerations.

    Attributes:
        sentence: sentence that says what is wrong.
        hint: text that says what to do.
    """

    _value_: str
    sentence: str
    hint: str

    def __new__(cls, code: str, sentence: str, hint: str) -> Self:
        member = str.__new__(cls, code)
        member._value_, member.sentence, member.hint = code, sentence, hint
        return member


class UsageCode(Code):
    """Codes of :class:`imdskit.errors.UsageError`."""

    BAD_ARGUMENT = "bad-argument", "An argument of a call or command is invalid.", "Correct the argument that the location names."
    NAMESPACES_REFUSED = (
        "namespaces-refused",
        "The system does not let this user create the namespaces that `imdskit run` needs.",
        "The message names the cause, and the hint the setting to change. Other ways are in docs/reach-the-address.md.",
    )


class DerCode(Code):
    """Codes of :class:`imdskit.errors.DerError`."""

    BAD_DER = (
        "bad-der",
        "The bytes are not valid DER of the expected type.",
        "The location names the element and its offset. The data was truncated or changed on the way, or is something else.",
    )


class TrustCode(Code):
    """Codes of :class:`imdskit.errors.TrustError`."""

    BAD_TRUST = "bad-trust", "A given certificate or revocation list cannot be read.", "Give PEM or DER."
    NO_TRUST = "no-trust", "No root is trusted, so no document could be accepted.", "Give at least one root, or keep the bundled ones."
    BAD_BUNDLE = "bad-bundle", "A folder is not a trust bundle, or the bundle is incomplete.", "Get it again; see docs/trust.md."
    BUNDLE_FORMAT = "bundle-format", "The format of the trust bundle is unknown.", "Update imdskit, or use an older bundle."
    BAD_INTERMEDIATE = (
        "bad-intermediate",
        "A certificate was offered for a trust bundle that must not contain it.",
        "It must be the certificate of an authority and lead to an anchor of the bundle; an update never adds an anchor.",
    )
    ISSUER_NOT_FOUND = (
        "issuer-not-found",
        "The certificate of a missing authority could not be fetched.",
        "The log of imdskit.verify.aia says why. Get the certificate in another way and give it with `imdskit trust update --from`.",
    )
    BUNDLE_UNWRITABLE = (
        "bundle-unwritable",
        "An updated trust bundle cannot be written.",
        "Give a path in a folder in which this user may write, on a file system with symbolic links.",
    )
    BUNDLE_BUSY = "bundle-busy", "Another update of the same trust bundle does not end.", "Look for a process that hangs, and try again."


class BackendCode(Code):
    """Codes of :class:`imdskit.errors.BackendError`."""

    ABSENT = "backend-absent", "The Rust extension is not installed.", "Build it with `make native`, or use the Python backend."
    BROKEN = "backend-broken", "The Rust extension is installed but cannot be loaded.", "Build it again with `make native`."
    CONTRACT = "backend-contract", "The Rust extension was built for another version of imdskit.", "Build it again with `make native`."
    PANIC = (
        "backend-panic",
        "The Rust extension failed unexpectedly. Nothing was decided.",
        "This is a bug: report it with the document. Until it is fixed, use the Python backend.",
    )
    DEBUG = "backend-debug", "The Rust extension is a debug build, which must not be measured.", "Build it with `make native`."


class ClientCode(Code):
    """Codes of :class:`imdskit.errors.ClientError`."""

    UNREACHABLE = (
        "unreachable",
        "The service accepts no connection, or closes it before the response is complete.",
        "Is this an Azure machine? Elsewhere start `imdskit serve` and give its address.",
    )
    TIMED_OUT = (
        "timed-out",
        "The service sends no complete response in time.",
        "Try again later. Outside of Azure, the address usually does not respond at all.",
    )
    NOT_IMDS = (
        "not-imds",
        "Another program responds, for example with a web page instead of JSON.",
        "Look for a proxy or a captive portal between this program and the service. Requests must reach the service directly.",
    )
    TOO_LARGE = "too-large", "The response is larger than 1 MiB.", "Another program responds. Find out which one listens at the address."
    REDIRECTED = (
        "redirected",
        "The response is a redirect (3xx), which is never followed.",
        "The real service never redirects. Find out which program listens at the address.",
    )
    BAD_REQUEST = (
        "bad-request",
        "The service does not accept the request (400).",
        "The error quotes its message. A single value needs --format text.",
    )
    UNSUPPORTED_VERSION = (
        "unsupported-version",
        "The service does not know the api-version (400, or 404 from old hosts).",
        "Use a version that the hint lists. New versions reach some regions months after others.",
    )
    NOT_FOUND = (
        "not-found",
        "The service has nothing at this path (404).",
        "Request the path above it. Not every machine has every member.",
    )
    GONE = "gone", "The service is being updated (410).", "Retry for up to 70 seconds."
    THROTTLED = (
        "throttled",
        "Too many requests (429).",
        "The service accepts five requests a second. Send fewer, cache responses, and back off exponentially.",
    )
    SERVER_ERROR = "server-error", "The service failed (5xx).", "Retry with exponential back-off."
    UNEXPECTED_STATUS = (
        "unexpected-status",
        "The service does not document this status for such a request.",
        "Find out which program listens at the address.",
    )
    WRONG_NONCE = (
        "wrong-nonce",
        "The attested document does not carry the requested nonce.",
        "It is an earlier document, or not from the service. Retry in a minute. Never send such a document to a verifier.",
    )


class SelectionCode(Code):
    """Codes of :class:`imdskit.errors.SelectionError`."""

    NOT_FOUND = "not-found", "A path does not exist in a metadata document.", "Request the path above it."
    LEAF_NEEDS_TEXT = "leaf-needs-text", "A single value was requested as JSON.", "Request it with format=text, as the service demands."
    BAD_DOCUMENT = "bad-document", "A metadata document is not valid JSON of the expected form.", "Correct the scenario that produced it."


class ScenarioCode(Code):
    """Codes of :class:`imdskit.errors.ScenarioError`."""

    BAD_SCENARIO = (
        "bad-scenario",
        "A scenario of the emulator is invalid.",
        "The location is a JSON pointer into it; see docs/scenarios.md.",
    )
    BAD_FAULTS = "bad-faults", "A fault script is invalid.", "The location is a JSON pointer into it; see docs/faults.md."
    BAD_SNAPSHOT = "bad-snapshot", "A snapshot of the emulator is invalid.", "The location is a JSON pointer into it; see docs/admin.md."


class FreshnessCode(Code):
    """Codes of :class:`imdskit.errors.FreshnessError`."""

    NONCE_UNKNOWN = "nonce-unknown", "The nonce was not issued here, or not for this request.", "Issue a new one; see docs/freshness.md."
    NONCE_NOT_YET = "nonce-not-yet", "The nonce was issued in the future.", "Compare the clocks of the machines that issue nonces."
    NONCE_EXPIRED = "nonce-expired", "The nonce was issued too long ago.", "Issue a new one right before it is used."


class StoreCode(Code):
    """Codes of :class:`imdskit.errors.StoreError`."""

    UNREACHABLE = "store-unreachable", "The store of used documents cannot be reached.", "Admit nothing until it can be reached."
    FULL = "store-full", "The store of used documents is full.", "Make room, or raise its limit. Admit nothing until then."
    BROKEN = (
        "store-broken",
        "The store of used documents is damaged, or sends an impossible response.",
        "Examine it, and start a new one if necessary. Then request fresh documents.",
    )
    FORMAT = (
        "store-format",
        "A newer release of imdskit wrote the store of used documents.",
        "Use that release in every process that shares the store.",
    )
    FORKED = (
        "store-forked",
        "The store was created before a fork, and the child cannot use it.",
        "Create a MemoryStore after the fork, or use SqliteStore or RedisStore.",
    )
    CLOCK = (
        "store-clock",
        "The store's clock is ahead of the verifier's, or was ahead and made the store discard documents too early.",
        "Synchronize the clocks by NTP, and request a new document.",
    )


class FetchCode(Code):
    """Codes of :class:`imdskit.errors.FetchError`."""

    URL_REFUSED = (
        "url-refused",
        "A certificate names an issuer address that is not allowed.",
        "Only known servers of Azure's certificate authorities are; see docs/intermediates.md.",
    )
    ADDRESS_REFUSED = (
        "address-refused",
        "The host name of an issuer address resolves to an IP address that is not public.",
        "Check the DNS server that this machine uses.",
    )
    UNREACHABLE = "unreachable", "The server of an issuer cannot be reached.", "Allow the connection, or give the intermediate yourself."
    TIMED_OUT = "timed-out", "The server of an issuer sends no complete response in time.", "Retry, or give the intermediate yourself."
    TOO_LARGE = "too-large", "The server of an issuer sends more than a certificate.", "Give the intermediate yourself."
    REDIRECTED = (
        "redirected",
        "The server of an issuer sends a redirect, which is never followed.",
        "Give the intermediate yourself.",
    )
    UNEXPECTED_STATUS = (
        "unexpected-status",
        "The server of an issuer responds with a status other than 200.",
        "Give the intermediate yourself.",
    )
    NOT_HTTP = (
        "not-http",
        "The server of an issuer sends something other than HTTP.",
        "Look for a proxy between this machine and the server.",
    )
    NOT_A_CERTIFICATE = (
        "not-a-certificate",
        "The server of an issuer sends something other than a certificate.",
        "Give the intermediate yourself.",
    )
    WRONG_ISSUER = (
        "wrong-issuer",
        "The server of an issuer sends a certificate that did not sign the other one.",
        "Give the intermediate yourself.",
    )
    FETCH_BUDGET = "fetch-budget", "The search for an issuer took more requests than allowed.", "Give the intermediate yourself."


class CommandCode(Code):
    """Codes of the command line that belong to no exception class."""

    DEMO_FAILED = (
        "demo-failed",
        "A step of the demo did not give the expected result.",
        "This is a bug in imdskit. Please report it with the complete output.",
    )


FAMILIES: Mapping[str, type[Code]] = MappingProxyType(
    {
        "UsageError": UsageCode,
        "DerError": DerCode,
        "TrustError": TrustCode,
        "BackendError": BackendCode,
        "ClientError": ClientCode,
        "SelectionError": SelectionCode,
        "ScenarioError": ScenarioCode,
        "FreshnessError": FreshnessCode,
        "StoreError": StoreCode,
        "FetchError": FetchCode,
        "ImdskitError": CommandCode,
    }
)
"""Mapping from the name of a class in :mod:`imdskit.errors` to the codes of this class."""
