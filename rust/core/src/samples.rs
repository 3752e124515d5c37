//! Parsed certificates for tests. All their members except the signatures are valid until a test changes one. A test that needs valid
//! signatures adds verdicts to a [`crate::pki::path::signature_cache::SignatureCache`].

#![allow(clippy::unnecessary_wraps)] // members of a certificate are optional

use crate::asn1::oids;
use crate::pki::signatures::rsa::RsaPublicKey;
use crate::pki::x509::certificate::{
    AlgorithmIdentifier, BasicConstraints, Certificate, Extensions, GeneralName, GeneralNameKind, KeyUsage, Name, Oid, PublicKey,
};

/// The time at which all sample certificates are valid.
pub(crate) const NOW: i64 = 1_700_000_000;

/// Returns a name with one common name for each word.
pub(crate) fn name(words: &str) -> Name {
    let common_names: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let key = common_names.iter().map(|word| word.clone().into_bytes()).collect();
    Name {
        der: words.as_bytes().into(),
        key,
        common_names,
        email_addresses: Vec::new(),
    }
}

pub(crate) fn general_name(kind: GeneralNameKind, value: &[u8]) -> GeneralName {
    let name = (kind == GeneralNameKind::DirectoryName).then(|| name(std::str::from_utf8(value).unwrap()));
    GeneralName {
        kind,
        value: value.into(),
        name,
    }
}

pub(crate) fn policies(all: &[&[u8]]) -> Option<Vec<Oid>> {
    Some(all.iter().map(|policy| (*policy).into()).collect())
}

/// Returns the certificate of an end entity. Its RSA key of 2048 bits is identified by the number `key`.
pub(crate) fn leaf(subject: &str, issuer: &str, key: u8) -> Certificate {
    let mut modulus = [0xFF; 256];
    modulus[1] = key;
    let sha256_with_rsa = AlgorithmIdentifier {
        oid: Oid::from(oids::SHA256_WITH_RSA),
        parameters: None,
        der: Box::default(),
    };
    Certificate {
        der: format!("{subject} of {issuer} with {key}").into_bytes().into(),
        tbs: 0..0,
        serial: Box::new([1]),
        signature_algorithm: sha256_with_rsa,
        signature: Box::default(),
        issuer: name(issuer),
        subject: name(subject),
        not_before: NOW - 100,
        not_after: NOW + 100,
        spki: Box::new([key]),
        public_key: PublicKey::Rsa(Box::new(RsaPublicKey::new(&modulus, &[1, 0, 1], false, None))),
        extensions: Vec::new(),
        decoded: Extensions::default(),
        unknown_critical: Vec::new(),
        faults: Vec::new(),
    }
}

/// Returns the certificate of a certificate authority.
pub(crate) fn authority(subject: &str, issuer: &str, key: u8) -> Certificate {
    let mut certificate = leaf(subject, issuer, key);
    certificate.decoded.basic_constraints = Some(BasicConstraints {
        ca: true,
        path_length: None,
    });
    certificate.decoded.key_usage = Some(KeyUsage(KeyUsage::KEY_CERT_SIGN.0 | KeyUsage::CRL_SIGN.0));
    certificate
}
