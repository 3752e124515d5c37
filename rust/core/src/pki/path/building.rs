//! Finding a path from a signer to an anchor (RFC 5280 section 6, RFC 4158), under a budget.
//!
//! The search is depth first and its order is fixed. Candidates for the issuer of a certificate are those that bear its issuer's name: anchors before other
//! certificates, a fitting key identifier before another, valid before not, and then as given. One name with one key stands on a path once, however many
//! certificates it has; so paths do not loop, and cross-signed twins are tried one after the other.
//!
//! What is checked when, which decides the reason that is reported:
//!
//! 1. for each candidate, the signature that it would have made (algorithm, key, signature), and then the candidate alone;
//! 2. for each path that has come to an anchor, the signer alone, and then the path as a whole.
//!
//! So of a stranger it is said first that it is one.

// Python counterpart: `pki/path/building.py`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::contract::Limits;
use crate::pki::path::budget::Budget;
use crate::pki::path::pool::Pool;
use crate::pki::path::signature_cache::{Links, address};
use crate::pki::path::validation::{self, Inputs};
use crate::pki::revocation::revocation::{Authorities, Lists, Pending, Signatures, Statuses};
use crate::pki::signatures::signature::{self, Fault, Strength};
use crate::pki::x509::certificate::{Certificate, KeyUsage, NameKey};
use crate::pki::x509::name_constraints::hex;
use crate::reasons::{Reason, Refusal};

/// Characters of a name or an address in the detail of a refusal.
const MAX_SHOWN: usize = 200;

/// A certificate, and whether it is one that the owner of the checker gave.
#[derive(Clone, Copy, Debug)]
struct Candidate<'a> {
    certificate: &'a Arc<Certificate>,
    own: bool,
}

/// Certificates that may stand in between: those of the message, then the owner's. Each once, and one of the message that is the owner's is the owner's.
#[derive(Debug)]
struct Intermediates<'a> {
    of_message: HashMap<&'a NameKey, Vec<Candidate<'a>>>,
    own: &'a Pool,
}

impl<'a> Intermediates<'a> {
    fn new(certificates: &'a [Arc<Certificate>], own: &'a Pool) -> Self {
        let mut of_message: HashMap<&NameKey, Vec<Candidate<'_>>> = HashMap::with_capacity(certificates.len());
        for certificate in certificates {
            let namesakes = of_message.entry(&certificate.subject.key).or_default();
            if !namesakes.iter().any(|other| other.certificate.der == certificate.der) {
                let found = own.find(certificate);
                namesakes.push(Candidate {
                    certificate: found.unwrap_or(certificate),
                    own: found.is_some(),
                });
            }
        }
        Self { of_message, own }
    }

