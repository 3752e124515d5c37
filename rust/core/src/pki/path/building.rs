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
//! So of a stranger it is said first that it is one. The twin of `pki/path/building.py`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::contract::Limits;
use crate::pki::path::budget::Budget;
use crate::pki::path::pool::Pool;
use crate::pki::path::signature_cache::{Links, address};
use crate::pki::path::validation::{self, Inputs};
use crate::pki::revocation::revocation::{Lists, Pending, Signatures, Statuses};
use crate::pki::signatures::signature::{self, Fault};
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

/// The first good path, signer first, anchor last. A signer that is itself an anchor is a path of one.
///
/// `certificates` are those of the message; they come before the `intermediates`, and none of either is trusted. `accept_weak` computes SHA-1 and SHA-224
/// instead of refusing them (test suites only). Without `lists` revocation is left out. `links` remembers what it may and changes no answer.
///
/// Which refusal is given is said in `backends/contract.py`; its location is like `chain[1].keyUsage`, where `chain[0]` is the signer.
#[allow(clippy::too_many_arguments)] // those of the twin
pub(crate) fn build(
    signer: &Arc<Certificate>,
    anchors: &Pool,
    certificates: &[Arc<Certificate>],
    intermediates: &Pool,
    inputs: &Inputs,
    limits: &Limits,
    min_rsa_bits: u32,
    accept_weak: bool,
    lists: Option<&Lists>,
    links: Option<&Links>,
) -> Result<Vec<Arc<Certificate>>, Refusal> {
    let mut ground = Ground {
        intermediates: Intermediates::new(certificates, intermediates),
        longest: limits.path_certificates,
        min_rsa_bits,
        accept_weak,
        lists,
        remembered: links,
        budget: Budget::new(limits.work),
        links: HashMap::new(),
        issuers: HashMap::new(),
        signatures: Signatures::default(),
    };
    let mut search = Search {
        ground: &mut ground,
        anchors: Anchors::All(anchors),
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
pub(crate) struct Ground<'a> {
    intermediates: Intermediates<'a>,
    longest: usize,
    pub(crate) min_rsa_bits: u32,
    pub(crate) accept_weak: bool,
    lists: Option<&'a Lists>,
    remembered: Option<&'a Links>,
    pub(crate) budget: Budget,
    /// By the address of the child and the key of the issuer.
    links: HashMap<(usize, &'a [u8]), Option<Refusal>>,
    /// By the address of an issuer, whether it is an anchor, and whether a purpose is asked for: where it stood first, and what was wrong with it alone.
    issuers: HashMap<(usize, bool, bool), (usize, Option<Refusal>)>,
    pub(crate) signatures: Signatures<'a>,
}

impl<'a> Ground<'a> {
    /// Certificates that bear a name, among which issuers of lists are looked for beside the path.
    pub(crate) fn bearers(&self, name: &NameKey) -> Vec<&'a Arc<Certificate>> {
        self.intermediates.get(name).map(|candidate| candidate.certificate).collect()
    }
}

pub(crate) type Path<'a> = Vec<&'a Arc<Certificate>>;

/// One search. A method's `Err` is the refusal for `budget-spent`, which ends it; any other is noted.
pub(crate) struct Search<'a, 's> {
    pub(crate) ground: &'s mut Ground<'a>,
    anchors: Anchors<'a>,
    pub(crate) inputs: &'s Inputs,
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
            if let Some(problem) = signature::key_fault(&signer.public_key, self.ground.min_rsa_bits) {
                return Err(Refusal::new(Reason::CertificateKey, "chain[0].subjectPublicKeyInfo", problem));
            }
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

    /// `issuer` may sign revocation lists for certificates below `anchor` (6.3.3 (f)). What is demanded of signers of documents beyond that does not
    /// concern it.
    pub(crate) fn vouch(
        &mut self,
        issuer: &'a Arc<Certificate>,
        anchor: &'a Arc<Certificate>,
        pending: &Pending<'a>,
    ) -> Result<bool, Refusal> {
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
        let fault = || {
            let checked = if anchor {
                validation::check_anchor(issuer, index, inputs)
            } else {
                validation::check_certificate(issuer, index, inputs).and_then(|()| validation::check_authority(issuer, index, inputs))
            };
            (index, checked.err())
        };
        let key = (address(issuer), anchor, inputs.purpose.is_some());
        match self.ground.issuers.entry(key).or_insert_with(fault) {
            (_, None) => Ok(()),
            (first, Some(refusal)) => {
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
            .authority_key_identifier
            .as_ref()
            .and_then(|identifier| identifier.key_identifier.as_ref());
        candidates.sort_by_key(|issuer| {
            let issuer = issuer.certificate;
            let differs = wanted.is_some() && issuer.subject_key_identifier.is_some() && wanted != issuer.subject_key_identifier.as_ref();
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
        let known = self.ground.links.get(&key).cloned();
        let refusal = if let Some(known) = known {
            known
        } else {
            let refusal = self.link_fault(child, issuer, index)?;
            self.ground.links.insert(key, refusal.clone());
            refusal
        };
        refusal.map_or(Ok(()), Err)
    }

    fn link_fault(&mut self, child: Candidate<'a>, issuer: Candidate<'a>, index: usize) -> Result<Option<Refusal>, Refusal> {
        let ground = &mut *self.ground;
        let (algorithm, key) = (&child.certificate.signature_algorithm, &issuer.certificate.public_key);
        let algorithm_refusal = |problem: String| {
            Refusal::new(
                Reason::CertificateAlgorithm,
                format!("chain[{}].signatureAlgorithm", index - 1),
                problem,
            )
        };
        let problem = if ground.accept_weak {
            None
        } else {
            signature::algorithm_fault(algorithm)
        };
        if let Some(problem) = problem {
            return Ok(Some(algorithm_refusal(problem)));
        }
        if let Some(problem) = signature::key_fault(key, ground.min_rsa_bits) {
            return Ok(Some(Refusal::new(
                Reason::CertificateKey,
                format!("chain[{index}].subjectPublicKeyInfo"),
                problem,
            )));
        }
        ground.budget.spend_signature(key)?;
        let remembered = ground.remembered.filter(|_| child.own && issuer.own);
        let fault = remembered
            .and_then(|links| links.get(child.certificate, issuer.certificate))
            .map_or_else(
                || {
                    let fault = signature::fault(algorithm, key, child.certificate.tbs(), &child.certificate.signature);
                    if let Some(links) = remembered {
                        links.put(child.certificate, issuer.certificate, fault);
                    }
                    fault
                },
                |link| link.fault,
            );
        Ok(fault.map(|fault| match fault {
            Fault::Algorithm => algorithm_refusal(fault.text().to_owned()),
            Fault::Key | Fault::Signature => Refusal::new(
                Reason::CertificateSignature,
                format!("chain[{}].signatureValue", index - 1),
                fault.text(),
            ),
        }))
    }

    /// Whether something was good; a refusal is noted, but one that ends the search.
    fn outcome(&mut self, checked: Result<(), Refusal>) -> Result<bool, Refusal> {
        match checked {
            Ok(()) => Ok(true),
            Err(refusal) if refusal.reason == Reason::BudgetSpent => Err(refusal),
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
        .ca_issuers
        .first()
        .map(|place| format!("; it may lie at {}", shown(place)))
        .unwrap_or_default();
    Refusal::new(reason, format!("chain[{index}].issuer"), name + &place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::x509::certificate::AuthorityKeyIdentifier;
    use crate::samples::{NOW, authority, leaf};

    /// All that a search needs; every link between certificates of these names is good.
    struct World {
        anchors: Pool,
        intermediates: Pool,
        links: Links,
        limits: Limits,
    }

    impl World {
        fn new(anchors: Vec<Certificate>, intermediates: Vec<Certificate>) -> Self {
            let pool = |certificates: Vec<Certificate>| Pool::new(certificates.into_iter().map(Arc::new));
            let (anchors, intermediates) = (pool(anchors), pool(intermediates));
            let links = Links::default();
            let all = || anchors.all().chain(intermediates.all());
            for child in all() {
                all()
                    .filter(|issuer| issuer.subject.key == child.issuer.key)
                    .for_each(|issuer| links.put(child, issuer, None));
            }
            let limits = Limits {
                document_bytes: 0,
                certificates: 0,
                json_brackets: 0,
                path_certificates: 8,
                work: 3000,
            };
            Self {
                anchors,
                intermediates,
                links,
                limits,
            }
        }

        fn path_of(&self, signer: Certificate) -> Result<Vec<Vec<u8>>, (Reason, String)> {
            let inputs = Inputs::new(Some(NOW));
            let message = [Arc::new(signer)];
            let (links, limits) = (Some(&self.links), &self.limits);
            build(
                &message[0],
                &self.anchors,
                &message,
                &self.intermediates,
                &inputs,
                limits,
                2048,
                false,
                None,
                links,
            )
            .map(|path| path.iter().map(|certificate| certificate.spki.to_vec()).collect())
            .map_err(|refusal| (refusal.reason, refusal.location))
        }
    }

    /// A signer below an authority below an anchor.
    fn three() -> World {
        World::new(
            vec![authority("root", "root", 1)],
            vec![authority("mid", "root", 2), leaf("end", "mid", 3)],
        )
    }

    #[test]
    fn a_path_is_found_within_the_steps_and_signatures_that_python_counts() {
        let mut world = three();
        assert_eq!(world.path_of(leaf("end", "mid", 3)), Ok(vec![vec![3], vec![2], vec![1]]));
        // Two signatures and two steps: 1000 + 26 + 1000 + 32.
        world.limits.work = 2;
        assert_eq!(world.path_of(leaf("end", "mid", 3)), Err((Reason::BudgetSpent, "chain".to_owned())));
    }

    #[test]
    fn a_path_has_so_many_certificates() {
        let mut world = three();
        world.limits.path_certificates = 3;
        assert!(world.path_of(leaf("end", "mid", 3)).is_ok());
        world.limits.path_certificates = 2;
        assert_eq!(
            world.path_of(leaf("end", "mid", 3)),
            Err((Reason::PathLength, "chain[1]".to_owned()))
        );
    }

    #[test]
    fn the_memory_is_of_the_owners_certificates_only() {
        let world = three();
        // The same links but for the signer, which is nobody's here: its signature is looked at, and is none.
        let stranger = leaf("stranger", "mid", 3);
        assert_eq!(
            world.path_of(stranger),
            Err((Reason::CertificateSignature, "chain[0].signatureValue".to_owned()))
        );
        assert_eq!(world.links.len(), 3);
    }

    #[test]
    fn paths_do_not_loop() {
        let cross = vec![
            authority("a", "b", 1),
            authority("b", "a", 2),
            authority("a", "a", 1),
            authority("b", "b", 2),
            leaf("end", "a", 3),
        ];
        let world = World::new(Vec::new(), cross);
        // From b, whichever of its certificates stands there, every issuer is on the path already. One of them says that it is a root.
        let refused = Err((Reason::UntrustedRoot, "chain[2].issuer".to_owned()));
        assert_eq!(world.path_of(leaf("end", "a", 3)), refused);
    }

    #[test]
    fn a_fitting_key_identifier_comes_first_and_a_valid_certificate_next() {
        let mut end = leaf("end", "mid", 9);
        end.authority_key_identifier = Some(AuthorityKeyIdentifier {
            key_identifier: Some(Box::new([7])),
            issuer: None,
            serial: None,
        });
        let twin = |key, identifier: u8, valid: bool| {
            let mut twin = authority("mid", "root", key);
            twin.subject_key_identifier = Some(Box::new([identifier]));
            twin.not_after = if valid { NOW } else { NOW - 1 };
            twin
        };
        let again = |end: &Certificate| {
            let mut again = leaf("end", "mid", 9);
            again.authority_key_identifier = end.authority_key_identifier.clone();
            again
        };
        let root = || vec![authority("root", "root", 1)];
        let world = World::new(root(), vec![twin(2, 8, true), twin(3, 7, false), twin(4, 7, true), again(&end)]);
        assert_eq!(world.path_of(again(&end)), Ok(vec![vec![9], vec![4], vec![1]]));
        // A wrong one forbids nothing.
        let world = World::new(root(), vec![twin(2, 8, true), twin(3, 7, false), again(&end)]);
        assert_eq!(world.path_of(end), Ok(vec![vec![9], vec![2], vec![1]]));
    }

    #[test]
    fn the_more_telling_reason_is_given() {
        let mut expired = authority("mid", "root", 2);
        expired.not_after = NOW - 1;
        let orphan = authority("mid", "nobody", 4);
        let world = World::new(vec![authority("root", "root", 1)], vec![orphan, expired, leaf("end", "mid", 3)]);
        assert_eq!(
            world.path_of(leaf("end", "mid", 3)),
            Err((Reason::Expired, "chain[1].notAfter".to_owned()))
        );
        assert_eq!(
            world.path_of(leaf("self", "self", 5)),
            Err((Reason::UntrustedRoot, "chain[0].issuer".to_owned()))
        );
    }

    #[test]
    fn a_certificate_of_the_message_that_is_the_owners_is_one_and_the_same() {
        let own = Pool::new([Arc::new(authority("mid", "root", 2)), Arc::new(authority("mid", "root", 3))]);
        let message = [
            Arc::new(authority("mid", "root", 4)),
            Arc::new(authority("mid", "root", 3)),
            Arc::new(authority("mid", "root", 4)),
        ];
        let both = Intermediates::new(&message, &own);
        let found: Vec<_> = both
            .get(&message[0].subject.key)
            .map(|found| (found.certificate.spki[0], found.own))
            .collect();
        assert_eq!(found, [(4, false), (3, true), (2, true)]);
    }
}
