//! Search for a path from a signer to an anchor (RFC 5280 section 6, RFC 4158), within a budget of work.
//!
//! The search is depth first, and its order is fixed. The candidates for the issuer of a certificate are the certificates whose subject is
//! the issuer's name. The search tries anchors before other certificates. In both groups, a candidate comes last if its subject key
//! identifier differs from the authority key identifier of the certificate. Among candidates that are equal in this respect, those that are
//! valid at the time of the check come first. Otherwise candidates keep the given order. A path contains at most one certificate with the
//! same name and key, so paths cannot loop. If several certificates have the same name and key (cross-certificates), the search tries them
//! one by one.
//!
//! The order of the checks decides which reason is reported:
//!
//! 1. For each candidate, the search first checks the signature of the certificate below it, the child (algorithm, the candidate's key,
//!    signature). Then it checks the candidate itself.
//! 2. For each path that has reached an anchor, the search checks the signer itself, and then the path as a whole.
//!
//! As a result, if the issuer is unknown, this is reported rather than any other problem of the signer.

// Python counterpart: `pki/path/building.py`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::contract::Limits;
use crate::pki::path::budget::Budget;
use crate::pki::path::pool::Pool;
use crate::pki::path::signature_cache::{SignatureCache, address};
use crate::pki::path::validation::{self, Inputs};
use crate::pki::revocation::revocation::{Authorities, Lists, Pending, Signatures, Statuses};
use crate::pki::signatures::signature::{self, Fault, Strength};
use crate::pki::x509::certificate::{Certificate, KeyUsage, NameKey};
use crate::reasons::{Reason, Refusal};

/// Maximum number of characters of a name or an address in the detail of a refusal.
const MAX_SHOWN: usize = 200;

/// A certificate, and whether it was configured. A certificate that was not configured comes from the message.
#[derive(Clone, Copy, Debug)]
struct Candidate<'a> {
    certificate: &'a Arc<Certificate>,
    own: bool,
}

/// The certificates that may stand between signer and anchor: first those of the message, then the configured intermediates. Duplicates are
/// dropped. A certificate that is both in the message and configured counts as configured.
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

    /// Returns the certificates with this subject, in order.
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

    /// Returns the configured certificate with the same bytes as the signer, or else the signer itself.
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

/// The certificates of a search, and the caches that it may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// Trusted certificates.
    pub(crate) anchors: &'a Pool,
    /// Certificates of the message. The search tries them before `intermediates`. It trusts neither.
    pub(crate) certificates: &'a [Arc<Certificate>],
    /// Configured certificates that may help to build a path.
    pub(crate) intermediates: &'a Pool,
    /// Revocation lists. With `None`, revocation is not checked.
    pub(crate) lists: Option<&'a Lists>,
    /// Cache of verified signatures. It does not change verdicts.
    pub(crate) signature_cache: Option<&'a SignatureCache>,
}

