//! Tests that compare the kernels with their model, limb by limb, and the model with big integers. The tests in `tests/` verify signatures.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use num_bigint::BigUint;
use proptest::prelude::*;

use crate::limbs::{BLOCK_BITS, LIMB_BITS, LIMB_MAX, LOW_BLOCKS, Modulus, Number, low_part};
use crate::model;

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Generates a limb: either a random one, or one that makes carries propagate far (all zeros, all ones, or nearly so).
fn limb() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0),
        4 => Just(LIMB_MAX),
        1 => Just(LIMB_MAX - 1),
        1 => Just(1),
        1 => Just(1 << 51),
        4 => 0..=LIMB_MAX,
    ]
}

fn limbs() -> impl Strategy<Value = Vec<u64>> {
    let uniform = prop_oneof![Just(0), Just(1), Just(LIMB_MAX), Just(LIMB_MAX - 1)].prop_map(|limb| vec![limb; 80]);
    prop_oneof![5 => prop::collection::vec(limb(), 80), 1 => uniform]
}

fn big(limbs: &[u64]) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |sum, limb| (sum << LIMB_BITS) + limb)
}

fn number<const NB: usize>(value: &BigUint) -> Number<NB> {
    let mut rest = value.clone();
    let mut number = Number::ZERO;
    for limb in number.limbs_mut() {
        *limb = (&rest & BigUint::from(LIMB_MAX)).try_into().unwrap();
        rest >>= LIMB_BITS;
    }
    assert_eq!(rest, BigUint::ZERO);
    number
}

/// Returns an odd modulus with exactly this many bits.
fn modulus<const NB: usize>(limbs: &[u64], bits: u64) -> (BigUint, Modulus<NB>) {
    let mut n = big(limbs) % (BigUint::from(1_u8) << bits);
    n.set_bit(bits - 1, true);
    n.set_bit(0, true);
    (n.clone(), Modulus::new(&n.to_bytes_be(), model::square))
}

/// Multiplies with the model, which reduces the product in blocks of eight limbs, like the kernel for eight numbers.
fn by_block<const NB: usize>(a: &Number<NB>, b: &Number<NB>, modulus: &Modulus<NB>) -> Number<NB> {
    model::multiply(a, b, &modulus.n, modulus.by_block())
}

/// Multiplies with the model, which reduces the product in blocks of `NB` limbs, like the kernel for one number.
fn by_lane<const NB: usize>(a: &Number<NB>, b: &Number<NB>, modulus: &Modulus<NB>) -> Number<NB> {
    model::multiply(a, b, &modulus.n, &modulus.by_lane)
}

/// Returns an operand below 3n, the bound for operands and results of the multiplication. About one operand in six is the
/// largest such number.
fn operand(limbs: &[u64], n: &BigUint) -> BigUint {
    let bound = n * 3_u8;
    if limbs[0] % 4 == 3 && limbs[1] % 4 == 3 {
        bound - 1_u8
    } else {
        big(limbs) % bound
    }
}

/// Returns a number L for [`crate::limbs::Comparison`]. Its limbs are the first of the given limbs. For about one list in three, all limbs
/// of L have the maximum value instead.
fn low(limbs: &[u64]) -> Number<LOW_BLOCKS> {
    let mut low = Number::ZERO;
    let all = limbs[2] % 4 == 3;
    for (to, limb) in low.limbs_mut().iter_mut().zip(limbs) {
        *to = if all { LIMB_MAX } else { *limb };
    }
    low
}

fn assert_model_matches_big_integers<const NB: usize>(bits: u64, n: &[u64], a: &[u64], b: &[u64]) {
    let (n, modulus) = modulus::<NB>(n, bits);
    let r = BigUint::from(1_u8) << (BLOCK_BITS * NB);
    assert_eq!(big(modulus.r_squared.limbs()), &r * &r % &n);
    for fold in [modulus.by_block(), &modulus.by_lane] {
        assert_eq!(&n * big(&fold.q) + 1_u8, big(fold.folded.limbs()) << (LIMB_BITS * fold.width));
    }
    let a_limbs = a;
    let (a, b) = (operand(a, &n), operand(b, &n));
    for multiply in [by_block, by_lane] {
        let product = big(multiply(&number(&a), &number(&b), &modulus).limbs());
        assert!(product < &n * 3_u8);
        assert_eq!(product * &r % &n, &a * &b % &n);
    }
    let r_inverse = r.modinv(&n).unwrap();
    let factor = r_inverse.modpow(&BigUint::from(65535_u32), &n);
    let padding = (BigUint::from(1_u8) << (bits - 15)) - 1_u8;
    let low = low(a_limbs);
    let expected = &a * &b + (&padding * (&n - 1_u8) + big(low.limbs())) * factor;
    for fold in [modulus.by_block(), &modulus.by_lane] {
        let sum = big(model::multiply_and_compare(&number(&a), &number(&b), &low, &modulus, fold).limbs());
        assert!(sum < &n * 3_u8);
        assert_eq!(sum * &r % &n, &expected % &n);
    }
}

