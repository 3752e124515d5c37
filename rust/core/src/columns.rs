//! Verdicts as columns, in the buffers of Apache Arrow's columnar format: validity bitmaps with the least significant bit first, 32-bit
//! offsets, little-endian numbers.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use crate::checker::Checker;
use crate::verdicts::{Accepted, Verdicts};

/// The names of the text columns, in the order of [`Columns::texts`].
pub const TEXTS: [&str; 10] = [
    "location",
    "detail",
    "vm_id",
    "nonce",
    "plan_name",
    "plan_product",
    "plan_publisher",
    "subscription_id",
    "sku",
    "license_type",
];

/// A column of texts.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// One bit per row: whether the row has a text.
    pub valid: Vec<u8>,
    /// The start of each text in `octets`, followed by the end of the last text, as 32-bit integers.
    pub offsets: Vec<u8>,
    /// All texts in UTF-8, one after another.
    pub octets: Vec<u8>,
}

/// A signer of accepted documents, with its certification path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The label of the entry in `Setup::names` that the signer's name matched.
    pub label: String,
    /// The DNS name in the signer's certificate that matched.
    pub name: String,
    /// DER certificates, from the signer to the anchor.
    pub chain: Vec<Vec<u8>>,
}

/// The verdicts of one or more batches, with one row per document.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Number of rows.
    pub rows: usize,
    /// One bit per row: whether the document was accepted.
    pub accepted: Vec<u8>,
    /// The index of the reason in `Reason::ALL`, as one byte per row. It is 0 for accepted documents.
    pub reason: Vec<u8>,
    /// The index in `signers`, as a 32-bit integer per row. It is 0 for refused documents.
    pub signer: Vec<u8>,
    /// `createdOn` in Unix seconds, as a 64-bit integer per row. It is 0 for refused documents.
    pub created_on: Vec<u8>,
    /// `expiresOn`, in the same form as `created_on`.
    pub expires_on: Vec<u8>,
    /// The text columns, in the order of [`TEXTS`].
    pub texts: [Texts; TEXTS.len()],
    /// The distinct signers, in the order of their first document.
    pub signers: Vec<Signer>,
}

/// The error for a column that is too long for 32-bit offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the texts of a column add up to 2 GiB or more")
    }
}

impl Error for TooLong {}

impl Columns {
    /// Returns the columns of all verdicts, in the order of `batches`. `checker` must be the checker that made the verdicts.
    ///
    /// # Errors
    /// Returns an error if the texts of one column add up to 2 GiB or more.
    pub fn of(checker: &Checker, batches: &[Verdicts]) -> Result<Self, TooLong> {
        let rows: usize = batches.iter().map(Verdicts::len).sum();
        let mut columns = Self {
            rows,
            accepted: vec![0; rows.div_ceil(8)],
            ..Self::default()
        };
        let mut known: HashMap<_, Vec<(usize, Accepted<'_>)>> = HashMap::new();
        for texts in &mut columns.texts {
            texts.valid = vec![0; rows.div_ceil(8)];
            texts.offsets = vec![0; 4];
        }
        for (row, verdict) in batches.iter().flat_map(Verdicts::iter).enumerate() {
            let (mut signer, mut reason, mut times) = (0, 0, (0, 0));
            let mut texts = [None; TEXTS.len()];
            match &verdict {
                Ok(accepted) => {
                    set(&mut columns.accepted, row);
                    let alike = known.entry(accepted.tail()).or_default();
                    signer = if let Some((index, _)) = alike.iter().find(|(_, other)| other.is_alike(accepted)) {
                        *index
                    } else {
                        columns.signers.push(Signer {
                            label: checker.setup().names[accepted.label].0.clone(),
                            name: accepted.name.to_owned(),
                            chain: accepted.chain().map(<[u8]>::to_vec).collect(),
                        });
                        alike.push((columns.signers.len() - 1, accepted.clone()));
                        columns.signers.len() - 1
                    };
                    let claims = &accepted.claims;
                    times = (claims.created_on, claims.expires_on);
                    for (column, text) in texts[2..].iter_mut().zip(claims.texts()) {
                        *column = text.copied();
                    }
                }
                Err(refusal) => {
                    reason = refusal.reason as u8;
                    texts[0] = Some(refusal.location.as_ref());
                    texts[1] = Some(refusal.detail.as_ref());
                }
            }
            columns.reason.push(reason);
            columns
                .signer
                .extend_from_slice(&u32::try_from(signer).map_err(|_| TooLong)?.to_le_bytes());
            columns.created_on.extend_from_slice(&times.0.to_le_bytes());
            columns.expires_on.extend_from_slice(&times.1.to_le_bytes());
            for (column, text) in columns.texts.iter_mut().zip(texts) {
                column.push(row, text)?;
            }
        }
        Ok(columns)
    }
}

impl Texts {
    fn push(&mut self, row: usize, text: Option<&str>) -> Result<(), TooLong> {
        if let Some(text) = text {
            set(&mut self.valid, row);
            self.octets.extend_from_slice(text.as_bytes());
        }
        let end = i32::try_from(self.octets.len()).map_err(|_| TooLong)?;
        self.offsets.extend_from_slice(&end.to_le_bytes());
        Ok(())
    }
}

fn set(bits: &mut [u8], row: usize) {
    bits[row / 8] |= 1 << (row % 8);
}
