//! The complete verification of a document: the order of the checks, and the use of the cache.
//!
//! [`Checker::check`] verifies one document. [`Checker::check_many`] verifies many documents. If the processor supports it, `check_many`
//! verifies up to eight RSA signatures at a time.

// Python counterpart: `backends/python/checker.py`. Here the verification has three parts, so that `batch.rs` can compute many signatures
// at once: `Checker::open` makes the checks that come first, `Opened::check_signature` verifies the signature, and `Checker::conclude`
// makes the later checks.

use std::borrow::Cow;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::asn1::der::{self, DerError, Field};
use crate::asn1::oids;
use crate::cache::Cache;
use crate::cache::message_templates::{Template, key_of_message};
use crate::cache::signers::{Chain, Identity, Moment, Signer};
use crate::claims::{self, Claims};
use crate::contract::Setup;
use crate::envelope::{self, Payload};
use crate::pki::cms::{self, SignedData};
use crate::pki::path::building::{self, Sources};
use crate::pki::path::pool::Pool;
use crate::pki::path::signature_cache::SignatureCache;
use crate::pki::path::validation::Inputs;
use crate::pki::revocation::crl::{CertificateList, parse_crl};
use crate::pki::revocation::revocation::Lists;
use crate::pki::signatures::signature::{self, Scheme, Strength};
use crate::pki::x509::certificate::Certificate;
use crate::pki::x509::host_names;
use crate::pki::x509::parser::parse_certificate;
use crate::reasons::{Reason, Refusal};

/// The error for an anchor, intermediate certificate or revocation list that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadTrust {
    /// Describes the problem in a sentence.
    pub message: String,
    /// The input at fault, such as `anchors[0] certificate@4`.
    pub location: String,
}

impl fmt::Display for BadTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

impl Error for BadTrust {}

/// A verifier of documents with a fixed [`Setup`]. Threads can share it.
#[derive(Debug)]
pub struct Checker {
    setup: Setup,
    anchors: Pool,
    intermediates: Pool,
    lists: Option<Lists>,
    /// The Unix seconds at which the validity of a configured certificate or list starts or ends, in ascending order.
    boundaries: Vec<i64>,
    signature_cache: SignatureCache,
    cache: Cache,
}

/// A document that has passed all checks that precede the verification of its signature.
#[derive(Debug)]
pub(crate) struct Opened<'d> {
    /// The whole message. If the message was in base64 and a template fits it, only the parts with its content and its signature.
    bytes: Cow<'d, [u8]>,
    content: Range<usize>,
    signature: Range<usize>,
    /// DER of the signed attributes. If there are none, the signature is over the content.
    attributes: Option<Vec<u8>>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) signer: Arc<Signer>,
    /// Certificates of the message. `None` if it contains only the signer's certificate.
    certificates: Option<Vec<Arc<Certificate>>>,
    /// Whether the message was decoded with a template.
    from_template: bool,
}

/// The text of a claim: a range of the content, or the unescaped text if the JSON string contains escapes.
#[derive(Clone, Debug)]
enum Text {
    Range(Range<usize>),
    Unescaped(Box<str>),
}

/// A document that passed all checks.
#[derive(Debug)]
pub struct Signed {
    /// See [`Opened::bytes`].
    bytes: Vec<u8>,
    content: Range<usize>,
    claims: Claims<Text>,
    chain: Chain,
    label: String,
    name: Arc<str>,
}

impl Signed {
    /// Returns the signed bytes exactly as they were hashed.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.bytes[self.content.clone()]
    }

    /// Returns the claims in the content.
    #[must_use]
    pub fn claims(&self) -> Claims<&str> {
        let content = self.content();
        self.claims.map(|text| match text {
            Text::Range(range) => std::str::from_utf8(&content[range.clone()]).unwrap_or_default(),
            Text::Unescaped(text) => text,
        })
    }

    /// Returns the label of the entry in [`Setup::names`] that the signer's name matched.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the DNS name in the signer's certificate that matched.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the DER certificates of the path, from the signer to the anchor.
    #[must_use]
    pub fn chain(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.chain.iter().map(|certificate| &*certificate.der)
    }
}

