//! The extension module `imdskit._native`: Python classes and functions for the crate `imdskit-core`. It contains no logic of its own.

#[macro_use]
mod setup;

mod bucket;
mod checker;
mod document;
mod errors;
mod packed;
#[cfg(feature = "parts")]
mod parts;

use pyo3::prelude::*;

// Everything that threads share is frozen, atomic, or has its own lock, so no thread needs the interpreter's lock (`docs/decisions`, page
// 0066).
#[pymodule(gil_used = false)]
#[pyo3(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::{
        bucket::Bucket,
        checker::{Checker, Signed, Verdicts},
        document::Document,
    };

    #[cfg(feature = "parts")]
    #[pymodule_export]
    use crate::parts::parts;

    /// Version of the contract that this extension implements (`imdskit.backends.contract.CONTRACT`).
    #[pymodule_export]
    const CONTRACT: u32 = 4;

    /// Build profile of this extension.
    #[pymodule_export]
    const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

    #[pymodule_export]
    use crate::{cpu_path, forked, use_kernels};
}

/// Return the implementation of RSA signatures on this processor: `aws-lc` or `avx512-ifma`.
#[pyfunction]
fn cpu_path() -> &'static str {
    imdskit_core::cpu_path()
}

/// Tell the extension that this process is the child of a fork.
#[pyfunction]
fn forked() {
    imdskit_core::forks::forked();
}

/// Set whether the AVX-512 kernels are used if the processor supports them. Tests and measurements use this function to run the code
/// without the kernels.
#[pyfunction]
fn use_kernels(used: bool) {
    imdskit_core::use_kernels(used);
}
