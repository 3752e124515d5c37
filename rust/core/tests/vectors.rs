//! Tests of the documents in `tests/vectors/attested`, which the Python tests use too. Verdict, reason and location must match the recorded
//! ones. The tests check single documents and batches, with and without cached entries, and on several threads.

#![allow(clippy::unwrap_used)]

mod support;

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Arc;

use imdskit_core::checker::Checker;
use imdskit_core::contract::Setup;
use imdskit_core::reasons::Refusal;
use serde_json::Value;

struct Vectors {
    setting: Value,
    cases: Vec<Value>,
}

fn vectors() -> Vectors {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/attested/vectors.ndjson");
    let mut lines = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect::<Vec<Value>>();
    let setting = lines.remove(0);
    Vectors { setting, cases: lines }
}

fn octets(value: &Value) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(value.as_str().unwrap()).unwrap()
}

fn all(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().map_or_else(Vec::new, |values| values.iter().map(octets).collect())
}

impl Vectors {
    fn setup(&self, case: &Value) -> Setup {
        let name = |name: &Value| (name.as_str().unwrap().to_owned(), name.as_str().unwrap().to_owned());
        let mut setup = Setup::default();
        setup.anchors = all(&self.setting["anchors"]);
        setup.intermediates = all(case.get("intermediates").unwrap_or(&self.setting["intermediates"]));
        setup.names = self.setting["names"].as_array().unwrap().iter().map(name).collect();
        setup.crls = all(case.get("crls").unwrap_or(&Value::Null));
        setup
    }

    fn at(&self, case: &Value) -> i64 {
        case.get("at").unwrap_or(&self.setting["at"]).as_i64().unwrap()
    }
}

/// Compares a verdict with the recorded one.
fn agrees<T>(case: &Value, verdict: &Result<T, Refusal>) -> Result<(), String> {
    let expected = (case["reason"].as_str(), case["location"].as_str());
    let found = match verdict {
        Ok(_) => (None, None),
        Err(refusal) => (Some(refusal.reason.code()), Some(&*refusal.location)),
    };
    if expected == found {
        Ok(())
    } else {
        Err(format!("{}: expected {expected:?}, found {found:?}", case["id"]))
    }
}

#[test]
fn single_documents_get_their_recorded_verdicts() {
    let vectors = vectors();
    assert!(vectors.cases.len() > 400);
    let mut wrong = Vec::new();
    for case in &vectors.cases {
        let checker = Checker::new(vectors.setup(case)).unwrap();
        let nonce = case.get("nonce").and_then(Value::as_str).map(str::as_bytes);
        for _ in ["cold", "warm"] {
            let verdict = checker.check(&octets(&case["document"]), vectors.at(case), nonce);
            wrong.extend(agrees(case, &verdict).err());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Refusals whose texts are constants do not allocate them, so that hostile documents cost little.
#[test]
fn constant_texts_of_refusals_are_borrowed() {
    let vectors = vectors();
    for reason in [
        "empty",
        "bad-envelope",
        "no-content",
        "signer-not-found",
        "digest-mismatch",
        "bad-signature",
        "no-name",
        "nonce-mismatch",
    ] {
        let case = vectors.cases.iter().find(|case| case["reason"] == reason).unwrap();
        let nonce = case.get("nonce").and_then(Value::as_str).map(str::as_bytes);
        let checker = Checker::new(vectors.setup(case)).unwrap();
        let refusal = checker.check(&octets(&case["document"]), vectors.at(case), nonce).unwrap_err();
        assert_eq!(refusal.reason.code(), reason);
        assert!(
            matches!((&refusal.location, &refusal.detail), (Cow::Borrowed(_), Cow::Borrowed(_))),
            "{refusal:?}"
        );
    }
}

/// Returns the cases that use the common setup and time, and no nonce.
fn plain(vectors: &Vectors) -> Vec<&Value> {
    let own = ["intermediates", "crls", "at", "nonce"];
    vectors
        .cases
        .iter()
        .filter(|case| own.iter().all(|name| case.get(name).is_none()))
        .collect()
}

#[test]
fn batches_get_the_verdicts_of_their_documents() {
    let vectors = vectors();
    let cases = plain(&vectors);
    let documents: Vec<_> = cases.iter().map(|case| octets(&case["document"])).collect();
    let checker = Checker::new(vectors.setup(&Value::Null)).unwrap();
    for threads in [1, 2, 7] {
        for &kernels in support::kernels() {
            imdskit_core::use_kernels(kernels);
            let verdicts = checker.check_many(&documents, vectors.at(&Value::Null), NonZeroUsize::new(threads).unwrap());
            assert_eq!(verdicts.len(), documents.len());
            let wrong: Vec<_> = cases
                .iter()
                .zip(verdicts.iter())
                .filter_map(|(case, verdict)| agrees(case, &verdict).err())
                .collect();
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    }
}

#[test]
fn one_checker_serves_many_threads() {
    let vectors = vectors();
    let cases = plain(&vectors);
    let documents: Vec<_> = cases.iter().map(|case| octets(&case["document"])).collect();
    let checker = Arc::new(Checker::new(vectors.setup(&Value::Null)).unwrap());
    let at = vectors.at(&Value::Null);
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (checker, cases, documents) = (Arc::clone(&checker), &cases, &documents);
            scope.spawn(move || {
                for place in 0..documents.len() {
                    let place = (place * 31 + start * 97) % documents.len();
                    assert_eq!(agrees(cases[place], &checker.check(&documents[place], at, None)), Ok(()));
                }
            });
        }
    });
}
