"""Error codes with their documentation. The codes for refused documents are in
:mod:`imdskit.reasons`. This module contains all other codes.

There is one enumeration for each class of exceptions in :mod:`imdskit.errors`, because the same
code may have different meanings in different classes. The members are strings, so
``error.code == ClientCode.GONE`` and ``error.code == "gone"`` mean the same. Codes are stable.

``docs/errors.md`` is generated from this module, and ``imdskit explain`` prints its texts. The
sentence of a code describes all errors with this code. The message, the location and the hint of an
exception describe one particular error.
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
    """Base class of the enumerations.

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
        "When `imdskit run` fails with this code, its output names the cause and the setting to change. docs/reach-the-address.md describes other ways.",
    )


class DerCode(Code):
    """Codes of :class:`imdskit.errors.DerError`."""

    BAD_DER = (
        "bad-der",
        "The bytes are not valid DER of the expected type.",
        "The location of the error names the element and its offset. The data was truncated or changed, or it is not DER.",
    )


class TrustCode(Code):
    """Codes of :class:`imdskit.errors.TrustError`."""

    BAD_TRUST = "bad-trust", "A given certificate or revocation list cannot be read.", "Give PEM or DER."
    NO_TRUST = "no-trust", "No root is trusted, so no document could be accepted.", "Give at least one root, or keep the bundled ones."
    BAD_BUNDLE = "bad-bundle", "A folder is not a trust bundle, or the bundle is incomplete.", "Get the bundle again; see docs/trust.md."
    BUNDLE_FORMAT = "bundle-format", "The format of the trust bundle is unknown.", "Update imdskit, or use an older bundle."
    BAD_INTERMEDIATE = (
        "bad-intermediate",
        "The certificate must not be added to the trust bundle.",
        "The certificate must belong to an authority, and a path must lead from it to an anchor of the bundle. An update never adds an anchor.",
    )
    ISSUER_NOT_FOUND = (
        "issuer-not-found",
        "The certificate of a missing authority could not be fetched.",
        "The log of imdskit.verify.aia says why. Get the certificate in another way, and run `imdskit trust update --from FILE`.",
    )
    BUNDLE_UNWRITABLE = (
        "bundle-unwritable",
        "An updated trust bundle cannot be written.",
        "Give a path in a folder that this user may write to, on a file system that supports symbolic links.",
    )
    BUNDLE_BUSY = "bundle-busy", "Another update of the same trust bundle takes too long.", "Look for an update that hangs, and try again."


class BackendCode(Code):
    """Codes of :class:`imdskit.errors.BackendError`."""

    ABSENT = "backend-absent", "The Rust extension is not installed.", "Build it with `make native`, or use the Python backend."
    BROKEN = "backend-broken", "The Rust extension is installed but cannot be loaded.", "Build it again with `make native`."
    CONTRACT = "backend-contract", "The Rust extension was built for another version of imdskit.", "Build it again with `make native`."
    PANIC = (
        "backend-panic",
        "The Rust extension failed unexpectedly, so there is no result.",
        "This is a bug in imdskit. Please report it with the input that caused it. Until it is fixed, use the Python backend.",
    )
    DEBUG = "backend-debug", "The Rust extension is a debug build, so it is too slow to be measured.", "Build it with `make native`."


class ClientCode(Code):
    """Codes of :class:`imdskit.errors.ClientError`."""

    UNREACHABLE = (
        "unreachable",
        "The service accepts no connection, or closes it before the response is complete.",
        "The service exists only on Azure machines. On other machines, start `imdskit serve`, and give its address to the client.",
    )
    TIMED_OUT = (
        "timed-out",
        "The service sends no complete response in time.",
        "Try again later. On machines outside of Azure, nothing responds at the address of the service.",
    )
    NOT_IMDS = (
        "not-imds",
        "Another program responds instead of the service, for example with a web page.",
        "Look for a proxy or a captive portal between this program and the service. Requests must reach the service directly.",
    )
    TOO_LARGE = (
        "too-large",
        "The response is larger than 1 MiB.",
        "The response does not come from the service. Find out which program listens at the address.",
    )
    REDIRECTED = (
        "redirected",
        "The response is a redirect (3xx), which is never followed.",
        "The real service never redirects. Find out which program listens at the address.",
    )
    BAD_REQUEST = (
        "bad-request",
        "The service does not accept the request (400).",
        "The error quotes the message of the service. If you request a single value, use `--format text`.",
    )
    UNSUPPORTED_VERSION = (
        "unsupported-version",
        "The service does not know the api-version (400, or 404 from older Azure hosts).",
        "Request /metadata/versions for the versions that the service supports. New versions reach some regions months after others.",
    )
    NOT_FOUND = (
        "not-found",
        "The service has nothing at the requested path (404).",
        "Request the parent path to see what exists. Not every machine has every member.",
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
        "The response has a status that the documentation of the service does not list for such a request.",
        "Find out which program listens at the address.",
    )
    WRONG_NONCE = (
        "wrong-nonce",
        "The attested document does not contain the requested nonce.",
        "The service returned an earlier document, or the document is not from the service. Retry in a minute. Never send such a document to a verifier.",
    )


