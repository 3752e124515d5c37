//! ECDSA over the three NIST prime curves (FIPS 186-5 section 6.4.2).

// Python counterpart: `pki/signatures/ecdsa.py`. AWS-LC does the arithmetic.

use aws_lc_rs::signature as aws;

use crate::asn1::der::{Reader, Trail};
use crate::pki::signatures::digests::Hash;
use crate::pki::x509::certificate::Curve;

/// Verifies `signature`, the DER of an ECDSA-Sig-Value (RFC 3279 section 2.2.3). `point` must be uncompressed and on the curve.
pub(crate) fn verify(curve: Curve, point: &[u8], hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    if !is_signature_value(signature) {
        return false;
    }
    let algorithm = match (curve, hash) {
        (Curve::P256, Hash::Sha1) => &aws::ECDSA_P256_SHA1_ASN1,
        (Curve::P256, Hash::Sha256) => &aws::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Hash::Sha384) => &aws::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Hash::Sha512) => &aws::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Hash::Sha256) => &aws::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Hash::Sha384) => &aws::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Hash::Sha512) => &aws::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Hash::Sha1) => &aws::ECDSA_P521_SHA1_ASN1,
        (Curve::P521, Hash::Sha224) => &aws::ECDSA_P521_SHA224_ASN1,
        (Curve::P521, Hash::Sha256) => &aws::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Hash::Sha384) => &aws::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Hash::Sha512) => &aws::ECDSA_P521_SHA512_ASN1,
        // `signature::check_strength` refuses these hashes. Only test suites skip that check.
        _ => return false,
    };
    aws::UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
}

/// Returns whether the signature is the DER of two positive integers. AWS-LC checks that they are below the order of the curve.
fn is_signature_value(signature: &[u8]) -> bool {
    let trail = Trail::new(0);
    let mut reader = Reader::new(signature, &trail);
    let mut read = || {
        let mut value = reader.sequence("")?;
        reader.finish()?;
        let (r, s) = (value.integer("")?, value.integer("")?);
        value.finish()?;
        Ok::<_, crate::asn1::der::DerError>(!(r.is_negative() || r.is_zero() || s.is_negative() || s.is_zero()))
    };
    read().unwrap_or(false)
}
