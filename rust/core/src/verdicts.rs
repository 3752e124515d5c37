//! Verification of many documents on several threads. The verdicts are stored in columns and converted to values only on access.
//!
//! Documents are verified in pieces of at most 128 documents. The checker decodes all documents of a piece, then verifies their signatures
//! side by side, then makes the remaining checks. If no message template (see `cache.rs`) fits a document yet, the checker verifies this
//! document completely before it decodes the next one. The document then becomes a template for those after it. A bad document does not
//! slow down the verification of the others.

use std::borrow::Cow;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cache::{Chain, Identity};
use crate::checker::{Checker, Opened};
use crate::claims::Claims;
use crate::pki::x509::certificate::Certificate;
use crate::reasons::{Reason, Refusal};

/// Number of documents in one piece: enough to fill the vector lanes, and few enough to stay in the cache of one core.
const PIECE: usize = 128;

/// Minimum number of documents per thread. Starting a thread takes about as long as verifying ten documents.
const DOCUMENTS_PER_THREAD: usize = 64;

/// Maximum number of threads for one call. Threads beyond the number of processors gain nothing, and each costs memory.
const MAX_THREADS: usize = 64;

/// The length that stands for an absent text.
const ABSENT: u32 = u32::MAX;

/// The time of the check in Unix seconds, for all documents or for each one.
#[derive(Clone, Copy, Debug)]
pub enum At<'a> {
    /// One time for all documents.
    One(i64),
    /// A separate time for each document.
    Each(&'a [i64]),
}

impl At<'_> {
    pub(crate) fn of(self, index: usize) -> i64 {
        match self {
            Self::One(at) => at,
            Self::Each(all) => all[index],
        }
    }
}

impl From<i64> for At<'_> {
    fn from(at: i64) -> Self {
        Self::One(at)
    }
}

/// The verdicts on a list of documents, in the order of the documents.
#[derive(Debug)]
pub struct Verdicts {
    pieces: Vec<Piece>,
    piece: usize,
    length: usize,
}

#[derive(Debug, Default)]
struct Piece {
    rows: Vec<Row>,
    /// The distinct signers of this piece.
    signers: Vec<(Chain, Identity)>,
    /// The texts of all rows, one after another: claims, or the location and detail of a refusal.
    texts: String,
}

#[derive(Clone, Copy, Debug)]
enum Row {
    Refused {
        reason: Reason,
        start: usize,
        /// Lengths of location and detail, in bytes.
        lengths: [u32; 2],
    },
    Signed {
        signer: u32,
        start: usize,
        lengths: [u32; 8],
        created_on: i64,
        expires_on: i64,
    },
}

/// The verdict on an accepted document.
#[derive(Clone, Debug)]
pub struct Accepted<'v> {
    /// The claims in the content.
    pub claims: Claims<&'v str>,
    /// Index of the entry in [`crate::contract::Setup::names`] that the signer's name matched.
    pub label: usize,
    /// The DNS name in the signer's certificate that matched.
    pub name: &'v str,
    chain: &'v Chain,
}

impl<'v> Accepted<'v> {
    /// Returns the last 16 bytes of the signer's certificate. They are part of the certificate's signature, so they are as good as a hash of the certificate. One signer rarely has several paths, so they also serve as a hash of the path.
    pub(crate) fn tail(&self) -> Option<[u8; 16]> {
        self.chain.first()?.der.last_chunk().copied()
    }

    /// Returns whether another verdict has the same signer, path and name. If two references point to the same certificate in memory, its bytes are not compared.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let same = |(one, other): (&Arc<Certificate>, &Arc<Certificate>)| Arc::ptr_eq(one, other) || one.der == other.der;
        self.label == other.label
            && self.name == other.name
            && (Arc::ptr_eq(self.chain, other.chain)
                || (self.chain.len() == other.chain.len() && self.chain.iter().zip(&**other.chain).all(same)))
    }

    /// Returns the DER certificates of the path, from the signer to the anchor.
    #[must_use]
    pub fn chain(&self) -> impl ExactSizeIterator<Item = &'v [u8]> + use<'v> {
        self.chain.iter().map(|certificate| &*certificate.der)
    }
}

impl Verdicts {
    /// Returns the number of verdicts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns whether there are no verdicts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the verdict at `index`, or `None` if there is no such verdict.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Result<Accepted<'_>, Refusal>> {
        let piece = self.pieces.get(index / self.piece)?;
        Some(match *piece.rows.get(index % self.piece)? {
            Row::Refused { reason, start, lengths } => {
                let [location, detail] = lengths.map(|length| length as usize);
                let (location, rest) = piece.texts[start..].split_at(location);
                Err(Refusal::new(reason, location.to_owned(), rest[..detail].to_owned()))
            }
            Row::Signed {
                signer,
                start,
                lengths,
                created_on,
                expires_on,
            } => {
                let (chain, identity) = &piece.signers[signer as usize];
                let claims = read_claims(&piece.texts[start..], lengths, created_on, expires_on);
                Ok(Accepted {
                    claims,
                    label: identity.label,
                    name: &identity.name,
                    chain,
                })
            }
        })
    }

    /// Returns an iterator over all verdicts, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<Accepted<'_>, Refusal>> {
        (0..self.length).filter_map(|index| self.get(index))
    }
}