impl Checker {
    /// Creates a checker and parses the certificates and revocation lists of `setup`.
    ///
    /// # Errors
    /// Returns an error if a certificate or a revocation list is malformed.
    pub fn new(setup: Setup) -> Result<Self, BadTrust> {
        let certificate = |der: &[u8]| parse_certificate(der, 0, "certificate").map(Arc::new);
        let anchors = parse_all(&setup.anchors, certificate, "certificate", "anchors")?;
        let intermediates = parse_all(&setup.intermediates, certificate, "certificate", "intermediates")?;
        let crls = parse_all(&setup.crls, parse_crl, "certificate revocation list", "crls")?;
        let boundaries = boundaries(anchors.iter().chain(&intermediates), &crls);
        let lists = (!crls.is_empty()).then(|| Lists::new(crls, setup.require_crl));
        Ok(Self {
            anchors: Pool::new(anchors),
            intermediates: Pool::new(intermediates),
            lists,
            boundaries,
            signature_cache: SignatureCache::default(),
            cache: Cache::default(),
            setup,
        })
    }

    /// Returns the settings of this checker.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Returns the result of `check` for a document that `check` has accepted for the same `at`, without verifying the signature again.
    /// Only [`crate::batch::Batch`] may call it, because a batch keeps the verified bytes.
    pub(crate) fn recall(&self, document: &[u8], at: i64) -> Result<Signed, Refusal> {
        self.signed(self.open(document)?, at, None)
    }

    /// Verifies one document at the Unix second `at`. `nonce` is the expected nonce; with `None`, any nonce is accepted.
    ///
    /// # Errors
    /// Returns the refusal if a check fails.
    pub fn check(&self, document: &[u8], at: i64, nonce: Option<&[u8]>) -> Result<Signed, Refusal> {
        let opened = self.open(document)?;
        opened.check_signature()?;
        self.signed(opened, at, nonce)
    }

    fn signed(&self, opened: Opened<'_>, at: i64, nonce: Option<&[u8]>) -> Result<Signed, Refusal> {
        let (chain, identity, claims) = self.conclude(&opened, at, nonce)?;
        let content = &opened.bytes[opened.content.clone()];
        let claims = claims.map(|text| match text {
            Cow::Borrowed(text) => {
                let start = offset_of(text.as_bytes(), content);
                Text::Range(start..start + text.len())
            }
            Cow::Owned(text) => Text::Unescaped(text.as_str().into()),
        });
        let label = self.setup.names[identity.label].0.clone();
        Ok(Signed {
            content: opened.content,
            bytes: opened.bytes.into_owned(),
            claims,
            chain,
            label,
            name: identity.name,
        })
    }

