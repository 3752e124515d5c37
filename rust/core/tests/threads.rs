//! Tests of the state that threads share: the cache of signers, the cache of signatures, and the token bucket. `make tsan` also runs them
//! under ThreadSanitizer.

#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use imdskit_core::bucket::Bucket;
use imdskit_core::checker::Checker;
use imdskit_core::contract::Setup;
use serde_json::Value;

const THREADS: usize = 4;

fn octets(value: &Value) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(value.as_str().unwrap()).unwrap()
}

/// Returns the setup of `tests/vectors/attested`, the time of the check, and documents for this setup: all good ones and every eighth of
/// the others.
fn vectors() -> (Setup, i64, Vec<Vec<u8>>) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/attested/vectors.ndjson");
    let mut lines = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect::<Vec<Value>>();
    let setting = lines.remove(0);
    let all = |name: &str| setting[name].as_array().unwrap().iter().map(octets).collect();
    let name = |name: &Value| (name.as_str().unwrap().to_owned(), name.as_str().unwrap().to_owned());
    let mut setup = Setup::default();
    setup.anchors = all("anchors");
    setup.intermediates = all("intermediates");
    setup.names = setting["names"].as_array().unwrap().iter().map(name).collect();
    let own = ["intermediates", "crls", "at", "nonce"];
    let documents = lines
        .iter()
        .filter(|case| own.iter().all(|name| case.get(name).is_none()))
        .enumerate()
        .filter(|(number, case)| case["expected"] == "accept" || number % 8 == 0)
        .map(|(_, case)| octets(&case["document"]))
        .collect();
    (setup, setting["at"].as_i64().unwrap(), documents)
}

/// Returns the verdict as text.
fn verdict_text(checker: &Checker, document: &[u8], at: i64) -> String {
    match checker.check(document, at, None) {
        Ok(signed) => format!(
            "{:?}",
            (signed.claims(), signed.label(), signed.name(), signed.chain().collect::<Vec<_>>())
        ),
        Err(refusal) => format!("{:?}", (refusal.reason, refusal.location, refusal.detail)),
    }
}

/// All threads start at the same time with an empty cache, so that they add the same paths and signatures concurrently. Each thread
/// verifies each document as of several times, before and after the ends of validity periods.
#[test]
fn verdicts_do_not_depend_on_other_threads() {
    let (setup, now, documents) = vectors();
    let moments = [now, now - 400 * 86400, now + 400 * 86400, now + 7300 * 86400];
    let alone = Checker::new(setup.clone()).unwrap();
    let expected: Vec<Vec<String>> = moments
        .iter()
        .map(|&at| documents.iter().map(|document| verdict_text(&alone, document, at)).collect())
        .collect();
    for round in 0..2 {
        let checker = Checker::new(setup.clone()).unwrap();
        let start = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (checker, documents, expected, start) = (&checker, &documents, &expected, &start);
                scope.spawn(move || {
                    start.wait();
                    for step in 0..moments.len() {
                        // In the first round all threads use the same order. In the second, each starts at another position.
                        let index = (step + round * thread) % moments.len();
                        for number in 0..documents.len() {
                            let number = (number + round * thread * 17) % documents.len();
                            assert_eq!(verdict_text(checker, &documents[number], moments[index]), expected[index][number]);
                        }
                    }
                });
            }
        });
    }
}

/// Verifies batches on several threads while other threads verify single documents.
#[test]
fn batches_run_concurrently_with_single_documents() {
    let (setup, now, documents) = vectors();
    let alone = Checker::new(setup.clone()).unwrap();
    let good: Vec<bool> = documents.iter().map(|document| alone.check(document, now, None).is_ok()).collect();
    let checker = Checker::new(setup).unwrap();
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (checker, documents, good, start) = (&checker, &documents, &good, &start);
            scope.spawn(move || {
                start.wait();
                if thread % 2 == 0 {
                    for _ in 0..3 {
                        let verdicts = checker.check_many(documents, now, NonZeroUsize::new(2).unwrap());
                        assert_eq!(&verdicts.iter().map(|verdict| verdict.is_ok()).collect::<Vec<_>>(), good);
                    }
                } else {
                    for (document, good) in documents.iter().zip(good) {
                        assert_eq!(checker.check(document, now, None).is_ok(), *good);
                    }
                }
            });
        }
    });
}

/// Puts each bad document into batches of valid ones, at one position per batch. Together, the batches cover all eight lanes. The checker
/// must still accept every other document of the batch.
#[test]
fn bad_document_does_not_change_other_verdicts_of_its_batch() {
    let (setup, now, documents) = vectors();
    let checker = Checker::new(setup).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = documents.iter().partition(|document| checker.check(document, now, None).is_ok());
    let good = good[0];
    for (number, bad) in bad.iter().enumerate() {
        let lengths: &[usize] = if number % 16 == 0 { &[1, 8, 9, 140] } else { &[8, 9] };
        for &length in lengths {
            let index = (number + length / 2) % length;
            let mut batch: Vec<&[u8]> = vec![good; length];
            batch[index] = bad;
            for threads in [1, 3] {
                let verdicts = checker.check_many(&batch, now, NonZeroUsize::new(threads).unwrap());
                let refused: Vec<usize> = (0..length).filter(|&index| verdicts.get(index).unwrap().is_err()).collect();
                assert_eq!(refused, [index], "of {length}, on {threads} threads");
            }
        }
    }
}

/// The bucket gives out exactly its initial tokens and the tokens that it gained. The number of threads and the order of the clock readings
/// do not matter.
#[test]
fn bucket_gives_out_exactly_the_tokens_that_it_gained() {
    const CALLS: usize = 2_000;
    let (rate, per_ns, burst) = (3, 1_000, 50);
    let bucket = Bucket::new(rate, per_ns, burst).unwrap();
    // The bucket never becomes full again, so that no gained token is lost.
    let before = (0..burst).filter(|_| bucket.take(0) == 0).count() as u64;
    let (clock, taken) = (AtomicI64::new(0), AtomicU64::new(before));
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..CALLS {
                    let now = clock.fetch_add(100, Ordering::Relaxed); // in 100 ns, the bucket gains 0.3 tokens
                    if bucket.take(now) == 0 {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let last = u64::try_from(clock.into_inner()).unwrap() - 100;
    let mut taken = taken.into_inner();
    while bucket.take(i64::try_from(last).unwrap()) == 0 {
        taken += 1;
    }
    assert_eq!(taken, burst + last * rate / per_ns);
}
