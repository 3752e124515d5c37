//! Cached signers, with their certification paths.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use crate::pki::x509::certificate::Certificate;
use crate::reasons::Refusal;

/// Maximum number of cached signers. One signer may also have at most this many cached paths. An Azure region uses one signer for weeks.
pub(crate) const MAX_SIGNERS: usize = 256;

/// A certification path, from the signer to the anchor.
pub(crate) type Chain = Arc<[Arc<Certificate>]>;

/// The time of a check, reduced to what decides whether a path is valid. The validity periods of all configured certificates and revocation
/// lists divide time into intervals. Within an interval, none of them becomes valid or expires. The first value is the number of the
/// interval. The second value says whether the signer's certificate is valid at the time of the check.
pub(crate) type Moment = (usize, bool);

/// A signer and the results of earlier checks of its certificate.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) certificate: Arc<Certificate>,
    paths: ArcSwap<Vec<(Moment, Chain)>>,
    /// The accepted name of the certificate, or the refusal if it has no accepted name.
    pub(crate) identity: OnceLock<Result<Identity, Refusal>>,
}

/// A name of a signer that the checker accepts: the index of the matching entry of `Setup::names`, and the DNS name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) label: usize,
    pub(crate) name: Arc<str>,
}

impl Signer {
    pub(crate) fn new(certificate: Arc<Certificate>) -> Self {
        Self {
            certificate,
            paths: ArcSwap::default(),
            identity: OnceLock::new(),
        }
    }

    /// Returns the key under which the cache stores the signer with this certificate: the last bytes of the certificate. A certificate
    /// ends with a signature, so these bytes can serve as a hash.
    pub(crate) fn key(der: &[u8]) -> Option<u64> {
        der.last_chunk().map(|tail| u64::from_le_bytes(*tail))
    }

    /// Returns the cached path for this moment.
    pub(crate) fn path(&self, moment: Moment) -> Option<Chain> {
        self.paths
            .load()
            .iter()
            .find(|(known, _)| *known == moment)
            .map(|(_, chain)| Arc::clone(chain))
    }

    /// Adds a path for this moment.
    pub(crate) fn add_path(&self, moment: Moment, chain: &Chain) {
        self.paths.rcu(|paths| {
            let mut paths = Vec::clone(paths);
            if !paths.iter().any(|(known, _)| *known == moment) {
                if paths.len() == MAX_SIGNERS {
                    paths.remove(0);
                }
                paths.push((moment, Arc::clone(chain)));
            }
            paths
        });
    }
}
