//! Single steps of the verification, for test suites that test signatures, certificates, messages or paths separately.
//!
//! Do not verify documents with these functions: each of them leaves out checks that the [checker](crate::checker) makes. Semantic
//! versioning does not cover this module.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::asn1::der::{self, Reader, Trail};
use crate::asn1::values::oid_text;
use crate::contract::Limits;
use crate::pki::cms;
use crate::pki::path::building;
use crate::pki::path::pool::Pool;
use crate::pki::revocation::crl::parse_crl;
use crate::pki::revocation::revocation::Lists;
use crate::pki::signatures::digests::Hash;
use crate::pki::signatures::ecdsa;
use crate::pki::signatures::rsa;
use crate::pki::signatures::signature;
use crate::pki::x509::certificate::{Certificate, PublicKey};
use crate::pki::x509::keys::{parse_public_key, read_algorithm};
use crate::pki::x509::parser::parse_certificate;
use crate::reasons::{Reason, Refusal};

pub use crate::asn1::der::DerError;
pub use crate::pki::path::validation::Inputs;
pub use crate::pki::signatures::signature::Strength;
pub use crate::pki::x509::certificate::KeyUsage;

/// Parses a certificate. Returns two lists: the RFC 5280 rules that the certificate breaks, each as (field, problem), and the object
/// identifiers of the critical extensions that this crate does not understand.
///
/// # Errors
/// Returns an error if the bytes are not a certificate.
#[allow(clippy::type_complexity)] // the caller destructures it
pub fn certificate(der: &[u8]) -> Result<(Vec<(String, String)>, Vec<String>), DerError> {
    let read = parse_certificate(der, 0, "certificate")?;
    let faults = read.faults.into_iter().map(|(field, what)| (field.into_owned(), what.into_owned()));
    Ok((faults.collect(), read.unknown_critical.iter().map(|oid| oid_text(oid)).collect()))
}

/// Parses one DER element of any type, including all elements inside it.
///
/// # Errors
/// Returns an error if the bytes are not the DER of one element.
pub fn any(der: &[u8]) -> Result<(), DerError> {
    let trail = Trail::new(0);
    let mut reader = Reader::new(der, &trail);
    reader.any("")?;
    reader.finish()
}

/// Verifies a signature. The arguments are the DER of an `AlgorithmIdentifier`, the DER of a `SubjectPublicKeyInfo`, the signed data, and
/// the DER of a BIT STRING. The inner error says why the signature is invalid.
///
/// # Errors
/// Returns an error if one of the DER arguments is malformed.
pub fn verify_signature(algorithm: &[u8], spki: &[u8], data: &[u8], bit_string: &[u8]) -> Result<Result<(), &'static str>, DerError> {
    let trail = Trail::new(0);
    let mut reader = Reader::new(algorithm, &trail);
    let algorithm = read_algorithm(&mut reader, "signatureAlgorithm")?;
    reader.finish()?;
    let key = parse_public_key(spki)?;
    let mut reader = Reader::new(bit_string, &trail);
    let value = reader.bit_string("signatureValue")?;
    reader.finish()?;
    Ok(signature::verify(&algorithm, &key, data, value).map_err(signature::Fault::text))
}

/// Verifies a signature with the scheme `ecdsa`, `rsa-pkcs1` or `rsa-pss`. Hashes have names such as `sha256`. `rsa-pss` needs `mask`,
/// which contains the hash of the mask generation function and the length of the salt in bytes. Returns false if the scheme or a hash is
/// unknown.
///
/// # Errors
/// Returns an error if the key is malformed.
pub fn verify(scheme: &str, hash: &str, mask: Option<(&str, usize)>, spki: &[u8], message: &[u8], value: &[u8]) -> Result<bool, DerError> {
    let key = parse_public_key(spki)?;
    let Some(hash) = hash_named(hash) else {
        return Ok(false);
    };
    Ok(match (scheme, &key, mask) {
        ("ecdsa", PublicKey::Ec { curve, point }, _) => ecdsa::verify(*curve, point, hash, message, value),
        ("rsa-pkcs1", PublicKey::Rsa(key), _) => !key.only_pss && rsa::verify_pkcs1v15(key, hash, message, value),
        ("rsa-pss", PublicKey::Rsa(key), Some((mask, salt_length))) => {
            hash_named(mask).is_some_and(|mask| rsa::verify_pss(key, hash, mask, salt_length, message, value))
        }
        _ => false,
    })
}

fn hash_named(name: &str) -> Option<Hash> {
    [
        Hash::Sha1,
        Hash::Sha224,
        Hash::Sha256,
        Hash::Sha384,
        Hash::Sha512,
        Hash::Sha512_224,
        Hash::Sha512_256,
    ]
    .into_iter()
    .find(|hash| hash.name() == name)
}

/// A CMS message whose signatures are valid. Its certificates have not been checked.
#[derive(Debug)]
pub struct Message {
    /// The signed content.
    pub content: Vec<u8>,
    /// DER of the certificates in the message.
    pub certificates: Vec<Vec<u8>>,
    /// DER of the signers' certificates.
    pub signers: Vec<Vec<u8>>,
}

