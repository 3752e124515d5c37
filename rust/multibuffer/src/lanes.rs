//! The kernel for eight numbers: one in each 64-bit lane. Every lane has its own modulus.

use core::arch::x86_64::{
    _mm512_add_epi64, _mm512_and_si512, _mm512_or_si512, _mm512_set1_epi64, _mm512_srli_epi64, _mm512_test_epi64_mask, _mm512_xor_si512,
};

use crate::limbs::{BLOCK, Comparison, LIMB_MAX, LIMB_SHIFT, LOW_BLOCKS, MAX_BLOCKS, Modulus, Number};
use crate::vector::{Vector, add_high, add_low, for_each_of_eight, load, store, zero};

/// Number of signatures that the kernel verifies side by side.
pub(crate) const LANES: usize = 8;

/// A row with one limb of each of the eight numbers.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Row([u64; LANES]);

/// Eight limbs of each of the eight numbers.
type Rows = [Row; BLOCK];

/// Eight numbers of `NB` blocks.
#[derive(Clone, Debug)]
pub(crate) struct Wide<const NB: usize>([Rows; NB]);

impl<const NB: usize> Wide<NB> {
    pub(crate) const ZERO: Self = Self([[Row([0; LANES]); BLOCK]; NB]);

    pub(crate) fn set(&mut self, lane: usize, number: &Number<NB>) {
        for (rows, block) in self.0.iter_mut().zip(&number.0) {
            for (row, limb) in rows.iter_mut().zip(block) {
                row.0[lane] = *limb;
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn get(&self, lane: usize) -> Number<NB> {
        let mut number = Number::ZERO;
        for (rows, block) in self.0.iter().zip(&mut number.0) {
            for (row, limb) in rows.iter().zip(block) {
                *limb = row.0[lane];
            }
        }
        number
    }
}

/// The moduli of eight lanes.
#[derive(Clone, Debug)]
pub(crate) struct WideModulus<const NB: usize> {
    n: Wide<NB>,
    folded: Wide<NB>,
    q: Rows,
    factor: Wide<NB>,
    constant: Wide<NB>,
}

impl<const NB: usize> WideModulus<NB> {
    pub(crate) const ZERO: Self = Self {
        n: Wide::ZERO,
        folded: Wide::ZERO,
        q: [Row([0; LANES]); BLOCK],
        factor: Wide::ZERO,
        constant: Wide::ZERO,
    };

    /// Sets the modulus of a lane. `comparison` must belong to `modulus`.
    pub(crate) fn set(&mut self, lane: usize, modulus: &Modulus<NB>, comparison: &Comparison<NB>) {
        self.n.set(lane, &modulus.n);
        self.folded.set(lane, &modulus.by_block().folded);
        self.factor.set(lane, &comparison.factor);
        self.constant.set(lane, &comparison.constant);
        for (row, limb) in self.q.iter_mut().zip(&modulus.by_block().q) {
            row.0[lane] = *limb;
        }
    }
}

/// Sums of the columns of eight products. Row `i` has the weight 2^(52 i).
#[derive(Clone, Debug)]
pub(crate) struct Columns([Rows; 2 * MAX_BLOCKS]);

impl Columns {
    pub(crate) const ZERO: Self = Self([[Row([0; LANES]); BLOCK]; 2 * MAX_BLOCKS]);
}

/// Returns one bit for each lane, which says whether the signature produces its encoded block. [`Comparison`] explains the method. `low`
/// is L there.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn verify<const NB: usize>(s: &Wide<NB>, low: &Wide<LOW_BLOCKS>, modulus: &WideModulus<NB>, columns: &mut Columns) -> u8 {
    let mut power = s.clone();
    for _ in 0..16 {
        square(&mut power, modulus, columns);
    }
    multiply_and_compare(&mut power, s, low, modulus, columns);
    multiples(&power, &modulus.n)
}

/// Replaces `a` with (`a` `b` + `low` K + *n* - P K) / R modulo *n*. The result is less than 3*n* if `a` and `b` are.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn multiply_and_compare<const NB: usize>(
    a: &mut Wide<NB>,
    b: &Wide<NB>,
    low: &Wide<LOW_BLOCKS>,
    modulus: &WideModulus<NB>,
    columns: &mut Columns,
) {
    let columns = &mut columns.0[..2 * NB];
    columns[..NB].copy_from_slice(&modulus.constant.0);
    for row in columns[NB..].as_flattened_mut() {
        store(&mut row.0, zero());
    }
    for (i, rows) in low.0.iter().enumerate() {
        let block = vectors(rows);
        let any = block.into_iter().fold(zero(), |any, limb| _mm512_or_si512(any, limb));
        if _mm512_test_epi64_mask(any, any) != 0 {
            sweep(&block, &modulus.factor.0, &mut columns[i..]);
        }
    }
    for (i, rows) in a.0.iter().enumerate() {
        sweep(&vectors(rows), &b.0, &mut columns[i..]);
    }
    reduce(a, modulus, columns);
}

/// Returns one bit for each lane, which says whether the number is a multiple of *n*. The numbers must be less than 3*n*.
#[target_feature(enable = "avx512f")]
fn multiples<const NB: usize>(a: &Wide<NB>, n: &Wide<NB>) -> u8 {
    let mut differences = [zero(); 3];
    let mut carried = zero();
    for (a, n) in a.0.as_flattened().iter().zip(n.0.as_flattened()) {
        let (a, n) = (load(&a.0), load(&n.0));
        let twice = _mm512_add_epi64(_mm512_add_epi64(n, n), carried);
        carried = _mm512_srli_epi64::<LIMB_SHIFT>(twice);
        for (difference, multiple) in differences.iter_mut().zip([zero(), n, limb(twice)]) {
            *difference = _mm512_or_si512(*difference, _mm512_xor_si512(a, multiple));
        }
    }
    !differences
        .into_iter()
        .fold(u8::MAX, |none, difference| none & _mm512_test_epi64_mask(difference, difference))
}

/// Replaces `a` with `a`² / R modulo *n*. The result is less than 3*n* if `a` is. The function computes only half of the products, doubles
/// them, and adds the squares of the limbs.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn square<const NB: usize>(a: &mut Wide<NB>, modulus: &WideModulus<NB>, columns: &mut Columns) {
    let columns = &mut columns.0[..2 * NB];
    for (rows, columns) in a.0.iter().zip(columns.as_chunks_mut::<2>().0) {
        let limbs = vectors(rows);
        let mut sums = [zero(); 2 * BLOCK];
        for_each_of_eight!(
            i,
            for_each_of_eight!(
                j,
                if i < j {
                    sums[i + j] = add_low(sums[i + j], limbs[i], limbs[j]);
                    sums[i + j + 1] = add_high(sums[i + j + 1], limbs[i], limbs[j]);
                }
            )
        );
        for (row, sum) in columns.as_flattened_mut().iter_mut().zip(sums) {
            store(&mut row.0, sum);
        }
    }
    for i in 0..NB - 1 {
        sweep(&vectors(&a.0[i]), &a.0[i + 1..], &mut columns[2 * i + 1..]);
    }
    for (row, [even, odd]) in a.0.as_flattened().iter().zip(columns.as_flattened_mut().as_chunks_mut::<2>().0) {
        let limb = load(&row.0);
        let (low, high) = (load(&even.0), load(&odd.0));
        store(&mut even.0, add_low(_mm512_add_epi64(low, low), limb, limb));
        store(&mut odd.0, add_high(_mm512_add_epi64(high, high), limb, limb));
    }
    reduce(a, modulus, columns);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn vectors(rows: &Rows) -> [Vector; BLOCK] {
    let mut vectors = [zero(); BLOCK];
    for (vector, row) in vectors.iter_mut().zip(rows) {
        *vector = load(&row.0);
    }
    vectors
}

/// Adds the product of `block` and the number with the blocks `others` to `columns`. Each column stays in a register from its first product
/// to its last. With indices modulo 8, `low[i + j]` is the column of limb `i` of the block and limb `j` of the other block, and
/// `high[i + j]` is the next column.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn sweep(block: &[Vector; BLOCK], others: &[Rows], columns: &mut [Rows]) {
    let columns = &mut columns[..=others.len()];
    let mut low = vectors(&columns[0]);
    let mut high = [zero(); BLOCK];
    let mut above = zero();
    for (index, other) in others.iter().enumerate() {
        for_each_of_eight!(j, {
            let limb = load(&other[j].0);
            for_each_of_eight!(i, {
                low[(i + j) % BLOCK] = add_low(low[(i + j) % BLOCK], block[i], limb);
                high[(i + j) % BLOCK] = add_high(high[(i + j) % BLOCK], block[i], limb);
            });
            store(&mut columns[index][j].0, _mm512_add_epi64(low[j], above));
            above = high[j];
            low[j] = load(&columns[index + 1][j].0);
            high[j] = zero();
        });
    }
    for (i, row) in columns[others.len()].iter_mut().enumerate() {
        store(&mut row.0, _mm512_add_epi64(low[i], above));
        above = high[i];
    }
}

