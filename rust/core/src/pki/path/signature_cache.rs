//! A cache of verified certificate signatures. Each checker has one, and all its path searches share it.

// Python counterpart: `pki/path/signature_cache.py`.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::pki::signatures::signature::Fault;
use crate::pki::x509::certificate::Certificate;

/// Maximum number of cached signatures. When the cache is full, all other signatures are verified each time.
const MAX_SIGNATURES: usize = 1024;

/// A cache of the verdicts on certificate signatures. It contains only verdicts on configured certificates, so documents cannot fill it.
/// Readers never wait.
#[derive(Debug, Default)]
pub(crate) struct SignatureCache {
    signatures: ArcSwap<HashMap<(usize, usize), CachedSignature>>,
}

/// The verdict on one certificate signature. The cache identifies certificates by their memory addresses. This value keeps both
/// certificates alive, so that no other certificate can get their addresses.
#[derive(Clone, Debug)]
struct CachedSignature {
    _child: Arc<Certificate>,
    _issuer: Arc<Certificate>,
    /// The result of the verification of the signature.
    verdict: Result<(), Fault>,
}

/// Returns a number that identifies the certificate as long as it is alive.
pub(crate) fn address(certificate: &Arc<Certificate>) -> usize {
    Arc::as_ptr(certificate).addr()
}

impl SignatureCache {
    /// Returns the cached verdict on the signature of `child` with the key of `issuer`.
    pub(crate) fn get(&self, child: &Arc<Certificate>, issuer: &Arc<Certificate>) -> Option<Result<(), Fault>> {
        let signatures = self.signatures.load();
        signatures.get(&(address(child), address(issuer))).map(|cached| cached.verdict)
    }

    /// Caches the verdict on the signature of `child` with the key of `issuer`.
    pub(crate) fn put(&self, child: &Arc<Certificate>, issuer: &Arc<Certificate>, verdict: Result<(), Fault>) {
        if self.signatures.load().len() >= MAX_SIGNATURES {
            return;
        }
        let key = (address(child), address(issuer));
        let signature = CachedSignature {
            _child: Arc::clone(child),
            _issuer: Arc::clone(issuer),
            verdict,
        };
        self.signatures.rcu(|signatures| {
            let mut signatures = HashMap::clone(signatures);
            signatures.insert(key, signature.clone());
            signatures
        });
    }

    /// Returns the number of cached verdicts.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.signatures.load().len()
    }
}
