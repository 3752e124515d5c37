//! Verification of many documents on several threads. A [`Batch`] keeps the documents together with their verdicts.
//!
//! Documents are verified in pieces of at most 128 documents. The checker decodes all documents of a piece, then verifies their signatures
//! side by side, then makes the remaining checks. There is an exception for documents that fit no message template (see `cache.rs`), but
//! whose message can become a template: the checker verifies such a document completely before it decodes the next document. If it is
//! accepted, it is a template for the documents after it. A bad document does not slow down the verification of the others.

use std::borrow::Cow;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::checker::{Checker, Opened, Signed};
use crate::forks::ForkAware;
use crate::pki::cms;
use crate::pki::signatures::kernels;
use crate::pki::signatures::rsa;
use crate::pki::signatures::signature::{Fault, Scheme};
use crate::pki::x509::certificate::PublicKey;
use crate::reasons::Refusal;
use crate::verdicts::{Piece, Row, Verdicts};

/// Number of documents in one piece: enough to fill the vector lanes, and few enough to stay in the cache of one core.
const PIECE: usize = 128;

/// Minimum number of documents per thread. Starting a thread takes about as long as verifying ten documents.
const DOCUMENTS_PER_THREAD: usize = 64;

/// Maximum number of threads for one call. Threads beyond the number of processors gain nothing, and each costs memory.
const MAX_THREADS: usize = 64;

/// The time of the check in Unix seconds, for all documents or for each one.
#[derive(Clone, Debug)]
pub enum Times<'a> {
    /// One time for all documents.
    One(i64),
    /// A separate time for each document.
    Each(Cow<'a, [i64]>),
}

impl Times<'_> {
    /// Returns the times of a range of the documents.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Times<'_> {
        match self {
            Self::One(at) => Times::One(*at),
            Self::Each(all) => Times::Each(Cow::Borrowed(&all[range])),
        }
    }

    fn of(&self, index: usize) -> i64 {
        match self {
            Self::One(at) => *at,
            Self::Each(all) => all[index],
        }
    }
}

impl From<i64> for Times<'_> {
    fn from(at: i64) -> Self {
        Self::One(at)
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
    at: Times<'static>,
    verdicts: Verdicts,
}

impl<D: AsRef<[u8]> + Sync> Batch<D> {
    /// Verifies many documents.
    ///
    /// # Panics
    /// Panics if `at` is [`Times::Each`] and does not have exactly one time for each document.
    #[must_use]
    pub fn check(checker: Arc<ForkAware>, documents: Vec<D>, at: Times<'static>, threads: NonZeroUsize) -> Self {
        let verdicts = checker.get().check_all(&documents, &at, threads);
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

    /// Returns whether this process is the child of a fork and has not rebuilt the checker yet. The next call of [`Batch::checker`] or
    /// [`Batch::get`] rebuilds it.
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
            Ok(_) => self.checker.get().recall(self.documents[index].as_ref(), self.at.of(index)),
        })
    }
}