/// The reason why a message or a path is refused.
#[derive(Debug)]
pub enum BadMessage {
    /// The message or a certificate is malformed.
    Der(DerError),
    /// A signature is invalid or missing, or there is no valid path.
    Refused(Refusal),
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Der(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl Error for BadMessage {}

impl From<DerError> for BadMessage {
    fn from(error: DerError) -> Self {
        Self::Der(error)
    }
}

/// Parses a CMS SignedData message.
///
/// # Errors
/// Returns an error if the bytes are not such a message.
pub fn message(der: &[u8]) -> Result<(), DerError> {
    cms::parse(der, &read).map(drop)
}

fn read(der: &[u8], offset: usize, field: der::Field) -> der::Result<Arc<Certificate>> {
    parse_certificate(der, offset, field).map(Arc::new)
}

/// Verifies the signatures of all signers of a message. Weak digests and keys are accepted. `content` is the signed content if the message
/// does not contain it. `extra` contains certificates in addition to those in the message. With `only_extra`, the certificates in the
/// message are ignored.
///
/// # Errors
/// Returns an error if a signature is invalid or an argument is malformed.
pub fn signed_message(der: &[u8], content: Option<&[u8]>, extra: &[Vec<u8>], only_extra: bool) -> Result<Message, BadMessage> {
    let refuse = |reason| BadMessage::Refused(Refusal::new(reason, "", ""));
    let message = cms::parse(der, &read)?;
    let extra = extra
        .iter()
        .map(|der| read(der, 0, "certificate".into()))
        .collect::<der::Result<Vec<_>>>()?;
    let embedded = if only_extra { &[][..] } else { &message.certificates };
    let pool: Vec<_> = embedded.iter().chain(&extra).map(Arc::clone).collect();
    let content = content.or(message.content).ok_or_else(|| refuse(Reason::NoContent))?;
    if message.signers.is_empty() {
        return Err(refuse(Reason::SignerCount));
    }
    let mut signers = Vec::new();
    for signer in &message.signers {
        let certificate = cms::find_certificate(signer, &pool).ok_or_else(|| refuse(Reason::SignerNotFound))?;
        let check = || {
            let (hash, scheme) = cms::check_algorithms(signer, true)?;
            cms::check_attributes(signer, message.content_type, content, hash)?;
            let bytes = signer.signed_attributes.as_ref().map_or(content, |attributes| &attributes.der);
            signature::verify_with(scheme, &certificate.public_key, bytes, signer.signature).map_err(cms::bad_signature)
        };
        check().map_err(BadMessage::Refused)?;
        signers.push(certificate.der.to_vec());
    }
    Ok(Message {
        content: content.to_vec(),
        certificates: message.certificates.iter().map(|certificate| certificate.der.to_vec()).collect(),
        signers,
    })
}

/// Returns the set of the key usage bits with these names. Unknown names are ignored.
#[must_use]
pub fn key_usage(names: &[String]) -> KeyUsage {
    let bit_of = |name: &String| KeyUsage::NAMES.iter().position(|known| known == name).map_or(0, |bit| 1 << bit);
    KeyUsage(names.iter().map(bit_of).fold(0, |bits, bit: u16| bits | bit))
}

/// Encodes the contents of an object identifier. Returns an empty value for a malformed text, because an empty value never equals an object
/// identifier.
#[must_use]
pub fn oid_contents(dotted: &str) -> Vec<u8> {
    let Ok(arcs) = dotted.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>() else {
        return Vec::new();
    };
    let [first, second, rest @ ..] = arcs.as_slice() else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    for arc in std::iter::once(first * 40 + second).chain(rest.iter().copied()) {
        let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
        for group in (0..groups).rev() {
            let more = if group > 0 { 0x80 } else { 0 };
            bytes.push((arc >> (7 * group) & 0x7F) as u8 | more);
        }
    }
    bytes
}

/// Builds and validates a path. Malformed revocation lists are ignored. Malformed certificates are ignored too, except for the leaf.
/// `lists` contains the revocation lists, and whether every certificate below the anchor needs a list that covers it.
///
/// # Errors
/// Returns an error if the leaf is malformed or there is no valid path.
pub fn path(
    leaf: &[u8],
    anchors: &[Vec<u8>],
    intermediates: &[Vec<u8>],
    lists: Option<(&[Vec<u8>], bool)>,
    inputs: &Inputs,
    limits: &Limits,
    strength: Strength,
) -> Result<(), BadMessage> {
    let leaf = read(leaf, 0, "certificate".into())?;
    let parse_all = |many: &[Vec<u8>]| -> Vec<_> { many.iter().filter_map(|der| read(der, 0, "certificate".into()).ok()).collect() };
    let lists = lists.map(|(lists, required)| Lists::new(lists.iter().filter_map(|der| parse_crl(der).ok()).collect(), required));
    let sources = building::Sources {
        anchors: &Pool::new(parse_all(anchors)),
        certificates: &[],
        intermediates: &Pool::new(parse_all(intermediates)),
        lists: lists.as_ref(),
        signature_cache: None,
    };
    building::build(&leaf, sources, inputs, limits, strength)
        .map(drop)
        .map_err(BadMessage::Refused)
}
