//! Verification from end to end: the order of the checks, and what is cached between documents.
//!
//! [`Checker::check`] verifies one document; [`Checker::check_many`] verifies many, with signatures side by side where the processor can.

// Python counterpart: `backends/python/checker.py`. Here it is cut in three so that many signatures can be computed at a time: `Checker::open` makes every
// check before the signature, `Opened::check_signature` that one, and `Checker::conclude` all that follow. `verdicts.rs` does so for many documents.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use crate::asn1::der::{DerError, Field};
use crate::asn1::oids;
use crate::cache::{self, Cache, Chain, Identity, Moment, Signer, Template};
use crate::claims::{self, Claims};
use crate::contract::Setup;
use crate::envelope::{self, Held};
use crate::pki::cms::{self, SignedData};
use crate::pki::path::building::{self, Sources};
use crate::pki::path::pool::Pool;
use crate::pki::path::signature_cache::Links;
use crate::pki::path::validation::Inputs;
use crate::pki::revocation::crl::{CertificateList, parse_crl};
use crate::pki::revocation::revocation::Lists;
use crate::pki::signatures::kernels;
use crate::pki::signatures::rsa;
use crate::pki::signatures::signature::{self, Fault, Scheme, Strength};
use crate::pki::x509::certificate::{Certificate, PublicKey};
use crate::pki::x509::host_names;
use crate::pki::x509::parser::parse_certificate;
use crate::reasons::{Reason, Refusal};

/// An anchor, intermediate certificate or revocation list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadTrust {
    /// A plain sentence.
    pub message: String,
    /// `anchors[0] certificate@4`, for instance.
    pub location: String,
}

/// Verifies documents under one [`Setup`]. Safe to share between threads.
#[derive(Debug)]
pub struct Checker {
    setup: Setup,
    anchors: Pool,
    intermediates: Pool,
    lists: Option<Lists>,
    /// The seconds at which some certificate or list starts or ceases to be valid, ascending.
    boundaries: Vec<i64>,
    links: Links,
    cache: Cache,
}

/// A document whose checks before the signature were good.
#[derive(Debug)]
pub(crate) struct Opened<'d> {
    /// The message, or as much of it as holds content and signature.
    octets: Cow<'d, [u8]>,
    content: Range<usize>,
    signature: Range<usize>,
    /// DER of the signed attributes; without any, the signature is over the content.
    attributes: Option<Vec<u8>>,
    scheme: Option<Scheme>,
    signer: Arc<Signer>,
    /// Certificates of the message, if there are others than the signer's.
    certificates: Option<Vec<Arc<Certificate>>>,
    /// It was read with a template.
    from_template: bool,
}

/// Text of a claim: a place in the content, or what it says in other words there.
#[derive(Clone, Debug)]
enum Text {
    Place(Range<usize>),
    Unescaped(Box<str>),
}

/// A document that passed every check.
#[derive(Debug)]
pub struct Signed {
    /// See [`Opened::octets`].
    octets: Vec<u8>,
    content: Range<usize>,
    claims: Claims<Text>,
    chain: Chain,
    label: String,
    name: Arc<str>,
}

impl Signed {
    /// The signed octets, exactly as digested.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.octets[self.content.clone()]
    }

    /// The members of the content.
    #[must_use]
    pub fn claims(&self) -> Claims<&str> {
        let content = self.content();
        self.claims.map(|text| match text {
            Text::Place(place) => std::str::from_utf8(&content[place.clone()]).unwrap_or_default(),
            Text::Unescaped(text) => text,
        })
    }

    /// Of the name in [`Setup::names`] that the signer bears.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The DNS name in the signer's certificate that matched.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// DER certificates, signer first, anchor last.
    #[must_use]
    pub fn chain(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.chain.iter().map(|certificate| &*certificate.der)
    }
}

impl Checker {
    /// Reads what is trusted.
    ///
    /// # Errors
    /// An anchor or intermediate is not a certificate, or a revocation list is none.
    pub fn new(setup: Setup) -> Result<Self, BadTrust> {
        let anchors = parse_all(&setup.anchors, "anchors")?;
        let intermediates = parse_all(&setup.intermediates, "intermediates")?;
        let crls = parse_crls(&setup.crls)?;
        let boundaries = boundaries(anchors.iter().chain(&intermediates), &crls);
        let lists = if crls.is_empty() {
            None
        } else {
            Some(Lists::new(crls, setup.require_crl))
        };
        Ok(Self {
            anchors: Pool::new(anchors),
            intermediates: Pool::new(intermediates),
            lists,
            boundaries,
            links: Links::default(),
            cache: Cache::default(),
            setup,
        })
    }

