//! The extension module `imdskit._native`: the crate `imdskit-core` in Python's clothes. No logic.

mod bucket;
mod checker;
mod document;
mod errors;
mod packed;
#[cfg(feature = "parts")]
mod parts;
mod setup;

use pyo3::prelude::*;

// What threads share is frozen, atomic, or behind a lock of its own, so no thread needs the interpreter's lock (decision 0066).
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

    /// Number of the contract that this extension keeps (`imdskit.backends.contract.CONTRACT`).
    #[pymodule_export]
    const CONTRACT: u32 = 4;

    /// How this extension was compiled.
    #[pymodule_export]
    const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

    /// What reckons RSA signatures on this processor.
    #[pymodule_export]
    use crate::{cpu_path, forked, use_kernels};
}

/// What reckons RSA signatures on this processor: `aws-lc` or `avx512-ifma`.
#[pyfunction]
fn cpu_path() -> &'static str {
    imdskit_core::cpu_path()
}

/// Tell the extension that this process is the child of a fork.
#[pyfunction]
fn forked() {
    imdskit_core::forks::forked();
}

/// Whether the AVX-512 kernels are used where the processor has them. For tests and measurements of the way without them.
#[pyfunction]
fn use_kernels(used: bool) {
    imdskit_core::use_kernels(used);
}
