//! CMS SignedData messages (RFC 5652 sections 3 and 5): parsing, finding the signer's certificate, and checking the signature.
//!
//! The parsed values borrow from the message, except for certificates.

// Python counterpart: `pki/cms.py`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::asn1::der::{self, DerError, Field, OCTET_STRING, Reader, SEQUENCE, SET, Trail, context, item, item_of, primitive};
use crate::asn1::oids;
use crate::asn1::values::oid_text;
use crate::pki::signatures::digests::Hash;
use crate::pki::signatures::signature::{self, Algorithm, Fault, NULL, Scheme};
use crate::pki::x509::certificate::{Certificate, NameKey};
use crate::pki::x509::keys::borrow_algorithm;
use crate::pki::x509::names::read_name;
use crate::reasons::{Reason, Refusal};

/// An attribute (RFC 5652 section 5.3) with its type and values.
#[derive(Debug)]
struct Attribute<'d> {
    kind: &'d [u8],
    values: Vec<&'d [u8]>,
}

/// A set of attributes. `der` is the whole set with the universal tag SET. The signature is computed over this form.
#[derive(Debug)]
pub(crate) struct Attributes<'d> {
    items: Vec<Attribute<'d>>,
    pub(crate) der: Vec<u8>,
}

/// The identifier of the signer's certificate.
#[derive(Debug)]
enum SignerIdentifier<'d> {
    IssuerAndSerial { issuer: Issuer, serial: &'d [u8] },
    KeyIdentifier(&'d [u8]),
}

/// The issuer in a signer identifier. If a certificate of the message has an issuer with the same DER, `Of` refers to this certificate, so
/// that the name is not parsed again.
#[derive(Debug)]
enum Issuer {
    Read(NameKey),
    Of(Arc<Certificate>),
}

impl Issuer {
    fn key(&self) -> &NameKey {
        match self {
            Self::Read(key) => key,
            Self::Of(certificate) => &certificate.issuer.key,
        }
    }
}

/// The signer of a message (RFC 5652 section 5.3). `digest_listed` says whether SignedData.digestAlgorithms contains the signer's digest
/// algorithm.
#[derive(Debug)]
pub(crate) struct SignerInfo<'d> {
    sid: SignerIdentifier<'d>,
    digest_algorithm: Algorithm<'d>,
    pub(crate) signed_attributes: Option<Attributes<'d>>,
    signature_algorithm: Algorithm<'d>,
    pub(crate) signature: &'d [u8],
    digest_listed: bool,
}

/// The body of a message (RFC 5652 section 5.1). `content` is `None` if it is detached.
#[derive(Debug)]
pub(crate) struct SignedData<'d> {
    pub(crate) version: i64,
    pub(crate) content_type: &'d [u8],
    pub(crate) content: Option<&'d [u8]>,
    pub(crate) certificates: Vec<Arc<Certificate>>,
    pub(crate) signers: Vec<SignerInfo<'d>>,
}

/// A digest algorithm that a DigestAlgorithmIdentifier identifies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Digest<'d> {
    Known(Hash),
    Other(&'d [u8]),
}

/// Returns the digest for an object identifier. The identifier of sha256WithRSAEncryption, a signature algorithm, counts as SHA-256 too,
/// because every genuine document contains it as the digest algorithm.
fn digest_named(oid: &[u8]) -> Digest<'_> {
    let known = if oid == oids::SHA256_WITH_RSA {
        Some(Hash::Sha256)
    } else {
        Hash::named(oid)
    };
    known.map_or(Digest::Other(oid), Digest::Known)
}

