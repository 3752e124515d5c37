"""What is documented of every error code that is no reason for a refusal: those are in :mod:`imdskit.reasons`.

The same word may stand for more than one thing; the class of the exception says which. ``docs/errors.md`` is made of this, and ``imdskit explain``
reads it. An error itself says more: its sentence, place and hint are of the case at hand.
"""

from __future__ import annotations

from typing import NamedTuple

from imdskit import errors


class ErrorCode(NamedTuple):
    """What a code means.

    Attributes:
        error: the exception that bears it.
        code: stable.
        sentence: what is wrong.
        hint: what to do.
    """

    error: type[errors.ImdskitError]
    code: str
    sentence: str
    hint: str


CODES: tuple[ErrorCode, ...] = (
    ErrorCode(errors.UsageError, "bad-argument", "A call or a command cannot mean anything.", "Correct the argument that the place names."),
    ErrorCode(
        errors.DerError,
        "bad-der",
        "Bytes are not the DER of what they should be.",
        "The place names the element and its offset. The data was cut or changed on the way, or is something else.",
    ),
    ErrorCode(
        errors.TrustError,
        "bad-trust",
        "A certificate or revocation list that was given cannot be read.",
        "Give PEM or DER of a certificate.",
    ),
    ErrorCode(
        errors.TrustError,
        "no-trust",
        "Nothing is trusted, so nothing could be accepted.",
        "Give at least one root, or leave the bundled ones.",
    ),
    ErrorCode(errors.TrustError, "bad-bundle", "A folder is no trust bundle, or not a whole one.", "Get it again; see docs/trust.md."),
    ErrorCode(
        errors.TrustError,
        "bundle-format",
        "The trust bundle is of a format that is not known here.",
        "Update imdskit, or use an older bundle.",
    ),
    ErrorCode(
        errors.TrustError,
        "bad-intermediate",
        "A certificate was offered for a trust bundle that a bundle may not take up.",
        "It must be the certificate of an authority and lead to an anchor of the bundle; an update never adds an anchor.",
    ),
    ErrorCode(
        errors.TrustError,
        "issuer-not-found",
        "The certificate of a missing authority could not be fetched.",
        "The log of imdskit.verify.aia says why. Get the certificate in another way and give it with `imdskit trust update --from`.",
    ),
    ErrorCode(
        errors.TrustError,
        "bundle-unwritable",
        "An updated trust bundle cannot be written.",
        "Give a path in a folder in which this user may write, on a file system with symbolic links.",
    ),
    ErrorCode(
        errors.TrustError,
        "bundle-busy",
        "Another update of the same trust bundle does not end.",
        "Look for a process that hangs, and try again.",
    ),
    ErrorCode(
        errors.BackendError,
        "backend-absent",
        "The Rust extension is not installed.",
        "Build it with `make native`, or use the Python backend.",
    ),
    ErrorCode(
        errors.BackendError, "backend-broken", "The Rust extension is there and does not load.", "Build it again with `make native`."
    ),
    ErrorCode(
        errors.BackendError, "backend-contract", "The Rust extension was built for another imdskit.", "Build it again with `make native`."
    ),
    ErrorCode(
        errors.BackendError,
        "backend-panic",
        "The Rust extension failed unexpectedly. Nothing was decided.",
        "This is a bug: report it with the document. Until it is fixed, use the Python backend.",
    ),
    ErrorCode(
        errors.BackendError,
        "backend-debug",
        "The extension was compiled for debugging, and figures were asked for.",
        "Build it with `make native`.",
    ),
    ErrorCode(
        errors.ClientError,
        "unreachable",
        "The service takes no connection, or breaks it off before the answer is complete.",
        "Is this an Azure machine? Elsewhere start `imdskit serve` and give its address.",
    ),
    ErrorCode(
        errors.ClientError,
        "timed-out",
        "The service gives no complete answer in time.",
        "Ask again later. Outside of Azure the address usually answers nothing at all.",
    ),
    ErrorCode(
        errors.ClientError,
        "not-imds",
        "What answers is something else: a web page, no JSON, no HTTP.",
        "Look for a proxy or a captive portal on the way; the service must be asked directly.",
    ),
    ErrorCode(
        errors.ClientError, "too-large", "The answer is larger than 1 MiB.", "That is not the service: look what listens at the address."
    ),
    ErrorCode(
        errors.ClientError,
        "redirected",
        "The service sends elsewhere (3xx), and is not followed.",
        "The real service never does: look what listens at the address.",
    ),
    ErrorCode(
        errors.ClientError,
        "bad-request",
        "The service does not accept the request (400).",
        "Its message stands in the error; a single value wants --format text.",
    ),
    ErrorCode(
        errors.ClientError,
        "unsupported-version",
        "The service does not know the api-version (400, or 404 from old hosts).",
        "Use one that the hint lists: new versions reach some regions months after others.",
    ),
    ErrorCode(
        errors.ClientError,
        "not-found",
        "The service has nothing at this path (404).",
        "Look at the path above it; not every machine has every member.",
    ),
    ErrorCode(errors.ClientError, "gone", "The service is being updated (410).", "Ask again for up to 70 seconds."),
    ErrorCode(
        errors.ClientError,
        "throttled",
        "The service was asked too often (429).",
        "It takes five requests a second: ask less, remember answers, wait longer each time.",
    ),
    ErrorCode(errors.ClientError, "server-error", "The service failed (5xx).", "Ask again, waiting longer each time."),
    ErrorCode(
        errors.ClientError,
        "unexpected-status",
        "The service answers with a status that it has no reason for.",
        "Look what listens at the address.",
    ),
    ErrorCode(
        errors.ClientError,
        "wrong-nonce",
        "An attested document came back that does not carry the nonce asked for.",
        "An earlier document, or not the service. Ask again in a minute; never send such a document to a verifier.",
    ),
    ErrorCode(errors.SelectionError, "not-found", "A path into a metadata document leads nowhere.", "Look at the path above it."),
    ErrorCode(
        errors.SelectionError, "leaf-needs-text", "A single value was asked for as JSON.", "Ask with format=text, as the service wants it."
    ),
    ErrorCode(
        errors.SelectionError,
        "bad-document",
        "A metadata document is not the JSON that it must be.",
        "Correct the scenario that it was made of.",
    ),
    ErrorCode(
        errors.ScenarioError,
        "bad-scenario",
        "A scenario of the emulator is not usable.",
        "The place is a JSON pointer into it; see docs/scenarios.md.",
    ),
    ErrorCode(
        errors.ScenarioError, "bad-faults", "A script of faults is not usable.", "The place is a JSON pointer into it; see docs/faults.md."
    ),
    ErrorCode(
        errors.ScenarioError,
        "bad-snapshot",
        "A snapshot of the emulator is not usable.",
        "The place is a JSON pointer into it; see docs/admin.md.",
    ),
    ErrorCode(
        errors.FreshnessError,
        "nonce-unknown",
        "A nonce was not issued here, or not for this request.",
        "Issue a new one; see docs/freshness.md.",
    ),
    ErrorCode(
        errors.FreshnessError,
        "nonce-not-yet",
        "A nonce was issued at a time that has not come yet.",
        "Compare the clocks of the machines that issue nonces.",
    ),
    ErrorCode(errors.FreshnessError, "nonce-expired", "A nonce was issued too long ago.", "Issue a new one, right before it is used."),
    ErrorCode(errors.StoreError, "store-unreachable", "The store of used documents cannot be reached.", "Admit nothing until it can be."),
    ErrorCode(
        errors.StoreError,
        "store-full",
        "The store of used documents takes nothing more.",
        "Make room, or give it more; admit nothing until then.",
    ),
    ErrorCode(
        errors.StoreError,
        "store-broken",
        "The store of used documents is damaged, or gives an answer that it cannot give.",
        "Look at it, and begin a new one if need be; then ask for fresh documents.",
    ),
    ErrorCode(
        errors.StoreError,
        "store-format",
        "A newer release of imdskit wrote the store of used documents.",
        "Use that release in every process that shares the store.",
    ),
    ErrorCode(
        errors.StoreError,
        "store-forked",
        "The store was created before a fork, and the child cannot use it.",
        "Create a MemoryStore after the fork, or use SqliteStore or RedisStore.",
    ),
    ErrorCode(
        errors.StoreError,
        "store-clock",
        "The store's clock is ahead of the verifier's, or was ahead and made the store forget documents too early.",
        "Set the clocks by NTP, and ask for a new document.",
    ),
    ErrorCode(
        errors.FetchError,
        "url-refused",
        "A certificate names an address for its issuer that is not asked.",
        "Only known servers of Azure's authorities are; see docs/intermediates.md.",
    ),
    ErrorCode(
        errors.FetchError,
        "address-refused",
        "The name of a server of issuers leads to an address that is not public.",
        "Look at the name server that this machine asks.",
    ),
    ErrorCode(
        errors.FetchError,
        "unreachable",
        "A server of issuers cannot be reached.",
        "Allow the way to it, or give the intermediate yourself.",
    ),
    ErrorCode(
        errors.FetchError,
        "timed-out",
        "A server of issuers gives no complete answer in time.",
        "Try again, or give the intermediate yourself.",
    ),
    ErrorCode(errors.FetchError, "too-large", "A server of issuers sends more than a certificate.", "Give the intermediate yourself."),
    ErrorCode(
        errors.FetchError, "redirected", "A server of issuers sends elsewhere, and is not followed.", "Give the intermediate yourself."
    ),
    ErrorCode(
        errors.FetchError,
        "unexpected-status",
        "A server of issuers answers with another status than 200.",
        "Give the intermediate yourself.",
    ),
    ErrorCode(errors.FetchError, "not-http", "A server of issuers answers something that is not HTTP.", "Look for a proxy on the way."),
    ErrorCode(
        errors.FetchError,
        "not-a-certificate",
        "A server of issuers sends something that is no certificate.",
        "Give the intermediate yourself.",
    ),
    ErrorCode(
        errors.FetchError,
        "wrong-issuer",
        "A server of issuers sends a certificate that did not sign the other.",
        "Give the intermediate yourself.",
    ),
    ErrorCode(
        errors.FetchError, "fetch-budget", "Looking for an issuer took more requests than are allowed.", "Give the intermediate yourself."
    ),
    ErrorCode(
        errors.ImdskitError,
        "demo-failed",
        "The demonstration went otherwise than told.",
        "That is a fault of imdskit: please report it with what was written.",
    ),
)
