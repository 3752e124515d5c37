//! Verdicts by column, in the buffers of Apache Arrow's columnar format: validity as bits, the least significant first; offsets of 32 bits; little endian.

use std::collections::HashMap;

use crate::checker::Checker;
use crate::verdicts::{Accepted, Verdicts};

/// Names of the texts, in the order of [`Columns::texts`].
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
    /// A bit for each row: whether there is a text.
    pub valid: Vec<u8>,
    /// Where each begins in `octets`, and at last where the last one ends; four octets each.
    pub offsets: Vec<u8>,
    /// UTF-8.
    pub octets: Vec<u8>,
}

/// A signer that occurs, with its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Of the name in `Setup::names` that it bears.
    pub label: String,
    /// The DNS name that matched.
    pub name: String,
    /// DER certificates, signer first, anchor last.
    pub chain: Vec<Vec<u8>>,
}

/// All verdicts.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// How many rows there are.
    pub rows: usize,
    /// A bit for each row.
    pub accepted: Vec<u8>,
    /// Place of the reason among all, an octet each; 0 where accepted.
    pub reason: Vec<u8>,
    /// Place in `signers`, four octets each; 0 where refused.
    pub signer: Vec<u8>,
    /// Unix seconds, eight octets each; 0 where refused.
    pub created_on: Vec<u8>,
    /// The same.
    pub expires_on: Vec<u8>,
    /// As in [`TEXTS`].
    pub texts: [Texts; TEXTS.len()],
    /// Each once, in the order in which they occur first.
    pub signers: Vec<Signer>,
}

/// A column is longer than offsets of 32 bits reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Columns {
    /// Returns the columns of all verdicts of `checker`, the rows of each batch after those of the one before.
    ///
    /// # Errors
    /// One of the texts adds up to 2 GiB or more.
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
                    signer = if let Some((place, _)) = alike.iter().find(|(_, other)| other.is_alike(accepted)) {
                        *place
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
                    let plan = claims.plan.map_or([None; 3], |plan| plan.map(Some));
                    texts[2..].copy_from_slice(&[
                        Some(claims.vm_id),
                        Some(claims.nonce),
                        plan[0],
                        plan[1],
                        plan[2],
                        claims.subscription_id,
                        claims.sku,
                        claims.license_type,
                    ]);
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
