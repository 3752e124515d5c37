//! The 512-bit vectors of the kernels: loads and stores by reference, and the two multiplications. Only this module uses pointers.

use core::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_setzero_si512, _mm512_storeu_si512,
};

use crate::limbs::{BLOCK, LIMB_BITS, LIMB_MAX};

/// Repeats the same code eight times with a literal index. The compiler keeps arrays of vectors in registers if all their indices are
/// literals.
macro_rules! for_each_of_eight {
    ($index:ident, $body:expr) => {{
        for_each_of_eight!(@ $index, $body, 0 1 2 3 4 5 6 7);
    }};
    (@ $index:ident, $body:expr, $($value:literal)*) => {
        $({
            let $index: usize = $value;
            $body
        })*
    };
}
pub(crate) use for_each_of_eight;

/// A vector of eight 64-bit lanes.
pub(crate) type Vector = __m512i;

#[inline]
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code)]
pub(crate) fn load(lanes: &[u64; BLOCK]) -> Vector {
    // SAFETY: the reference is to 64 readable bytes, and the instruction needs no alignment.
    unsafe { _mm512_loadu_si512(core::ptr::from_ref(lanes).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code)]
pub(crate) fn store(lanes: &mut [u64; BLOCK], vector: Vector) {
    // SAFETY: the exclusive reference is to 64 writable bytes, and the instruction needs no alignment.
    unsafe { _mm512_storeu_si512(core::ptr::from_mut(lanes).cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn zero() -> Vector {
    _mm512_setzero_si512()
}

/// Returns `sum` plus the low 52 bits of the product of the low 52 bits of `a` and `b`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn add_low(sum: Vector, a: Vector, b: Vector) -> Vector {
    if cfg!(miri) {
        return add_emulated(sum, a, b, |product| product & u128::from(LIMB_MAX));
    }
    _mm512_madd52lo_epu64(sum, a, b)
}

/// Returns `sum` plus the high 52 bits of the product of the low 52 bits of `a` and `b`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn add_high(sum: Vector, a: Vector, b: Vector) -> Vector {
    if cfg!(miri) {
        return add_emulated(sum, a, b, |product| product >> LIMB_BITS);
    }
    _mm512_madd52hi_epu64(sum, a, b)
}

/// Replaces the two multiplications under Miri, which supports all the other instructions.
#[target_feature(enable = "avx512f")]
fn add_emulated(sum: Vector, a: Vector, b: Vector, half: fn(u128) -> u128) -> Vector {
    let mut lanes = [[0; BLOCK]; 3];
    for (lanes, vector) in lanes.iter_mut().zip([sum, a, b]) {
        store(lanes, vector);
    }
    let [mut sums, a, b] = lanes;
    for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
        let product = u128::from(a & LIMB_MAX) * u128::from(b & LIMB_MAX);
        #[allow(clippy::cast_possible_truncation)] // a half has 52 bits
        let half = half(product) as u64;
        *sum += half;
    }
    load(&sums)
}
