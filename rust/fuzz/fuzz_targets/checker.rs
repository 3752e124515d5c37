//! A document alone, again, beside others and with a checker that remembers nothing: one verdict.
//!
//! Input: two octets choose a document of `tests/vectors/attested`, or none; then edits of its DER, each a place in two octets, how many octets go,
//! how many come, and these. Without a document the rest of the input is one.

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
    let warm = Checker::new(setup.clone()).expect("the setting is good");
    let at = setting["at"].as_i64().expect("a number");
    let documents: Vec<_> = cases.iter().map(|case| octets(&case["document"])).collect();
    let good = documents
        .iter()
        .find(|document| warm.check(document, at, None).is_ok())
        .expect("one is good")
        .clone();
    World {
        setup,
        at,
        good,
        documents,
        warm,
    }
}

fn changed(input: &[u8], documents: &[Vec<u8>]) -> Vec<u8> {
    let [high, low, rest @ ..] = input else { return input.to_vec() };
    let Some(document) = documents.get(usize::from(*high) << 8 | usize::from(*low)) else {
        return rest.to_vec();
    };
    let mut der = base64_simd::STANDARD.decode_to_vec(document).unwrap_or_else(|_| document.clone());
    let mut edits = rest;
    while let [high, low, gone, come, after @ ..] = edits {
        let place = (usize::from(*high) << 8 | usize::from(*low)) % (der.len() + 1);
        let end = (place + usize::from(gone & 15)).min(der.len());
        let (new, after) = after.split_at(usize::from(come & 15).min(after.len()));
        der.splice(place..end, new.iter().copied());
        edits = after;
    }
    base64_simd::STANDARD.encode_to_string(der).into_bytes()
}

fn judged(checker: &Checker, document: &[u8], at: i64) -> Result<Vec<u8>, String> {
    match checker.check(document, at, None) {
        Ok(signed) => Ok(signed.content().to_vec()),
        Err(refusal) => Err(format!("{refusal:?}")),
    }
}

fuzz_target!(|input: &[u8]| {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(world);
    let document = changed(input, &world.documents);
    let cold = Checker::new(world.setup.clone()).expect("the setting is good");
    let verdict = judged(&cold, &document, world.at);
    assert_eq!(judged(&cold, &document, world.at), verdict, "again");
    assert_eq!(judged(&world.warm, &document, world.at), verdict, "with what others left");
    let batch: [&[u8]; 3] = [&world.good, &document, &world.good];
    for checker in [&cold, &world.warm] {
        let verdicts = checker.check_many(&batch, world.at, NonZeroUsize::MIN);
        let said: Vec<_> = verdicts
            .iter()
            .map(|verdict| verdict.map(|_| ()).map_err(|refusal| format!("{refusal:?}")))
            .collect();
        assert_eq!(said[1], verdict.clone().map(|_| ()), "in a batch");
        assert!(said[0].is_ok() && said[2].is_ok(), "a neighbour");
    }
});
