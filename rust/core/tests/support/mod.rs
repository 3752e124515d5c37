//! Support for tests that cannot run everywhere.

#![allow(dead_code)] // each test uses a part of this module

use std::path::PathBuf;

/// Reports that a test is skipped. Panics if the environment variable `switch` requires the test.
fn skip(switch: &str, why: &str) {
    assert!(std::env::var_os(switch).is_none(), "{switch} is set, but {why}");
    println!("skipped: {why}");
}

/// Returns the settings with which a test runs: with and without the AVX-512 kernels, or only without them if the kernels are not
/// available. Panics in the latter case if `IMDSKIT_REQUIRE_IFMA` is set.
pub fn kernels() -> &'static [bool] {
    imdskit_core::use_kernels(true);
    if imdskit_core::cpu_path() == "avx512-ifma" {
        return &[true, false];
    }
    skip(
        "IMDSKIT_REQUIRE_IFMA",
        "this processor has no AVX-512 IFMA, or the feature `multibuffer` is off",
    );
    &[false]
}

/// Returns the folder with the shared data, or `None` if there is none. Panics in this case if `IMDSKIT_REQUIRE_SHARED` is set.
pub fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("IMDSKIT_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    if folder.join("corpus/attested").is_dir() {
        return Some(folder);
    }
    skip(
        "IMDSKIT_REQUIRE_SHARED",
        "the shared data is neither in ../shared nor in the folder that IMDSKIT_SHARED names",
    );
    None
}
