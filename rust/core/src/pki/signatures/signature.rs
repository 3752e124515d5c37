//! Verification of the signatures of certificates and messages. An AlgorithmIdentifier specifies the algorithm of each signature (RFC 4055,
//! RFC 5754, RFC 5758).
//!
//! [`verify`] verifies a signature. [`check_algorithm`] and [`check_key`] decide which algorithms and keys are accepted.

// Python counterpart: `pki/signatures/signature.py`.

use std::borrow::Cow;

use crate::asn1::der::{self, Reader, Trail, context};
use crate::asn1::oids;
use crate::asn1::values::oid_text;
use crate::pki::signatures::digests::Hash;
use crate::pki::signatures::ecdsa;
use crate::pki::signatures::rsa::{self, RsaPublicKey};
use crate::pki::x509::certificate::{AlgorithmIdentifier, PublicKey};

const MAX_RSA_BITS: usize = 8192;
const MIN_RSA_EXPONENT: u64 = 65537;
const MAX_RSA_EXPONENT_BITS: usize = 32;

/// DER of NULL.
pub(crate) const NULL: &[u8] = &[der::NULL, 0];

/// An [`AlgorithmIdentifier`] that borrows from a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Algorithm<'d> {
    pub(crate) oid: &'d [u8],
    pub(crate) parameters: Option<&'d [u8]>,
}

impl AlgorithmIdentifier {
    /// Returns the identifier without copying it.
    pub(crate) fn borrowed(&self) -> Algorithm<'_> {
        Algorithm {
            oid: &self.oid,
            parameters: self.parameters.as_deref(),
        }
    }
}

/// The requirements on algorithms and keys.
#[derive(Clone, Copy, Debug)]
pub struct Strength {
    /// Minimum size of an RSA modulus in bits.
    pub min_rsa_bits: u32,
    /// Whether to accept hashes other than SHA-256, SHA-384 and SHA-512 (test suites only).
    pub accept_weak: bool,
}

/// The reason why a signature is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Algorithm,
    Key,
    Signature,
}

impl Fault {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Algorithm => "the algorithm is not known, or its parameters are wrong",
            Self::Key => "the type of the key is not that of the algorithm",
            Self::Signature => "the signature does not match",
        }
    }
}

/// RSASSA-PSS-params (RFC 4055 section 3.1) with MGF1; the trailer field is always 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PssParameters {
    hash: Hash,
    mgf_hash: Hash,
    salt_length: usize,
}

/// Returns the hash if the algorithm is RSASSA-PKCS1-v1_5.
fn rsa_with(oid: &[u8]) -> Option<Hash> {
    Some(match oid {
        oids::SHA256_WITH_RSA => Hash::Sha256,
        oids::SHA384_WITH_RSA => Hash::Sha384,
        oids::SHA512_WITH_RSA => Hash::Sha512,
        oids::SHA1_WITH_RSA => Hash::Sha1,
        oids::SHA224_WITH_RSA => Hash::Sha224,
        oids::SHA512_224_WITH_RSA => Hash::Sha512_224,
        oids::SHA512_256_WITH_RSA => Hash::Sha512_256,
        _ => return None,
    })
}

/// Returns the hash if the algorithm is ECDSA.
fn ecdsa_with(oid: &[u8]) -> Option<Hash> {
    Some(match oid {
        oids::ECDSA_WITH_SHA256 => Hash::Sha256,
        oids::ECDSA_WITH_SHA384 => Hash::Sha384,
        oids::ECDSA_WITH_SHA512 => Hash::Sha512,
        oids::ECDSA_WITH_SHA1 => Hash::Sha1,
        oids::ECDSA_WITH_SHA224 => Hash::Sha224,
        _ => return None,
    })
}

/// Verifies a signature. This function accepts weak algorithms and keys.
pub(crate) fn verify(algorithm: &AlgorithmIdentifier, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Fault> {
    verify_with(scheme_of(algorithm.borrowed()), key, message, signature)
}

/// A signature scheme with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Pkcs1(Hash),
    Ecdsa(Hash),
    Pss(PssParameters),
}

