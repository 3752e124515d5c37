//! A checker that survives `fork()`.
//!
//! `fork()` copies only the calling thread. At that moment, another thread may hold a mutex of the checker's cache or may be initialising
//! a `OnceLock`. That thread does not exist in the child, so the child could wait forever. A child therefore never touches the cache of
//! its parent's checker: [`ForkAware`] builds a new checker from the same setup. The module recognizes a child by a count of forks. A
//! process id would not be enough, because the system reuses process ids.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::checker::{BadTrust, Checker};
use crate::contract::Setup;

/// Number of forks between the first process and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Declares that this process is the child of a `fork()`. Call this function in every child before the child uses a checker.
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

    /// Returns whether this process is the child of a fork and has not rebuilt the checker yet. The next call of [`ForkAware::get`]
    /// rebuilds it.
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
        // The setup was parsed successfully before, so parsing it again succeeds. Several threads may do this at the same time. All of them
        // build equal checkers, so it does not matter which one is kept.
        let Ok(renewed) = Checker::new(current.1.setup().clone()) else {
            return Arc::clone(&current.1);
        };
        let renewed = Arc::new(renewed);
        let inherited = self.current.swap(Arc::new((forks, Arc::clone(&renewed))));
        // Freeing the parent's checker could block on one of its locks, so it is leaked.
        std::mem::forget(inherited);
        renewed
    }
}