/// Parses the SignedData inside a ContentInfo.
///
/// `read_certificate` parses a certificate. Its arguments are the DER of the certificate, the offset of this DER in the message, and the
/// name of the certificate in errors. It may return a cached certificate instead.
pub(crate) fn parse<'d>(
    message: &'d [u8],
    read_certificate: &dyn Fn(&'d [u8], usize, Field) -> der::Result<Arc<Certificate>>,
) -> der::Result<SignedData<'d>> {
    let trail = Trail::new(0);
    let mut outer = Reader::new(message, &trail);
    let mut info = outer.sequence("")?;
    outer.finish()?;
    if info.oid("contentType")? != oids::SIGNED_DATA {
        return Err(info.fault("The message has another type than SignedData.", "contentType"));
    }
    let mut wrapped = info.enter(context(0), "")?;
    info.finish()?;
    let mut data = wrapped.sequence("signedData")?;
    wrapped.finish()?;

    let pos = data.pos;
    let Some(version @ (1 | 3 | 4 | 5)) = data.integer("version")?.small() else {
        return Err(data.fault_at("SignedData does not have this version.", "version", pos));
    };
    let mut algorithms = data.enter(SET, "digestAlgorithms")?;
    // The list contains each known digest once. It omits unknown digests, which cannot be used anyway. The code below searches the list for
    // every signer, so the list must stay short.
    let mut listed = Vec::new();
    let mut count = 0;
    while !algorithms.is_empty() {
        let digest = digest_named(borrow_algorithm(&mut algorithms, item(count))?.oid);
        count += 1;
        if matches!(digest, Digest::Known(_)) && !listed.contains(&digest) {
            listed.push(digest);
        }
    }
    let mut encapsulated = data.sequence("encapContentInfo")?;
    let content_type = encapsulated.oid("eContentType")?;
    let mut content = None;
    if !encapsulated.is_empty() {
        let mut explicit = encapsulated.enter(context(0), "eContent")?;
        content = Some(explicit.contents(OCTET_STRING, "")?);
        explicit.finish()?;
        encapsulated.finish()?;
    }
    let certificates = match data.enter_optional(context(0), "certificates")? {
        Some(certificates) => read_certificates(certificates, read_certificate)?,
        None => Vec::new(),
    };
    if let Some(mut revocation) = data.enter_optional(context(1), "crls")? {
        while let Some(tag) = revocation.peek() {
            if tag != SEQUENCE && tag != context(1) {
                return Err(revocation.fault(
                    "The element is neither a certificate revocation list nor another revocation format.",
                    "",
                ));
            }
            revocation.any("")?;
        }
    }
    let mut infos = data.enter(SET, "signerInfos")?;
    let mut signers = Vec::new();
    while !infos.is_empty() {
        // `read_signer` looks for the issuer's name in the certificates. A genuine document has one signer, so this is done only for the
        // first one. For many signers, it would take quadratic time.
        let certificates = if signers.is_empty() { &certificates[..] } else { &[] };
        signers.push(read_signer(&mut infos, item(signers.len()), &listed, certificates)?);
    }
    data.finish()?;
    Ok(SignedData {
        version,
        content_type,
        content,
        certificates,
        signers,
    })
}

/// Reads a CertificateSet (section 10.2.3). Attribute certificates and other formats are skipped.
fn read_certificates<'d>(
    mut reader: Reader<'d, '_>,
    read_certificate: &dyn Fn(&'d [u8], usize, Field) -> der::Result<Arc<Certificate>>,
) -> der::Result<Vec<Arc<Certificate>>> {
    let mut found = Vec::new();
    let mut index = 0;
    while let Some(tag) = reader.peek() {
        let pos = reader.pos;
        if (context(0)..=context(3)).contains(&tag) {
            reader.any(item(index))?;
        } else {
            let der = reader.element(item(index))?;
            found.push(read_certificate(der, reader.offset(pos), item_of("certificates", index))?);
        }
        index += 1;
    }
    Ok(found)
}

fn read_signer<'d>(
    reader: &mut Reader<'d, '_>,
    field: Field,
    listed: &[Digest<'d>],
    certificates: &[Arc<Certificate>],
) -> der::Result<SignerInfo<'d>> {
    let mut info = reader.sequence(field)?;
    let pos = info.pos;
    let version = info.integer("version")?.small();
    let sid = if info.next_is(primitive(0)) {
        SignerIdentifier::KeyIdentifier(info.contents(primitive(0), "sid")?)
    } else {
        let mut sid = info.sequence("sid")?;
        let mut ahead = sid;
        let known = ahead
            .element("issuer")
            .ok()
            .and_then(|der| certificates.iter().find(|certificate| *certificate.issuer.der == *der));
        let issuer = if let Some(certificate) = known {
            sid = ahead;
            Issuer::Of(Arc::clone(certificate))
        } else {
            Issuer::Read(read_name(&mut sid, "issuer")?.key)
        };
        let serial = sid.integer("serialNumber")?.0;
        sid.finish()?;
        SignerIdentifier::IssuerAndSerial { issuer, serial }
    };
    let expected = if matches!(sid, SignerIdentifier::KeyIdentifier(_)) { 3 } else { 1 };
    if version != Some(expected) {
        return Err(info.fault_at("The version does not match the type of the sid.", "version", pos));
    }
    let digest_algorithm = borrow_algorithm(&mut info, "digestAlgorithm")?;
    let signed_attributes = info
        .next_is(context(0))
        .then(|| read_attributes(&mut info, context(0), "signedAttrs"))
        .transpose()?;
    let signature_algorithm = borrow_algorithm(&mut info, "signatureAlgorithm")?;
    let signature = info.contents(OCTET_STRING, "signature")?;
    if info.next_is(context(1)) {
        read_attributes(&mut info, context(1), "unsignedAttrs")?;
    }
    info.finish()?;
    let digest_listed = listed.contains(&digest_named(digest_algorithm.oid));
    Ok(SignerInfo {
        sid,
        digest_algorithm,
        signed_attributes,
        signature_algorithm,
        signature,
        digest_listed,
    })
}

