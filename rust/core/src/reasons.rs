//! Reasons for which a document is refused, and the refusal itself.

// The codes and their order are the same as in `reasons.py`. A test compares the two lists.

use std::borrow::Cow;

/// The reason why a document is refused. The codes are stable; `docs/errors.md` in imdskit's documentation explains each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// `empty`
    Empty,
    /// `too-large`
    TooLarge,
    /// `bad-json`
    BadJson,
    /// `bad-envelope`
    BadEnvelope,
    /// `bad-encoding`
    BadEncoding,
    /// `bad-base64`
    BadBase64,
    /// `bad-der`
    BadDer,
    /// `bad-certificate`
    BadCertificate,
    /// `bad-cms`
    BadCms,
    /// `no-content`
    NoContent,
    /// `signer-count`
    SignerCount,
    /// `too-many-certificates`
    TooManyCertificates,
    /// `signer-not-found`
    SignerNotFound,
    /// `signature-algorithm`
    SignatureAlgorithm,
    /// `signature-key`
    SignatureKey,
    /// `signed-attributes`
    SignedAttributes,
    /// `digest-mismatch`
    DigestMismatch,
    /// `bad-signature`
    BadSignature,
    /// `budget-spent`
    BudgetSpent,
    /// `unknown-issuer`
    UnknownIssuer,
    /// `untrusted-root`
    UntrustedRoot,
    /// `certificate-algorithm`
    CertificateAlgorithm,
    /// `certificate-key`
    CertificateKey,
    /// `certificate-signature`
    CertificateSignature,
    /// `not-yet-valid`
    NotYetValid,
    /// `expired`
    Expired,
    /// `unknown-critical-extension`
    UnknownCriticalExtension,
    /// `bad-extension`
    BadExtension,
    /// `not-a-ca`
    NotACa,
    /// `path-length`
    PathLength,
    /// `key-usage`
    KeyUsage,
    /// `extended-key-usage`
    ExtendedKeyUsage,
    /// `name-constraints`
    NameConstraints,
    /// `policy`
    Policy,
    /// `revoked`
    Revoked,
    /// `revocation-unknown`
    RevocationUnknown,
    /// `no-name`
    NoName,
    /// `wrong-name`
    WrongName,
    /// `bad-claims`
    BadClaims,
    /// `missing-claim`
    MissingClaim,
    /// `bad-time`
    BadTime,
    /// `document-not-yet-valid`
    DocumentNotYetValid,
    /// `document-expired`
    DocumentExpired,
    /// `document-too-old`
    DocumentTooOld,
    /// `nonce-mismatch`
    NonceMismatch,
    /// `nonce-required`
    NonceRequired,
    /// `replayed`
    Replayed,
}

impl Reason {
    /// All reasons, in the order in which they are checked.
    pub const ALL: &[Self] = &[
        Self::Empty,
        Self::TooLarge,
        Self::BadJson,
        Self::BadEnvelope,
        Self::BadEncoding,
        Self::BadBase64,
        Self::BadDer,
        Self::BadCertificate,
        Self::BadCms,
        Self::NoContent,
        Self::SignerCount,
        Self::TooManyCertificates,
        Self::SignerNotFound,
        Self::SignatureAlgorithm,
        Self::SignatureKey,
        Self::SignedAttributes,
        Self::DigestMismatch,
        Self::BadSignature,
        Self::BudgetSpent,
        Self::UnknownIssuer,
        Self::UntrustedRoot,
        Self::CertificateAlgorithm,
        Self::CertificateKey,
        Self::CertificateSignature,
        Self::NotYetValid,
        Self::Expired,
        Self::UnknownCriticalExtension,
        Self::BadExtension,
        Self::NotACa,
        Self::PathLength,
        Self::KeyUsage,
        Self::ExtendedKeyUsage,
        Self::NameConstraints,
        Self::Policy,
        Self::Revoked,
        Self::RevocationUnknown,
        Self::NoName,
        Self::WrongName,
        Self::BadClaims,
        Self::MissingClaim,
        Self::BadTime,
        Self::DocumentNotYetValid,
        Self::DocumentExpired,
        Self::DocumentTooOld,
        Self::NonceMismatch,
        Self::NonceRequired,
        Self::Replayed,
    ];

    /// Returns the stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too-large",
            Self::BadJson => "bad-json",
            Self::BadEnvelope => "bad-envelope",
            Self::BadEncoding => "bad-encoding",
            Self::BadBase64 => "bad-base64",
            Self::BadDer => "bad-der",
            Self::BadCertificate => "bad-certificate",
            Self::BadCms => "bad-cms",
            Self::NoContent => "no-content",
            Self::SignerCount => "signer-count",
            Self::TooManyCertificates => "too-many-certificates",
            Self::SignerNotFound => "signer-not-found",
            Self::SignatureAlgorithm => "signature-algorithm",
            Self::SignatureKey => "signature-key",
            Self::SignedAttributes => "signed-attributes",
            Self::DigestMismatch => "digest-mismatch",
            Self::BadSignature => "bad-signature",
            Self::BudgetSpent => "budget-spent",
            Self::UnknownIssuer => "unknown-issuer",
            Self::UntrustedRoot => "untrusted-root",
            Self::CertificateAlgorithm => "certificate-algorithm",
            Self::CertificateKey => "certificate-key",
            Self::CertificateSignature => "certificate-signature",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
            Self::UnknownCriticalExtension => "unknown-critical-extension",
            Self::BadExtension => "bad-extension",
            Self::NotACa => "not-a-ca",
            Self::PathLength => "path-length",
            Self::KeyUsage => "key-usage",
            Self::ExtendedKeyUsage => "extended-key-usage",
            Self::NameConstraints => "name-constraints",
            Self::Policy => "policy",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation-unknown",
            Self::NoName => "no-name",
            Self::WrongName => "wrong-name",
            Self::BadClaims => "bad-claims",
            Self::MissingClaim => "missing-claim",
            Self::BadTime => "bad-time",
            Self::DocumentNotYetValid => "document-not-yet-valid",
            Self::DocumentExpired => "document-expired",
            Self::DocumentTooOld => "document-too-old",
            Self::NonceMismatch => "nonce-mismatch",
            Self::NonceRequired => "nonce-required",
            Self::Replayed => "replayed",
        }
    }
}

/// The refusal of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// ASN.1 or JSON path of the member at fault. If the member has an offset in the DER, `@` and the offset in bytes follow.
    pub location: Cow<'static, str>,
    /// Description of the value that was found, for logs. May be empty.
    pub detail: Cow<'static, str>,
}

impl Refusal {
    /// Creates a refusal.
    pub(crate) fn new(reason: Reason, location: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            location: location.into(),
            detail: detail.into(),
        }
    }
}
