//! Documents together with the verdicts on them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::checker::{Checker, Signed};
use crate::forks::ForkAware;
use crate::reasons::Refusal;
use crate::verdicts::{At, Verdicts};

/// When validity is judged, in Unix seconds: see [`At`].
#[derive(Clone, Debug)]
pub enum Times {
    /// The same for all.
    One(i64),
    /// Of each document its own.
    Each(Vec<i64>),
}

impl<'a> From<&'a Times> for At<'a> {
    fn from(times: &'a Times) -> Self {
        match times {
            Times::One(at) => Self::One(*at),
            Times::Each(all) => Self::Each(all),
        }
    }
}

/// Documents, and what the checker said of them. Neither can be exchanged, so a document that was accepted is made a [`Signed`] without a second look at its
/// signature; there is no other way to do that. `D` must always show the same octets.
///
/// ```compile_fail,E0624
/// fn unverified(checker: &imdskit_core::checker::Checker, document: &[u8]) {
///     let _ = checker.recall(document, 0);
/// }
/// ```
#[derive(Debug)]
pub struct Batch<D> {
    checker: Arc<ForkAware>,
    documents: Vec<D>,
    at: Times,
    verdicts: Verdicts,
}

impl<D: AsRef<[u8]> + Sync> Batch<D> {
    /// Verify many documents.
    ///
    /// # Panics
    /// There are not as many times as documents.
    #[must_use]
    pub fn check(checker: Arc<ForkAware>, documents: Vec<D>, at: Times, threads: NonZeroUsize) -> Self {
        let verdicts = checker.get().check_many(&documents, &at, threads);
        Self {
            checker,
            documents,
            at,
            verdicts,
        }
    }

    /// The checker that verified them; in a child process, one with the same setup.
    #[must_use]
    pub fn checker(&self) -> Arc<Checker> {
        self.checker.get()
    }

    /// Whether this process is the child of a fork and has not yet rebuilt the checker, which the next call of [`Batch::checker`] or [`Batch::get`] does.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.checker.is_inherited()
    }

    /// The verdicts, in the order of the documents.
    #[must_use]
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// The document at a place as `check` gives it; None beyond the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Result<Signed, Refusal>> {
        Some(match self.verdicts.get(index)? {
            Err(refusal) => Err(refusal),
            Ok(_) => self
                .checker
                .get()
                .recall(self.documents[index].as_ref(), At::from(&self.at).of(index)),
        })
    }
}