#[test]
fn low_part_is_the_difference_of_a_block_from_the_padding() {
    let padding = |octets: usize| (BigUint::from(1_u8) << (8 * octets - 15)) - 1_u8;
    for octets in [256, 384, 512] {
        let mut block = vec![0xFF; octets];
        block[..2].copy_from_slice(&[0, 1]);
        assert_eq!(low_part(&block), Some(Number::ZERO));
        for place in 0..octets {
            let mut other = block.clone();
            other[place] ^= 0x5A;
            let expected = (place >= octets - 104).then(|| padding(octets) - BigUint::from_bytes_be(&other));
            assert_eq!(low_part(&other).map(|low| big(low.limbs())), expected);
        }
        block[octets - 104..].fill(0);
        assert_eq!(low_part(&block).map(|low| big(low.limbs())), Some(padding(832 / 8 + 2) >> 1));
    }
    for octets in [0, 1, 103, 104, 105] {
        assert_eq!(low_part(&vec![0xFF; octets]), None);
    }
}

#[test]
fn model_computes_one_product() {
    let limbs = |step: u64| (0..80).map(|i| LIMB_MAX - i * step).collect::<Vec<_>>();
    assert_model_matches_big_integers::<5>(2048, &limbs(1), &limbs(3), &limbs(5));
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    #[cfg_attr(miri, ignore = "takes hours")]
    fn model_computes_montgomery_multiplication(n in limbs(), a in limbs(), b in limbs()) {
        assert_model_matches_big_integers::<5>(2048, &n, &a, &b);
        assert_model_matches_big_integers::<8>(3072, &n, &a, &b);
        assert_model_matches_big_integers::<10>(4096, &n, &a, &b);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes hours")]
    fn bytes_round_trip_through_limbs(octets in prop::collection::vec(prop_oneof![Just(0), Just(255), any::<u8>()], 512)) {
        fn round_trip<const NB: usize>(octets: &[u8]) {
            let number = Number::<NB>::from_be(octets);
            assert_eq!(big(number.limbs()), BigUint::from_bytes_be(octets));
            let mut back = vec![7; octets.len()];
            number.to_be(&mut back);
            assert_eq!(back, octets);
        }
        round_trip::<5>(&octets[..256]);
        round_trip::<8>(&octets[..384]);
        round_trip::<10>(&octets);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes hours")]
    fn reduces_numbers_below_three_n(n in limbs(), a in limbs()) {
        let (n, prepared) = modulus::<5>(&n, 2048);
        let below = operand(&a, &n);
        for value in [below, BigUint::ZERO, n.clone(), &n - 1_u8, &n * 2_u8, &n * 2_u8 - 1_u8, &n * 3_u8 - 1_u8] {
            let mut number = number::<5>(&value);
            number.reduce(&prepared.n);
            prop_assert_eq!(big(number.limbs()), value % &n);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod kernels {
    use super::*;
    use crate::cpu::Ifma;
    use crate::lanes::{Columns, LANES, Wide, WideModulus};

    /// Reports that the test is skipped. Panics if `IMDSKIT_REQUIRE_IFMA` is set.
    fn skip() {
        assert!(
            std::env::var_os("IMDSKIT_REQUIRE_IFMA").is_none(),
            "IMDSKIT_REQUIRE_IFMA is set, but this processor has no AVX-512 IFMA"
        );
        println!("skipped: this processor has no AVX-512 IFMA");
    }

    fn assert_single_matches_model<const NB: usize>(ifma: Ifma, bits: u64, n: &[u64], a: &[u64], b: &[u64]) {
        let limbs = a;
        let (n, modulus) = modulus::<NB>(n, bits);
        let (a, b) = (number::<NB>(&operand(a, &n)), number::<NB>(&operand(b, &n)));
        assert_eq!(ifma.multiply(&a, &b, &modulus), by_lane(&a, &b, &modulus));
        assert_eq!(ifma.multiply(&a, &a, &modulus), by_lane(&a, &a, &modulus));
        let mut low = low(limbs);
        low.limbs_mut().iter_mut().skip(2 * NB).for_each(|limb| *limb = 0);
        // The kernel multiplies K in two parts, so the sums are equal only modulo n.
        let expected = model::multiply_and_compare(&a, &b, &low, &modulus, &modulus.by_lane);
        let [sum, expected] = [ifma.multiply_and_compare(&a, &b, &low, &modulus), expected].map(|mut sum| {
            sum.reduce(&modulus.n);
            sum
        });
        assert_eq!(sum, expected);
    }

    /// Compares all lanes with the model. Each lane has its own numbers: the given limbs, rotated.
    fn assert_lanes_match_model<const NB: usize>(ifma: Ifma, bits: u64, n: &[u64], a: &[u64], b: &[u64]) {
        let limbs = a;
        let turned = |limbs: &[u64], lane: usize| {
            let mut limbs = limbs.to_vec();
            limbs.rotate_left(7 * lane);
            limbs
        };
        let (mut moduli, mut sums, mut factors) = (WideModulus::<NB>::ZERO, Wide::<NB>::ZERO, Wide::<NB>::ZERO);
        let (mut columns, mut expected, mut lows) = (Columns::ZERO, Vec::new(), Wide::<LOW_BLOCKS>::ZERO);
        for lane in 0..LANES {
            let (n, modulus) = modulus::<NB>(&turned(n, lane), bits);
            let (a, b) = (
                number::<NB>(&operand(&turned(a, lane), &n)),
                number::<NB>(&operand(&turned(b, lane), &n)),
            );
            let mut low = low(&turned(limbs, lane));
            if limbs[3].is_multiple_of(2) {
                low.limbs_mut()[8..].fill(0); // leaves eight limbs in every lane, as with SHA-256
            }
            moduli.set(lane, &modulus, model::comparison(&modulus));
            lows.set(lane, &low);
            sums.set(lane, &a);
            factors.set(lane, &b);
            let compared = model::multiply_and_compare(&a, &b, &low, &modulus, modulus.by_block());
            expected.push((by_block(&a, &a, &modulus), compared));
        }
        let mut squares = sums.clone();
        ifma.square_eight(&mut squares, &moduli, &mut columns);
        ifma.multiply_and_compare_eight(&mut sums, &factors, &lows, &moduli, &mut columns);
        for (lane, (square, sum)) in expected.into_iter().enumerate() {
            assert_eq!(squares.get(lane), square, "square in lane {lane}");
            assert_eq!(sums.get(lane), sum, "sum in lane {lane}");
        }
    }

    /// Runs one product of each kernel, which is short enough for Miri. Miri checks the memory accesses of the vectors.
    #[test]
    fn one_product_of_each_kernel_matches_the_model() {
        let Some(ifma) = Ifma::detect() else {
            return skip();
        };
        let limbs = |step: u64| (0..80).map(|i| (i * step * 0x9_e377_9b97_f4a7) & LIMB_MAX).collect::<Vec<_>>();
        assert_single_matches_model::<5>(ifma, 2048, &limbs(1), &limbs(3), &limbs(5));
        assert_lanes_match_model::<5>(ifma, 2048, &limbs(1), &limbs(3), &limbs(5));
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        #[cfg_attr(miri, ignore = "takes hours")]
        fn single_kernel_matches_the_model(n in limbs(), a in limbs(), b in limbs()) {
            let Some(ifma) = Ifma::detect() else {
                skip();
                return Ok(());
            };
            assert_single_matches_model::<5>(ifma, 2048, &n, &a, &b);
            assert_single_matches_model::<8>(ifma, 3072, &n, &a, &b);
            assert_single_matches_model::<10>(ifma, 4096, &n, &a, &b);
        }

        #[test]
        #[cfg_attr(miri, ignore = "takes hours")]
        fn every_lane_matches_the_model(n in limbs(), a in limbs(), b in limbs()) {
            let Some(ifma) = Ifma::detect() else {
                skip();
                return Ok(());
            };
            assert_lanes_match_model::<5>(ifma, 2048, &n, &a, &b);
            assert_lanes_match_model::<8>(ifma, 3072, &n, &a, &b);
            assert_lanes_match_model::<10>(ifma, 4096, &n, &a, &b);
        }
    }
}
