//! The hot paths of imdskit. A module bears the name of the Python module that it mirrors; that module is the specification.

pub mod asn1;
pub mod batch;
pub mod bucket;
mod cache;
pub mod checker;
pub mod claims;
pub mod columns;
pub mod contract;
pub mod document;
mod envelope;
pub mod forks;
mod host_names;
pub mod parts;
mod pki;
pub mod reasons;
#[cfg(test)]
mod samples;
mod strict_json;
pub mod unwinding;
pub mod verdicts;

/// What reckons RSA signatures on this processor: `avx512-ifma` or `aws-lc`.
#[must_use]
pub fn cpu_path() -> &'static str {
    if pki::signatures::rsa::uses_kernels() {
        "avx512-ifma"
    } else {
        "aws-lc"
    }
}

/// Whether the kernels of `imdskit-multibuffer` are used where the processor has them, in all of the process. For tests and measurements of the way without
/// them; no answer depends on it.
pub fn use_kernels(used: bool) {
    pki::signatures::rsa::use_kernels(used);
}