/// Returns the first valid path, from the signer to the anchor. The path of a signer that is itself an anchor has one certificate.
///
/// A refusal has a location such as `chain[1].keyUsage`, where `chain[0]` is the signer.
pub(crate) fn build(
    signer: &Arc<Certificate>,
    sources: Sources<'_>,
    inputs: &Inputs,
    limits: &Limits,
    strength: Strength,
) -> Result<Vec<Arc<Certificate>>, Refusal> {
    let mut shared = Shared {
        intermediates: Intermediates::new(sources.certificates, sources.intermediates),
        longest: limits.path_certificates,
        strength,
        lists: sources.lists,
        signature_cache: sources.signature_cache,
        budget: Budget::new(limits.work),
        verdicts: HashMap::new(),
        issuers: HashMap::new(),
        signatures: Signatures::default(),
    };
    let mut search = Search {
        shared: &mut shared,
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

/// The state that a search shares with the searches for the issuers of revocation lists.
struct Shared<'a> {
    intermediates: Intermediates<'a>,
    longest: usize,
    strength: Strength,
    lists: Option<&'a Lists>,
    signature_cache: Option<&'a SignatureCache>,
    budget: Budget,
    /// Verdicts on signatures, by the memory address of the child and the key of the issuer.
    verdicts: HashMap<(usize, &'a [u8]), Result<(), Refusal>>,
    /// Verdicts on issuers. The key is the memory address of the issuer, whether it is an anchor, and whether an extended key usage is
    /// required.
    issuers: HashMap<(usize, bool, bool), FirstCheck>,
    signatures: Signatures<'a>,
}

/// The position on a path at which an issuer was checked first, and the result.
type FirstCheck = (usize, Result<(), Refusal>);

type Path<'a> = Vec<&'a Arc<Certificate>>;

/// One search. Methods return an error only for `budget-spent`, which ends the search. Other refusals are recorded in `refusal`.
struct Search<'a, 's> {
    shared: &'s mut Shared<'a>,
    anchors: Anchors<'a>,
    inputs: &'s Inputs,
    pending: Pending<'a>,
    refusal: Option<Refusal>,
}

impl<'a> Search<'a, '_> {
    /// Returns the first valid path. If there is none, returns `None`, and `refusal` is the reason.
    fn run(&mut self, signer: &'a Arc<Certificate>) -> Result<Option<Path<'a>>, Refusal> {
        let signer = self.shared.intermediates.canonical(signer);
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

    /// Tries to extend `path`, which ends at `child`, to a valid path. On success, `path` contains the valid path.
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
            .shared
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

    /// Returns whether `path`, which ends at an anchor, is valid.
    fn complete(&mut self, path: &[&'a Arc<Certificate>]) -> Result<bool, Refusal> {
        let checked = self.check(path);
        self.outcome(checked)
    }

    fn check(&mut self, path: &[&'a Arc<Certificate>]) -> Result<(), Refusal> {
        let signer = path[0];
        // A signer that is an anchor is trusted, so its key may be of any kind.
        if path.len() > 1 {
            signature::check_key(&signer.public_key, self.shared.strength.min_rsa_bits)
                .map_err(|problem| Refusal::new(Reason::CertificateKey, "chain[0].subjectPublicKeyInfo", problem))?;
        }
        validation::check_certificate(signer, 0, self.inputs)?;
        validation::check_signer(signer, self.inputs)?;
        validation::check_path(path, self.inputs, &mut self.shared.budget)?;
        match self.shared.lists {
            Some(lists) => Statuses {
                lists,
                pending: self.pending.clone(),
                search: self,
            }
            .check_path(path),
            None => Ok(()),
        }
    }

    /// Returns whether `issuer` signed `child` and may stand at `index` on a path.
    fn may_issue(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize, anchor: bool) -> Result<bool, Refusal> {
        self.shared.budget.spend_step(index)?;
        let checked = self.check_issuer(child, issuer, index, anchor);
        self.outcome(checked)
    }

    fn check_issuer(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize, anchor: bool) -> Result<(), Refusal> {
        let longest = self.shared.longest;
        if index + (if anchor { 1 } else { 2 }) > longest {
            return Err(Refusal::new(
                Reason::PathLength,
                format!("chain[{index}]"),
                format!("more than {longest} certificates"),
            ));
        }
        self.check_signed_by(child, issuer, index)?;
        self.check_alone(issuer.certificate, index, anchor)
    }

    /// Makes the checks of an issuer that do not depend on its position. The result is cached for each certificate, because the checks take
    /// time linear in the size of the certificate, but the budget charges very little for a candidate.
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
        match self.shared.issuers.entry(key).or_insert_with(check) {
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

    /// Sorts the candidates for the issuer of `child`, the most likely first. Names must chain (RFC 5280 section 6.1.3 (a)(4)). Key
    /// identifiers only change the order (section 4.2.1.1). A wrong identifier excludes no candidate, because any certificate can claim any
    /// identifier.
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

    /// Checks that `child` was signed with the key of `issuer`, and that the algorithm and the key are accepted (RFC 5280 section 6.1.3
    /// (a)(1)). The search pays once for each pair of certificate and key.
    fn check_signed_by(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize) -> Result<(), Refusal> {
        let key = (address(child.certificate), &*issuer.certificate.spki);
        if let Some(known) = self.shared.verdicts.get(&key) {
            return known.clone();
        }
        let found = self.verify_signed_by(child, issuer, index);
        if !found.as_ref().is_err_and(is_final) {
            self.shared.verdicts.insert(key, found.clone());
        }
        found
    }

    fn verify_signed_by(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize) -> Result<(), Refusal> {
        let shared = &mut *self.shared;
        let (algorithm, key) = (&child.certificate.signature_algorithm, &issuer.certificate.public_key);
        let bad_algorithm = |problem: Cow<'static, str>| {
            let location = format!("chain[{}].signatureAlgorithm", index - 1);
            Refusal::new(Reason::CertificateAlgorithm, location, problem)
        };
        let bad_key = |problem| Refusal::new(Reason::CertificateKey, format!("chain[{index}].subjectPublicKeyInfo"), problem);
        if !shared.strength.accept_weak {
            signature::check_algorithm(algorithm.borrowed()).map_err(bad_algorithm)?;
        }
        signature::check_key(key, shared.strength.min_rsa_bits).map_err(bad_key)?;
        shared.budget.spend_signature(key)?;
        let cache = shared.signature_cache.filter(|_| child.own && issuer.own);
        let verdict = cache
            .and_then(|cache| cache.get(child.certificate, issuer.certificate))
            .unwrap_or_else(|| {
                let verdict = signature::verify(algorithm, key, child.certificate.tbs(), &child.certificate.signature);
                if let Some(cache) = cache {
                    cache.put(child.certificate, issuer.certificate, verdict);
                }
                verdict
            });
        verdict.map_err(|fault| match fault {
            Fault::Algorithm => bad_algorithm(fault.text().into()),
            Fault::Key | Fault::Signature => {
                let location = format!("chain[{}].signatureValue", index - 1);
                Refusal::new(Reason::CertificateSignature, location, fault.text())
            }
        })
    }

    /// Returns whether a check succeeded, and records its refusal. Returns an error if the refusal ends the search.
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

    /// Records a refusal if it is more specific than the recorded one.
    fn note(&mut self, refusal: Refusal) {
        if self.refusal.as_ref().is_none_or(|noted| rank(refusal.reason) > rank(noted.reason)) {
            self.refusal = Some(refusal);
        }
    }
}

/// The operations that the check of revocation needs.
impl<'a> Authorities<'a> for Search<'a, '_> {
    fn at(&self) -> Option<i64> {
        self.inputs.at
    }

    fn strength(&self) -> Strength {
        self.shared.strength
    }

    fn budget(&mut self) -> &mut Budget {
        &mut self.shared.budget
    }

    fn signatures(&mut self) -> &mut Signatures<'a> {
        &mut self.shared.signatures
    }

    fn certificates_of(&self, name: &NameKey) -> Vec<&'a Arc<Certificate>> {
        self.shared.intermediates.get(name).map(|candidate| candidate.certificate).collect()
    }

    // The issuer of a revocation list must be allowed to sign lists. The requirements on signers of documents do not apply to it.
    fn may_sign(&mut self, issuer: &'a Arc<Certificate>, anchor: &'a Arc<Certificate>, pending: &Pending<'a>) -> Result<bool, Refusal> {
        let inputs = Inputs {
            purpose: None,
            key_usage: KeyUsage::CRL_SIGN,
            policies: None,
            explicit_policy: false,
            max_path_length: None,
            ..*self.inputs
        };
        let mut search = Search {
            shared: &mut *self.shared,
            anchors: Anchors::One(anchor),
            inputs: &inputs,
            pending: pending.with(issuer),
            refusal: None,
        };
        Ok(search.run(issuer)?.is_some())
    }
}

/// Returns whether a refusal ends the search.
fn is_final(refusal: &Refusal) -> bool {
    refusal.reason == Reason::BudgetSpent
}

/// Returns the rank of a reason. The least specific reasons have the lowest rank. For example, a certificate that did not sign the child
/// probably does not belong to the path at all. If two reasons have the same rank, the first one is reported.
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
    let beginning = |text: &str| text.chars().take(MAX_SHOWN).collect::<String>();
    let location = certificate.decoded.ca_issuers.iter().flatten().next();
    let location = location.map_or_else(String::new, |location| format!("; it may lie at {}", beginning(location)));
    let detail = beginning(&certificate.issuer.shown()) + &location;
    Refusal::new(reason, format!("chain[{index}].issuer"), detail)
}

#[cfg(test)]
mod tests;