/// Reads a non-empty set of attributes. Signed attributes must be DER, and are therefore sorted; unsigned attributes need not be DER
/// (sections 5.3 and 5.4).
fn read_attributes<'d>(reader: &mut Reader<'d, '_>, tag: u8, field: &'static str) -> der::Result<Attributes<'d>> {
    let start = reader.pos;
    let mut attributes = reader.enter(tag, field)?;
    if attributes.is_empty() {
        return Err(attributes.fault("The set of attributes is empty.", ""));
    }
    let mut items: Vec<Attribute<'_>> = Vec::new();
    let mut previous: &[u8] = b"";
    while !attributes.is_empty() {
        let pos = attributes.pos;
        let mut attribute = attributes.sequence(item(items.len()))?;
        let kind = attribute.oid("attrType")?;
        let mut set = attribute.enter(SET, "attrValues")?;
        attribute.finish()?;
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.any("")?);
        }
        items.push(Attribute { kind, values });
        let whole = &attributes.data[pos..attributes.pos];
        if tag == context(0) && whole < previous {
            return Err(attributes.fault_at("The signed attributes are not in the order of DER (X.690 section 11.6).", "", pos));
        }
        previous = whole;
    }
    let mut der = reader.data[start..reader.pos].to_vec();
    der[0] = SET;
    Ok(Attributes { items, der })
}

/// Returns the certificate that the signer identifies (RFC 5652 section 5.3). It may stand at any position in the list.
pub(crate) fn find_certificate<'c>(signer: &SignerInfo<'_>, certificates: &'c [Arc<Certificate>]) -> Option<&'c Arc<Certificate>> {
    match &signer.sid {
        SignerIdentifier::KeyIdentifier(identifier) => certificates
            .iter()
            .find(|certificate| certificate.decoded.subject_key_identifier.as_deref() == Some(*identifier)),
        SignerIdentifier::IssuerAndSerial { issuer, serial } => certificates
            .iter()
            .find(|certificate| *certificate.serial == **serial && certificate.issuer.key == *issuer.key()),
    }
}