    /// What the checker was made of.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What `check` says of a document that it has accepted at this second, without another look at its signature. Only for [`crate::batch::Batch`], which
    /// keeps the octets that were verified.
    pub(crate) fn recall(&self, document: &[u8], at: i64) -> Result<Signed, Refusal> {
        self.signed(self.open(document)?, at, None)
    }

    /// Verify one document at a Unix second; `nonce` is what it must carry, or None to accept any.
    ///
    /// # Errors
    /// The document is refused.
    pub fn check(&self, document: &[u8], at: i64, nonce: Option<&[u8]>) -> Result<Signed, Refusal> {
        let opened = self.open(document)?;
        opened.check_signature()?;
        self.signed(opened, at, nonce)
    }

    fn signed(&self, opened: Opened<'_>, at: i64, nonce: Option<&[u8]>) -> Result<Signed, Refusal> {
        let (chain, identity, claims) = self.conclude(&opened, at, nonce)?;
        let content = &opened.octets[opened.content.clone()];
        let claims = claims.map(|text| match text {
            Cow::Borrowed(text) => {
                let start = place_of(text.as_bytes(), content);
                Text::Place(start..start + text.len())
            }
            Cow::Owned(text) => Text::Unescaped(text.as_str().into()),
        });
        let label = self.setup.names[identity.label].0.clone();
        Ok(Signed {
            content: opened.content,
            octets: opened.octets.into_owned(),
            claims,
            chain,
            label,
            name: identity.name,
        })
    }

