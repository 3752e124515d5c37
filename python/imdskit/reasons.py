"""Stages of verification, and the reasons why documents are refused.

The members of :class:`Reason` are in the order of the checks. A verifier reports the *first*
failure in this order. The stage ``chain`` has another rule, which is in
:mod:`imdskit.backends.contract`. Both backends report the same failure for every input. Codes are
stable: programs may depend on them, and ``docs/errors.md`` lists them for people.

This module contains the codes, and the sentences and hints that explain them. The exceptions are in
:mod:`imdskit.errors`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """Stage of verification. The members are in the order in which the stages run."""

    ENVELOPE = "envelope"
    STRUCTURE = "structure"
    SIGNATURE = "signature"
    CHAIN = "chain"
    IDENTITY = "identity"
    CLAIMS = "claims"


class Reason(StrEnum):
    """Reason why a document was refused. The members are in the order in which the checks run."""

    # envelope
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    BAD_JSON = "bad-json"
    BAD_ENVELOPE = "bad-envelope"
    BAD_ENCODING = "bad-encoding"
    BAD_BASE64 = "bad-base64"
    # structure
    BAD_DER = "bad-der"
    BAD_CERTIFICATE = "bad-certificate"
    BAD_CMS = "bad-cms"
    NO_CONTENT = "no-content"
    SIGNER_COUNT = "signer-count"
    TOO_MANY_CERTIFICATES = "too-many-certificates"
    SIGNER_NOT_FOUND = "signer-not-found"
    # signature
    SIGNATURE_ALGORITHM = "signature-algorithm"
    SIGNATURE_KEY = "signature-key"
    SIGNED_ATTRIBUTES = "signed-attributes"
    DIGEST_MISMATCH = "digest-mismatch"
    BAD_SIGNATURE = "bad-signature"
    # chain
    BUDGET_SPENT = "budget-spent"
    UNKNOWN_ISSUER = "unknown-issuer"
    UNTRUSTED_ROOT = "untrusted-root"
    CERTIFICATE_ALGORITHM = "certificate-algorithm"
    CERTIFICATE_KEY = "certificate-key"
    CERTIFICATE_SIGNATURE = "certificate-signature"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    UNKNOWN_CRITICAL_EXTENSION = "unknown-critical-extension"
    BAD_EXTENSION = "bad-extension"
    NOT_A_CA = "not-a-ca"
    PATH_LENGTH = "path-length"
    KEY_USAGE = "key-usage"
    EXTENDED_KEY_USAGE = "extended-key-usage"
    NAME_CONSTRAINTS = "name-constraints"
    POLICY = "policy"
    REVOKED = "revoked"
    REVOCATION_UNKNOWN = "revocation-unknown"
    # identity
    NO_NAME = "no-name"
    WRONG_NAME = "wrong-name"
    # claims
    BAD_CLAIMS = "bad-claims"
    MISSING_CLAIM = "missing-claim"
    BAD_TIME = "bad-time"
    DOCUMENT_NOT_YET_VALID = "document-not-yet-valid"
    DOCUMENT_EXPIRED = "document-expired"
    DOCUMENT_TOO_OLD = "document-too-old"
    NONCE_MISMATCH = "nonce-mismatch"
    NONCE_REQUIRED = "nonce-required"
    REPLAYED = "replayed"

    @property
    def stage(self) -> Stage:
        """The stage of the checks that fail with this reason."""
        return ENTRIES[self].stage

    @property
    def sentence(self) -> str:
        """A plain sentence that says what is wrong."""
        return ENTRIES[self].sentence

    @property
    def hint(self) -> str:
        """A text that says what to do."""
        return ENTRIES[self].hint

    @property
    def source(self) -> str:
        """The document that defines the rule."""
        return ENTRIES[self].source


class Entry(NamedTuple):
    """Documentation of one reason: its stage, a sentence that says what is wrong, a hint that says
    what to do, and the source of the rule."""

    stage: Stage
    sentence: str
    hint: str
    source: str


_E, _S, _G, _C, _I, _L = Stage

ENTRIES: dict[Reason, Entry] = {
    Reason.EMPTY: Entry(
        _E,
        "There is nothing to verify.",
        "Pass the response of /metadata/attested/document. An empty file often means that the download failed.",
        "a rule of imdskit",
    ),
    Reason.TOO_LARGE: Entry(
        _E,
        "The document is larger than any attested document.",
        "Check that this is an attested document. Genuine documents have about 4 kB. `Limits.document_bytes` sets the limit.",
        "imdskit; every published genuine document has fewer than 4,100 characters of base64",
    ),
    Reason.BAD_JSON: Entry(
        _E,
        "The document starts like a JSON object but is not strict JSON.",
        "Pass the response of the service unchanged. The response is UTF-8 without a byte order mark, repeats no member, and has the form "
        '{"encoding":"pkcs7","signature":"..."}.',
        "RFC 8259",
    ),
    Reason.BAD_ENVELOPE: Entry(
        _E,
        'The JSON object is not {"encoding": "pkcs7", "signature": "..."}.',
        "Check that this is the response of /metadata/attested/document. It must not be the response of another endpoint, or an error "
        "response.",
        "IMDS documentation, attested data",
    ),
    Reason.BAD_ENCODING: Entry(
        _E,
        "The member `encoding` is not `pkcs7`.",
        "At present, all documents have the encoding PKCS#7. If Azure introduces another one, a newer imdskit is needed.",
        "IMDS documentation, attested data",
    ),
    Reason.BAD_BASE64: Entry(
        _E,
        "The signature is not standard base64.",
        "Use the base64 alphabet with + and /, and include the padding. White space is allowed.",
        "RFC 4648 section 4",
    ),
    Reason.BAD_DER: Entry(
        _S,
        "The bytes are not DER.",
        "The document was truncated or changed, or it is not a PKCS#7 message. Compare its length with the original.",
        "X.690 sections 8, 10 and 11",
    ),
    Reason.BAD_CERTIFICATE: Entry(
        _S,
        "A certificate in the message is not a well-formed X.509 certificate.",
        "The document was changed, or the service did not create it. Request a new one.",
        "RFC 5280 section 4.1",
    ),
    Reason.BAD_CMS: Entry(
        _S,
        "The message is DER, but not a SignedData in the form that the service creates.",
        "Only SignedData version 1 over content of type id-data is accepted.",
        "RFC 5652 sections 3 and 5.1; every genuine document",
    ),
    Reason.NO_CONTENT: Entry(
        _S,
        "The message is signed, but it does not contain the signed content.",
        "Pass the whole document. A detached signature is not accepted.",
        "RFC 5652 section 5.2",
    ),
    Reason.SIGNER_COUNT: Entry(
        _S,
        "The message does not have exactly one signer.",
        "The service adds exactly one signature. Do not trust a document with fewer or more signatures.",
        "every genuine document; spiffe/spire#6998",
    ),
    Reason.TOO_MANY_CERTIFICATES: Entry(
        _S,
        "The message contains more certificates than any attested document needs.",
        "Genuine documents contain only the certificate of the signer. `Limits.certificates` sets the limit.",
        "imdskit; GHSA-8qv2-5vq6-g2g7",
    ),
    Reason.SIGNER_NOT_FOUND: Entry(
        _S,
        "The message does not contain the signer's certificate.",
        "The message names its signer by issuer and serial number, or by key identifier. A certificate that matches must be in the "
        "message. Request a new document.",
        "RFC 5652 section 5.3",
    ),
    Reason.SIGNATURE_ALGORITHM: Entry(
        _G,
        "The signature algorithm or the digest algorithm is not accepted.",
        "Accepted: RSA PKCS#1 v1.5, RSA-PSS and ECDSA with SHA-256, SHA-384 or SHA-512. The service uses RSA with SHA-256.",
        "RFC 5754; RFC 4056; observed in every genuine document",
    ),
    Reason.SIGNATURE_KEY: Entry(
        _G,
        "The signer's key is too weak, too large, or of a type that is not accepted.",
        "Accepted: RSA of 2048 to 8192 bits with an odd exponent of at least 65537; P-256, P-384, P-521.",
        "CA/Browser Forum Baseline Requirements section 6.1.5; CVE-2023-29409",
    ),
    Reason.SIGNED_ATTRIBUTES: Entry(
        _G,
        "The signed attributes do not belong to the content.",
        "The attributes content-type and message-digest must each occur once, have one value, and match the content.",
        "RFC 5652 sections 5.3, 5.4 and 11",
    ),
    Reason.DIGEST_MISMATCH: Entry(
        _G,
        "The content is not the content that was signed.",
        "The content was changed after signing. Do not trust any of it.",
        "RFC 5652 section 5.4",
    ),
    Reason.BAD_SIGNATURE: Entry(
        _G,
        "The signature does not match the content and the signer's key.",
        "The content or the signature was changed after the content was signed. Do not trust any of it.",
        "RFC 8017 sections 8.1.2 and 8.2.2; FIPS 186-5 section 6.4.2",
    ),
    Reason.BUDGET_SPENT: Entry(
        _C,
        "The search for a chain took more work than a genuine chain needs.",
        "Pass fewer intermediates to the verifier. If the document itself contains many certificates, do not trust it.",
        "golang CVE-2018-16875; GHSA-8qv2-5vq6-g2g7",
    ),
    Reason.UNKNOWN_ISSUER: Entry(
        _C,
        "The certificate of an issuing authority is unknown.",
        "Azure replaces its intermediates without notice, and documents do not contain them. There are three remedies: add the missing intermediate to "
        "a bundle with `imdskit trust update --bundle DIR --document FILE`, fetch it with `verify --fetch-intermediates` (in Python: "
        "`AiaFetcher`), or give it with `--intermediate`. "
        "A document of an emulator needs the emulator's root, which you give with `--trust`.",
        "RFC 5280 section 6.1; Azure Certificate Authority details",
    ),
    Reason.UNTRUSTED_ROOT: Entry(
        _C,
        "The chain ends at a root that is not trusted.",
        "This is expected for a document of an emulator. To accept it, give the emulator's root with `--trust`.",
        "RFC 5280 section 6.1.1",
    ),
    Reason.CERTIFICATE_ALGORITHM: Entry(
        _C,
        "A certificate in the chain is signed with an algorithm that is not accepted.",
        "Accepted: RSA PKCS#1 v1.5, RSA-PSS and ECDSA with SHA-256, SHA-384 or SHA-512. SHA-1 and MD5 are refused.",
        "RFC 5280 section 4.1.1.2; CA/Browser Forum Baseline Requirements section 7.1.3.2",
    ),
    Reason.CERTIFICATE_KEY: Entry(
        _C,
        "A certificate in the chain has a key that is too weak, too large, or of a type that is not accepted.",
        "Accepted: RSA of 2048 to 8192 bits with an odd exponent of at least 65537; P-256, P-384, P-521.",
        "CA/Browser Forum Baseline Requirements section 6.1.5; CVE-2023-29409",
    ),
    Reason.CERTIFICATE_SIGNATURE: Entry(
        _C,
        "A certificate in the chain was not signed by the issuer that it names.",
        "Either an intermediate has the name of the issuer but another key, or the certificate was changed. Give the right intermediate.",
        "RFC 5280 section 6.1.3 (a)(1)",
    ),
    Reason.NOT_YET_VALID: Entry(
        _C,
        "A certificate in the chain was not valid yet at the time of the check.",
        "Compare the clock of this machine, or the time given with `--at`, with the document's `createdOn`.",
        "RFC 5280 section 6.1.3 (a)(2)",
    ),
    Reason.EXPIRED: Entry(
        _C,
        "A certificate in the chain had expired at the time of the check.",
        "To audit an old document, give the time at which it was received (`--at`). Otherwise, request a new document.",
        "RFC 5280 section 6.1.3 (a)(2); notAfter is inclusive",
    ),
    Reason.UNKNOWN_CRITICAL_EXTENSION: Entry(
        _C,
        "A certificate in the chain has a critical extension that imdskit does not support.",
        "RFC 5280 requires such a certificate to be refused. Check whether a newer imdskit supports the extension.",
        "RFC 5280 section 4.2",
    ),
    Reason.BAD_EXTENSION: Entry(
        _C,
        "A certificate in the chain violates a rule of RFC 5280.",
        "The location names the field or extension, and the detail names the section of RFC 5280. The issuer must replace the certificate.",
        "RFC 5280 section 4.2.1",
    ),
    Reason.NOT_A_CA: Entry(
        _C,
        "A certificate in the chain does not belong to an authority, but its key signed another certificate.",
        "Do not trust the document: the owner of an ordinary certificate used its key to issue another certificate.",
        "RFC 5280 sections 4.2.1.9 and 6.1.4 (k)",
    ),
    Reason.PATH_LENGTH: Entry(
        _C,
        "The chain has more certificates than the policy or one of its authorities allows.",
        "Do not trust the document: an authority in the chain certified another authority without being allowed to do so.",
        "RFC 5280 sections 4.2.1.9 and 6.1.4 (m)",
    ),
    Reason.KEY_USAGE: Entry(
        _C,
        "A key in the chain was used for a purpose that its certificate does not allow.",
        "If a certificate has the extension keyUsage, the extension must contain keyCertSign for an authority, and digitalSignature "
        "for the signer of a document.",
        "RFC 5280 sections 4.2.1.3 and 6.1.4 (n)",
    ),
    Reason.EXTENDED_KEY_USAGE: Entry(
        _C,
        "A certificate in the chain does not allow server authentication.",
        "If a certificate has the extension extendedKeyUsage, the extension must contain serverAuth. For an authority, "
        "anyExtendedKeyUsage is accepted as well.",
        "RFC 5280 section 4.2.1.12; every genuine document",
    ),
    Reason.NAME_CONSTRAINTS: Entry(
        _C,
        "A name in the chain violates the name constraints of an authority.",
        "Do not trust the document: a certificate was issued for a name that an authority above it does not allow.",
        "RFC 5280 sections 4.2.1.10 and 6.1.3 (b) and (c)",
    ),
    Reason.POLICY: Entry(
        _C,
        "An authority in the chain requires a certificate policy that the chain does not have.",
        "Do not trust the document: the chain violates the requirements of one of its authorities.",
        "RFC 5280 sections 6.1.3 (f) and 6.1.5 (g)",
    ),
    Reason.REVOKED: Entry(
        _C,
        "A certificate in the chain has been revoked.",
        "Do not trust the document: the issuer of the certificate has withdrawn it.",
        "RFC 5280 section 6.3",
    ),
    Reason.REVOCATION_UNKNOWN: Entry(
        _C,
        "Revocation lists were given, but no usable list was found for one of the certificates in the chain.",
        "Give the current list of each authority in the chain. The extension cRLDistributionPoints of a certificate contains the URL "
        "of its list. Alternatively, set `require_crl` of the policy to False.",
        "RFC 5280 section 6.3.3; policy `require_crl`",
    ),
    Reason.NO_NAME: Entry(
        _I,
        "The signer's certificate contains no DNS name.",
        "The certificates of genuine signers have a subject alternative name. The common name counts only if the policy allows it.",
        "IMDS documentation, attested data; RFC 6125 section 6.4.4",
    ),
    Reason.WRONG_NAME: Entry(
        _I,
        "The signer is not the metadata service of an accepted cloud.",
        "The chain is valid, but the certificate belongs to another service, or to a cloud that the policy does not accept.",
        "IMDS documentation, attested data: certificate names of each cloud",
    ),
    Reason.BAD_CLAIMS: Entry(
        _L,
        "The signed content is not the JSON object that the service signs.",
        "The signer is genuine, but the content is not that of an attested document.",
        "RFC 8259; IMDS documentation, attested data",
    ),
    Reason.MISSING_CLAIM: Entry(
        _L,
        "The signed content lacks a member that every genuine document has.",
        "Every document has vmId, nonce, and timeStamp with createdOn and expiresOn.",
        "IMDS documentation, attested data; every genuine document",
    ),
    Reason.BAD_TIME: Entry(
        _L,
        "A time in the signed content does not have the service's format.",
        "Times have the format MM/DD/YY HH:MM:SS -0000, and createdOn must not be after expiresOn.",
        "every genuine document",
    ),
    Reason.DOCUMENT_NOT_YET_VALID: Entry(
        _L,
        "The document was created after the time of the check.",
        "Compare the clock of this machine, or the time given with `--at`, with `createdOn`.",
        "IMDS documentation, attested data: timestamp",
    ),
    Reason.DOCUMENT_EXPIRED: Entry(
        _L,
        "The document has expired.",
        "Documents are valid for six hours. Request a new one. To audit an old one, give the time at which it was received (`--at`).",
        "IMDS documentation, attested data: timestamp",
    ),
    Reason.DOCUMENT_TOO_OLD: Entry(
        _L,
        "The document is older than the policy allows.",
        "Request a new document immediately before you send it.",
        "policy `max_age`",
    ),
    Reason.NONCE_MISMATCH: Entry(
        _L,
        "The document does not contain the expected nonce.",
        "Somebody sent an earlier document again, or the service returned a cached response. Request a new document.",
        "IMDS documentation, attested data: nonce; MicrosoftDocs/azure-docs#43938",
    ),
    Reason.NONCE_REQUIRED: Entry(
        _L,
        "The policy requires a nonce, but none was given to the verifier.",
        "Send a new nonce to the machine, and pass the same nonce to `verify`.",
        "policy `require_nonce`",
    ),
    Reason.REPLAYED: Entry(
        _L,
        "The document, or its nonce, has been used before.",
        "Each document is accepted only once. Send a new nonce to the machine, and let it request a new document. A retry gets this "
        "reason, too, if the first attempt was accepted but its response was lost.",
        "`Verifier.verify_once`; docs/freshness.md",
    ),
}
"""Maps each reason to its documentation."""

EMULATED_AUTHORITY = "imdskit test-only "
"""Prefix of the common names of the emulator's authorities. A test checks that the emulator uses
this prefix."""

_ADDRESS = "; it may lie at "
"""Text between the name of the issuer and the URL of its certificate, in the detail of
``unknown-issuer``. Both backends write this text."""

_MAX_NAME, _MAX_ADDRESS = 64, 200
"""Maximum numbers of characters of a common name and of a URL in a hint. RFC 5280 appendix A.1
allows 64 characters for a common name."""


def hint_for(reason: Reason, detail: str) -> str:
    """Return the hint for one refusal. For ``unknown-issuer``, the hint also names the missing
    authority.

    Args:
        reason: the reason of the refusal.
        detail: the detail of the refusal. It may contain text from untrusted certificates.
    """
    if reason is not Reason.UNKNOWN_ISSUER or not detail:
        return reason.hint
    if detail.startswith(EMULATED_AUTHORITY):
        return (
            f"An emulator of imdskit, not Azure, created this document. Its issuer is {_issuer(detail)[0]}. To accept it, "
            "give the emulator's root with `--trust`; `imdskit serve --trust-out FILE` writes the root to a file."
        )
    remedies = reason.hint.partition(" A document of an emulator")[0]
    return f"{missing_authority(detail)} {remedies}"


def missing_authority(detail: str) -> str:
    """Return a sentence that names the missing authority and the URL of its certificate. ``detail``
    is the detail of ``unknown-issuer``, from which both are taken."""
    name, address = _issuer(detail)
    if not address:
        return f"The missing authority is {name}. The certificate that it issued does not say where the authority's certificate is."
    return f"The missing authority is {name}. According to the certificate that it issued, the authority's certificate is at {address}."


def _issuer(detail: str) -> tuple[str, str]:
    name, separator, address = detail.partition(_ADDRESS)
    return _quoted(name, _MAX_NAME), _quoted(address, _MAX_ADDRESS) if separator else ""


def _quoted(text: str, limit: int) -> str:
    """Return untrusted text in a form for use in a sentence: truncated to ``limit`` characters, in
    quotation marks, and with escaped control characters."""
    return repr(text[:limit]) + ("..." if len(text) > limit else "")


__all__ = ["ENTRIES", "Entry", "Reason", "Stage"]
