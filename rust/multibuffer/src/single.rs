//! The kernel of one number, its limbs across the lanes.

use core::arch::x86_64::{_mm512_add_epi64, _mm512_maskz_set1_epi64, _mm512_set1_epi64};

use crate::limbs::{BLOCK, LIMB_BITS, LIMB_MAX, MAX_BLOCKS, Modulus, Number};
use crate::vector::{Vector, add_high, add_low, for_each_of_eight, load, store, zero};

/// Column sums of the low and of the high halves of products, eight columns a vector; both count the same columns.
#[derive(Clone, Copy)]
struct Sums {
    low: [Vector; MAX_BLOCKS + 1],
    high: [Vector; MAX_BLOCKS + 1],
}

/// Adds the product of eight limbs and the number whose first block is the second of `limbs`. A macro, for the compiler would not inline so
/// long a function, and sums would pass through memory.
macro_rules! add_product {
    ($sums:ident, $block:expr, $limbs:expr) => {{
        let (block, limbs): (&[u64; BLOCK], &[u64]) = ($block, $limbs);
        for_each_vector!(v, {
            if v <= NB {
                for_each_of_eight!(i, {
                    let limb = broadcast(block[i]);
                    $sums.low[v] = add_low($sums.low[v], limb, window(limbs, BLOCK * (v + 1) - i));
                    $sums.high[v] = add_high($sums.high[v], limb, window(limbs, BLOCK * (v + 1) - i - 1));
                });
            }
        });
    }};
}

/// The same code with the index of each vector of sums.
macro_rules! for_each_vector {
    ($index:ident, $body:expr) => {{
        for_each_vector!(@ $index, $body, 0 1 2 3 4 5 6 7 8 9 10);
    }};
    (@ $index:ident, $body:expr, $($value:literal)*) => {
        $({
            let $index: usize = $value;
            $body
        })*
    };
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
///
/// Limbs that a reduction needs come out of a chain of carries. The product of the next block stands between the chain and the reduction in the
/// program, so that the processor has something to do meanwhile.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn multiply<const NB: usize>(a: &Number, b: &Number, modulus: &Modulus<NB>) -> Number {
    let (a, n, folded) = (a.0.as_flattened(), modulus.n.0.as_flattened(), modulus.folded.0.as_flattened());
    let mut sums = Sums {
        low: [zero(); MAX_BLOCKS + 1],
        high: [zero(); MAX_BLOCKS + 1],
    };
    add_product!(sums, &b.0[1], a);
    for block in 1..NB {
        let (low, carried) = carry(&lowest(&sums));
        shift::<NB>(&mut sums, carried);
        add_product!(sums, &b.0[block + 1], a);
        add_product!(sums, &low, folded);
    }
    let (low, carried) = carry(&lowest(&sums));
    let (m, _) = carry(&low_product(&low, modulus.q.as_flattened()));
    shift::<NB>(&mut sums, carried);
    add_product!(sums, &m, &n[BLOCK..]);
    // As in `lanes::reduce`: what the lower columns add makes a multiple of 2^52 of the eighth.
    let columns = low_product(&m, n);
    let seventh = low[BLOCK - 2] + columns[BLOCK - 2];
    let mut carried = (low[BLOCK - 1] + columns[BLOCK - 1] + (seventh >> LIMB_BITS) + 1) >> LIMB_BITS;
    let mut result = Number::ZERO;
    for v in 0..NB {
        let mut columns = [0; BLOCK];
        store(&mut columns, _mm512_add_epi64(sums.low[v], sums.high[v]));
        columns[0] += carried;
        (result.0[v + 1], carried) = carry(&columns);
    }
    result
}

#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast(limb: u64) -> Vector {
    _mm512_set1_epi64(limb.cast_signed())
}

/// Eight limbs from a place on.
#[inline]
#[target_feature(enable = "avx512f")]
fn window(limbs: &[u64], start: usize) -> Vector {
    let Some(limbs) = limbs[start..].first_chunk() else {
        unreachable!("zeros surround a number")
    };
    load(limbs)
}

/// The eight lowest columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn lowest(sums: &Sums) -> [u64; BLOCK] {
    let mut columns = [0; BLOCK];
    store(&mut columns, _mm512_add_epi64(sums.low[0], sums.high[0]));
    columns
}

/// Leaves the eight lowest columns out, but for what is carried out of them.
#[inline]
#[target_feature(enable = "avx512f")]
fn shift<const NB: usize>(sums: &mut Sums, carried: u64) {
    for_each_vector!(v, {
        if v < NB {
            sums.low[v] = sums.low[(v + 1) % (MAX_BLOCKS + 1)];
            sums.high[v] = sums.high[(v + 1) % (MAX_BLOCKS + 1)];
        }
    });
    sums.low[0] = _mm512_add_epi64(sums.low[0], _mm512_maskz_set1_epi64(1, carried.cast_signed()));
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

/// The eight lowest columns of the product of a block and the number whose first block follows zeros in `limbs`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn low_product(block: &[u64; BLOCK], limbs: &[u64]) -> [u64; BLOCK] {
    let (mut low, mut high) = ([zero(); 2], [zero(); 2]);
    for_each_of_eight!(i, {
        let limb = broadcast(block[i]);
        low[i % 2] = add_low(low[i % 2], limb, window(limbs, BLOCK - i));
        if i + 1 < BLOCK {
            high[i % 2] = add_high(high[i % 2], limb, window(limbs, BLOCK - i - 1));
        }
    });
    let mut columns = [0; BLOCK];
    store(
        &mut columns,
        _mm512_add_epi64(_mm512_add_epi64(low[0], low[1]), _mm512_add_epi64(high[0], high[1])),
    );
    columns
}
