//! Public keys and algorithm identifiers (RFC 5280 sections 4.1.1.2 and 4.1.2.7, RFC 3279, RFC 4055, RFC 5480).

// Python counterpart: `pki/x509/keys.py`.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, EcdsaVerificationAlgorithm, ParsedPublicKey,
};

#[cfg(feature = "parts")]
use crate::asn1::der::Trail;
use crate::asn1::der::{self, Field, Reader};
use crate::asn1::oids;
use crate::pki::signatures::rsa::RsaPublicKey;
use crate::pki::signatures::signature::{Algorithm, NULL};
use crate::pki::x509::certificate::{AlgorithmIdentifier, Curve, PublicKey};

/// Reads an AlgorithmIdentifier: an object identifier and at most one element of parameters.
pub(crate) fn read_algorithm(reader: &mut Reader<'_, '_>, field: impl Into<Field>) -> der::Result<AlgorithmIdentifier> {
    let pos = reader.pos;
    let algorithm = borrow_algorithm(reader, field)?;
    Ok(AlgorithmIdentifier {
        oid: algorithm.oid.into(),
        parameters: algorithm.parameters.map(Into::into),
        der: reader.data[pos..reader.pos].into(),
    })
}

/// Reads an AlgorithmIdentifier without copying it.
pub(crate) fn borrow_algorithm<'d>(reader: &mut Reader<'d, '_>, field: impl Into<Field>) -> der::Result<Algorithm<'d>> {
    let mut algorithm = reader.sequence(field)?;
    let oid = algorithm.oid("algorithm")?;
    let parameters = (!algorithm.is_empty()).then(|| algorithm.any("parameters")).transpose()?;
    algorithm.finish()?;
    Ok(Algorithm { oid, parameters })
}

/// Parses a whole SubjectPublicKeyInfo.
#[cfg(feature = "parts")]
pub(crate) fn parse_public_key(spki: &[u8]) -> der::Result<PublicKey> {
    let trail = Trail::new(0);
    let mut reader = Reader::new(spki, &trail);
    let key = read_public_key(&mut reader)?;
    reader.finish()?;
    Ok(key)
}

/// Reads the key of a SubjectPublicKeyInfo. A key that is neither RSA nor on a supported curve is [`PublicKey::Unsupported`]. An RSA key
/// that does not follow the grammar of RSAPublicKey is an error.
pub(crate) fn read_public_key(reader: &mut Reader<'_, '_>) -> der::Result<PublicKey> {
    let mut info = reader.sequence("subjectPublicKeyInfo")?;
    let algorithm = read_algorithm(&mut info, "algorithm")?;
    let bits = info.enter_bit_string("subjectPublicKey")?;
    info.finish()?;
    let unsupported = |why| PublicKey::Unsupported {
        oid: algorithm.oid.clone(),
        why,
    };
    match &*algorithm.oid {
        oids::RSA_ENCRYPTION if algorithm.parameters.as_deref() != Some(NULL) => {
            Ok(unsupported("rsaEncryption without NULL (RFC 3279 section 2.3.1)"))
        }
        oids::RSA_ENCRYPTION => read_rsa(bits, None, false),
        oids::RSASSA_PSS => read_rsa(bits, algorithm.parameters.as_deref(), true),
        oids::EC_PUBLIC_KEY => Ok(elliptic(algorithm.parameters.as_deref(), &bits.data[bits.pos..bits.stop]).unwrap_or_else(unsupported)),
        _ => Ok(unsupported("not RSA and not on an elliptic curve that is accepted")),
    }
}

/// Reads an RSAPublicKey. Modulus and exponent must be positive (RFC 3279 section 2.3.1).
fn read_rsa(mut reader: Reader<'_, '_>, pss: Option<&[u8]>, only_pss: bool) -> der::Result<PublicKey> {
    let mut key = reader.sequence("")?;
    reader.finish()?;
    let (modulus, exponent) = (key.integer("modulus")?, key.integer("publicExponent")?);
    key.finish()?;
    if [modulus, exponent].iter().any(|number| number.is_negative() || number.is_zero()) {
        return Err(key.fault("The modulus or the exponent is not positive.", ""));
    }
    Ok(PublicKey::Rsa(Box::new(RsaPublicKey::new(
        modulus.magnitude(),
        exponent.magnitude(),
        only_pss,
        pss,
    ))))
}

/// Returns a key on a named curve. Its point must be uncompressed and on the curve (RFC 5480 sections 2.1.1 and 2.2; SEC 1 section 3.2.2).
/// The error describes the problem.
fn elliptic(parameters: Option<&[u8]>, point: &[u8]) -> Result<PublicKey, &'static str> {
    let (curve, octets, algorithm): (_, usize, &'static EcdsaVerificationAlgorithm) = match parameters.and_then(named_curve) {
        Some(oids::SECP256R1) => (Curve::P256, 32, &ECDSA_P256_SHA256_ASN1),
        Some(oids::SECP384R1) => (Curve::P384, 48, &ECDSA_P384_SHA384_ASN1),
        Some(oids::SECP521R1) => (Curve::P521, 66, &ECDSA_P521_SHA512_ASN1),
        _ => return Err("not a named curve that is accepted"),
    };
    if point.len() != 1 + 2 * octets || point[0] != 0x04 {
        return Err("not an uncompressed point");
    }
    // AWS-LC checks that the coordinates are in range and that the point is on the curve.
    if ParsedPublicKey::new(algorithm, point).is_err() {
        return Err("the point is not on the curve");
    }
    Ok(PublicKey::Ec {
        curve,
        point: point.into(),
    })
}

/// Returns the contents of the object identifier in the parameters.
fn named_curve(parameters: &[u8]) -> Option<&[u8]> {
    match parameters {
        [der::OBJECT_IDENTIFIER, length, oid @ ..] if usize::from(*length) == oid.len() => Some(oid),
        _ => None,
    }
}
