//! Signature verification: RSA (RFC 8017), ECDSA (FIPS 186-5) and their algorithm identifiers.

pub(crate) mod digests;
pub(crate) mod ecdsa;
pub(crate) mod kernels;
pub(crate) mod rsa;
mod sha512_224;
pub(crate) mod signature;
