//! RSA signature verification with AVX-512 IFMA: one signature at a time, or eight side by side.
//!
//! The crate computes *s*^65537 modulo *n* for moduli of 2048, 3072 and 4096 bits, on processors for which [`available`] returns true. For
//! every other key or processor, [`Key::new`] returns an error, and the caller must use another library. The crate has no dependencies.
//!
//! Signatures, public keys and messages are public, so no function runs in constant time. Never use this crate for a private key.
//!
//! ```
//! use imdskit_multibuffer::{Key, KeyError};
//!
//! /// `block` is the encoded message that the signature must produce, such as that of EMSA-PKCS1-v1_5 (RFC 8017 section 9.2).
//! fn verify(modulus: &[u8], signature: &[u8], block: &[u8]) -> Result<bool, KeyError> {
//!     Ok(Key::new(modulus)?.verify(signature, block))
//! }
//! assert!(verify(&[3], &[1], &[1]).is_err()); // the kernels do not support moduli of two bits
//! ```
//!
//! `examples/pkcs1.rs` verifies an RSASSA-PKCS1-v1_5 signature. The README explains the arithmetic and proves its bounds.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // without the kernels, nothing reads the prepared keys

mod batch;
mod cpu;
mod key;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod limbs;
#[cfg(any(test, feature = "model"))]
pub mod model;
#[cfg(target_arch = "x86_64")]
mod single;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vector;

pub use batch::{Job, verify_many};
pub use key::{Key, KeyError};

/// Returns whether the processor and the operating system can run the kernels, which need AVX-512 F and IFMA. On architectures other than
/// x86-64, the result is always false.
#[must_use]
pub fn available() -> bool {
    cpu::Ifma::detect().is_some()
}
