//! Tests with signatures of an independent library, AWS-LC, and with the vectors of Wycheproof if they are available.

#![allow(clippy::expect_used, clippy::panic)]

use std::io::Read;
use std::path::PathBuf;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, RsaParameters, RsaSignatureEncoding};
use imdskit_multibuffer::{Job, Key, available, model, verify_many};
use serde_json::Value;
use support::Hash;

mod support;

struct Algorithm {
    name: &'static str,
    hash: Hash,
    digest: &'static digest::Algorithm,
    sign: &'static RsaSignatureEncoding,
    verify: &'static RsaParameters,
}

static ALGORITHMS: [Algorithm; 3] = [
    Algorithm {
        name: "sha256",
        hash: Hash::Sha256,
        digest: &digest::SHA256,
        sign: &signature::RSA_PKCS1_SHA256,
        verify: &signature::RSA_PKCS1_2048_8192_SHA256,
    },
    Algorithm {
        name: "sha384",
        hash: Hash::Sha384,
        digest: &digest::SHA384,
        sign: &signature::RSA_PKCS1_SHA384,
        verify: &signature::RSA_PKCS1_2048_8192_SHA384,
    },
    Algorithm {
        name: "sha512",
        hash: Hash::Sha512,
        digest: &digest::SHA512,
        sign: &signature::RSA_PKCS1_SHA512,
        verify: &signature::RSA_PKCS1_2048_8192_SHA512,
    },
];

fn block(algorithm: &Algorithm, message: &[u8], octets: usize) -> Vec<u8> {
    support::block(algorithm.hash, digest::digest(algorithm.digest, message).as_ref(), octets)
}

#[test]
fn verifies_signatures_of_aws_lc_and_rejects_changed_ones() {
    if !available() {
        return support::skip_kernels();
    }
    for size in [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096] {
        let pair = KeyPair::generate(size).expect("a key");
        let der = pair.public_key().as_ref(); // SEQUENCE and INTEGER with two-byte lengths, a zero byte, n, INTEGER 65537
        let modulus = &der[9..der.len() - 5];
        let key = Key::new(modulus).expect("a suitable modulus");
        for algorithm in &ALGORITHMS {
            let message = b"attested";
            let mut signature = vec![0; key.octets()];
            pair.sign(algorithm.sign, &SystemRandom::new(), message, &mut signature)
                .expect("a signature");
            let expected = block(algorithm, message, key.octets());
            assert!(key.verify(&signature, &expected));
            assert_eq!(key.public_operation(&signature).as_ref(), Some(&expected));
            assert_eq!(model::public_operation(modulus, &signature).as_ref(), Some(&expected));
            let library = signature::UnparsedPublicKey::new(algorithm.verify, der);
            for place in [0, 1, 100, key.octets() - 1] {
                for bit in [0, 7] {
                    let mut changed = signature.clone();
                    changed[place] ^= 1 << bit;
                    assert!(library.verify(message, &changed).is_err());
                    assert!(!key.verify(&changed, &expected));
                }
            }
            assert!(!key.verify(&signature, &block(algorithm, b"another", key.octets())));
        }
    }
}

/// Returns the contents of a DER element and the bytes after it.
fn der(octets: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match octets[1] {
        long if long & 0x80 != 0 => {
            let count = usize::from(long & 0x7f);
            (
                2 + count,
                octets[2..2 + count].iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
            )
        }
        short => (2, usize::from(short)),
    };
    octets[start..].split_at(length)
}

/// Returns modulus and exponent of a `SubjectPublicKeyInfo`, without leading zeros.
fn key_of(spki: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, bits) = der(der(spki).0);
    let (modulus, exponent) = der(der(&der(bits).0[1..]).0);
    let plain = |integer: &[u8]| integer[usize::from(integer[0] == 0)..].to_vec();
    (plain(modulus), plain(der(exponent).0))
}

fn hexadecimal(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("a string");
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect()
}

fn vectors() -> Option<Value> {
    let shared = std::env::var_os("IMDSKIT_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let file = std::fs::File::open(shared.join("suites/open/wycheproof-rsa-pkcs1.json.gz")).ok()?;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut text).expect("gzip");
    Some(serde_json::from_slice(&text).expect("JSON"))
}

#[test]
fn verdicts_match_wycheproof() {
    if !available() {
        return support::skip_kernels();
    }
    let Some(vectors) = vectors() else {
        return support::skip(
            "IMDSKIT_REQUIRE_SHARED",
            "wycheproof-rsa-pkcs1.json.gz is neither in ../shared nor in the folder that IMDSKIT_SHARED names",
        );
    };
    let octets = |name: &str| {
        let text = vectors["blobs"][name].as_str().unwrap_or_else(|| panic!("no blob {name}"));
        base64_simd::STANDARD.decode_to_vec(text).expect("base64")
    };
    let mut taken = Vec::new();
    let mut left = 0;
    for case in vectors["cases"].as_array().expect("cases") {
        let id = case["id"].as_str().expect("an id");
        let (modulus, exponent) = key_of(&octets(case["spki"].as_str().expect("a key")));
        let algorithm = ALGORITHMS.iter().find(|algorithm| case["hash"].as_str() == Some(algorithm.name));
        let key = if exponent == [1, 0, 1] { Key::new(&modulus).ok() } else { None };
        let (Some(algorithm), Some(key)) = (algorithm, key) else {
            left += 1;
            continue;
        };
        let message = hexadecimal(&case["msg"]);
        let signature = hexadecimal(&case["sig"]);
        // If the expected result is "either", a conforming verifier may accept or reject the signature. This crate must reject it.
        let good = case["expected"] == "accept";
        let block = block(algorithm, &message, key.octets());
        assert_eq!(key.verify(&signature, &block), good, "{id}");
        taken.push((key, signature, block, good));
    }
    let jobs: Vec<_> = taken
        .iter()
        .map(|(key, signature, block, _)| Job { key, signature, block })
        .collect();
    let mut verdicts = vec![false; jobs.len()];
    verify_many(&jobs, &mut verdicts);
    assert!(verdicts.iter().zip(&taken).all(|(verdict, (_, _, _, good))| verdict == good));
    println!("{} vectors taken, {left} with other exponents, sizes or hashes", taken.len());
    assert!(taken.len() > 500, "{} vectors taken, {left} left", taken.len());
}
