//! Verifications per second, compared with AWS-LC: `cargo bench -p imdskit-multibuffer [-- ROUNDS]`.
//!
//! The contestants are AWS-LC, the two kernels, and the preparation of a key. Each round runs every contestant for a few milliseconds. The
//! figures are medians over the rounds, with the 10th and 90th percentiles. A ratio compares two times of the same round, so changes of the
//! processor's speed between rounds do not affect it.

#![allow(clippy::expect_used, clippy::panic)]

use std::hint::black_box;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use imdskit_multibuffer::{Job, Key, available, verify_many};
use rustix::time::{ClockId, clock_gettime};

#[path = "../tests/support/mod.rs"]
mod support;

const MESSAGES: u8 = 64;
/// Duration of a contestant's turn in seconds.
const SLICE: f64 = 0.003;

struct Fixture {
    key: Key,
    library: ParsedPublicKey,
    modulus: Vec<u8>,
    signatures: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>,
}

fn fixture(size: KeySize) -> Fixture {
    let pair = KeyPair::generate(size).expect("a key");
    let der = pair.public_key().as_ref(); // SEQUENCE and INTEGER with two-byte lengths, a zero byte, n, INTEGER 65537
    let modulus = der[9..der.len() - 5].to_vec();
    let library = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).expect("a key");
    let key = Key::new(&modulus).expect("a suitable modulus");
    let signatures = (0..MESSAGES)
        .map(|i| {
            let message = [i; 300].to_vec();
            let mut signature = vec![0; key.octets()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature)
                .expect("a signature");
            let block = support::block(support::Hash::Sha256, digest(&SHA256, &message).as_ref(), key.octets());
            (message, signature, block)
        })
        .collect();
    Fixture {
        key,
        library,
        modulus,
        signatures,
    }
}

/// Returns the processor time of this thread in seconds. The time of other threads is not counted.
fn thread_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[allow(clippy::cast_precision_loss)] // seconds of one run
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9;
    seconds
}

/// Returns the verifications per second of a contestant that makes `MESSAGES` verifications per call.
fn rate(mut contestant: impl FnMut()) -> f64 {
    let start = thread_time();
    let mut calls = 0_u32;
    loop {
        contestant();
        calls += 1;
        let elapsed = thread_time() - start;
        if elapsed > SLICE {
            return f64::from(calls) * f64::from(MESSAGES) / elapsed;
        }
    }
}

fn percentiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values.len() / 10, values.len() / 2, values.len() * 9 / 10].map(|index| values[index])
}

fn main() {
    if !available() {
        println!("this processor has no AVX-512 IFMA, so there is nothing to measure");
        return;
    }
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(100);
    for (bits, size) in [(2048, KeySize::Rsa2048), (3072, KeySize::Rsa3072), (4096, KeySize::Rsa4096)] {
        let Fixture {
            key,
            library,
            modulus,
            signatures,
        } = fixture(size);
        let jobs: Vec<Job<'_>> = signatures
            .iter()
            .map(|(_, signature, block)| Job {
                key: &key,
                signature,
                block,
            })
            .collect();
        let mut verdicts = vec![false; jobs.len()];
        let mut rates: [Vec<f64>; 4] = Default::default();
        for _ in 0..rounds {
            rates[0].push(rate(|| {
                for (message, signature, _) in &signatures {
                    library.verify_sig(black_box(message), signature).expect("good");
                }
            }));
            rates[1].push(rate(|| {
                for (_, signature, block) in &signatures {
                    assert!(key.verify(black_box(signature), block));
                }
            }));
            rates[2].push(rate(|| {
                verify_many(black_box(&jobs), &mut verdicts);
                assert!(verdicts.iter().all(|good| *good));
            }));
            rates[3].push(rate(|| {
                for _ in 0..MESSAGES {
                    let _ = black_box(Key::new(black_box(&modulus)));
                }
            }));
        }
        for (name, index) in [
            ("AWS-LC, key parsed, with SHA-256 of 300 bytes", 0),
            ("one", 1),
            ("eight lanes", 2),
            ("key set-up", 3),
        ] {
            let [_, median, _] = percentiles(rates[index].clone());
            let [low, ratio, high] = percentiles(rates[index].iter().zip(&rates[0]).map(|(a, b)| a / b).collect());
            let best = rates[index].iter().fold(0.0, |a: f64, b| a.max(*b));
            let times = format!("{:>6.2} us (best {:>6.2})", 1e6 / median, 1e6 / best);
            println!("{bits}  {name:<52} {median:>9.0}/s  {times}  x{ratio:.2} ({low:.2} to {high:.2})");
        }
    }
}
