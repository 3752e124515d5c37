//! Adversarial input: signatures at the edges of the range, invalid keys, moduli that make carries propagate far, and batches of all of
//! these. Big integers give the expected results.

#![allow(clippy::expect_used, clippy::panic)]

use imdskit_multibuffer::{Job, Key, KeyError, available, model, verify_many};
use num_bigint::BigUint;
use proptest::prelude::*;

mod support;

const SIZES: [usize; 3] = [2048, 3072, 4096];

/// Returns odd moduli with exactly this many bits. In most of their limbs, all bits are equal.
fn moduli(bits: usize) -> Vec<BigUint> {
    let one = BigUint::from(1_u8);
    let top = &one << (bits - 1);
    let all = (&one << bits) - 1_u8;
    let limbs = |even: u64, odd: u64| (0..bits / 52).fold(BigUint::ZERO, |sum, i| (sum << 52) + if i % 2 == 0 { even } else { odd });
    let limb = (1 << 52) - 1;
    vec![
        all.clone(),                                     // -1/n modulo 2^52 is 1
        &all - 2_u8,                                     //
        &top + 1_u8,                                     // -1/n modulo 2^52 is the greatest limb
        &top + ((&one << 52) - 1_u8),                    // only the lowest limb is all ones
        &all - ((&one << 52) - 2_u8),                    // all limbs except the lowest are all ones
        &top | limbs(limb, 0) | &one,                    // every second limb is all ones
        &top | limbs(0, limb) | &one,                    //
        &top | limbs(1 << 51, 1) | &one,                 //
        (&top | (&top >> 1_u8)) + 1_u8,                  // only the two uppermost bits and the lowest bit are ones
        (&one << (bits - 1)) + (&one << 416_u16) + 1_u8, // a one at the start of a block of limbs
    ]
}

fn octets(value: &BigUint, length: usize) -> Vec<u8> {
    let octets = value.to_bytes_be();
    [vec![0; length - octets.len()], octets].concat()
}

fn power(s: &BigUint, n: &BigUint) -> BigUint {
    s.modpow(&BigUint::from(65537_u32), n)
}

/// Returns signatures, and for each of them whether it is in range. The signatures are the edges of the range, its middle, and numbers at
/// the borders of limbs and of blocks of limbs.
fn signatures(n: &BigUint) -> Vec<(BigUint, bool)> {
    let one = BigUint::from(1_u8);
    let bits = usize::try_from(n.bits()).expect("small");
    let mut signatures: Vec<_> = [
        BigUint::ZERO,
        one.clone(),
        BigUint::from(2_u8),
        n - 1_u8,
        n - 2_u8,
        n >> 1,
        (n >> 1) + 1_u8,
        (&one << (bits - 1)) - 1_u8,
        (&one << 52_u8) - 1_u8,
        &one << 52_u8,
        (&one << 416_u16) - 1_u8,
        &one << 416_u16,
        &one << (bits - 53),
    ]
    .map(|s| (s, true))
    .into();
    signatures.push((n.clone(), false));
    signatures.extend(
        [n + 1_u8, (&one << bits) - 1_u8]
            .into_iter()
            .filter(|s| s.bits() <= n.bits())
            .map(|s| (s, false)),
    );
    signatures
}

#[test]
fn verifies_signatures_at_the_edges_of_the_range() {
    if !available() {
        return support::skip_kernels();
    }
    for (bits, n) in SIZES
        .into_iter()
        .flat_map(|bits| moduli(bits).into_iter().step_by(bits / 1024 - 1).map(move |n| (bits, n)))
    {
        let length = bits / 8;
        let key = Key::new(&octets(&n, length)).expect("a supported modulus");
        assert_eq!(key.octets(), length);
        let cases = signatures(&n);
        let mut jobs = Vec::new();
        for (s, in_range) in &cases {
            let (signature, block) = (octets(s, length), octets(&power(&(s % &n), &n), length));
            assert_eq!(key.public_operation(&signature), in_range.then(|| block.clone()), "{s} modulo {n}");
            assert_eq!(key.verify(&signature, &block), *in_range, "{s} modulo {n}");
            jobs.push((signature, block, *in_range));
        }
        all_verdicts(
            &jobs
                .iter()
                .map(|(s, b, good)| {
                    (
                        Job {
                            key: &key,
                            signature: s,
                            block: b,
                        },
                        *good,
                    )
                })
                .collect::<Vec<_>>(),
        );
    }
}

/// For each length in bits, the difference between 2^bits and the largest prime below it. By Fermat's little theorem, every number has a
/// computable root modulo a prime, so the test can compute a signature for any block.
const PRIMES: [(usize, u32); 3] = [(2048, 1_942_289), (3072, 1_103_717), (4096, 2_549)];

