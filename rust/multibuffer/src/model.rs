//! The arithmetic of the kernels in plain 64-bit integers. Tests compare the kernels with it limb by limb, and Miri can run it. The model
//! checks the sums of columns for overflow, so that tests can show that the bounds of the README hold.

use crate::key::check;
use crate::limbs::{BLOCK, Comparison, Fold, LIMB_BITS, LIMB_MAX, LOW_BLOCKS, MAX_BLOCKS, Modulus, Number};

/// Sums of the columns of a product of two numbers. `columns[i]` has the weight 2^(52 i).
type Columns = [u64; 2 * BLOCK * MAX_BLOCKS];

/// Adds `a` times `b`, limb by limb. The low and the high half of each product belong to different columns.
fn accumulate(columns: &mut [u64], a: &[u64], b: &[u64]) {
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let product = u128::from(*x) * u128::from(*y);
            #[allow(clippy::cast_possible_truncation)] // masked, and below 2^52
            let (low, high) = (product as u64 & LIMB_MAX, (product >> LIMB_BITS) as u64);
            columns[i + j] = columns[i + j].checked_add(low).unwrap_or_else(overflow);
            columns[i + j + 1] = columns[i + j + 1].checked_add(high).unwrap_or_else(overflow);
        }
    }
}

#[allow(clippy::panic)] // a wrong bound is a bug of this crate
fn overflow() -> u64 {
    panic!("a column of more than 64 bits")
}

/// Converts columns to limbs, and returns the carry out of the last column.
fn carry(columns: &mut [u64]) -> u64 {
    let mut carried = 0;
    for column in columns {
        let sum = column.checked_add(carried).unwrap_or_else(overflow);
        carried = sum >> LIMB_BITS;
        *column = sum & LIMB_MAX;
    }
    carried
}

/// Returns `a` `b` / R modulo *n*. The result is less than 3*n* if `a` and `b` are. The reduction removes blocks of `fold.width` limbs.
/// `fold` must belong to *n*.
pub(crate) fn multiply<const NB: usize>(a: &Number<NB>, b: &Number<NB>, n: &Number<NB>, fold: &Fold<NB>) -> Number<NB> {
    let mut columns: Columns = [0; 2 * BLOCK * MAX_BLOCKS];
    accumulate(&mut columns, a.limbs(), b.limbs());
    reduce(&mut columns, n, fold)
}

/// Returns (`a` `b` + `low` K + *n* - P K) / R modulo *n*; see [`Comparison`]. The result is less than 3*n* if `a` and `b` are.
#[cfg_attr(not(test), allow(dead_code))] // for tests within the crate
pub(crate) fn multiply_and_compare<const NB: usize>(
    a: &Number<NB>,
    b: &Number<NB>,
    low: &Number<LOW_BLOCKS>,
    modulus: &Modulus<NB>,
    fold: &Fold<NB>,
) -> Number<NB> {
    let Comparison { factor, constant, .. } = comparison(modulus);
    let mut columns: Columns = [0; 2 * BLOCK * MAX_BLOCKS];
    columns[..BLOCK * NB].copy_from_slice(constant.limbs());
    accumulate(&mut columns, low.limbs(), factor.limbs());
    accumulate(&mut columns, a.limbs(), b.limbs());
    reduce(&mut columns, &modulus.n, fold)
}

/// Returns the constants for [`multiply_and_compare`].
#[cfg_attr(not(test), allow(dead_code))] // for tests within the crate
pub(crate) fn comparison<const NB: usize>(modulus: &Modulus<NB>) -> &Comparison<NB> {
    modulus.comparison(|a, b, modulus| multiply(a, b, &modulus.n, modulus.by_block()))
}

fn reduce<const NB: usize>(columns: &mut Columns, n: &Number<NB>, fold: &Fold<NB>) -> Number<NB> {
    let columns = &mut columns[..2 * BLOCK * NB];
    for start in (0..BLOCK * NB).step_by(fold.width) {
        let (low, rest) = columns[start..].split_at_mut(fold.width);
        rest[0] += carry(low);
        if start + fold.width < BLOCK * NB {
            accumulate(rest, low, fold.folded.limbs());
        } else {
            let mut m = [0; 2 * MAX_BLOCKS];
            accumulate(&mut m, low, &fold.q[..fold.width]);
            carry(&mut m[..fold.width]);
            accumulate(&mut columns[start..], &m[..fold.width], n.limbs());
            let carried = carry(&mut columns[start..BLOCK * NB]);
            columns[BLOCK * NB] += carried;
        }
    }
    carry(&mut columns[BLOCK * NB..]);
    let mut result = Number::ZERO;
    result.limbs_mut().copy_from_slice(&columns[BLOCK * NB..]);
    result
}

/// Squares a number the given number of times.
pub(crate) fn square<const NB: usize>(mut power: Number<NB>, times: u32, modulus: &Modulus<NB>) -> Number<NB> {
    for _ in 0..times {
        power = multiply(&power, &power, &modulus.n, modulus.by_block());
    }
    power
}

/// Computes the result of [`crate::Key::public_operation`], slowly and on any processor. Also returns `None` for a modulus that
/// [`crate::Key::new`] refuses.
#[must_use]
pub fn public_operation(modulus: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
    if check(modulus).is_err() || signature.len() != modulus.len() || signature >= modulus {
        return None;
    }
    Some(match modulus.len() {
        256 => power::<5>(modulus, signature),
        384 => power::<8>(modulus, signature),
        _ => power::<10>(modulus, signature),
    })
}

fn power<const NB: usize>(modulus: &[u8], signature: &[u8]) -> Vec<u8> {
    let modulus = Modulus::<NB>::new(modulus, square);
    let product = |a: &_, b: &_| multiply(a, b, &modulus.n, modulus.by_block());
    let s = Number::from_be(signature);
    let power = square(product(&s, &modulus.r_squared), 16, &modulus);
    let mut power = product(&power, &s);
    power.reduce(&modulus.n);
    let mut octets = vec![0; signature.len()];
    power.to_be(&mut octets);
    octets
}