impl Checker {
    /// Verifies many documents. No document can change the verdict on another one. The calling thread is one of the `threads`. If the
    /// system cannot start all the others, the threads that exist do all the work.
    ///
    /// # Panics
    /// Panics if `at` is [`At::Each`] and does not have exactly one time for each document.
    pub fn check_many<'a, D: AsRef<[u8]> + Sync>(&self, documents: &[D], at: impl Into<At<'a>>, threads: NonZeroUsize) -> Verdicts {
        let at = at.into();
        assert!(
            !matches!(at, At::Each(all) if all.len() != documents.len()),
            "`at` must have exactly one time for each document"
        );
        let threads = workers(threads, documents.len());
        let size = PIECE.min(documents.len().div_ceil(threads)).max(1);
        let parts: Vec<&[D]> = documents.chunks(size).collect();
        let mut pieces: Vec<Piece> = Vec::with_capacity(parts.len());
        if threads == 1 {
            pieces.extend(
                parts
                    .iter()
                    .enumerate()
                    .map(|(index, part)| self.check_piece(part, at, index * size)),
            );
        } else {
            let next = AtomicUsize::new(0);
            let work = || {
                let mut done = Vec::new();
                while let Some((index, part)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|index| Some((index, parts.get(index)?)))
                {
                    done.push((index, self.check_piece(part, at, index * size)));
                }
                done
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
            pieces.extend(done.into_iter().map(|(_, piece)| piece));
        }
        Verdicts {
            pieces,
            piece: size,
            length: documents.len(),
        }
    }

    /// Verifies the documents of one piece. `first` is the index of its first document in the whole list.
    fn check_piece<D: AsRef<[u8]>>(&self, documents: &[D], at: At<'_>, first: usize) -> Piece {
        let mut piece = Piece {
            rows: Vec::with_capacity(documents.len()),
            ..Piece::default()
        };
        let mut rows: Vec<Option<Row>> = vec![None; documents.len()];
        let mut waiting = Vec::with_capacity(documents.len());
        let mut indexes = Vec::with_capacity(documents.len());
        // Keys of the documents that were verified alone and have a valid signature. Such a document becomes a template if it also passes
        // the remaining checks. If it does not, the next document with the same key will probably not pass them either, so it need not be
        // verified alone.
        let mut tried = HashSet::new();
        for (index, document) in documents.iter().enumerate() {
            match self.open(document.as_ref()) {
                Ok(opened) if opened.makes_template() && !tried.contains(&opened.template_key()) => {
                    let signature = opened.check_signature();
                    if signature.is_ok() {
                        tried.insert(opened.template_key());
                    }
                    rows[index] = Some(self.finish(&mut piece, &opened, signature, at.of(first + index)));
                }
                Ok(opened) => {
                    waiting.push(opened);
                    indexes.push(index);
                }
                Err(refusal) => rows[index] = Some(piece.refuse(&refusal)),
            }
        }
        let signatures = Opened::check_signatures(&waiting);
        for ((index, opened), signature) in indexes.into_iter().zip(waiting).zip(signatures) {
            rows[index] = Some(self.finish(&mut piece, &opened, signature, at.of(first + index)));
        }
        piece.rows.extend(rows.into_iter().flatten());
        piece.texts.shrink_to_fit();
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

/// Returns the number of threads for this many documents, including the calling thread.
fn workers(requested: NonZeroUsize, documents: usize) -> usize {
    requested.get().min(documents / DOCUMENTS_PER_THREAD).clamp(1, MAX_THREADS)
}

impl Piece {
    #[allow(clippy::cast_possible_truncation)] // the texts of a refusal are far below 4 GiB
    fn refuse(&mut self, refusal: &Refusal) -> Row {
        let start = self.texts.len();
        self.texts.push_str(&refusal.location);
        self.texts.push_str(&refusal.detail);
        Row::Refused {
            reason: refusal.reason,
            start,
            lengths: [refusal.location.len() as u32, refusal.detail.len() as u32],
        }
    }

    #[allow(clippy::cast_possible_truncation)] // a piece has few signers, and a document is far below 4 GiB
    fn add(&mut self, chain: Chain, identity: Identity, claims: &Claims<Cow<'_, str>>) -> Row {
        let known = self
            .signers
            .iter()
            .rposition(|(other, named)| Arc::ptr_eq(other, &chain) && *named == identity);
        let signer = known.unwrap_or_else(|| {
            self.signers.push((chain, identity));
            self.signers.len() - 1
        });
        let start = self.texts.len();
        let mut lengths = [ABSENT; 8];
        let plan = claims.plan.as_ref();
        let texts = [
            Some(&claims.vm_id),
            Some(&claims.nonce),
            plan.map(|plan| &plan[0]),
            plan.map(|plan| &plan[1]),
            plan.map(|plan| &plan[2]),
            claims.subscription_id.as_ref(),
            claims.sku.as_ref(),
            claims.license_type.as_ref(),
        ];
        for (length, text) in lengths.iter_mut().zip(texts) {
            if let Some(text) = text {
                self.texts.push_str(text);
                *length = text.len() as u32;
            }
        }
        Row::Signed {
            signer: signer as u32,
            start,
            lengths,
            created_on: claims.created_on,
            expires_on: claims.expires_on,
        }
    }
}

/// Reads the texts that [`Piece::add`] wrote.
fn read_claims(texts: &str, lengths: [u32; 8], created_on: i64, expires_on: i64) -> Claims<&str> {
    let mut rest = texts;
    let mut found = lengths.map(|length| {
        if length == ABSENT {
            return None;
        }
        let (text, after) = rest.split_at(length as usize);
        rest = after;
        Some(text)
    });
    let plan = match (found[2], found[3], found[4]) {
        (Some(name), Some(product), Some(publisher)) => Some([name, product, publisher]),
        _ => None,
    };
    Claims {
        vm_id: found[0].take().unwrap_or_default(),
        nonce: found[1].take().unwrap_or_default(),
        created_on,
        expires_on,
        plan,
        subscription_id: found[5],
        sku: found[6],
        license_type: found[7],
    }
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
