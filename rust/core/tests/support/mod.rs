//! What the tests share: tests that cannot run everywhere.

#![allow(dead_code)] // no user of this module needs all of it

use std::path::PathBuf;

/// Reports that a test does not run. Panics instead where the environment demands that it does.
fn skip(switch: &str, why: &str) {
    assert!(std::env::var_os(switch).is_none(), "{switch} is set, but {why}");
    println!("skipped: {why}");
}

/// Whether to use the kernels, for each run of a test: with and without. With `IMDSKIT_REQUIRE_IFMA` set, fails where the processor has none.
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

/// The folder with the shared data. With `IMDSKIT_REQUIRE_SHARED` set, fails where there is none.
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
        "the shared data is not at ../shared nor where IMDSKIT_SHARED points",
    );
    None
}