/// Returns the scheme of an algorithm, or `None` if the algorithm is unknown or its parameters are wrong.
pub(crate) fn scheme_of(algorithm: Algorithm<'_>) -> Option<Scheme> {
    if let Some(hash) = rsa_with(algorithm.oid) {
        // RFC 4055 section 5: the parameters are NULL, but their absence must be accepted.
        return algorithm
            .parameters
            .is_none_or(|parameters| parameters == NULL)
            .then_some(Scheme::Pkcs1(hash));
    }
    if let Some(hash) = ecdsa_with(algorithm.oid) {
        // RFC 5758 section 3.2: the parameters are absent.
        return algorithm.parameters.is_none().then_some(Scheme::Ecdsa(hash));
    }
    if algorithm.oid == oids::RSASSA_PSS {
        pss_parameters(algorithm.parameters).map(Scheme::Pss)
    } else {
        None
    }
}

/// Verifies a signature with the result of [`scheme_of`].
pub(crate) fn verify_with(scheme: Option<Scheme>, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Fault> {
    let good = match (scheme.ok_or(Fault::Algorithm)?, key) {
        (Scheme::Pkcs1(hash), PublicKey::Rsa(key)) if !key.only_pss => rsa::verify_pkcs1v15(key, hash, message, signature),
        (Scheme::Ecdsa(hash), PublicKey::Ec { curve, point }) => ecdsa::verify(*curve, point, hash, message, signature),
        (Scheme::Pss(used), PublicKey::Rsa(key)) if allows(key, used) => {
            rsa::verify_pss(key, used.hash, used.mgf_hash, used.salt_length, message, signature)
        }
        _ => return Err(Fault::Key),
    };
    if good { Ok(()) } else { Err(Fault::Signature) }
}

/// Returns the hash that a signature algorithm specifies, or `None` if the algorithm is unknown or specifies no hash.
pub(crate) fn hash_of(algorithm: Algorithm<'_>) -> Option<Hash> {
    if algorithm.oid == oids::RSASSA_PSS {
        return pss_parameters(algorithm.parameters).map(|parameters| parameters.hash);
    }
    rsa_with(algorithm.oid).or_else(|| ecdsa_with(algorithm.oid))
}

/// Checks that the algorithm is accepted: it is known, its parameters are valid, and its hash is SHA-256, SHA-384 or SHA-512. The error
/// describes the problem.
pub(crate) fn check_algorithm(algorithm: Algorithm<'_>) -> Result<(), Cow<'static, str>> {
    let unknown = || format!("the algorithm {} or its parameters are unknown", oid_text(algorithm.oid));
    check_strength(hash_of(algorithm).ok_or_else(unknown)?, scheme_of(algorithm))
}

/// Checks that the hash of a signature is SHA-256, SHA-384 or SHA-512. If the signature has a mask generation function, checks the hash of
/// this function too. The error describes the problem.
pub(crate) fn check_strength(hash: Hash, scheme: Option<Scheme>) -> Result<(), Cow<'static, str>> {
    let mask = match scheme {
        Some(Scheme::Pss(used)) => used.mgf_hash,
        _ => hash,
    };
    for hash in [hash, mask] {
        if !matches!(hash, Hash::Sha256 | Hash::Sha384 | Hash::Sha512) {
            return Err(format!("{} is not accepted", hash.name()).into());
        }
    }
    Ok(())
}

/// Checks that the key is accepted: RSA with an accepted size and exponent, or a known elliptic curve. The error describes the problem.
pub(crate) fn check_key(key: &PublicKey, min_rsa_bits: u32) -> Result<(), Cow<'static, str>> {
    let key = match key {
        PublicKey::Unsupported { oid, why } => return Err(format!("{}: {why}", oid_text(oid)).into()),
        PublicKey::Ec { .. } => return Ok(()),
        PublicKey::Rsa(key) => key,
    };
    let bits = key.bits();
    if !(min_rsa_bits as usize..=MAX_RSA_BITS).contains(&bits) {
        return Err(format!("RSA of {bits} bits; {min_rsa_bits} to {MAX_RSA_BITS} are accepted").into());
    }
    if key.has_even_modulus() {
        return Err("an even RSA modulus".into());
    }
    let fits = key.exponent_bits() <= MAX_RSA_EXPONENT_BITS && key.small_exponent().is_some_and(|exponent| exponent >= MIN_RSA_EXPONENT);
    if key.has_even_exponent() || !fits {
        return Err("an RSA exponent that is even, below 65537, or longer than 32 bits".into());
    }
    Ok(())
}

