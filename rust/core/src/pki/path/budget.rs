//! The budget of a search for a path. The unit of [`crate::contract::Limits::work`] is the cost of one RSA-2048 verification. The budget
//! counts thousandths of this unit.
//!
//! A search pays for cached results too, so that the state of a cache never changes a verdict.

// Python counterpart: `pki/path/budget.py`. Both backends must exhaust the budget at the same point. The prices are therefore the same in
// both, although the relative speed of the operations differs.

use crate::pki::x509::certificate::{Curve, PublicKey};
use crate::reasons::{Reason, Refusal};

/// Price of a candidate for the next issuer.
const STEP: i64 = 20;
/// Additional price of such a candidate, to be paid once for each certificate that is already on the path.
const PLACE: i64 = 6;
/// Price of one name, subtree or policy of a certificate when a path is validated.
const ITEM: i64 = 30;

/// The remaining budget of one search. If a price exceeds the remaining budget, the method that charges it returns a refusal with the
/// reason `budget-spent`. This refusal ends the search.
#[derive(Debug)]
pub(crate) struct Budget {
    left: i64,
}

impl Budget {
    /// Creates a budget of `work` units.
    pub(crate) fn new(work: i64) -> Self {
        Self {
            left: work.saturating_mul(1000),
        }
    }

    /// Returns the remaining budget in thousandths of a unit.
    #[cfg(test)]
    pub(crate) fn left(&self) -> i64 {
        self.left
    }

    fn spend(&mut self, amount: i64) -> Result<(), Refusal> {
        self.left = self.left.saturating_sub(amount);
        if self.left < 0 { Err(spent()) } else { Ok(()) }
    }

    /// Pays for one verification with this key. With RSA, each bit of the exponent costs one multiplication. The price of a multiplication
    /// grows with the square of the size of the modulus. Unsupported keys verify nothing and cost nothing.
    pub(crate) fn spend_signature(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        match key {
            PublicKey::Rsa(key) => {
                let (bits, exponent_bits) = (key.bits() as u128, key.exponent_bits().max(17) as u128);
                let price = 1000 * bits * bits * exponent_bits / (2048 * 2048 * 17);
                self.spend(i64::try_from(price).unwrap_or(i64::MAX))
            }
            PublicKey::Ec { curve, .. } => self.spend(match curve {
                Curve::P256 => 15_000,
                Curve::P384 => 30_000,
                Curve::P521 => 60_000,
            }),
            PublicKey::Unsupported { .. } => Ok(()),
        }
    }

    /// Pays for one candidate for the next issuer on a path that has this length.
    pub(crate) fn spend_step(&mut self, length: usize) -> Result<(), Refusal> {
        self.spend(PLACE.saturating_mul(amount(length)).saturating_add(STEP))
    }

    /// Pays for this many names, subtrees or policies.
    pub(crate) fn spend_items(&mut self, items: usize) -> Result<(), Refusal> {
        self.spend(ITEM.saturating_mul(amount(items)))
    }

    /// Exhausts the budget because another limit on work was exceeded. Returns the refusal.
    pub(crate) fn exhaust(&mut self) -> Refusal {
        self.left = -1;
        spent()
    }
}

fn amount(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cold]
fn spent() -> Refusal {
    Refusal::new(Reason::BudgetSpent, "chain", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::signatures::rsa::RsaPublicKey;

    fn cost(key: &PublicKey) -> i64 {
        let mut budget = Budget::new(3000);
        budget.spend_signature(key).unwrap();
        3_000_000 - budget.left()
    }

    fn rsa(bits: usize, exponent: &[u8]) -> PublicKey {
        let mut modulus = vec![0xFF; bits.div_ceil(8)];
        modulus[0] >>= 8 * modulus.len() - bits;
        PublicKey::Rsa(Box::new(RsaPublicKey::new(&modulus, exponent, false, None)))
    }

    #[test]
    fn signature_prices_match_the_contract() {
        assert_eq!(cost(&rsa(2048, &[1, 0, 1])), 1000);
        assert_eq!(cost(&rsa(2048, &[3])), 1000);
        assert_eq!(cost(&rsa(3072, &[1, 0, 1])), 2250);
        assert_eq!(cost(&rsa(4096, &[1, 0, 1])), 4000);
        assert_eq!(cost(&rsa(2049, &[0xFF, 0xFF, 0xFF, 0xFF])), 1884);
        assert_eq!(cost(&rsa(8192, &[0xFF, 0xFF, 0xFF, 0xFF])), 30117);
        assert_eq!(
            cost(&PublicKey::Ec {
                curve: Curve::P384,
                point: Box::default()
            }),
            30_000
        );
        assert_eq!(
            cost(&PublicKey::Unsupported {
                oid: Box::default(),
                why: ""
            }),
            0
        );
    }

    #[test]
    fn step_and_item_prices_match_the_contract() {
        let mut budget = Budget::new(1);
        budget.spend_step(3).unwrap();
        budget.spend_items(2).unwrap();
        assert_eq!(budget.left(), 1000 - 38 - 60);
        budget.spend_items(30).unwrap();
        assert_eq!(budget.left(), 2);
        let refusal = budget.spend_step(0).unwrap_err();
        assert_eq!((refusal.reason, &*refusal.location), (Reason::BudgetSpent, "chain"));
    }

    #[test]
    fn huge_budgets_do_not_overflow() {
        assert!(Budget::new(i64::MAX).spend_items(1 << 20).is_ok());
    }
}