/// Returns the hash function for the content and the signature scheme. There is no scheme if the parameters of the signature algorithm are
/// wrong. The error describes the problem with the algorithms.
///
/// The signature algorithm rsaEncryption uses the hash of the digest algorithm (RFC 3370 section 3.2). Every other algorithm specifies a
/// hash, which must equal the hash of the digest algorithm.
fn algorithms(signer: &SignerInfo<'_>) -> Result<(Hash, Option<Scheme>), Cow<'static, str>> {
    let digest = signer.digest_algorithm;
    let hash = match digest_named(digest.oid) {
        Digest::Known(hash) if digest.parameters.is_none_or(|parameters| parameters == NULL) => hash,
        _ => return Err(format!("digest algorithm {}", oid_text(digest.oid)).into()),
    };
    if !signer.digest_listed {
        return Err(format!("digest algorithm {}, which is not listed in digestAlgorithms", oid_text(digest.oid)).into());
    }
    let algorithm = signer.signature_algorithm;
    if algorithm.oid == oids::RSA_ENCRYPTION {
        if algorithm.parameters.is_some_and(|parameters| parameters != NULL) {
            return Err("rsaEncryption with parameters".into());
        }
        return Ok((hash, Some(Scheme::Pkcs1(hash))));
    }
    if signature::hash_of(algorithm) != Some(hash) {
        let (digest, algorithm) = (oid_text(digest.oid), oid_text(algorithm.oid));
        return Err(format!("signature algorithm {algorithm} with digest algorithm {digest}").into());
    }
    Ok((hash, signature::scheme_of(algorithm)))
}

/// Expands to the location that a refusal reports for a member of the SignerInfo.
macro_rules! signer {
    ($member:literal) => {
        concat!("signedData.signerInfos[0].", $member)
    };
}

/// Checks that the signer's algorithms are known, consistent and strong enough. Returns the hash function for the content and the signature
/// scheme. There is no scheme if the parameters of the signature algorithm are wrong.
pub(crate) fn check_algorithms(signer: &SignerInfo<'_>, accept_weak: bool) -> Result<(Hash, Option<Scheme>), Refusal> {
    let refuse = |detail: Cow<'static, str>| Refusal::new(Reason::SignatureAlgorithm, signer!("signatureAlgorithm"), detail);
    let (hash, scheme) = algorithms(signer).map_err(refuse)?;
    if !accept_weak {
        signature::check_strength(hash, scheme).map_err(refuse)?;
    }
    Ok((hash, scheme))
}

/// Checks the signed attributes (RFC 5652 sections 5.4 to 5.6).
///
/// If there are signed attributes, content-type and message-digest must each occur once, with one correct value, and the signature is over
/// the DER of the SET of attributes. Without signed attributes the signature is over the content, whose type must be id-data (section
/// 5.3).
pub(crate) fn check_attributes(signer: &SignerInfo<'_>, content_type: &[u8], content: &[u8], hash: Hash) -> Result<(), Refusal> {
    let location = signer!("signedAttrs");
    let Some(attributes) = &signer.signed_attributes else {
        if content_type == oids::DATA {
            return Ok(());
        }
        return Err(Refusal::new(
            Reason::SignedAttributes,
            location,
            format!("absent, although the content has the type {}", oid_text(content_type)),
        ));
    };
    let refuse = |error: DerError| Refusal::new(Reason::SignedAttributes, location, format!("{}: {}", error.field, error.message));
    let trail = Trail::new(0);
    let kind = attributes
        .only(oids::CONTENT_TYPE, "content-type", &trail)
        .and_then(|mut value| value.oid(""))
        .map_err(refuse)?;
    let claimed = attributes
        .only(oids::MESSAGE_DIGEST, "message-digest", &trail)
        .and_then(|mut value| value.octet_string(""))
        .map_err(refuse)?;
    if attributes.items.iter().any(|attribute| attribute.kind == oids::SIGNING_TIME) {
        attributes.only(oids::SIGNING_TIME, "signing-time", &trail).map_err(refuse)?;
    }
    if kind != content_type {
        let detail = format!(
            "content-type is {}, but the content has the type {}",
            oid_text(kind),
            oid_text(content_type)
        );
        return Err(Refusal::new(Reason::SignedAttributes, location, detail));
    }
    if claimed != hash.digest(&[content]).as_ref() {
        return Err(Refusal::new(Reason::DigestMismatch, location, ""));
    }
    Ok(())
}

/// Converts the fault of a signature to a refusal.
pub(crate) fn bad_signature(fault: Fault) -> Refusal {
    let (reason, location) = match fault {
        Fault::Algorithm => (Reason::SignatureAlgorithm, signer!("signatureAlgorithm")),
        Fault::Key => (Reason::SignatureKey, signer!("signatureAlgorithm")),
        Fault::Signature => (Reason::BadSignature, signer!("signature")),
    };
    Refusal::new(reason, location, fault.text())
}

impl<'d> Attributes<'d> {
    /// Returns a reader over the value of an attribute that must occur exactly once, with one value (RFC 5652 sections 11.1 to 11.3).
    fn only<'t>(&self, oid: &[u8], name: &'static str, trail: &'t Trail) -> der::Result<Reader<'d, 't>> {
        let mut found = self.items.iter().filter(|attribute| attribute.kind == oid);
        match (found.next().map(|attribute| attribute.values.as_slice()), found.next()) {
            (Some([value]), None) => Ok(Reader::new(value, trail)),
            _ => Err(DerError {
                message: "The attribute must occur exactly once, with one value.".into(),
                offset: 0,
                field: name.to_owned(),
            }),
        }
    }
}
