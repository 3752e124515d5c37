//! What the tests and benches of this crate share: EMSA-PKCS1-v1_5 (RFC 8017 section 9.2), and tests that cannot run everywhere.

#![allow(dead_code, clippy::expect_used)] // no user of this module needs all of it

/// Reports that a test does not run. Panics instead where the environment demands that it does.
pub fn skip(switch: &str, why: &str) {
    assert!(std::env::var_os(switch).is_none(), "{switch} is set, but {why}");
    println!("skipped: {why}");
}

/// Reports that the kernels cannot run here; with `IMDSKIT_REQUIRE_IFMA` set, fails.
pub fn skip_kernels() {
    skip("IMDSKIT_REQUIRE_IFMA", "this processor has no AVX-512 IFMA");
}

/// SHA-2 hashes by the last octet of their object identifier and their octets.
#[derive(Clone, Copy)]
pub enum Hash {
    Sha256 = 1,
    Sha384 = 2,
    Sha512 = 3,
}

/// The block of `octets` octets that a signature of the digest has to give.
pub fn block(hash: Hash, digest: &[u8], octets: usize) -> Vec<u8> {
    let length = u8::try_from(digest.len()).expect("a digest of SHA-2");
    let mut info = vec![
        0x30,
        17 + length,
        0x30,
        13,
        6,
        9,
        0x60,
        0x86,
        0x48,
        1,
        0x65,
        3,
        4,
        2,
        hash as u8,
        5,
        0,
        4,
        length,
    ];
    info.extend_from_slice(digest);
    let mut block = vec![0xff; octets];
    block[0] = 0;
    block[1] = 1;
    block[octets - info.len() - 1] = 0;
    block[octets - info.len()..].copy_from_slice(&info);
    block
}
