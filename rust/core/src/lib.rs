//! The hot paths of imdskit. A module bears the name of the Python module that it mirrors; that module is the specification.

pub mod batch;
pub mod bucket;
mod budget;
mod certificate;
pub mod checker;
pub mod claims;
mod cms;
pub mod columns;
pub mod contract;
mod crl;
pub mod der;
mod digests;
mod distribution_points;
pub mod document;
mod ecdsa;
mod envelope;
mod extensions;
pub mod forks;
mod frame;
mod host_names;
mod keys;
mod links;
mod memory;
mod name_constraints;
mod names;
mod oids;
pub mod parts;
mod path;
mod policies;
mod pool;
mod profile;
pub mod reasons;
mod revocation;
mod rsa;
#[cfg(test)]
mod samples;
mod signature;
mod strict_json;
pub mod unwinding;
mod uri;
mod validation;
pub mod verdicts;
mod x509;

/// What reckons RSA signatures on this processor: `avx512-ifma` or `aws-lc`.
#[must_use]
pub fn cpu_path() -> &'static str {
    if rsa::uses_kernels() { "avx512-ifma" } else { "aws-lc" }
}

/// Whether the kernels of `imdskit-multibuffer` are used where the processor has them, in all of the process. For tests and measurements of the way without
/// them; no answer depends on it.
pub fn use_kernels(used: bool) {
    rsa::use_kernels(used);
}
