//! A collection of certificates in which searches look for issuers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::pki::x509::certificate::{Certificate, NameKey};

/// Certificates by their subject, without duplicates, in the given order.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    by_subject: HashMap<NameKey, Vec<Arc<Certificate>>>,
}

impl Pool {
    pub(crate) fn new(certificates: impl IntoIterator<Item = Arc<Certificate>>) -> Self {
        let mut by_subject: HashMap<NameKey, Vec<Arc<Certificate>>> = HashMap::new();
        for certificate in certificates {
            let namesakes = by_subject.entry(certificate.subject.key.clone()).or_default();
            if !namesakes.iter().any(|other| other.der == certificate.der) {
                namesakes.push(certificate);
            }
        }
        Self { by_subject }
    }

    /// Returns the certificates with this subject.
    pub(crate) fn get(&self, subject: &NameKey) -> &[Arc<Certificate>] {
        self.by_subject.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Returns the certificate of the pool that has the same bytes as `certificate`.
    pub(crate) fn find(&self, certificate: &Certificate) -> Option<&Arc<Certificate>> {
        self.get(&certificate.subject.key).iter().find(|own| own.der == certificate.der)
    }

    /// Returns an iterator over all certificates.
    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.by_subject.values().flatten()
    }
}
