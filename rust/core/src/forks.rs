//! A checker that survives `fork()`.
//!
//! `fork()` copies only the calling thread. At that moment, another thread may hold a mutex of the checker's cache or may be initialising a `OnceLock`. In
//! the child, nobody would ever release it. A child therefore never touches the cache of its parent's checker: [`ForkAware`] builds a new checker from the
//! same setup. It does not compare process ids, because the system reuses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::checker::{BadTrust, Checker};
use crate::contract::Setup;

/// How often this process has been the child of a fork, counted along its ancestors.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Declares that this process is the child of a `fork()`. The caller must call it in every child before the child uses a checker.
pub fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A [`Checker`] that is rebuilt in each child process.
#[derive(Debug)]
pub struct ForkAware {
    current: ArcSwap<(u64, Arc<Checker>)>,
}

impl ForkAware {
    /// Builds a checker.
    ///
    /// # Errors
    /// See [`Checker::new`].
    pub fn new(setup: Setup) -> Result<Self, BadTrust> {
        let checker = Arc::new(Checker::new(setup)?);
        Ok(Self {
            current: ArcSwap::from_pointee((FORKS.load(Ordering::Relaxed), checker)),
        })
    }

    /// Whether this process is the child of a fork and has not yet rebuilt the checker, which the next call of [`ForkAware::get`] does.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.current.load().0 != FORKS.load(Ordering::Relaxed)
    }

    /// Returns the checker of this process.
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
