//! Verifies a document several times: alone, alone again, and in a batch, by checkers with and without cached entries. The verdict must
//! always be the same.
//!
//! Input: two bytes that select a document of `tests/vectors/attested`, followed by edits of its DER. An edit consists of a position in two
//! bytes, the number of bytes to remove, the number of bytes to insert, and these bytes. If the first two bytes select no document, the
//! rest of the input is the document.

#![no_main]

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use imdskit_core::checker::Checker;
use imdskit_core::contract::Setup;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

struct World {
    setup: Setup,
    at: i64,
    good: Vec<u8>,
    documents: Vec<Vec<u8>>,
    warm: Checker,
}

fn octets(value: &Value) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(value.as_str().expect("text")).expect("base64")
}

fn world() -> World {
    let mut lines = include_str!("../../../tests/vectors/attested/vectors.ndjson")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let setting = lines.next().expect("the setting");
    let cases: Vec<Value> = lines.collect();
    let all = |name: &str| setting[name].as_array().expect("a list").iter().map(octets).collect();
    let name = |name: &Value| (name.as_str().expect("text").to_owned(), name.as_str().expect("text").to_owned());
    let mut setup = Setup::default();
    setup.anchors = all("anchors");
    setup.intermediates = all("intermediates");
    setup.names = setting["names"].as_array().expect("a list").iter().map(name).collect();
    let warm = Checker::new(setup.clone()).expect("the setup is valid");
    let at = setting["at"].as_i64().expect("a number");
    let documents: Vec<_> = cases.iter().map(|case| octets(&case["document"])).collect();
    let good = documents
        .iter()
        .find(|document| warm.check(document, at, None).is_ok())
        .expect("at least one document is valid")
        .clone();
    World {
        setup,
        at,
        good,
        documents,
        warm,
    }
}

fn edited(input: &[u8], documents: &[Vec<u8>]) -> Vec<u8> {
    let [high, low, rest @ ..] = input else { return input.to_vec() };
    let Some(document) = documents.get(usize::from(*high) << 8 | usize::from(*low)) else {
        return rest.to_vec();
    };
    let mut der = base64_simd::STANDARD.decode_to_vec(document).unwrap_or_else(|_| document.clone());
    let mut edits = rest;
    while let [high, low, gone, come, after @ ..] = edits {
        let start = (usize::from(*high) << 8 | usize::from(*low)) % (der.len() + 1);
        let end = (start + usize::from(gone & 15)).min(der.len());
        let (new, after) = after.split_at(usize::from(come & 15).min(after.len()));
        der.splice(start..end, new.iter().copied());
        edits = after;
    }
    base64_simd::STANDARD.encode_to_string(der).into_bytes()
}

fn verdict_of(checker: &Checker, document: &[u8], at: i64) -> Result<Vec<u8>, String> {
    match checker.check(document, at, None) {
        Ok(signed) => Ok(signed.content().to_vec()),
        Err(refusal) => Err(format!("{refusal:?}")),
    }
}

fuzz_target!(|input: &[u8]| {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(world);
    let document = edited(input, &world.documents);
    let cold = Checker::new(world.setup.clone()).expect("the setup is valid");
    let verdict = verdict_of(&cold, &document, world.at);
    assert_eq!(verdict_of(&cold, &document, world.at), verdict, "again");
    assert_eq!(verdict_of(&world.warm, &document, world.at), verdict, "with entries of other documents in the cache");
    let batch: [&[u8]; 3] = [&world.good, &document, &world.good];
    for checker in [&cold, &world.warm] {
        let verdicts = checker.check_many(&batch, world.at, NonZeroUsize::MIN);
        let found: Vec<_> = verdicts
            .iter()
            .map(|verdict| verdict.map(|_| ()).map_err(|refusal| format!("{refusal:?}")))
            .collect();
        assert_eq!(found[1], verdict.clone().map(|_| ()), "in a batch");
        assert!(found[0].is_ok() && found[2].is_ok(), "a neighbour");
    }
});
