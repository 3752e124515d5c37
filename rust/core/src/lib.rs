//! Verification of attested data documents of the Azure Instance Metadata Service.
//!
//! An attested data document is a signed statement about a virtual machine, in the form of a CMS message (RFC 5652). A [`checker::Checker`]
//! decides whether such a document is genuine. It verifies the signature, and builds and validates a certification path to a trusted root
//! (RFC 5280). It compares the names in the signer's certificate with the domains of the Azure clouds, and checks the claims. It fetches
//! nothing from the network.
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
//! The crate also contains two performance-critical parts of an emulator of the service: [`document::Document`], an indexed JSON document,
//! and [`bucket::Bucket`], a token bucket.
//!
//! # Features
//!
//! - `multibuffer` (default): verifies RSA signatures with AVX-512 if the processor supports it. Without this feature the crate needs Rust
//!   1.85 instead of 1.89.
//! - `roots`: adds the module `roots` with the certificates of Azure's authorities.
//! - `parts`: adds the module `parts`, in which test suites can call single steps of the verification. Do not verify documents with these
//!   steps. Semantic versioning does not cover them.

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
pub mod verdicts;

/// Returns the implementation that verifies RSA signatures on this processor: `avx512-ifma` or `aws-lc`.
#[must_use]
pub fn cpu_path() -> &'static str {
    if pki::signatures::rsa::uses_kernels() {
        "avx512-ifma"
    } else {
        "aws-lc"
    }
}

/// Sets whether this process uses the AVX-512 kernels of `imdskit-multibuffer` when the processor supports them. The setting is for tests
/// and measurements. No verdict depends on it.
pub fn use_kernels(used: bool) {
    pki::signatures::rsa::use_kernels(used);
}