    /// Those that bear a name, in order.
    fn get(&self, subject: &NameKey) -> impl Iterator<Item = Candidate<'a>> {
        let of_message = self.of_message.get(subject).map_or(&[][..], Vec::as_slice);
        let is_new = |own: &&Arc<Certificate>| !of_message.iter().any(|other| Arc::ptr_eq(other.certificate, own));
        let own = self
            .own
            .get(subject)
            .iter()
            .filter(is_new)
            .map(|certificate| Candidate { certificate, own: true });
        of_message.iter().copied().chain(own)
    }

    /// The one with the same octets as the signer, or the signer: equal certificates are the same certificate here.
    fn canonical(&self, signer: &'a Arc<Certificate>) -> Candidate<'a> {
        let found = self.get(&signer.subject.key).find(|other| other.certificate.der == signer.der);
        found.unwrap_or(Candidate {
            certificate: signer,
            own: false,
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum Anchors<'a> {
    All(&'a Pool),
    One(&'a Arc<Certificate>),
}

impl<'a> Anchors<'a> {
    fn get(self, subject: &NameKey) -> &'a [Arc<Certificate>] {
        match self {
            Self::All(pool) => pool.get(subject),
            Self::One(anchor) if anchor.subject.key == *subject => std::slice::from_ref(anchor),
            Self::One(_) => &[],
        }
    }
}

/// Certificates among which a path is looked for, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// Trusted certificates.
    pub(crate) anchors: &'a Pool,
    /// Certificates of the message. They come before the intermediates, and none of either is trusted.
    pub(crate) certificates: &'a [Arc<Certificate>],
    /// Certificates of the checker's owner that may help to build a path.
    pub(crate) intermediates: &'a Pool,
    /// Revocation lists; None leaves revocation out.
    pub(crate) lists: Option<&'a Lists>,
    /// Cache of verified signatures. It changes no verdict.
    pub(crate) links: Option<&'a Links>,
}

/// The first good path, signer first, anchor last. A signer that is itself an anchor is a path of one.
///
/// The location of a refusal is like `chain[1].keyUsage`, where `chain[0]` is the signer.
pub(crate) fn build(
    signer: &Arc<Certificate>,
    sources: Sources<'_>,
    inputs: &Inputs,
    limits: &Limits,
    strength: Strength,
) -> Result<Vec<Arc<Certificate>>, Refusal> {
    let mut ground = Ground {
        intermediates: Intermediates::new(sources.certificates, sources.intermediates),
        longest: limits.path_certificates,
        strength,
        lists: sources.lists,
        remembered: sources.links,
        budget: Budget::new(limits.work),
        links: HashMap::new(),
        issuers: HashMap::new(),
        signatures: Signatures::default(),
    };
    let mut search = Search {
        ground: &mut ground,
        anchors: Anchors::All(sources.anchors),
        inputs,
        pending: Pending::default(),
        refusal: None,
    };
    match search.run(signer)? {
        Some(path) => Ok(path.into_iter().map(Arc::clone).collect()),
        None => Err(search.refusal.unwrap_or_else(|| unknown_issuer(signer, 0))),
    }
}

/// What a search shares with those that it makes on behalf of revocation lists.
struct Ground<'a> {
    intermediates: Intermediates<'a>,
    longest: usize,
    strength: Strength,
    lists: Option<&'a Lists>,
    remembered: Option<&'a Links>,
    budget: Budget,
    /// By the address of the child and the key of the issuer.
    links: HashMap<(usize, &'a [u8]), Result<(), Refusal>>,
    /// By the address of an issuer, whether it is an anchor, and whether a purpose is asked for: where it stood first, and what was wrong with it alone.
    issuers: HashMap<(usize, bool, bool), FirstCheck>,
    signatures: Signatures<'a>,
}

/// Where an issuer stood first, and whether it may be one.
type FirstCheck = (usize, Result<(), Refusal>);

type Path<'a> = Vec<&'a Arc<Certificate>>;

/// One search. A method's `Err` is the refusal for `budget-spent`, which ends it; any other is noted.
struct Search<'a, 's> {
    ground: &'s mut Ground<'a>,
    anchors: Anchors<'a>,
    inputs: &'s Inputs,
    pending: Pending<'a>,
    refusal: Option<Refusal>,
}

impl<'a> Search<'a, '_> {
    /// The first good path; None if there is none, and then `refusal` says why.
    fn run(&mut self, signer: &'a Arc<Certificate>) -> Result<Option<Path<'a>>, Refusal> {
        let signer = self.ground.intermediates.canonical(signer);
        let mut path = vec![signer.certificate];
        let is_anchor = self
            .anchors
            .get(&signer.certificate.subject.key)
            .iter()
            .any(|anchor| anchor.der == signer.certificate.der);
        let found = if is_anchor {
            self.complete(&path)?
        } else {
            self.extend(&mut path, signer)?
        };
        Ok(found.then_some(path))
    }

    /// Whether `path`, which ends at `child`, can be made a good one; then it is.
    fn extend(&mut self, path: &mut Path<'a>, child: Candidate<'a>) -> Result<bool, Refusal> {
        let index = path.len();
        let name = &child.certificate.issuer.key;
        let mut anchors: Vec<_> = self
            .anchors
            .get(name)
            .iter()
            .map(|certificate| Candidate { certificate, own: true })
            .collect();
        let others = self
            .ground
            .intermediates
            .get(name)
            .filter(|issuer| !is_on(path, issuer.certificate));
        let mut others: Vec<_> = others.collect();
        self.put_in_order(child.certificate, &mut anchors);
        self.put_in_order(child.certificate, &mut others);
        for issuer in &anchors {
            if self.may_issue(child, *issuer, index, true)? {
                path.push(issuer.certificate);
                if self.complete(path)? {
                    return Ok(true);
                }
                path.pop();
            }
        }
        for issuer in &others {
            if self.may_issue(child, *issuer, index, false)? {
                path.push(issuer.certificate);
                if self.extend(path, *issuer)? {
                    return Ok(true);
                }
                path.pop();
            }
        }
        if anchors.is_empty() && others.is_empty() {
            self.note(unknown_issuer(child.certificate, index - 1));
        }
        Ok(false)
    }

    /// Whether `path`, which ends at an anchor, is good.
    fn complete(&mut self, path: &[&'a Arc<Certificate>]) -> Result<bool, Refusal> {
        let checked = self.check(path);
        self.outcome(checked)
    }

    fn check(&mut self, path: &[&'a Arc<Certificate>]) -> Result<(), Refusal> {
        let signer = path[0];
        // An anchor that is the signer is trusted with the key that it has.
        if path.len() > 1 {
            signature::check_key(&signer.public_key, self.ground.strength.min_rsa_bits)
                .map_err(|problem| Refusal::new(Reason::CertificateKey, "chain[0].subjectPublicKeyInfo", problem))?;
        }
        validation::check_certificate(signer, 0, self.inputs)?;
        validation::check_signer(signer, self.inputs)?;
        validation::check_path(path, self.inputs, &mut self.ground.budget)?;
        match self.ground.lists {
            Some(lists) => Statuses {
                lists,
                pending: self.pending.clone(),
                search: self,
            }
            .check_path(path),
            None => Ok(()),
        }
    }

    /// Whether `issuer` signed `child` and may stand at `index` of a path.
    fn may_issue(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize, anchor: bool) -> Result<bool, Refusal> {
        self.ground.budget.spend_step(index)?;
        let checked = self.check_issuer(child, issuer, index, anchor);
        self.outcome(checked)
    }

    fn check_issuer(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize, anchor: bool) -> Result<(), Refusal> {
        let longest = self.ground.longest;
        if index + (if anchor { 1 } else { 2 }) > longest {
            return Err(Refusal::new(
                Reason::PathLength,
                format!("chain[{index}]"),
                format!("more than {longest} certificates"),
            ));
        }
        self.check_link(child, issuer, index)?;
        self.check_alone(issuer.certificate, index, anchor)
    }

    /// What holds for an issuer by itself, wherever it stands. Computed once for each certificate, because it takes time linear in its size and the budget counts
    /// a step as nearly nothing.
    fn check_alone(&mut self, issuer: &Arc<Certificate>, index: usize, anchor: bool) -> Result<(), Refusal> {
        let inputs = self.inputs;
        let check = || {
            let checked = if anchor {
                validation::check_anchor(issuer, index, inputs)
            } else {
                validation::check_certificate(issuer, index, inputs).and_then(|()| validation::check_authority(issuer, index, inputs))
            };
            (index, checked)
        };
        let key = (address(issuer), anchor, inputs.purpose.is_some());
        match self.ground.issuers.entry(key).or_insert_with(check) {
            (_, Ok(())) => Ok(()),
            (first, Err(refusal)) => {
                let place = refusal.location.strip_prefix(&format!("chain[{first}]")).unwrap_or_default();
                Err(Refusal::new(
                    refusal.reason,
                    format!("chain[{index}]{place}"),
                    refusal.detail.clone(),
                ))
            }
        }
    }

    /// Candidates for the issuer of `child`, the likely ones first. Names chain (6.1.3 (a)(4)); key identifiers only order (4.2.1.1): a wrong one forbids
    /// nothing, since nobody vouches for it but the certificate that has it.
    fn put_in_order(&self, child: &Certificate, candidates: &mut [Candidate<'a>]) {
        if candidates.len() < 2 {
            return;
        }
        let wanted = child
            .decoded
            .authority_key_identifier
            .as_ref()
            .and_then(|identifier| identifier.key_identifier.as_ref());
        candidates.sort_by_key(|issuer| {
            let issuer = issuer.certificate;
            let differs = wanted.is_some()
                && issuer.decoded.subject_key_identifier.is_some()
                && wanted != issuer.decoded.subject_key_identifier.as_ref();
            (
                differs,
                self.inputs
                    .at
                    .is_some_and(|at| !(issuer.not_before..=issuer.not_after).contains(&at)),
            )
        });
    }

    /// 6.1.3 (a)(1): `child` was signed with the key of `issuer`, with an algorithm and a key that are accepted. Paid for once for each certificate and key.
    fn check_link(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize) -> Result<(), Refusal> {
        let key = (address(child.certificate), &*issuer.certificate.spki);
        if let Some(known) = self.ground.links.get(&key) {
            return known.clone();
        }
        let found = self.verify_link(child, issuer, index);
        if !found.as_ref().is_err_and(is_final) {
            self.ground.links.insert(key, found.clone());
        }
        found
    }

    fn verify_link(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize) -> Result<(), Refusal> {
        let ground = &mut *self.ground;
        let (algorithm, key) = (&child.certificate.signature_algorithm, &issuer.certificate.public_key);
        let bad_algorithm = |problem: Cow<'static, str>| {
            let location = format!("chain[{}].signatureAlgorithm", index - 1);
            Refusal::new(Reason::CertificateAlgorithm, location, problem)
        };
        let bad_key = |problem| Refusal::new(Reason::CertificateKey, format!("chain[{index}].subjectPublicKeyInfo"), problem);
        if !ground.strength.accept_weak {
            signature::check_algorithm(algorithm.borrowed()).map_err(bad_algorithm)?;
        }
        signature::check_key(key, ground.strength.min_rsa_bits).map_err(bad_key)?;
        ground.budget.spend_signature(key)?;
        let cache = ground.remembered.filter(|_| child.own && issuer.own);
        let verdict = cache
            .and_then(|links| links.get(child.certificate, issuer.certificate))
            .map_or_else(
                || {
                    let verdict = signature::verify(algorithm, key, child.certificate.tbs(), &child.certificate.signature);
                    if let Some(links) = cache {
                        links.put(child.certificate, issuer.certificate, verdict);
                    }
                    verdict
                },
                |link| link.verdict,
            );
        verdict.map_err(|fault| match fault {
            Fault::Algorithm => bad_algorithm(fault.text().into()),
            Fault::Key | Fault::Signature => {
                let location = format!("chain[{}].signatureValue", index - 1);
                Refusal::new(Reason::CertificateSignature, location, fault.text())
            }
        })
    }

    /// Whether something was good; a refusal is noted, but one that ends the search.
    fn outcome(&mut self, checked: Result<(), Refusal>) -> Result<bool, Refusal> {
        match checked {
            Ok(()) => Ok(true),
            Err(refusal) if is_final(&refusal) => Err(refusal),
            Err(refusal) => {
                self.note(refusal);
                Ok(false)
            }
        }
    }

    /// Keep the first refusal of the most telling kind.
    fn note(&mut self, refusal: Refusal) {
        if self.refusal.as_ref().is_none_or(|noted| rank(refusal.reason) > rank(noted.reason)) {
            self.refusal = Some(refusal);
        }
    }
}

/// What the check of revocation needs of a search.
impl<'a> Authorities<'a> for Search<'a, '_> {
    fn at(&self) -> Option<i64> {
        self.inputs.at
    }

    fn strength(&self) -> Strength {
        self.ground.strength
    }

    fn budget(&mut self) -> &mut Budget {
        &mut self.ground.budget
    }

    fn signatures(&mut self) -> &mut Signatures<'a> {
        &mut self.ground.signatures
    }

    fn bearers(&self, name: &NameKey) -> Vec<&'a Arc<Certificate>> {
        self.ground.intermediates.get(name).map(|candidate| candidate.certificate).collect()
    }

    // What is demanded of signers of documents beyond the right to sign lists does not concern an issuer of lists.
    fn vouch(&mut self, issuer: &'a Arc<Certificate>, anchor: &'a Arc<Certificate>, pending: &Pending<'a>) -> Result<bool, Refusal> {
        let inputs = Inputs {
            purpose: None,
            key_usage: KeyUsage::CRL_SIGN,
            policies: None,
            explicit_policy: false,
            max_path_length: None,
            ..*self.inputs
        };
        let mut search = Search {
            ground: &mut *self.ground,
            anchors: Anchors::One(anchor),
            inputs: &inputs,
            pending: pending.with(issuer),
            refusal: None,
        };
        Ok(search.run(issuer)?.is_some())
    }
}

/// Whether a refusal ends the search.
fn is_final(refusal: &Refusal) -> bool {
    refusal.reason == Reason::BudgetSpent
}

/// Reasons that say less than any other have a lower rank: who did not sign is hardly on a path at all. Of two reasons of one rank the first counts.
const fn rank(reason: Reason) -> u8 {
    match reason {
        Reason::UnknownIssuer => 0,
        Reason::UntrustedRoot => 1,
        Reason::CertificateSignature => 2,
        _ => 3,
    }
}

fn is_on(path: &[&Arc<Certificate>], issuer: &Certificate) -> bool {
    path.iter()
        .any(|other| issuer.spki == other.spki && issuer.subject.key == other.subject.key)
}

fn unknown_issuer(certificate: &Certificate, index: usize) -> Refusal {
    let reason = if certificate.self_issued() {
        Reason::UntrustedRoot
    } else {
        Reason::UnknownIssuer
    };
    let issuer = &certificate.issuer;
    let beginning = || hex(&issuer.der[..issuer.der.len().min(20)]);
    let shown = |text: &String| text.chars().take(MAX_SHOWN).collect::<String>();
    let name = issuer.common_names.last().map_or_else(beginning, shown);
    let place = certificate
        .decoded
        .ca_issuers
        .iter()
        .flatten()
        .next()
        .map(|place| format!("; it may lie at {}", shown(place)))
        .unwrap_or_default();
    Refusal::new(reason, format!("chain[{index}].issuer"), name + &place)
}

#[cfg(test)]
mod tests;
