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

    BAD_ARGUMENT = "bad-argument", "An argument of a function or of a command is invalid.", "Correct the argument that the location names."
    NAMESPACES_REFUSED = (
        "namespaces-refused",
        "The system does not let this user create the namespaces that `imdskit run` needs.",
        "The message names the cause, and the hint names the setting to change. docs/reach-the-address.md describes other ways.",
    )


class DerCode(Code):
    """Codes of :class:`imdskit.errors.DerError`."""

    BAD_DER = (
        "bad-der",
        "The bytes are not valid DER of the expected type.",
        "The location names the element and its offset. Check whether the data was truncated or changed, or is in another format.",
    )


class TrustCode(Code):
    """Codes of :class:`imdskit.errors.TrustError`."""

    BAD_TRUST = "bad-trust", "A certificate or a revocation list that you passed cannot be read.", "Pass it as PEM or DER."
    NO_TRUST = (
        "no-trust",
        "No root is trusted, so no document could be accepted.",
        "Pass at least one root, or use the trust bundle of the package.",
    )
    BAD_BUNDLE = (
        "bad-bundle",
        "A folder is not a trust bundle, or the bundle is incomplete.",
        "Install the bundle again; docs/trust.md describes its format.",
    )
    BUNDLE_FORMAT = "bundle-format", "The format of the trust bundle is unknown.", "Update imdskit, or use an older bundle."
    BAD_INTERMEDIATE = (
        "bad-intermediate",
        "A certificate must not be added to a trust bundle.",
        "It must be the certificate of an authority, and have a path to an anchor of the bundle. An update never adds an anchor.",
    )
    ISSUER_NOT_FOUND = (
        "issuer-not-found",
        "The certificate of a missing authority could not be fetched.",
        "The log of imdskit.verify.aia says why. Get the certificate in another way, and run `imdskit trust update --from FILE`.",
    )
    BUNDLE_UNWRITABLE = (
        "bundle-unwritable",
        "An updated trust bundle cannot be written.",
        "Use a path in a folder where this user may write, on a file system that supports symbolic links.",
    )
    BUNDLE_BUSY = "bundle-busy", "Another update of the same trust bundle does not finish.", "Find the process that hangs, and try again."


class BackendCode(Code):
    """Codes of :class:`imdskit.errors.BackendError`."""

    ABSENT = "backend-absent", "The Rust extension is not installed.", "Build it with `make native`, or use the Python backend."
    BROKEN = "backend-broken", "The Rust extension is installed but cannot be loaded.", "Build it again with `make native`."
    CONTRACT = "backend-contract", "The Rust extension was built for another version of imdskit.", "Build it again with `make native`."
    PANIC = (
        "backend-panic",
        "The Rust extension failed unexpectedly. The document was neither accepted nor refused.",
        "This is a bug: report it with the document. Until it is fixed, use the Python backend.",
    )
    DEBUG = "backend-debug", "The Rust extension is a debug build, so it is too slow to be measured.", "Build it with `make native`."