/// Converts eight columns to limbs. Returns the limbs and the carry out of the last column.
#[inline]
#[target_feature(enable = "avx512f")]
fn carry(mut columns: [Vector; BLOCK], mut carried: Vector) -> ([Vector; BLOCK], Vector) {
    for column in &mut columns {
        let sum = _mm512_add_epi64(*column, carried);
        carried = _mm512_srli_epi64::<LIMB_SHIFT>(sum);
        *column = limb(sum);
    }
    (columns, carried)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn limb(vector: Vector) -> Vector {
    _mm512_and_si512(vector, _mm512_set1_epi64(LIMB_MAX.cast_signed()))
}

/// Sets `result` to `columns` / R modulo *n*.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn reduce<const NB: usize>(result: &mut Wide<NB>, modulus: &WideModulus<NB>, columns: &mut [Rows]) {
    for block in 0..NB - 1 {
        let (low, carried) = carry(vectors(&columns[block]), zero());
        add(&mut columns[block + 1][0], carried);
        sweep(&low, &modulus.folded.0, &mut columns[block + 1..]);
    }
    let columns = &mut columns[NB - 1..];
    let (low, carried) = carry(vectors(&columns[0]), zero());
    add(&mut columns[1][0], carried);
    let q = vectors(&modulus.q);
    let mut sums = [zero(); BLOCK];
    let mut highs = [zero(); BLOCK];
    for_each_of_eight!(i, {
        store(&mut columns[0][i].0, low[i]);
        for_each_of_eight!(j, {
            if i + j < BLOCK {
                sums[i + j] = add_low(sums[i + j], low[i], q[j]);
            }
            if i + j + 1 < BLOCK {
                highs[i + j + 1] = add_high(highs[i + j + 1], low[i], q[j]);
            }
        });
    });
    for (sum, high) in sums.iter_mut().zip(highs) {
        *sum = _mm512_add_epi64(*sum, high);
    }
    let (m, _) = carry(sums, zero());
    sweep(&m, &modulus.n.0, columns);
    // The columns of the last block now add up to a multiple of B. Only the carry out of this block is needed. Its two uppermost columns
    // determine the carry, as the README proves: the eighth column plus the upper bits of the seventh is a multiple of 2^52 or one less.
    // After one is added, a shift gives the carry.
    let most = _mm512_srli_epi64::<LIMB_SHIFT>(load(&columns[0][BLOCK - 2].0));
    let most = _mm512_add_epi64(most, _mm512_set1_epi64(1));
    let most = _mm512_add_epi64(most, load(&columns[0][BLOCK - 1].0));
    let mut carried = _mm512_srli_epi64::<LIMB_SHIFT>(most);
    for (rows, columns) in result.0.iter_mut().zip(&columns[1..]) {
        let (limbs, carry) = carry(vectors(columns), carried);
        carried = carry;
        for (row, limb) in rows.iter_mut().zip(limbs) {
            store(&mut row.0, limb);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(row: &mut Row, vector: Vector) {
    let sum = _mm512_add_epi64(load(&row.0), vector);
    store(&mut row.0, sum);
}
