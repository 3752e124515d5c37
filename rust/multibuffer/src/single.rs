//! The kernel for one number. The eight lanes contain eight parts of it, so limb j of the number is in vector j modulo `NB`.
//!
//! To multiply *a* by *b*, the kernel takes the parts of *b* one after another, beginning with the lowest. It multiplies limb i of such a
//! part by vector j of *a*, which contains one limb of each of the eight parts of *a*. Each product stays in its lane and is added to
//! vector i + j of the sums. Nothing moves between lanes until `NB` limbs are processed.

use core::arch::x86_64::{
    _mm_cvtsi128_si64, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512, _mm512_castsi512_si128, _mm512_cmpgt_epu64_mask,
    _mm512_maskz_set1_epi64, _mm512_set1_epi64, _mm512_srli_epi64,
};

use crate::limbs::{Across, BLOCK, Comparison, LIMB_BITS, LIMB_MAX, LIMB_SHIFT, LOW_BLOCKS, MAX_BLOCKS, Modulus, Number};
use crate::vector::{Vector, add_high, add_low, load, store, zero};

/// Sums of columns. Lane l of vector t has the weight 2^(52 (t + `NB` l)), where t is less than 2 `NB`. High halves of products have
/// separate sums as long as there are enough registers, so that two chains of additions run in parallel.
struct Sums {
    low: [Vector; 2 * MAX_BLOCKS],
    high: [Vector; 2 * MAX_BLOCKS],
}

/// `NB` limbs.
type Limbs = [u64; MAX_BLOCKS];

/// Repeats the same code with each index below `NB` as a literal. The compiler keeps arrays of vectors in registers if all their indices
/// are literals.
macro_rules! for_each {
    ($index:ident, $body:expr) => {
        for_each!(@ $index, $body, 0 1 2 3 4 5 6 7 8 9)
    };
    (@ $index:ident, $body:expr, $($value:literal)*) => {
        $({
            let $index: usize = $value;
            if $index < NB {
                $body
            }
        })*
    };
}

/// Adds the product of `NB` limbs and a number. It is a macro because the compiler would not inline such a long function, and the sums
/// would pass through memory.
macro_rules! add_product {
    ($sums:ident, |$i:ident| $limb:expr, $number:expr) => {
        let number: &Across<NB> = $number;
        for_each!($i, {
            let limb = _mm512_set1_epi64(u64::cast_signed($limb));
            for_each!(j, {
                let other = load(&number.0[j % NB]);
                $sums.low[$i + j] = add_low($sums.low[$i + j], limb, other);
                let high = if NB > 5 { &mut $sums.low } else { &mut $sums.high };
                high[$i + j + 1] = add_high(high[$i + j + 1], limb, other);
            });
        });
    };
}

/// Returns `s`^65537 modulo *n*. The result is less than *n*.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn power<const NB: usize>(s: &Number<NB>, modulus: &Modulus<NB>) -> Number<NB> {
    let s = s.across();
    let power = square_across(multiply(&s, &modulus.across.r_squared, modulus), 16, modulus);
    let mut power = multiply(&power, &s, modulus).along();
    power.reduce(&modulus.n);
    power
}

/// Returns whether a signature produces its encoded block. [`Comparison`] explains the method. `low` is L there. `comparison` must belong
/// to `modulus`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn verify<const NB: usize>(
    s: &Number<NB>,
    low: &Number<LOW_BLOCKS>,
    modulus: &Modulus<NB>,
    comparison: &Comparison<NB>,
) -> bool {
    let s = s.across();
    let power = square_across(s.clone(), 16, modulus);
    let sum = multiply_and_compare(&power, &s, low, modulus, comparison);
    [&Across::ZERO, &modulus.across.n, &comparison.across.twice_n].contains(&&sum)
}

/// Squares a number the given number of times.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn square<const NB: usize>(power: &Number<NB>, times: u32, modulus: &Modulus<NB>) -> Number<NB> {
    square_across(power.across(), times, modulus).along()
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn square_across<const NB: usize>(mut power: Across<NB>, times: u32, modulus: &Modulus<NB>) -> Across<NB> {
    for _ in 0..times {
        power = multiply(&power, &power, modulus);
    }
    power
}

/// Computes the reduced product of `$a` and `$b`. The code in `$more` adds further terms to the sums at the start. It is a macro for the
/// same reason as `add_product`.
///
/// The limbs for a reduction come out of a chain of carries. In the program, the product of the next limbs stands between this chain and
/// the reduction, so that the processor has other work while it waits for the carries.
macro_rules! product {
    ($a:ident, $b:ident, $modulus:ident, |$sums:ident| $more:block) => {{
        let mut $sums = Sums {
            low: [zero(); 2 * MAX_BLOCKS],
            high: [zero(); 2 * MAX_BLOCKS],
        };
        $more
        add_product!($sums, |i| $b.0[i % NB][0], $a);
        for lane in 1..BLOCK {
            let mut low = lowest::<NB>(&$sums);
            let carried = carry::<NB>(&mut low);
            shift::<NB>(&mut $sums, carried);
            add_product!($sums, |i| $b.0[i % NB][lane], $a);
            add_product!($sums, |i| low[i], &$modulus.across.folded);
        }
        let mut low = lowest::<NB>(&$sums);
        carry::<NB>(&mut low);
        let m = times_q::<NB>(&low, &$modulus.by_lane.q);
        add_product!($sums, |i| m[i], &$modulus.across.n);
        // Before one is added, the sum in the parentheses below is a multiple of 2^52, or one less than such a multiple, as in
        // `lanes::reduce`. In both cases, the shift gives the right carry.
        let columns = lowest::<NB>(&$sums);
        let carried = (columns[NB - 1] + (columns[NB - 2] >> LIMB_BITS) + 1) >> LIMB_BITS;
        shift::<NB>(&mut $sums, carried);
        normalise(&mut $sums)
    }};
}