    /// Makes all checks that precede the verification of the signature: envelope, structure, algorithms and signed attributes.
    pub(crate) fn open<'d>(&self, document: &'d [u8]) -> Result<Opened<'d>, Refusal> {
        let der = match envelope::open(document, &self.setup.limits)? {
            Payload::Der(der) => Cow::Borrowed(der),
            Payload::Base64 { text, location } => match self.cache.cut(&text) {
                Some((template, cut)) => return Ok(Opened::from_template(&template, cut.bytes.into(), cut.content, cut.signature)),
                None => Cow::Owned(envelope::decode_base64(&text, location)?),
            },
        };
        if let Some(known) = self.cache.template(&der) {
            return Ok(Opened::from_template(&known, der, known.content.clone(), known.signature.clone()));
        }
        let cached = RefCell::new(None);
        let read = |der: &[u8], offset, field| self.read_certificate(der, offset, field, &cached);
        let message = cms::parse(&der, &read).map_err(structure_refusal)?;
        let content = self.check_structure(&message)?;
        let signer = &message.signers[0];
        let certificate = cms::find_certificate(signer, &message.certificates)
            .ok_or_else(|| Refusal::new(Reason::SignerNotFound, "signedData.signerInfos[0].sid", ""))?;
        let (hash, scheme) = cms::check_algorithms(signer, false)?;
        signature::check_key(&certificate.public_key, self.setup.min_rsa_bits)
            .map_err(|problem| Refusal::new(Reason::SignatureKey, "signer.subjectPublicKeyInfo", problem))?;
        cms::check_attributes(signer, message.content_type, content, hash)?;
        let cached = cached
            .take()
            .filter(|known: &Arc<Signer>| Arc::ptr_eq(&known.certificate, certificate));
        let known = cached.unwrap_or_else(|| Arc::new(Signer::new(Arc::clone(certificate))));
        let is_signer = |other: &Arc<Certificate>| Arc::ptr_eq(other, certificate) || other.der == certificate.der;
        let alone = message.certificates.iter().all(is_signer);
        Ok(Opened {
            content: range_of(content, &der),
            signature: range_of(signer.signature, &der),
            attributes: signer.signed_attributes.as_ref().map(|attributes| attributes.der.clone()),
            scheme,
            signer: known,
            certificates: (!alone).then(|| message.certificates.clone()),
            from_template: false,
            bytes: der,
        })
    }

    fn check_structure<'m>(&self, message: &SignedData<'m>) -> Result<&'m [u8], Refusal> {
        if message.version != 1 {
            return Err(Refusal::new(
                Reason::BadCms,
                "signedData.version",
                format!("version {}", message.version),
            ));
        }
        if message.content_type != oids::DATA {
            let detail = crate::asn1::values::oid_text(message.content_type);
            return Err(Refusal::new(Reason::BadCms, "signedData.encapContentInfo.eContentType", detail));
        }
        let content = message
            .content
            .ok_or_else(|| Refusal::new(Reason::NoContent, "signedData.encapContentInfo", ""))?;
        if message.signers.len() != 1 {
            let detail = format!("{} signers", message.signers.len());
            return Err(Refusal::new(Reason::SignerCount, "signedData.signerInfos", detail));
        }
        let (count, most) = (message.certificates.len(), self.setup.limits.certificates);
        if count > most {
            return Err(Refusal::new(
                Reason::TooManyCertificates,
                "signedData.certificates",
                format!("{count}, at most {most}"),
            ));
        }
        Ok(content)
    }

    /// Makes all checks that follow the verification of the signature: chain, identity and claims.
    #[allow(clippy::type_complexity)] // both callers destructure it
    pub(crate) fn conclude<'o>(
        &self,
        opened: &'o Opened<'_>,
        at: i64,
        nonce: Option<&[u8]>,
    ) -> Result<(Chain, Identity, Claims<Cow<'o, str>>), Refusal> {
        let (chain, moment) = self.chain(opened, at)?;
        let identity = opened
            .signer
            .identity
            .get_or_init(|| self.identity(&opened.signer.certificate))
            .clone()?;
        if let Some(moment) = moment {
            self.cache.add_path(&opened.signer, moment, &chain);
        }
        let claims = claims::parse(&opened.bytes[opened.content.clone()], &self.setup)?;
        if self.setup.check_times {
            claims::check_times(&claims, at, &self.setup)?;
        }
        claims::check_nonce(&claims, nonce, &self.setup)?;
        if opened.makes_template() {
            if let Some(signer) = self.cache.signer(&opened.signer.certificate.der) {
                let template = Template::new(&opened.bytes, &opened.content, &opened.signature, opened.scheme, signer);
                self.cache.add_template(template);
            }
        }
        Ok((chain, identity, claims))
    }

    /// Returns the path of a signer, from the cache if possible. If the path is new and may be cached, also returns the moment for which it
    /// is valid.
    ///
    /// The path depends on which certificates and lists are available, and on which of them are valid at `at`. Their validity changes only
    /// when a validity period starts or ends, so the key of the cache is the signer and the moment of `at`. Only valid paths are cached,
    /// and only for messages that contain no certificate except the signer's. Genuine messages contain no other certificate.
    fn chain(&self, opened: &Opened<'_>, at: i64) -> Result<(Chain, Option<Moment>), Refusal> {
        let signer = &opened.signer.certificate;
        if !self.setup.check_chain {
            return Ok(([Arc::clone(signer)].into(), None));
        }
        let alone = opened.certificates.is_none();
        let interval = self.boundaries.partition_point(|boundary| *boundary <= at);
        let moment = (interval, (signer.not_before..=signer.not_after).contains(&at));
        if alone {
            // Another thread may have cached a path of this signer after the document was opened.
            if let Some(chain) = opened.signer.path(moment).or_else(|| self.cache.signer(&signer.der)?.path(moment)) {
                return Ok((chain, None));
            }
        }
        let inputs = Inputs {
            common_names: self.setup.allow_common_name,
            ..Inputs::new(Some(at))
        };
        let sources = Sources {
            anchors: &self.anchors,
            certificates: opened.certificates.as_deref().unwrap_or(std::slice::from_ref(signer)),
            intermediates: &self.intermediates,
            lists: self.lists.as_ref(),
            signature_cache: Some(&self.signature_cache),
        };
        let strength = Strength {
            min_rsa_bits: self.setup.min_rsa_bits,
            accept_weak: false,
        };
        let found: Chain = building::build(signer, sources, &inputs, &self.setup.limits, strength)?.into();
        Ok((found, alone.then_some(moment)))
    }

    fn identity(&self, signer: &Certificate) -> Result<Identity, Refusal> {
        let allow_common_name = self.setup.allow_common_name;
        for (label, (_, domain)) in self.setup.names.iter().enumerate() {
            if let Some(name) = host_names::matching_name(signer, domain, allow_common_name) {
                return Ok(Identity { label, name: name.into() });
            }
        }
        let names = host_names::dns_names(signer, allow_common_name);
        if names.is_empty() {
            return Err(Refusal::new(Reason::NoName, "signer.subjectAltName", ""));
        }
        let detail = names.join(", ").chars().take(200).collect::<String>();
        Err(Refusal::new(Reason::WrongName, "signer.subjectAltName", detail))
    }

    /// Parses a certificate of a message. If it belongs to a cached signer, returns the certificate from the cache and stores the signer in
    /// `cached`.
    fn read_certificate(
        &self,
        der: &[u8],
        offset: usize,
        field: Field,
        cached: &RefCell<Option<Arc<Signer>>>,
    ) -> der::Result<Arc<Certificate>> {
        match self.cache.signer(der) {
            Some(signer) => {
                let certificate = Arc::clone(&signer.certificate);
                cached.replace(Some(signer));
                Ok(certificate)
            }
            None => parse_certificate(der, offset, field).map(Arc::new),
        }
    }
}