class SelectionCode(Code):
    """Codes of :class:`imdskit.errors.SelectionError`."""

    NOT_FOUND = "not-found", "A path does not exist in a metadata document.", "Request the parent path to see what exists."
    LEAF_NEEDS_TEXT = (
        "leaf-needs-text",
        "A single value was requested as JSON.",
        "Request it with format=text. The service returns single values only as text.",
    )
    BAD_DOCUMENT = "bad-document", "A metadata document is not valid JSON of the expected form.", "Correct the scenario that produced it."


class ScenarioCode(Code):
    """Codes of :class:`imdskit.errors.ScenarioError`."""

    BAD_SCENARIO = (
        "bad-scenario",
        "A scenario of the emulator is invalid.",
        "The location of the error is a JSON pointer into the scenario; see docs/scenarios.md.",
    )
    BAD_FAULTS = (
        "bad-faults",
        "A fault script is invalid.",
        "The location of the error is a JSON pointer into the script; see docs/faults.md.",
    )
    BAD_SNAPSHOT = (
        "bad-snapshot",
        "A snapshot of the emulator is invalid.",
        "The location of the error is a JSON pointer into the snapshot; see docs/admin.md.",
    )


class FreshnessCode(Code):
    """Codes of :class:`imdskit.errors.FreshnessError`."""

    NONCE_UNKNOWN = (
        "nonce-unknown",
        "The nonce was not issued with a key of this `NonceIssuer`, or it was issued for another request.",
        "Issue a new nonce; see docs/freshness.md.",
    )
    NONCE_NOT_YET = (
        "nonce-not-yet",
        "The nonce contains a time of issue in the future.",
        "Compare the clocks of the machines that issue nonces.",
    )
    NONCE_EXPIRED = "nonce-expired", "The nonce was issued too long ago.", "Issue a new nonce right before it is used."


class StoreCode(Code):
    """Codes of :class:`imdskit.errors.StoreError`."""

    UNREACHABLE = "store-unreachable", "The store of used documents cannot be reached.", "Admit no document until the store can be reached."
    FULL = "store-full", "The store of used documents is full.", "Increase the capacity of the store. Admit no document until then."
    BROKEN = (
        "store-broken",
        "The store of used documents is damaged, or its response makes no sense.",
        "Examine the store, and create a new one if necessary. Then request new documents.",
    )
    FORMAT = (
        "store-format",
        "A newer release of imdskit created the store of used documents.",
        "Use that release in every process that shares the store.",
    )
    FORKED = (
        "store-forked",
        "The store was created before a fork, and the child cannot use it.",
        "Create a MemoryStore after the fork, or use SqliteStore or RedisStore.",
    )
    CLOCK = (
        "store-clock",
        (
            "The store cannot tell whether a document was used before. Its clock is ahead of the verifier's clock, or was ahead earlier. "
            "In the second case, the store may have removed records that are still needed."
        ),
        "Synchronize the clocks with NTP, and request a new document.",
    )


class FetchCode(Code):
    """Codes of :class:`imdskit.errors.FetchError`."""

    URL_REFUSED = (
        "url-refused",
        "The URL that a certificate gives for its issuer's certificate is not allowed.",
        "Only URLs on known servers of Azure's certificate authorities are allowed; see docs/intermediates.md.",
    )
    ADDRESS_REFUSED = (
        "address-refused",
        "The host name in the URL of an issuer resolves to an IP address that is not public.",
        "Check the DNS server that this machine uses.",
    )
    UNREACHABLE = (
        "unreachable",
        "The server of an issuer cannot be reached.",
        "Allow the connection, or give the intermediate with `--intermediate`.",
    )
    TIMED_OUT = (
        "timed-out",
        "The server of an issuer sends no complete response in time.",
        "Retry, or give the intermediate with `--intermediate`.",
    )
    TOO_LARGE = (
        "too-large",
        "The server of an issuer sends more bytes than any certificate has.",
        "Give the intermediate with `--intermediate`.",
    )
    REDIRECTED = (
        "redirected",
        "The server of an issuer sends a redirect, which is never followed.",
        "Give the intermediate with `--intermediate`.",
    )
    UNEXPECTED_STATUS = (
        "unexpected-status",
        "The server of an issuer responds with a status other than 200.",
        "Give the intermediate with `--intermediate`.",
    )
    NOT_HTTP = (
        "not-http",
        "The server of an issuer sends something other than HTTP.",
        "Look for a proxy between this machine and the server.",
    )
    NOT_A_CERTIFICATE = (
        "not-a-certificate",
        "The server of an issuer sends something other than a certificate.",
        "Give the intermediate with `--intermediate`.",
    )
    WRONG_ISSUER = (
        "wrong-issuer",
        "The server of an issuer sends a certificate that does not belong to this issuer.",
        "Give the intermediate with `--intermediate`.",
    )
    FETCH_BUDGET = (
        "fetch-budget",
        "The limit on the number of fetches per period is reached, so an issuer was not fetched.",
        "Give the intermediate with `--intermediate`.",
    )


class CommandCode(Code):
    """Codes of errors that the command line raises as the base class
    :class:`imdskit.errors.ImdskitError`."""

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
"""Maps the name of a class in :mod:`imdskit.errors` to the codes of this class."""