class ClientCode(Code):
    """Codes of :class:`imdskit.errors.ClientError`."""

    UNREACHABLE = (
        "unreachable",
        "The service accepts no connection, or closes it before the response is complete.",
        "Check whether this is an Azure machine. On another machine, start `imdskit serve` and pass its address.",
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
        "The error quotes the message of the service. To request a single value, use --format text.",
    )
    UNSUPPORTED_VERSION = (
        "unsupported-version",
        "The service does not know the api-version (400, or 404 from old hosts).",
        "Use a version that the hint lists. New versions reach some regions months after others.",
    )
    NOT_FOUND = (
        "not-found",
        "The service has no data at this path (404).",
        "Request the path above it. Not every machine has every member.",
    )
    GONE = "gone", "The service is being updated (410).", "Retry for up to 70 seconds."
    THROTTLED = (
        "throttled",
        "The service received too many requests (429).",
        "The service accepts five requests per second. Send fewer requests, cache the responses, and retry with exponential back-off.",
    )
    SERVER_ERROR = "server-error", "The service failed (5xx).", "Retry with exponential back-off."
    UNEXPECTED_STATUS = (
        "unexpected-status",
        "The documentation of the service does not have this status for such a request.",
        "Find out which program listens at the address.",
    )
    WRONG_NONCE = (
        "wrong-nonce",
        "The attested document does not contain the nonce of the request.",
        "The document is an earlier one, or another program created it. Retry in a minute. Never send such a document to a verifier.",
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

    NONCE_UNKNOWN = (
        "nonce-unknown",
        "This service did not issue the nonce, or issued it for another request.",
        "Issue a new nonce; see docs/freshness.md.",
    )
    NONCE_NOT_YET = (
        "nonce-not-yet",
        "The time of issue in the nonce is in the future.",
        "Compare the clocks of the machines that issue and check nonces.",
    )
    NONCE_EXPIRED = "nonce-expired", "The nonce has expired.", "Issue a new nonce immediately before it is used."


class StoreCode(Code):
    """Codes of :class:`imdskit.errors.StoreError`."""

    UNREACHABLE = (
        "store-unreachable",
        "The store of used documents cannot be reached.",
        "Do not accept any document until the store can be reached.",
    )
    FULL = (
        "store-full",
        "The store of used documents is full.",
        "Free memory or disk space, or raise the limit of the store. Do not accept any document until then.",
    )
    BROKEN = (
        "store-broken",
        "The store of used documents is damaged, or its response is not valid.",
        "Examine the store, and create a new one if necessary. Then request new documents.",
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
        "The store's clock is ahead of the verifier's clock, or was ahead earlier, so that the store removed keys too early.",
        "Synchronize the clocks by NTP, and request a new document.",
    )


class FetchCode(Code):
    """Codes of :class:`imdskit.errors.FetchError`."""

    URL_REFUSED = (
        "url-refused",
        "A certificate names an issuer address that is not allowed.",
        "Only known servers of Azure's certificate authorities are allowed; see docs/intermediates.md.",
    )
    ADDRESS_REFUSED = (
        "address-refused",
        "The host name of an issuer address resolves to an IP address that is not public.",
        "Check the DNS server that this machine uses.",
    )
    UNREACHABLE = (
        "unreachable",
        "The server of an issuer cannot be reached.",
        "Allow the connection, or pass the intermediate to the verifier yourself.",
    )
    TIMED_OUT = (
        "timed-out",
        "The server of an issuer sends no complete response in time.",
        "Retry, or pass the intermediate to the verifier yourself.",
    )
    TOO_LARGE = (
        "too-large",
        "The response of an issuer's server is larger than a certificate can be.",
        "Pass the intermediate to the verifier yourself.",
    )
    REDIRECTED = (
        "redirected",
        "The server of an issuer sends a redirect, which is never followed.",
        "Pass the intermediate to the verifier yourself.",
    )
    UNEXPECTED_STATUS = (
        "unexpected-status",
        "The server of an issuer responds with a status other than 200.",
        "Pass the intermediate to the verifier yourself.",
    )
    NOT_HTTP = (
        "not-http",
        "The server of an issuer sends something other than HTTP.",
        "Look for a proxy between this machine and the server.",
    )
    NOT_A_CERTIFICATE = (
        "not-a-certificate",
        "The server of an issuer sends something other than a certificate.",
        "Pass the intermediate to the verifier yourself.",
    )
    WRONG_ISSUER = (
        "wrong-issuer",
        "The server of an issuer sends a certificate whose key did not sign the certificate that names this server.",
        "Pass the intermediate to the verifier yourself.",
    )
    FETCH_BUDGET = (
        "fetch-budget",
        "The fetcher may not send more requests at present.",
        "Retry in ten minutes, or pass the intermediate to the verifier yourself.",
    )


class CommandCode(Code):
    """Codes of the command line that belong to no exception class."""

    DEMO_FAILED = (
        "demo-failed",
        "A step of the demo failed.",
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