impl<'d> Opened<'d> {
    fn from_template(template: &Template, bytes: Cow<'d, [u8]>, content: Range<usize>, signature: Range<usize>) -> Self {
        Self {
            bytes,
            content,
            signature,
            attributes: None,
            scheme: template.scheme,
            signer: Arc::clone(&template.signer),
            certificates: None,
            from_template: true,
        }
    }

    /// Returns whether the message will become a template if it is accepted. For this, the message must end with its signature. Otherwise
    /// anyone could add unsigned attributes to an accepted message and fill the cache with its variants.
    pub(crate) fn makes_template(&self) -> bool {
        !self.from_template && self.attributes.is_none() && self.certificates.is_none() && self.signature.end == self.bytes.len()
    }

    /// Returns the key of the template that the message becomes.
    pub(crate) fn template_key(&self) -> Option<u64> {
        key_of_message(&self.bytes, self.signature.len())
    }

    /// Returns the data that the signer must have signed.
    pub(crate) fn message(&self) -> &[u8] {
        self.attributes.as_deref().unwrap_or(&self.bytes[self.content.clone()])
    }

    /// Returns the value of the signature.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.bytes[self.signature.clone()]
    }

    /// Verifies the signature.
    pub(crate) fn check_signature(&self) -> Result<(), Refusal> {
        let key = &self.signer.certificate.public_key;
        signature::verify_with(self.scheme, key, self.message(), self.signature()).map_err(cms::bad_signature)
    }
}

fn structure_refusal(error: DerError) -> Refusal {
    let reason = if error.field.starts_with("certificates[") {
        Reason::BadCertificate
    } else {
        Reason::BadDer
    };
    Refusal::new(reason, error.location(), error.message)
}

/// Returns the offset of `part` in `whole`, the slice from which it borrows.
fn offset_of(part: &[u8], whole: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

fn range_of(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = offset_of(part, whole);
    start..start + part.len()
}

/// Parses certificates or revocation lists with `parse`. `noun` is the word for one of them in errors.
fn parse_all<T>(ders: &[Vec<u8>], parse: impl Fn(&[u8]) -> der::Result<T>, noun: &str, origin: &str) -> Result<Vec<T>, BadTrust> {
    let parse = |(index, der): (usize, &Vec<u8>)| {
        parse(der).map_err(|error| BadTrust {
            location: format!("{origin}[{index}] {}", error.location()),
            message: format!("Not a {noun}: {}", error.message),
        })
    };
    ders.iter().enumerate().map(parse).collect()
}

/// Returns the Unix seconds at which the validity of a certificate or list starts or ends. notAfter and nextUpdate are inclusive, so their
/// boundary is one second later.
fn boundaries<'c>(certificates: impl Iterator<Item = &'c Arc<Certificate>>, crls: &[CertificateList]) -> Vec<i64> {
    let mut ends: Vec<i64> = certificates
        .flat_map(|certificate| [certificate.not_before, certificate.not_after + 1])
        .collect();
    ends.extend(
        crls.iter()
            .flat_map(|one| [Some(one.this_update), one.next_update.map(|last| last + 1)])
            .flatten(),
    );
    ends.sort_unstable();
    ends.dedup();
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_trust_shows_problem_and_location() {
        let bad = BadTrust {
            location: "anchors[0] certificate@4".to_owned(),
            message: "Not a certificate: An element is missing.".to_owned(),
        };
        assert_eq!(
            bad.to_string(),
            "anchors[0] certificate@4: Not a certificate: An element is missing."
        );
    }
}