/// Tests encoded blocks that have the padding of PKCS #1 and extreme values in their lowest bytes, and blocks that differ slightly from
/// them.
#[test]
fn compares_padded_blocks_to_the_last_bit() {
    if !available() {
        return support::skip_kernels();
    }
    for (bits, below) in PRIMES {
        let (one, length) = (BigUint::from(1_u8), bits / 8);
        let n = (&one << bits) - below;
        let root = BigUint::from(65537_u32).modinv(&(&n - 1_u8)).expect("no common divisor");
        let padding = (&one << (bits - 15)) - 1_u8;
        let differences = [0_usize, 1, 51, 52, 53, 65, 66, 104, 105, 200].map(|octets| (&one << (8 * octets)) - 1_u8);
        let more = [51_usize, 83, 104].map(|octets| &one << (8 * octets - 1));
        let keys = [(); 2].map(|()| Key::new(&octets(&n, length)).expect("a supported modulus"));
        let (mut jobs, mut cases) = (Vec::new(), Vec::new());
        for block in differences.iter().chain(&more).map(|difference| &padding - difference) {
            let signature = octets(&block.modpow(&root, &n), length);
            cases.push((signature.clone(), octets(&block, length), true));
            for place in [0, 1, 2, length - 105, length - 104, length - 53, length - 52, length - 1] {
                let mut other = octets(&block, length);
                other[place] ^= 1;
                cases.push((signature.clone(), other, false));
            }
        }
        // The first use of a key runs different code from later uses.
        for (signature, block, good) in &cases {
            let fresh = Key::new(&octets(&n, length)).expect("a supported modulus");
            for key in [&fresh, &fresh, &keys[0]] {
                assert_eq!(key.verify(signature, block), *good);
            }
        }
        for (number, (signature, block, good)) in cases.iter().enumerate() {
            let key = &keys[number % 2];
            jobs.push((Job { key, signature, block }, *good));
        }
        all_verdicts(&jobs);
        jobs.retain(|(_, good)| *good);
        all_verdicts(&jobs.repeat(2));
    }
}