/// Returns `a` `b` / R modulo *n*. The result is less than 3*n* if `a` and `b` are.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn multiply<const NB: usize>(a: &Across<NB>, b: &Across<NB>, modulus: &Modulus<NB>) -> Across<NB> {
    product!(a, b, modulus, |sums| {})
}

/// Returns (`a` `b` + `low` K + *n* - P K) / R modulo *n*. The result is less than 3*n* if `a` and `b` are. `low` has at most 2 `NB` limbs
/// that are not zero.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn multiply_and_compare<const NB: usize>(
    a: &Across<NB>,
    b: &Across<NB>,
    low: &Number<LOW_BLOCKS>,
    modulus: &Modulus<NB>,
    comparison: &Comparison<NB>,
) -> Across<NB> {
    let mut limbs = [0; 2 * MAX_BLOCKS];
    limbs[..BLOCK * LOW_BLOCKS].copy_from_slice(low.limbs());
    product!(a, b, modulus, |sums| {
        for_each!(t, sums.low[t] = load(&comparison.across.constant.0[t % NB]));
        add_product!(sums, |i| limbs[i], &comparison.across.factors[0]);
        add_product!(sums, |i| limbs[NB + i], &comparison.across.factors[1]);
    })
}

/// Returns the `NB` lowest columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn lowest<const NB: usize>(sums: &Sums) -> Limbs {
    let mut columns = [0; MAX_BLOCKS];
    for_each!(t, {
        let sum = _mm512_add_epi64(sums.low[t], sums.high[t]);
        columns[t] = _mm_cvtsi128_si64(_mm512_castsi512_si128(sum)).cast_unsigned();
    });
    columns
}

/// Converts `NB` columns to limbs, and returns the carry out of the last one.
#[inline]
fn carry<const NB: usize>(columns: &mut Limbs) -> u64 {
    let mut carried = 0;
    for_each!(t, {
        let sum = columns[t].wrapping_add(carried);
        carried = sum >> LIMB_BITS;
        columns[t] = sum & LIMB_MAX;
    });
    carried
}

/// Drops the `NB` lowest columns except for their carry. Column t + `NB` is in the next lane of vector t.
#[inline]
#[target_feature(enable = "avx512f")]
fn shift<const NB: usize>(sums: &mut Sums, carried: u64) {
    for_each!(t, {
        let next = _mm512_alignr_epi64::<1>(zero(), _mm512_add_epi64(sums.low[t], sums.high[t]));
        sums.low[t] = _mm512_add_epi64(next, _mm512_add_epi64(sums.low[t + NB], sums.high[t + NB]));
        sums.low[t + NB] = zero();
        sums.high[t] = zero();
        sums.high[t + NB] = zero();
    });
    sums.low[0] = _mm512_add_epi64(sums.low[0], _mm512_maskz_set1_epi64(1, carried.cast_signed()));
}

/// Returns the `NB` lowest limbs of a product with q.
#[inline(always)]
#[allow(clippy::inline_always)] // `product` uses it, and is slower if the compiler does not inline it
#[allow(unused_assignments)] // the last carry is not used
fn times_q<const NB: usize>(limbs: &Limbs, q: &Limbs) -> Limbs {
    let mut m = [0; MAX_BLOCKS];
    let mut carried = 0;
    for_each!(t, {
        // The sum has at most ten products of 104 bits and a carry, so it fits in 128 bits.
        for_each!(i, {
            if i <= t {
                carried += u128::from(limbs[i]) * u128::from(q[t - i]);
            }
        });
        #[allow(clippy::cast_possible_truncation)] // masked
        let limb = carried as u64 & LIMB_MAX;
        (m[t], carried) = (limb, carried >> LIMB_BITS);
    });
    m
}

/// Converts the remaining columns to limbs. The carry out of the last vector belongs to the next lane. It is less than 2^12 and seldom
/// propagates beyond the first vector, so one pass is usually enough.
#[inline]
#[target_feature(enable = "avx512f")]
fn normalise<const NB: usize>(sums: &mut Sums) -> Across<NB> {
    let greatest = _mm512_set1_epi64(LIMB_MAX.cast_signed());
    loop {
        let mut carried = zero();
        for_each!(t, {
            let sum = _mm512_add_epi64(sums.low[t], carried);
            carried = _mm512_srli_epi64::<LIMB_SHIFT>(sum);
            sums.low[t] = _mm512_and_si512(sum, greatest);
        });
        sums.low[0] = _mm512_add_epi64(sums.low[0], _mm512_alignr_epi64::<7>(carried, zero()));
        if _mm512_cmpgt_epu64_mask(sums.low[0], greatest) == 0 {
            break;
        }
    }
    let mut result = Across::ZERO;
    for_each!(t, store(&mut result.0[t % NB], sums.low[t]));
    result
}
