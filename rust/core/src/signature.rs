//! Signatures by AlgorithmIdentifier, and which of them are accepted. The twin of `backends/python/signature.py`.

use crate::certificate::{AlgorithmIdentifier, PublicKey};

/// Why a signature is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Algorithm,
    Key,
    Signature,
}

impl Fault {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Algorithm => "the algorithm is not known, or its parameters are wrong",
            Self::Key => "the key is not one for this algorithm",
            Self::Signature => "the signature does not fit",
        }
    }
}

/// What is wrong with a signature, or None. Weak algorithms and keys are reckoned like all others.
pub(crate) fn fault(algorithm: &AlgorithmIdentifier, key: &PublicKey, message: &[u8], signature: &[u8]) -> Option<Fault> {
    let _ = (algorithm, key, message, signature);
    Some(Fault::Algorithm)
}

/// Why an algorithm is not accepted: unknown, with wrong parameters, or with a hash below SHA-256. None if it is.
pub(crate) fn algorithm_fault(algorithm: &AlgorithmIdentifier) -> Option<String> {
    let _ = algorithm;
    None
}

/// Why a key is not accepted. None if it is.
pub(crate) fn key_fault(key: &PublicKey, min_rsa_bits: u32) -> Option<String> {
    let _ = (key, min_rsa_bits);
    None
}
