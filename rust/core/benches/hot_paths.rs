//! Benchmarks of the performance-critical functions: `cargo bench -p imdskit-core`. The attested document comes from
//! `tests/vectors/attested`.

#![allow(missing_docs, clippy::unwrap_used)] // a bench

use std::num::NonZeroUsize;

use imdskit_core::bucket::Bucket;
use imdskit_core::checker::Checker;
use imdskit_core::contract::Setup;
use imdskit_core::document::{Document, Form};
use serde_json::Value;

const MANY: usize = 1024;

fn main() {
    if cfg!(debug_assertions) {
        eprintln!("A debug build says nothing about the speed. Use `cargo bench`.");
        return;
    }
    divan::main();
}

/// Returns the setup, the time of the check, and a document in base64.
fn vectors() -> (Setup, i64, Vec<u8>) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/attested/vectors.ndjson");
    let lines: Vec<Value> = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let decode = |value: &Value| base64_simd::STANDARD.decode_to_vec(value.as_str().unwrap()).unwrap();
    let all = |name: &str| lines[0][name].as_array().unwrap().iter().map(decode).collect::<Vec<_>>();
    let case = {
        let plain = |line: &&Value| {
            let is_base64 = decode(&line["document"]).first().is_some_and(|first| *first == b'M');
            line["expected"] == "accept" && is_base64 && line.get("at").is_none() && line.get("nonce").is_none()
        };
        lines[1..].iter().find(plain)
    };
    let mut setup = Setup::default();
    setup.anchors = all("anchors");
    setup.intermediates = all("intermediates");
    setup.names = lines[0]["names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| (name.as_str().unwrap().into(), name.as_str().unwrap().into()))
        .collect();
    (setup, lines[0]["at"].as_i64().unwrap(), decode(&case.unwrap()["document"]))
}

/// Verifies one document, once with the AVX-512 kernels and once without them.
#[divan::bench(args = [true, false])]
fn one_document(bencher: divan::Bencher<'_, '_>, kernels: bool) {
    imdskit_core::use_kernels(kernels);
    let (setup, at, document) = vectors();
    let checker = Checker::new(setup).unwrap();
    bencher.bench(|| checker.check(&document, at, None).unwrap());
}

#[divan::bench(args = [true, false])]
fn many_documents(bencher: divan::Bencher<'_, '_>, kernels: bool) {
    imdskit_core::use_kernels(kernels);
    let (setup, at, document) = vectors();
    let checker = Checker::new(setup).unwrap();
    let documents = vec![document; MANY];
    bencher
        .counter(MANY)
        .bench(|| checker.check_many(&documents, at, NonZeroUsize::MIN));
}

#[divan::bench]
fn malformed_document(bencher: divan::Bencher<'_, '_>) {
    let (setup, at, mut document) = vectors();
    document.truncate(document.len() / 2 / 4 * 4);
    let checker = Checker::new(setup).unwrap();
    bencher.bench(|| checker.check(&document, at, None).unwrap_err());
}

const INSTANCE: &[u8] = br#"{"compute":{"name":"vm","tagsList":[{"name":"a","value":"b"}],
"storageProfile":{"osDisk":{"name":"disk","diskSizeGB":"30"}}},"network":{}}"#;

#[divan::bench]
fn index_document() -> Document {
    Document::new(divan::black_box(INSTANCE)).unwrap()
}

#[divan::bench]
fn select_leaf(bencher: divan::Bencher<'_, '_>) {
    let document = Document::new(INSTANCE).unwrap();
    bencher.bench(|| {
        document
            .select(divan::black_box(["compute", "storageProfile", "osDisk", "name"]), Form::Text)
            .unwrap()
            .len()
    });
}

#[divan::bench(threads = [1, 2, 4])]
fn take_token(bencher: divan::Bencher<'_, '_>) {
    let bucket = Bucket::new(5, 1_000_000_000, 5).unwrap();
    bencher.bench(|| bucket.take(divan::black_box(1)));
}