/// Parses RSASSA-PSS-params. Returns `None` if they are absent (a signature must have them), malformed, or of an unknown kind.
fn pss_parameters(der: Option<&[u8]>) -> Option<PssParameters> {
    let trail = Trail::new(0);
    let mut reader = Reader::new(der?, &trail);
    let members = reader.sequence("").ok()?;
    let parameters = read_pss_parameters(members).ok()??;
    reader.finish().ok()?;
    Some(parameters)
}

/// Reads the members. Absent members have the defaults of RFC 4055 section 3.1: SHA-1, MGF1 with SHA-1, a salt of 20 bytes, trailer 1.
fn read_pss_parameters(mut members: Reader<'_, '_>) -> der::Result<Option<PssParameters>> {
    let (mut hash, mut mgf_hash) = (Some(Hash::Sha1), Some(Hash::Sha1));
    let (mut salt_length, mut trailer) = (Some(20), Some(1));
    if let Some(mut wrapped) = members.enter_optional(context(0), "hashAlgorithm")? {
        hash = read_hash(&mut wrapped)?;
        wrapped.finish()?;
    }
    if let Some(mut wrapped) = members.enter_optional(context(1), "maskGenAlgorithm")? {
        let mut mask = wrapped.sequence("")?;
        wrapped.finish()?;
        mgf_hash = None;
        if mask.oid("")? == oids::MGF1 {
            mgf_hash = read_hash(&mut mask)?;
            if mgf_hash.is_some() {
                mask.finish()?;
            }
        }
    }
    if let Some(mut wrapped) = members.enter_optional(context(2), "saltLength")? {
        salt_length = wrapped.integer("")?.small();
        wrapped.finish()?;
    }
    if let Some(mut wrapped) = members.enter_optional(context(3), "trailerField")? {
        trailer = wrapped.integer("")?.small();
        wrapped.finish()?;
    }
    members.finish()?;
    let salt_length = salt_length
        .filter(|octets| (0..=rsa::MAX_SALT).contains(octets))
        .and_then(|octets| usize::try_from(octets).ok());
    Ok(match (hash, mgf_hash, salt_length, trailer) {
        (Some(hash), Some(mgf_hash), Some(salt_length), Some(1)) => Some(PssParameters {
            hash,
            mgf_hash,
            salt_length,
        }),
        _ => None,
    })
}

/// Reads a HashAlgorithm with NULL or absent parameters (RFC 4055 section 2.1).
fn read_hash(reader: &mut Reader<'_, '_>) -> der::Result<Option<Hash>> {
    let mut algorithm = reader.sequence("")?;
    let hash = Hash::named(algorithm.oid("")?);
    if !algorithm.is_empty() {
        algorithm.null("")?;
    }
    algorithm.finish()?;
    Ok(hash)
}

/// Returns whether the key allows these parameters. A key for RSASSA-PSS may specify its hashes and a minimum salt length (RFC 4055 section
/// 3.3).
fn allows(key: &RsaPublicKey, used: PssParameters) -> bool {
    if !key.only_pss || key.pss.is_none() {
        return true;
    }
    pss_parameters(key.pss.as_deref())
        .is_some_and(|fixed| fixed.hash == used.hash && fixed.mgf_hash == used.mgf_hash && used.salt_length >= fixed.salt_length)
}
