//! Batches of documents together with their verdicts.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::checker::{Checker, Signed};
use crate::forks::ForkAware;
use crate::reasons::Refusal;
use crate::verdicts::{At, Verdicts};

/// The time of the check in Unix seconds, for all documents or for each one. [`At`] is the same type with borrowed times.
#[derive(Clone, Debug)]
pub enum Times {
    /// One time for all documents.
    One(i64),
    /// A separate time for each document.
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

/// Documents and their verdicts. Neither can be replaced after verification. [`Batch::get`] can therefore turn an accepted document into a
/// [`Signed`] without verifying its signature a second time. Only a batch can do this, because only it keeps the verified bytes. The
/// method `as_ref` of `D` must return the same bytes on every call.
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
    /// Verifies many documents.
    ///
    /// # Panics
    /// Panics if `at` is [`Times::Each`] and does not have exactly one time for each document.
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

    /// Returns the checker that verified the documents. In the child of a fork, returns a new checker with the same setup.
    #[must_use]
    pub fn checker(&self) -> Arc<Checker> {
        self.checker.get()
    }

    /// Returns whether this process is the child of a fork and has not rebuilt the checker yet. The next call of [`Batch::checker`] or [`Batch::get`]
    /// rebuilds it.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.checker.is_inherited()
    }

    /// Returns the verdicts in the order of the documents.
    #[must_use]
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// Returns the result of [`Checker::check`] for the document at `index`, or `None` if there is no such document.
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
