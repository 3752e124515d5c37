//! Which certificates signed which, remembered between searches for paths.

// Python counterpart: `pki/path/signature_cache.py`.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::pki::signatures::signature::Fault;
use crate::pki::x509::certificate::Certificate;

/// Links that are remembered between searches. An owner of more certificates waits a little longer.
const REMEMBERED_LINKS: usize = 1024;

/// Which certificates signed which, of those that the owner of a checker gave it: strangers cannot fill this memory. Readers never wait.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: ArcSwap<HashMap<(usize, usize), Link>>,
}

/// The certificates are kept so that their addresses stay theirs.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    _child: Arc<Certificate>,
    _issuer: Arc<Certificate>,
    /// What verification of the signature returned.
    pub(crate) verdict: Result<(), Fault>,
}

/// Which certificate it is, as long as somebody holds it.
pub(crate) fn address(certificate: &Arc<Certificate>) -> usize {
    Arc::as_ptr(certificate).addr()
}

impl Links {
    /// What is remembered of the signature that the key of `issuer` made on `child`.
    pub(crate) fn get(&self, child: &Arc<Certificate>, issuer: &Arc<Certificate>) -> Option<Link> {
        self.links.load().get(&(address(child), address(issuer))).cloned()
    }

    /// Remember what was found out about it.
    pub(crate) fn put(&self, child: &Arc<Certificate>, issuer: &Arc<Certificate>, verdict: Result<(), Fault>) {
        if self.links.load().len() >= REMEMBERED_LINKS {
            return;
        }
        let key = (address(child), address(issuer));
        let link = Link {
            _child: Arc::clone(child),
            _issuer: Arc::clone(issuer),
            verdict,
        };
        self.links.rcu(|links| {
            let mut links = HashMap::clone(links);
            links.insert(key, link.clone());
            links
        });
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.links.load().len()
    }
}
