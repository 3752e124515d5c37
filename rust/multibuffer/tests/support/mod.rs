//! Functions that the tests and benches of this crate share: EMSA-PKCS1-v1_5 (RFC 8017 section 9.2), and support for tests that cannot run
//! everywhere.

#![allow(dead_code, clippy::expect_used)] // each test uses a part of this module

/// Reports that a test is skipped. Panics if the environment variable `switch` requires the test.
pub fn skip(switch: &str, why: &str) {
    assert!(std::env::var_os(switch).is_none(), "{switch} is set, but {why}");
    println!("skipped: {why}");
}

/// Reports that the kernels cannot run here. Panics if `IMDSKIT_REQUIRE_IFMA` is set.
pub fn skip_kernels() {
    skip("IMDSKIT_REQUIRE_IFMA", "this processor has no AVX-512 IFMA");
}

/// The SHA-2 hashes. Their values are the last bytes of their object identifiers.
#[derive(Clone, Copy)]
pub enum Hash {
    Sha256 = 1,
    Sha384 = 2,
    Sha512 = 3,
}

/// Returns the encoded block of a digest. It has `octets` bytes.
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