    /// Envelope, structure, and of the signature all but the reckoning.
    pub(crate) fn open<'d>(&self, document: &'d [u8]) -> Result<Opened<'d>, Refusal> {
        let der = match envelope::open(document, &self.setup.limits)? {
            Held::Der(der) => Cow::Borrowed(der),
            Held::Base64 { text, location } => match self.cache.cut(&text) {
                Some((template, cut)) => return Ok(Opened::from_template(&template, cut.octets.into(), cut.content, cut.signature)),
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
        let (hash, algorithm) = cms::check_algorithms(signer, false)?;
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
            scheme: signature::scheme_of(algorithm),
            signer: known,
            certificates: (!alone).then(|| message.certificates.clone()),
            from_template: false,
            octets: der,
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

    /// Chain, identity and claims.
    #[allow(clippy::type_complexity)] // used by the two callers that take it apart
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
        let claims = claims::parse(&opened.octets[opened.content.clone()], &self.setup)?;
        if self.setup.check_times {
            claims::check_times(&claims, at, &self.setup)?;
        }
        claims::check_nonce(&claims, nonce, &self.setup)?;
        if opened.makes_template() {
            if let Some(signer) = self.cache.signer(&opened.signer.certificate.der) {
                let template = Template::new(&opened.octets, &opened.content, &opened.signature, opened.scheme, signer);
                self.cache.add_template(template);
            }
        }
        Ok((chain, identity, claims))
    }

    /// The path of a signer, from the cache if nothing that it depends on has changed. With it, the moment for which the caller may cache it.
    ///
    /// A path is a function of the certificates and lists at hand and of which of them are valid at `at`. Between two neighbouring ends of validity periods the
    /// latter does not change; so the cache's key is the signer and the interval that `at` lies in. Only paths that were found are cached, of signers that came
    /// alone, as genuine ones do.
    fn chain(&self, opened: &Opened<'_>, at: i64) -> Result<(Chain, Option<Moment>), Refusal> {
        let signer = &opened.signer.certificate;
        if !self.setup.check_chain {
            return Ok(([Arc::clone(signer)].into(), None));
        }
        let alone = opened.certificates.is_none();
        let interval = self.boundaries.partition_point(|boundary| *boundary <= at);
        let moment = (interval, (signer.not_before..=signer.not_after).contains(&at));
        if alone {
            // Another document of the signer may have been verified since this one was opened.
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
            links: Some(&self.links),
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

    /// A certificate in a message; that of a cached signer is not parsed again. The last such signer is put into `cached`.
    fn read_certificate(
        &self,
        der: &[u8],
        offset: usize,
        field: Field,
        cached: &RefCell<Option<Arc<Signer>>>,
    ) -> crate::asn1::der::Result<Arc<Certificate>> {
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
    fn from_template(template: &Template, octets: Cow<'d, [u8]>, content: Range<usize>, signature: Range<usize>) -> Self {
        Self {
            octets,
            content,
            signature,
            attributes: None,
            scheme: template.scheme,
            signer: Arc::clone(&template.signer),
            certificates: None,
            from_template: true,
        }
    }

    /// Whether it becomes a template once it is accepted. Nothing may follow the signature: anybody can add unsigned attributes to a message, and so fill a cache.
    pub(crate) fn makes_template(&self) -> bool {
        !self.from_template && self.attributes.is_none() && self.certificates.is_none() && self.signature.end == self.octets.len()
    }

    /// The key of the template that it becomes.
    pub(crate) fn template_key(&self) -> Option<u64> {
        cache::key_of_message(&self.octets, self.signature.len())
    }

    /// What the signature has to be over.
    fn message(&self) -> &[u8] {
        self.attributes.as_deref().unwrap_or(&self.octets[self.content.clone()])
    }

    /// The signature fits message and key.
    pub(crate) fn check_signature(&self) -> Result<(), Refusal> {
        let (key, signature) = (&self.signer.certificate.public_key, &self.octets[self.signature.clone()]);
        signature::verify_with(self.scheme, key, self.message(), signature).map_err(cms::bad_signature)
    }
}

impl Opened<'_> {
    /// The same for many: those that the kernels take side by side, the others one after another.
    pub(crate) fn check_signatures(many: &[Self]) -> Vec<Result<(), Refusal>> {
        let mut verdicts: Vec<Result<(), Refusal>> = many.iter().map(|_| Ok(())).collect();
        let mut blocks = vec![[0; rsa::KERNEL_OCTETS]; many.len()];
        let mut jobs = Vec::with_capacity(many.len());
        let mut places = Vec::with_capacity(many.len());
        for ((place, opened), block) in many.iter().enumerate().zip(&mut blocks) {
            if let Some(job) = opened.job(block) {
                jobs.push(job);
                places.push(place);
            } else {
                verdicts[place] = opened.check_signature();
            }
        }
        let mut good = vec![false; jobs.len()];
        kernels::verify_many(&jobs, &mut good);
        for (place, _) in places.into_iter().zip(good).filter(|(_, good)| !good) {
            verdicts[place] = Err(cms::bad_signature(Fault::Signature));
        }
        verdicts
    }

    /// What the kernels are to reckon; None where they do not take key or algorithm.
    fn job<'j>(&'j self, block: &'j mut [u8; rsa::KERNEL_OCTETS]) -> Option<kernels::Job<'j>> {
        let (Some(Scheme::Pkcs1(hash)), PublicKey::Rsa(key)) = (self.scheme, &self.signer.certificate.public_key) else {
            return None;
        };
        let kernel = if key.only_pss { None } else { key.kernel() }?;
        let block = &mut block[..kernel.octets()];
        rsa::encode(hash, hash.digest(&[self.message()]).as_ref(), block).then_some(kernels::Job {
            key: kernel,
            signature: &self.octets[self.signature.clone()],
            block,
        })
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

/// Offset of a part in the whole that it borrows from.
fn place_of(part: &[u8], whole: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

fn range_of(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = place_of(part, whole);
    start..start + part.len()
}

fn parse_all(certificates: &[Vec<u8>], origin: &str) -> Result<Vec<Arc<Certificate>>, BadTrust> {
    let parse = |(index, der): (usize, &Vec<u8>)| {
        parse_certificate(der, 0, "certificate").map(Arc::new).map_err(|error| BadTrust {
            location: format!("{origin}[{index}] {}", error.location()),
            message: format!("Not a certificate: {}", error.message),
        })
    };
    certificates.iter().enumerate().map(parse).collect()
}

fn parse_crls(crls: &[Vec<u8>]) -> Result<Vec<CertificateList>, BadTrust> {
    let parse = |(index, der): (usize, &Vec<u8>)| {
        parse_crl(der).map_err(|error| BadTrust {
            location: format!("crls[{index}] {}", error.location()),
            message: format!("Not a certificate revocation list: {}", error.message),
        })
    };
    crls.iter().enumerate().map(parse).collect()
}

/// The seconds at which some certificate or list starts or ceases to be valid; notAfter and nextUpdate are inclusive.
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
