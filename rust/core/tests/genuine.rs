//! Tests with the genuine documents in the shared data. The checker and the example program accept them with the bundled roots.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use imdskit_core::checker::Checker;
use imdskit_core::roots;
use serde_json::Value;

const HOUR: i64 = 3600;

/// Returns the genuine documents, each with its creation time in Unix seconds.
fn documents(shared: &Path) -> Vec<(PathBuf, i64)> {
    let mut setup = roots::setup();
    setup.check_chain = false;
    setup.check_times = false;
    let reader = Checker::new(setup).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(shared.join("corpus/attested")).unwrap() {
        let meta = entry.unwrap().path();
        let Some(stem) = meta.to_str().and_then(|path| path.strip_suffix(".meta.json")) else {
            continue;
        };
        let record: Value = serde_json::from_slice(&std::fs::read(&meta).unwrap()).unwrap();
        if record["kind"] == "genuine" {
            let path = PathBuf::from(format!("{stem}.json"));
            let signed = reader.check(&std::fs::read(&path).unwrap(), 0, None).unwrap();
            found.push((path, signed.claims().created_on));
        }
    }
    assert!(found.len() > 10);
    found
}

#[test]
fn accepts_every_genuine_document_an_hour_after_its_creation() {
    let Some(shared) = support::shared() else {
        return;
    };
    let checker = Checker::new(roots::setup()).unwrap();
    for (path, created) in documents(&shared) {
        let document = std::fs::read(&path).unwrap();
        let signed = checker.check(&document, created + HOUR, None).unwrap();
        let expected = if path.to_str().unwrap().contains("usgov") {
            "usgovernment"
        } else {
            "public"
        };
        assert_eq!(signed.label(), expected, "{}", path.display());
    }
}

/// Cargo builds the examples before the tests, in a folder next to that of the tests. This test relies on both facts.
#[test]
fn example_accepts_a_genuine_document_and_refuses_it_later() {
    let Some(shared) = support::shared() else {
        return;
    };
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let example = folder.join("examples").join(format!("verify{}", std::env::consts::EXE_SUFFIX));
    let (path, created) = documents(&shared).pop().unwrap();
    let run = |at: i64| Command::new(&example).arg(&path).arg(at.to_string()).output().unwrap();
    let accepted = run(created + HOUR);
    assert!(accepted.status.success());
    assert!(accepted.stdout.starts_with(b"Genuine: virtual machine "));
    let refused = run(created + 7 * HOUR);
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("DocumentExpired"));
}
