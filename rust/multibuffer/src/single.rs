//! The kernel of one number, its limbs across the lanes.

use core::arch::x86_64::{_mm512_add_epi64, _mm512_maskz_set1_epi64, _mm512_set1_epi64};

use crate::limbs::{BLOCK, LIMB_BITS, LIMB_MAX, MAX_BLOCKS, Modulus, Number};
use crate::vector::{Vector, add_high, add_low, load, store, zero};

/// Column sums of the low and of the high halves of products, eight columns a vector; both count the same columns.
#[derive(Clone, Copy)]
struct Sums {
    low: [Vector; MAX_BLOCKS + 1],
    high: [Vector; MAX_BLOCKS + 1],
}

/// `s`^65537 modulo *n*, less than *n*.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn power<const NB: usize>(s: &Number, modulus: &Modulus<NB>) -> Number {
    let mut power = multiply(s, &modulus.r_squared, modulus);
    for _ in 0..16 {
        power = multiply(&power, &power, modulus);
    }
    power = multiply(&power, s, modulus);
    power.reduce::<NB>(&modulus.n);
    power
}

/// `a` `b` / R modulo *n*, less than 3*n* when both are.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn multiply<const NB: usize>(a: &Number, b: &Number, modulus: &Modulus<NB>) -> Number {
    let mut sums = Sums { low: [zero(); MAX_BLOCKS + 1], high: [zero(); MAX_BLOCKS + 1] };
    for block in 1..=NB {
        add_product::<NB>(&mut sums, &b.0[block], a);
        let (low, carried) = carry(&lowest(&sums));
        if block < NB {
            shift::<NB>(&mut sums);
            sums.low[0] = _mm512_add_epi64(sums.low[0], _mm512_maskz_set1_epi64(1, carried.cast_signed()));
            add_product::<NB>(&mut sums, &low, &modulus.folded);
        } else {
            let (m, _) = carry(&times_q(&low, modulus.q.as_flattened()));
            sums.low[0] = load(&low);
            sums.high[0] = zero();
            sums.low[1] = _mm512_add_epi64(sums.low[1], _mm512_maskz_set1_epi64(1, carried.cast_signed()));
            add_product::<NB>(&mut sums, &m, &modulus.n);
            let columns = lowest(&sums);
            // As in `lanes::reduce`: what the lower columns add makes a multiple of 2^52 of the eighth.
            let carried = (columns[BLOCK - 1] + (columns[BLOCK - 2] >> LIMB_BITS) + 1) >> LIMB_BITS;
            shift::<NB>(&mut sums);
            sums.low[0] = _mm512_add_epi64(sums.low[0], _mm512_maskz_set1_epi64(1, carried.cast_signed()));
        }
    }
    let mut result = Number::ZERO;
    let mut carried = 0;
    for v in 0..NB {
        let mut columns = [0; BLOCK];
        store(&mut columns, _mm512_add_epi64(sums.low[v], sums.high[v]));
        columns[0] += carried;
        (result.0[v + 1], carried) = carry(&columns);
    }
    result
}

/// Adds the product of eight limbs and a number of `NB` blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_product<const NB: usize>(sums: &mut Sums, block: &[u64; BLOCK], number: &Number) {
    let limbs = number.0.as_flattened();
    for offset in 0..=BLOCK {
        for v in 0..=NB {
            if (offset == 0 && v == NB) || (offset == BLOCK && v == 0) {
                continue;
            }
            let start = BLOCK * (v + 1) - offset;
            let Some(window) = limbs[start..].first_chunk() else { continue };
            let window = load(window);
            if offset < BLOCK {
                sums.low[v] = add_low(sums.low[v], _mm512_set1_epi64(block[offset].cast_signed()), window);
            }
            if offset > 0 {
                sums.high[v] = add_high(sums.high[v], _mm512_set1_epi64(block[offset - 1].cast_signed()), window);
            }
        }
    }
}

/// The eight lowest columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn lowest(sums: &Sums) -> [u64; BLOCK] {
    let mut columns = [0; BLOCK];
    store(&mut columns, _mm512_add_epi64(sums.low[0], sums.high[0]));
    columns
}

/// Leaves the eight lowest columns out.
#[inline]
#[target_feature(enable = "avx512f")]
fn shift<const NB: usize>(sums: &mut Sums) {
    for v in 0..NB {
        sums.low[v] = sums.low[v + 1];
        sums.high[v] = sums.high[v + 1];
    }
    sums.low[NB] = zero();
    sums.high[NB] = zero();
}

/// Makes limbs of columns, and returns them and what is carried out of the last.
#[inline]
fn carry(columns: &[u64; BLOCK]) -> ([u64; BLOCK], u64) {
    let mut limbs = [0; BLOCK];
    let mut carried = 0;
    for (limb, column) in limbs.iter_mut().zip(columns) {
        let sum = column.wrapping_add(carried);
        carried = sum >> LIMB_BITS;
        *limb = sum & LIMB_MAX;
    }
    (limbs, carried)
}

/// The eight lowest columns of the product of a block and q.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn times_q(block: &[u64; BLOCK], q: &[u64]) -> [u64; BLOCK] {
    let (mut low, mut high) = ([zero(); 2], [zero(); 2]);
    for (i, limb) in block.iter().enumerate() {
        let limb = _mm512_set1_epi64(limb.cast_signed());
        if let (Some(here), Some(next)) = (q[BLOCK - i..].first_chunk(), q[BLOCK - i - 1 + usize::from(i == BLOCK - 1)..].first_chunk()) {
            low[i % 2] = add_low(low[i % 2], limb, load(here));
            if i < BLOCK - 1 {
                high[i % 2] = add_high(high[i % 2], limb, load(next));
            }
        }
    }
    let mut columns = [0; BLOCK];
    store(&mut columns, _mm512_add_epi64(_mm512_add_epi64(low[0], low[1]), _mm512_add_epi64(high[0], high[1])));
    columns
}