impl Checker {
    /// Verifies many documents. No document can change the verdict on another one. The calling thread is one of the `threads`. If the
    /// system cannot start all the others, the threads that exist do all the work.
    ///
    /// # Panics
    /// Panics if `at` is [`Times::Each`] and does not have exactly one time for each document.
    pub fn check_many<'a, D: AsRef<[u8]> + Sync>(&self, documents: &[D], at: impl Into<Times<'a>>, threads: NonZeroUsize) -> Verdicts {
        self.check_all(documents, &at.into(), threads)
    }

    fn check_all<D: AsRef<[u8]> + Sync>(&self, documents: &[D], at: &Times<'_>, threads: NonZeroUsize) -> Verdicts {
        assert!(
            !matches!(at, Times::Each(all) if all.len() != documents.len()),
            "`at` must have exactly one time for each document"
        );
        let threads = workers(threads, documents.len());
        let size = PIECE.min(documents.len().div_ceil(threads)).max(1);
        let parts: Vec<&[D]> = documents.chunks(size).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(part) = parts.get(index) else {
                    return done;
                };
                let start = index * size;
                done.push((index, self.check_piece(part, &at.part(start..start + part.len()))));
            }
        };
        let mut done: Vec<(usize, Piece)> = std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads)
                .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let mut done = work();
            for helper in helpers {
                match helper.join() {
                    Ok(mut theirs) => done.append(&mut theirs),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|(index, _)| *index);
        Verdicts::new(done.into_iter().map(|(_, piece)| piece).collect(), size, documents.len())
    }

    /// Verifies the documents of one piece.
    fn check_piece<D: AsRef<[u8]>>(&self, documents: &[D], at: &Times<'_>) -> Piece {
        let mut piece = Piece::default();
        let mut rows: Vec<Option<Row>> = vec![None; documents.len()];
        let mut waiting = Vec::with_capacity(documents.len());
        let mut indexes = Vec::with_capacity(documents.len());
        // Template keys of documents that were verified before the next document was decoded, and whose signature is valid. Such a document
        // becomes a template if it also passes the remaining checks. If it fails one of them, the next document with the same key will
        // probably fail too. Its signature can therefore be verified together with the others.
        let mut tried = HashSet::new();
        for (index, document) in documents.iter().enumerate() {
            match self.open(document.as_ref()) {
                Ok(opened) if opened.makes_template() && !tried.contains(&opened.template_key()) => {
                    let signature = opened.check_signature();
                    if signature.is_ok() {
                        tried.insert(opened.template_key());
                    }
                    rows[index] = Some(self.finish(&mut piece, &opened, signature, at.of(index)));
                }
                Ok(opened) => {
                    waiting.push(opened);
                    indexes.push(index);
                }
                Err(refusal) => rows[index] = Some(piece.refuse(&refusal)),
            }
        }
        let signatures = check_signatures(&waiting);
        for ((index, opened), signature) in indexes.into_iter().zip(waiting).zip(signatures) {
            rows[index] = Some(self.finish(&mut piece, &opened, signature, at.of(index)));
        }
        piece.complete(rows);
        piece
    }

    /// Makes all checks that follow the verification of the signature.
    fn finish(&self, piece: &mut Piece, opened: &Opened<'_>, signature: Result<(), Refusal>, at: i64) -> Row {
        let verdict = signature.and_then(|()| {
            let (chain, identity, claims) = self.conclude(opened, at, None)?;
            Ok(piece.add(chain, identity, &claims))
        });
        verdict.unwrap_or_else(|refusal| piece.refuse(&refusal))
    }
}

/// Returns the number of threads to use for this many documents. The calling thread is one of them.
fn workers(requested: NonZeroUsize, documents: usize) -> usize {
    requested.get().min(documents / DOCUMENTS_PER_THREAD).clamp(1, MAX_THREADS)
}

/// Verifies many signatures. The AVX-512 kernels verify up to eight signatures at a time. Signatures that they do not support are verified
/// one by one.
fn check_signatures(many: &[Opened<'_>]) -> Vec<Result<(), Refusal>> {
    let mut verdicts = vec![Ok(()); many.len()];
    let mut blocks = vec![[0; rsa::KERNEL_BYTES]; many.len()];
    let mut jobs = Vec::with_capacity(many.len());
    let mut indexes = Vec::with_capacity(many.len());
    for ((index, opened), block) in many.iter().enumerate().zip(&mut blocks) {
        if let Some(job) = job(opened, block) {
            jobs.push(job);
            indexes.push(index);
        } else {
            verdicts[index] = opened.check_signature();
        }
    }
    let mut good = vec![false; jobs.len()];
    kernels::verify_many(&jobs, &mut good);
    for (index, _) in indexes.into_iter().zip(good).filter(|(_, good)| !good) {
        verdicts[index] = Err(cms::bad_signature(Fault::Signature));
    }
    verdicts
}

/// Returns the job for the kernels, or `None` if they do not support the key or the algorithm.
fn job<'j>(opened: &'j Opened<'_>, block: &'j mut [u8; rsa::KERNEL_BYTES]) -> Option<kernels::Job<'j>> {
    let (Some(Scheme::Pkcs1(hash)), PublicKey::Rsa(key)) = (opened.scheme, &opened.signer.certificate.public_key) else {
        return None;
    };
    let kernel = if key.only_pss { None } else { key.kernel() }?;
    let block = &mut block[..kernel.octets()];
    rsa::encode(hash, hash.digest(&[opened.message()]).as_ref(), block).then_some(kernels::Job {
        key: kernel,
        signature: opened.signature(),
        block,
    })
}

#[cfg(test)]
mod tests {
    use super::{MAX_THREADS, NonZeroUsize, workers};

    #[test]
    fn bounds_the_number_of_threads() {
        let many = NonZeroUsize::MAX;
        assert_eq!(workers(many, usize::MAX), MAX_THREADS);
        assert_eq!(workers(many, 0), 1);
        assert_eq!(workers(many, 127), 1);
        assert_eq!(workers(many, 200), 3);
        assert_eq!(workers(NonZeroUsize::MIN, 1_000_000), 1);
    }
}
