//! Verification of attested data documents of the Azure Instance Metadata Service.
//!
//! An attested data document is a signed statement about a virtual machine, in the form of a CMS message (RFC 5652). A [`checker::Checker`] decides whether
//! such a document is genuine: it verifies the signature, builds and validates a certification path to a trusted root (RFC 5280), compares the names in the
//! signer's certificate with the domains of the Azure clouds, and checks the claims. Nothing is fetched from the network.
//!
//! ```
//! use imdskit_core::checker::Checker;
//! use imdskit_core::contract::Setup;
//! use imdskit_core::reasons::Reason;
//!
//! let mut setup = Setup::default(); // trusts nobody; with the feature `roots`, `roots::setup()` trusts the roots of Azure
//! setup.names = vec![("public".into(), "metadata.azure.com".into())];
//! let checker = Checker::new(setup)?;
//! let refusal = checker.check(b"{}", 1_700_000_000, None).unwrap_err();
//! assert_eq!(refusal.reason, Reason::BadEnvelope);
//! println!("{refusal}"); // bad-envelope at signature: absent or not a string
//! # Ok::<(), imdskit_core::checker::BadTrust>(())
//! ```
//!
//! Besides, the crate holds two hot paths of an emulator of the service: [`document::Document`], an indexed JSON document, and [`bucket::Bucket`], a token
//! bucket.
//!
//! # Features
//!
//! - `multibuffer` (default): RSA signatures are verified with AVX-512 where the processor has it. Without this feature the crate needs Rust 1.85 instead
//!   of 1.89.
//! - `roots`: the module `roots` with the certificates of Azure's authorities.
//! - `parts`: the module `parts` with single steps of the verification, for test suites. Not a way to verify documents, and not covered by semantic
//!   versioning.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod asn1;
pub mod batch;
pub mod bucket;
mod cache;
pub mod checker;
pub mod claims;
pub mod columns;
pub mod contract;
pub mod document;
mod envelope;
mod errors;
pub mod forks;
#[cfg(feature = "parts")]
pub mod parts;
mod pki;
pub mod reasons;
#[cfg(feature = "roots")]
pub mod roots;
#[cfg(test)]
mod samples;
mod strict_json;
pub mod unwinding;
pub mod verdicts;

/// Returns what verifies RSA signatures on this processor: `avx512-ifma` or `aws-lc`.
#[must_use]
pub fn cpu_path() -> &'static str {
    if pki::signatures::rsa::uses_kernels() {
        "avx512-ifma"
    } else {
        "aws-lc"
    }
}

/// Sets whether the whole process uses the kernels of `imdskit-multibuffer` where the processor can run them. For tests and measurements: no verdict depends
/// on it.
pub fn use_kernels(used: bool) {
    pki::signatures::rsa::use_kernels(used);
}
