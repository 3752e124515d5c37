//! What threads share: the memory of signers, the links between issuers, the bucket. Run as any other test, and under ThreadSanitizer by `make tsan`.

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

/// The setting of `tests/vectors/attested`, and the documents that are judged under it: all that are good, and every eighth of the others.
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

/// A verdict in words.
fn judged(checker: &Checker, document: &[u8], at: i64) -> String {
    match checker.check(document, at, None) {
        Ok(signed) => format!(
            "{:?}",
            (signed.claims(), signed.label(), signed.name(), signed.chain().collect::<Vec<_>>())
        ),
        Err(refusal) => format!("{:?}", (refusal.reason, refusal.location, refusal.detail)),
    }
}

/// All threads begin together with a checker that remembers nothing, so that they write down the same paths and links at once; and each at several moments,
/// on both sides of the ends of certificates.
#[test]
fn verdicts_do_not_depend_on_what_others_verify_meanwhile() {
    let (setup, now, documents) = vectors();
    let moments = [now, now - 400 * 86400, now + 400 * 86400, now + 7300 * 86400];
    let alone = Checker::new(setup.clone()).unwrap();
    let expected: Vec<Vec<String>> = moments
        .iter()
        .map(|&at| documents.iter().map(|document| judged(&alone, document, at)).collect())
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
                        // In the first round all go the same way, in the second each begins elsewhere.
                        let place = (step + round * thread) % moments.len();
                        for number in 0..documents.len() {
                            let number = (number + round * thread * 17) % documents.len();
                            assert_eq!(judged(checker, &documents[number], moments[place]), expected[place][number]);
                        }
                    }
                });
            }
        });
    }
}

/// Batches with threads of their own, while others verify one document at a time.
#[test]
fn batches_run_beside_single_documents() {
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

/// A bad signature, a cut document and a stranger's, in every lane of eight and in one of many: the others are judged as if it were not there.
#[test]
fn a_bad_document_changes_no_neighbour_wherever_it_stands() {
    let (setup, now, documents) = vectors();
    let checker = Checker::new(setup).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = documents.iter().partition(|document| checker.check(document, now, None).is_ok());
    let good = good[0];
    for (number, bad) in bad.iter().enumerate() {
        let lengths: &[usize] = if number % 16 == 0 { &[1, 8, 9, 140] } else { &[8, 9] };
        for &length in lengths {
            let place = (number + length / 2) % length;
            let mut batch: Vec<&[u8]> = vec![good; length];
            batch[place] = bad;
            for threads in [1, 3] {
                let verdicts = checker.check_many(&batch, now, NonZeroUsize::new(threads).unwrap());
                let refused: Vec<usize> = (0..length).filter(|&index| verdicts.get(index).unwrap().is_err()).collect();
                assert_eq!(refused, [place], "of {length}, on {threads} threads");
            }
        }
    }
}

/// Whoever asks, and in whatever order the clock's readings arrive, what goes out is what was there and what flowed in.
#[test]
fn a_bucket_gives_out_exactly_what_flows_in() {
    const CALLS: usize = 2_000;
    let (rate, per_ns, burst) = (3, 1_000, 50);
    let bucket = Bucket::new(rate, per_ns, burst).unwrap();
    // Never full again, so that nothing flows over.
    let before = (0..burst).filter(|_| bucket.take(0) == 0).count() as u64;
    let (clock, taken) = (AtomicI64::new(0), AtomicU64::new(before));
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..CALLS {
                    let now = clock.fetch_add(100, Ordering::Relaxed); // tokens for three calls of ten
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