fn all_verdicts(jobs: &[(Job<'_>, bool)]) {
    let (jobs, expected): (Vec<_>, Vec<_>) = jobs.iter().copied().unzip();
    for start in [false, true] {
        let mut verdicts = vec![start; jobs.len()];
        verify_many(&jobs, &mut verdicts);
        assert_eq!(verdicts, expected);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn model_matches_big_integers_at_the_edges() {
    for bits in SIZES {
        for n in moduli(bits).into_iter().take(3) {
            for (s, in_range) in signatures(&n).into_iter().skip(3).step_by(3) {
                let expected = in_range.then(|| octets(&power(&s, &n), bits / 8));
                assert_eq!(model::public_operation(&octets(&n, bits / 8), &octets(&s, bits / 8)), expected);
            }
        }
    }
}

#[test]
fn rejects_unsupported_moduli() {
    let top = |bits: usize| BigUint::from(1_u8) << (bits - 1);
    let whole = |n: BigUint| n.to_bytes_be();
    let refused = [
        ("nothing", vec![]),
        ("zero", vec![0; 256]),
        ("one", vec![1]),
        ("tiny", vec![3]),
        ("one in 256 octets", octets(&BigUint::from(1_u8), 256)),
        ("even, 2048 bits", whole(top(2048) + 2_u8)),
        ("even, 4096 bits", whole(top(4096))),
        ("1024 bits", whole(top(1024) + 1_u8)),
        ("2047 bits", octets(&(top(2047) + 1_u8), 256)),
        ("2049 bits", whole(top(2049) + 1_u8)),
        ("2056 bits", whole(top(2056) + 1_u8)),
        ("3071 bits", octets(&(top(3071) + 1_u8), 384)),
        ("4095 bits", octets(&(top(4095) + 1_u8), 512)),
        ("4104 bits", whole(top(4104) + 1_u8)),
        ("8192 bits", whole(top(8192) + 1_u8)),
        ("a leading zero", [vec![0], whole(top(2048) + 1_u8)].concat()),
    ];
    for (name, modulus) in refused {
        assert!(Key::new(&modulus).is_err(), "{name}");
        assert_eq!(model::public_operation(&modulus, &vec![0; modulus.len()]), None, "{name}");
    }
    assert_eq!(Key::new(&whole(top(2048) + 1_u8)).is_ok(), available());
    if available() {
        assert_eq!(Key::new(&whole(top(2048) + 2_u8)).err(), Some(KeyError::Even));
        assert_eq!(Key::new(&[3]).err(), Some(KeyError::Length));
    }
}

#[test]
fn rejects_signatures_and_blocks_of_other_lengths() {
    let Ok(key) = Key::new(&(BigUint::from(1_u8) << 2047_u16 | BigUint::from(1_u8)).to_bytes_be()) else {
        return support::skip_kernels();
    };
    let right = octets(&BigUint::from(1_u8), 256);
    assert!(key.verify(&right, &right));
    for length in [0_usize, 1, 8, 255, 257, 384, 512] {
        let wrong = [vec![0; length.saturating_sub(1)], vec![1; length.min(1)]].concat();
        assert_eq!(key.public_operation(&wrong), None);
        assert!(!key.verify(&wrong, &right));
        assert!(!key.verify(&wrong, &wrong));
        assert!(!key.verify(&right, &wrong));
        all_verdicts(
            &[&wrong, &right]
                .map(|s| {
                    [&wrong, &right].map(|b| {
                        (
                            Job {
                                key: &key,
                                signature: s,
                                block: b,
                            },
                            s == b && *s == right,
                        )
                    })
                })
                .concat(),
        );
    }
}

/// A change of a signature or a block.
type Corruption = fn(&mut Vec<u8>, &mut Vec<u8>);

#[test]
fn bad_job_does_not_change_other_verdicts() {
    if !available() {
        return support::skip_kernels();
    }
    let keys: Vec<_> = SIZES.iter().flat_map(|bits| moduli(*bits).into_iter().take(3)).collect();
    let prepared: Vec<_> = keys.iter().map(|n| Key::new(&n.to_bytes_be()).expect("suitable")).collect();
    // The keys alternate, so that moduli of different lengths are mixed and each length leaves an incomplete group of lanes.
    let good: Vec<_> = (0..61_u32)
        .map(|i| {
            let index = i as usize % keys.len();
            let (n, length) = (&keys[index], prepared[index].octets());
            let s = (n / 3_u8 + i) % n;
            (index, octets(&s, length), octets(&power(&s, n), length))
        })
        .collect();
    let spoil: [Corruption; 6] = [
        |s, _| *s.last_mut().expect("octets") ^= 1,
        |_, b| *b.last_mut().expect("octets") ^= 1,
        |_, b| b[0] ^= 0x80,
        |s, _| s.fill(0xff),
        |s, _| s.truncate(9),
        |_, b| b.clear(),
    ];
    for bad in (0..good.len()).step_by(5) {
        let mut jobs = good.clone();
        let (_, signature, block) = &mut jobs[bad];
        spoil[bad % spoil.len()](signature, block);
        let jobs: Vec<_> = jobs
            .iter()
            .map(|(key, s, b)| Job {
                key: &prepared[*key],
                signature: s,
                block: b,
            })
            .collect();
        all_verdicts(&jobs.into_iter().enumerate().map(|(i, job)| (job, i != bad)).collect::<Vec<_>>());
    }
}

#[test]
fn small_batches_get_one_verdict_per_job() {
    let n = &moduli(2048)[5];
    let Ok(key) = Key::new(&n.to_bytes_be()) else {
        return support::skip_kernels();
    };
    let signatures: Vec<_> = (0..26_u8)
        .map(|i| {
            let s = n / (3_u8 + i);
            (octets(&s, 256), octets(&(power(&s, n) ^ BigUint::from(i % 3 / 2)), 256), i % 3 != 2)
        })
        .collect();
    for size in 0..signatures.len() {
        all_verdicts(
            &signatures[..size]
                .iter()
                .map(|(s, b, good)| {
                    (
                        Job {
                            key: &key,
                            signature: s,
                            block: b,
                        },
                        *good,
                    )
                })
                .collect::<Vec<_>>(),
        );
    }
}

#[test]
#[should_panic(expected = "a verdict for each job")]
fn panics_unless_there_is_one_verdict_per_job() {
    verify_many(&[], &mut [false]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "takes hours")]
    fn verifies_random_batches_of_mixed_keys(
        jobs in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 512), prop::collection::vec(any::<u8>(), 512), 0..3_usize, any::<bool>()),
            0..20,
        )
    ) {
        let jobs: Vec<_> = jobs.into_iter().filter_map(|(mut modulus, signature, size, good)| {
            let length = SIZES[size] / 8;
            modulus.truncate(length);
            modulus[0] |= 0x80;
            modulus[length - 1] |= 1;
            let (n, s) = (BigUint::from_bytes_be(&modulus), BigUint::from_bytes_be(&signature[..length]));
            let in_range = s < n;
            let mut block = octets(&power(&s, &n), length);
            block[length / 2] ^= u8::from(!good);
            Some((Key::new(&modulus).ok()?, signature[..length].to_vec(), block, good && in_range))
        }).collect();
        all_verdicts(&jobs.iter().map(|(key, s, b, good)| (Job { key, signature: s, block: b }, *good)).collect::<Vec<_>>());
        for (key, s, block, good) in &jobs {
            prop_assert_eq!(key.verify(s, block), *good);
        }
    }
}
