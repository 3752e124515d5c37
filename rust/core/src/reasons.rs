//! Reasons for which a document is refused, and the refusal itself.

// The codes and their order are the same as in `reasons.py`. A test compares the two lists.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Defines [`Reason`] from its variants and their codes, in the order of the checks.
macro_rules! reasons {
    ($($name:ident = $code:literal),+ $(,)?) => {
        /// The reason why a document is refused. The codes are stable; `docs/errors.md` in imdskit's documentation explains each of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $(
                #[doc = concat!("`", $code, "`")]
                $name,
            )+
        }

        impl Reason {
            /// All reasons, in the order in which they are checked.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

reasons! {
    Empty = "empty",
    TooLarge = "too-large",
    BadJson = "bad-json",
    BadEnvelope = "bad-envelope",
    BadEncoding = "bad-encoding",
    BadBase64 = "bad-base64",
    BadDer = "bad-der",
    BadCertificate = "bad-certificate",
    BadCms = "bad-cms",
    NoContent = "no-content",
    SignerCount = "signer-count",
    TooManyCertificates = "too-many-certificates",
    SignerNotFound = "signer-not-found",
    SignatureAlgorithm = "signature-algorithm",
    SignatureKey = "signature-key",
    SignedAttributes = "signed-attributes",
    DigestMismatch = "digest-mismatch",
    BadSignature = "bad-signature",
    BudgetSpent = "budget-spent",
    UnknownIssuer = "unknown-issuer",
    UntrustedRoot = "untrusted-root",
    CertificateAlgorithm = "certificate-algorithm",
    CertificateKey = "certificate-key",
    CertificateSignature = "certificate-signature",
    NotYetValid = "not-yet-valid",
    Expired = "expired",
    UnknownCriticalExtension = "unknown-critical-extension",
    BadExtension = "bad-extension",
    NotACa = "not-a-ca",
    PathLength = "path-length",
    KeyUsage = "key-usage",
    ExtendedKeyUsage = "extended-key-usage",
    NameConstraints = "name-constraints",
    Policy = "policy",
    Revoked = "revoked",
    RevocationUnknown = "revocation-unknown",
    NoName = "no-name",
    WrongName = "wrong-name",
    BadClaims = "bad-claims",
    MissingClaim = "missing-claim",
    BadTime = "bad-time",
    DocumentNotYetValid = "document-not-yet-valid",
    DocumentExpired = "document-expired",
    DocumentTooOld = "document-too-old",
    NonceMismatch = "nonce-mismatch",
    NonceRequired = "nonce-required",
    Replayed = "replayed",
}

impl fmt::Display for Reason {
    /// Writes the stable code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
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

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.reason, self.location)?;
        if self.detail.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.detail)
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_show_problem_and_location() {
        let refusal = Refusal::new(Reason::TooLarge, "document", "70000 bytes, at most 65536 are read");
        assert_eq!(refusal.to_string(), "too-large at document: 70000 bytes, at most 65536 are read");
        let refusal = Refusal::new(Reason::NoContent, "signedData.encapContentInfo", "");
        assert_eq!(refusal.to_string(), "no-content at signedData.encapContentInfo");
    }
}
