//! The verdicts on many documents. They are stored in columns and converted to values only on access.

use std::borrow::Cow;
use std::sync::Arc;

use crate::cache::signers::{Chain, Identity};
use crate::claims::Claims;
use crate::pki::x509::certificate::Certificate;
use crate::reasons::{Reason, Refusal};

/// The length that stands for an absent text.
const ABSENT: u32 = u32::MAX;

/// The verdicts on a list of documents, in the order of the documents.
#[derive(Debug)]
pub struct Verdicts {
    pieces: Vec<Piece>,
    piece: usize,
    length: usize,
}

/// The verdicts on some consecutive documents.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    rows: Vec<Row>,
    /// The distinct signers of this piece.
    signers: Vec<(Chain, Identity)>,
    /// The texts of all rows, one after another: claims, or the location and detail of a refusal.
    texts: String,
}

/// The verdict on one document, whose texts and signer are in its piece.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row {
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
    /// Returns the last 16 bytes of the signer's certificate, which serve as a hash of the path. They are part of the certificate's
    /// signature, so they are as good as a hash of the certificate. One signer rarely has several paths.
    pub(crate) fn tail(&self) -> Option<[u8; 16]> {
        self.chain.first()?.der.last_chunk().copied()
    }

    /// Returns whether another verdict has the same signer, path and name. If two references point to the same certificate in memory, its
    /// bytes are not compared.
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
    /// Creates the verdicts on `length` documents. Each piece has `piece` verdicts, except that the last one may have fewer.
    pub(crate) fn new(pieces: Vec<Piece>, piece: usize, length: usize) -> Self {
        Self { pieces, piece, length }
    }

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

impl Piece {
    /// Stores the rows in the order of the documents.
    pub(crate) fn complete(&mut self, rows: Vec<Option<Row>>) {
        self.rows = Vec::with_capacity(rows.len());
        self.rows.extend(rows.into_iter().flatten());
        self.texts.shrink_to_fit();
    }

    /// Returns the row of a refused document.
    #[allow(clippy::cast_possible_truncation)] // the texts of a refusal are far below 4 GiB
    pub(crate) fn refuse(&mut self, refusal: &Refusal) -> Row {
        let start = self.texts.len();
        self.texts.push_str(&refusal.location);
        self.texts.push_str(&refusal.detail);
        Row::Refused {
            reason: refusal.reason,
            start,
            lengths: [refusal.location.len() as u32, refusal.detail.len() as u32],
        }
    }

    /// Returns the row of an accepted document.
    #[allow(clippy::cast_possible_truncation)] // a piece has few signers, and a document is far below 4 GiB
    pub(crate) fn add(&mut self, chain: Chain, identity: Identity, claims: &Claims<Cow<'_, str>>) -> Row {
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
        for (length, text) in lengths.iter_mut().zip(claims.texts()) {
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
