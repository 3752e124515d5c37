//! A checker that survives `fork()`.
//!
//! `fork()` copies the calling thread only. Another thread may hold a mutex of the checker's memory at that moment, or may be inside a `OnceLock` of a key; in
//! the child nobody would ever release it. So a child never touches what its parent's checker remembers: it builds a checker of its own from the same setup.
//! Process ids are not compared, because the system reuses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::checker::{BadTrust, Checker};
use crate::contract::Setup;

/// How often this process has been the child of a fork, counted along its ancestors.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Tell this module that the process is the child of a fork. Python calls it by `os.register_at_fork`.
pub fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A [`Checker`] that is built anew in a child process.
#[derive(Debug)]
pub struct ForkAware {
    current: ArcSwap<(u64, Arc<Checker>)>,
}

impl ForkAware {
    /// Read what is trusted.
    ///
    /// # Errors
    /// As [`Checker::new`].
    pub fn new(setup: Setup) -> Result<Self, BadTrust> {
        let checker = Arc::new(Checker::new(setup)?);
        Ok(Self {
            current: ArcSwap::from_pointee((FORKS.load(Ordering::Relaxed), checker)),
        })
    }

    /// The checker of this process.
    #[must_use]
    pub fn get(&self) -> Arc<Checker> {
        let forks = FORKS.load(Ordering::Relaxed);
        let current = self.current.load();
        if current.0 == forks {
            return Arc::clone(&current.1);
        }
        // The setup has been read before, so it can be read again. Several threads may do so; any of the results will do.
        let Ok(renewed) = Checker::new(current.1.setup().clone()) else {
            return Arc::clone(&current.1);
        };
        let renewed = Arc::new(renewed);
        let inherited = self.current.swap(Arc::new((forks, Arc::clone(&renewed))));
        // Nothing of the parent's checker is touched any more, not even to free it.
        std::mem::forget(inherited);
        renewed
    }
}
