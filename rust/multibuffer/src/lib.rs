//! The RSA public-key operation with AVX-512 IFMA: one signature in 512-bit vectors, or eight side by side. See the README for the arithmetic.
//!
//! Keys of 2048, 3072 and 4096 bits with the exponent 65537, on processors that [`available`] finds able. Whatever else there is belongs to
//! the library of the caller; this crate says so by giving no [`Key`].
//!
//! Signatures, keys and messages are public, so nothing here tries to take constant time: never use it for a private key.
//!
//! ```
//! use imdskit_multibuffer::{Hash, Key, encode};
//!
//! fn verify(modulus: &[u8], signature: &[u8], digest: &[u8]) -> Option<bool> {
//!     let key = Key::new(modulus)?; // else: the library
//!     let mut block = vec![0; key.octets()];
//!     Some(encode(Hash::Sha256, digest, &mut block) && key.verify(signature, &block))
//! }
//! assert_eq!(verify(&[3], &[1], &[0; 32]), None);
//! ```

mod batch;
mod cpu;
mod encoding;
mod key;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod limbs;
pub mod model;
#[cfg(target_arch = "x86_64")]
mod single;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vector;

pub use batch::{Job, verify_many};
pub use encoding::{Hash, encode};
pub use key::Key;

/// Whether processor and operating system can run the kernels: AVX-512 F and IFMA. Always false where the architecture is not x86-64.
#[must_use]
pub fn available() -> bool {
    cpu::Ifma::detect().is_some()
}
