//! The revocation check of the certificates on a path (RFC 5280 section 6.3). The caller provides the revocation lists; nothing is fetched.
//!
//! For each certificate below the anchor, the check uses the lists that cover it. A list covers a certificate if it comes from the
//! certificate's issuer or from an issuer that a distribution point of the certificate names. The list must not be limited to certificates
//! of another kind (such as authorities), and it must be current at the time of the check. The certificate of the key that signed the list
//! must allow it to sign lists, and must itself be valid under the same anchor. A delta list is used together with the complete list that
//! it updates. `certificateHold` counts as a revocation like any other.
//!
//! The order is fixed: first the distribution points, in the order of the certificate's extension, then the certificate's own issuer (the
//! last step of section 6.3.3). For each of these sources, the newest list comes first. Once the lists used so far cover all reasons, older
//! lists are not used. If several lists are equally new, all of them are used, and a revocation in any of them counts.

// Python counterpart: `pki/revocation/revocation.py`.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use num_bigint::BigInt;

use crate::pki::path::budget::Budget;
use crate::pki::revocation::crl::{CertificateList, REMOVED};
use crate::pki::revocation::distribution_points::{DistributionPoint, Key, Reasons, key_of, points_of};
use crate::pki::signatures::signature::{self, Strength};
use crate::pki::x509::certificate::{AuthorityKeyIdentifier, Certificate, KeyUsage, Name, NameKey};
use crate::reasons::{Reason, Refusal};

/// Maximum nesting of revocation checks. The issuer of a list has a certificate, whose own status may depend on a list of another issuer.
const MAX_NESTED: usize = 4;

/// A list and a number that identifies its bytes. Lists with the same bytes have the same number. It is not the cRLNumber.
#[derive(Debug)]
struct Numbered {
    list: CertificateList,
    number: usize,
}

/// Revocation lists by their issuer, the newest first.
#[derive(Debug)]
pub(crate) struct Lists {
    /// Whether to refuse a certificate that no list covers.
    required: bool,
    complete: HashMap<NameKey, Vec<Numbered>>,
    delta: HashMap<NameKey, Vec<Numbered>>,
}

fn newness(one: &CertificateList) -> (i64, BigInt) {
    (one.this_update, one.number.clone().unwrap_or_default())
}

impl Lists {
    /// Creates the collection from lists in any order.
    pub(crate) fn new(mut crls: Vec<CertificateList>, required: bool) -> Self {
        let mut lists = Self {
            required,
            complete: HashMap::new(),
            delta: HashMap::new(),
        };
        let mut numbers: HashMap<Box<[u8]>, usize> = HashMap::new();
        crls.sort_by_cached_key(|one| Reverse(newness(one)));
        for list in crls {
            let next = numbers.len();
            let number = *numbers.entry(list.der.clone()).or_insert(next);
            let kept = if list.base_number.is_none() {
                &mut lists.complete
            } else {
                &mut lists.delta
            };
            kept.entry(list.issuer.key.clone()).or_default().push(Numbered { list, number });
        }
        lists
    }

    fn complete(&self, issuer: &Name) -> &[Numbered] {
        self.complete.get(&issuer.key).map_or(&[], Vec::as_slice)
    }

    /// Returns the delta lists that update `base` (section 6.3.3 (c), and section 5.2.4 on their numbers).
    fn deltas(&self, base: &CertificateList) -> impl Iterator<Item = &Numbered> {
        self.delta
            .get(&base.issuer.key)
            .into_iter()
            .flatten()
            .filter(|delta| continues(&delta.list, base))
    }
}

fn continues(delta: &CertificateList, base: &CertificateList) -> bool {
    let scope = |list: &CertificateList| list.scope.as_ref().map(|scope| scope.der.clone());
    let follows = |number: &BigInt| {
        let starts = delta.base_number.as_ref().is_some_and(|start| start <= number);
        starts && delta.number.as_ref().is_some_and(|end| number < end)
    };
    scope(delta) == scope(base)
        && same_key(delta.authority_key_identifier.as_ref(), base.authority_key_identifier.as_ref())
        && base.number.as_ref().is_some_and(follows)
}

fn same_key(one: Option<&AuthorityKeyIdentifier>, other: Option<&AuthorityKeyIdentifier>) -> bool {
    let names = |identifier: &AuthorityKeyIdentifier| -> Option<Vec<_>> {
        identifier
            .issuer
            .as_ref()
            .map(|names| names.iter().map(|name| (name.kind, name.value.clone())).collect())
    };
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.key_identifier == other.key_identifier && one.serial == other.serial && names(one) == names(other),
        _ => false,
    }
}

/// The reason why a list does not tell the status of a certificate.
enum Unfit {
    /// The list does not help, for the given reason. Another list may help.
    Because(Cow<'static, str>),
    /// The budget is spent, which ends the search.
    Spent(Refusal),
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self::Spent(refusal)
    }
}

impl From<&'static str> for Unfit {
    fn from(why: &'static str) -> Self {
        Self::Because(why.into())
    }
}

/// Verdicts on the signatures of lists, by [`Numbered::number`] and the public key. They belong to one search for a path.
pub(crate) type Signatures<'a> = HashMap<(usize, &'a [u8]), Result<(), Cow<'static, str>>>;

/// The certificates whose status is being checked, without duplicates. None of them may confirm its own status, with the one exception in
/// `Statuses::signer`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending<'a>(Vec<&'a Arc<Certificate>>);

impl<'a> Pending<'a> {
    fn contains(&self, certificate: &Certificate) -> bool {
        self.0.iter().any(|pending| pending.der == certificate.der)
    }

    /// Returns a set with these certificates and `certificate`.
    pub(crate) fn with(&self, certificate: &'a Arc<Certificate>) -> Self {
        let mut more = self.clone();
        if !more.contains(certificate) {
            more.0.push(certificate);
        }
        more
    }
}

/// The operations of the path search that the revocation check needs.
pub(crate) trait Authorities<'a> {
    /// Returns the time of the check in Unix seconds. With `None`, times are not checked (test suites only).
    fn at(&self) -> Option<i64>;
    /// Returns the requirements on algorithms and keys, which are the same as for certificates.
    fn strength(&self) -> Strength;
    /// Returns the budget of the search.
    fn budget(&mut self) -> &mut Budget;
    /// Returns the verdicts on the signatures of lists that the search has verified so far.
    fn signatures(&mut self) -> &mut Signatures<'a>;
    /// Returns the available certificates with this subject. A list may be signed with the key of one of them, instead of a key on the
    /// path.
    fn certificates_of(&self, name: &NameKey) -> Vec<&'a Arc<Certificate>>;
    /// Returns whether `issuer` may sign revocation lists for certificates below `anchor` (6.3.3 (f)).
    fn may_sign(&mut self, issuer: &'a Arc<Certificate>, anchor: &'a Arc<Certificate>, pending: &Pending<'a>) -> Result<bool, Refusal>;
}

/// The revocation check of one search for paths.
pub(crate) struct Statuses<'a, 's, S> {
    pub(crate) lists: &'a Lists,
    pub(crate) pending: Pending<'a>,
    pub(crate) search: &'s mut S,
}

impl<'a, S: Authorities<'a>> Statuses<'a, '_, S> {
    /// Checks every certificate except the anchor, from the anchor down. When it checks a certificate, it has already checked those above
    /// it. The reason of a refusal is `revoked`, `revocation-unknown` or `budget-spent`.
    pub(crate) fn check_path(&mut self, path: &[&'a Arc<Certificate>]) -> Result<(), Refusal> {
        (0..path.len().saturating_sub(1))
            .rev()
            .try_for_each(|index| self.check(path, index))
    }

    /// Checks one certificate (section 6.3.3).
    fn check(&mut self, path: &[&'a Arc<Certificate>], index: usize) -> Result<(), Refusal> {
        let (certificate, lists) = (path[index], self.lists);
        let mut covered = Reasons::NONE;
        let mut why = None;
        // Malformed distribution points are ignored, because a list of the certificate's issuer that is not limited to one point can still
        // tell the status. Every certificate also has an implicit distribution point, which comes last: the name of its issuer, for all
        // reasons.
        let mut points = points_of(certificate).unwrap_or_default();
        points.push(DistributionPoint::default());
        for point in &points {
            for issuer in point.issuers().unwrap_or_else(|| vec![&certificate.issuer]) {
                let mut enough: Option<&CertificateList> = None;
                for one in lists.complete(issuer) {
                    if enough.is_some_and(|enough| newness(enough) != newness(&one.list)) {
                        break;
                    }
                    self.search.budget().spend_items(1)?;
                    // (a) to (h)
                    let read =
                        reasons_of(&one.list, point, certificate).and_then(|reasons| Ok((reasons, self.read(one, point, path, index)?)));
                    let (reasons, deltas) = match read {
                        Ok(read) => read,
                        Err(Unfit::Spent(refusal)) => return Err(refusal),
                        Err(Unfit::Because(unfit)) => {
                            why.get_or_insert(unfit);
                            continue;
                        }
                    };
                    let entry = |list: &CertificateList| list.revoked.get(&certificate.issuer.key, &certificate.serial);
                    let mut statuses: Vec<_> = deltas.into_iter().filter_map(entry).collect(); // (i)
                    if statuses.is_empty() {
                        statuses.extend(entry(&one.list)); // (j)
                    }
                    if let Some(status) = statuses.into_iter().find(|status| *status != REMOVED) {
                        return Err(Refusal::new(Reason::Revoked, format!("chain[{index}].serialNumber"), status)); // (k)
                    }
                    covered = covered.or(reasons); // (l)
                    if covered == Reasons::ALL {
                        enough = Some(&one.list);
                    }
                }
                if enough.is_some() {
                    return Ok(());
                }
            }
        }
        if !lists.required {
            return Ok(());
        }
        let missing = || {
            if covered.is_empty() {
                return "no list of its issuer".into();
            }
            format!("no list for {}", Reasons::ALL.without(covered).sorted_names().join(", ")).into()
        };
        Err(Refusal::new(
            Reason::RevocationUnknown,
            format!("chain[{index}]"),
            why.unwrap_or_else(missing),
        ))
    }

    /// Checks that the list may be used. Returns the newest usable delta list that updates it, or several if they are equally new.
    fn read(
        &mut self,
        one: &'a Numbered,
        point: &DistributionPoint,
        path: &[&'a Arc<Certificate>],
        index: usize,
    ) -> Result<Vec<&'a CertificateList>, Unfit> {
        let lists = self.lists;
        self.check_current(&one.list)?;
        let key_holder = self.signer(one, point, path, index)?;
        let mut found: Vec<&'a CertificateList> = Vec::new();
        for delta in lists.deltas(&one.list) {
            if found.first().is_some_and(|first| newness(first) != newness(&delta.list)) {
                break;
            }
            // (h): the key that signed the complete list must also have signed the delta list
            match self.check_current(&delta.list).and_then(|()| self.check_signed(delta, key_holder)) {
                Ok(()) => found.push(&delta.list),
                Err(Unfit::Because(_)) => {}
                Err(spent) => return Err(spent),
            }
        }
        Ok(found)
    }

    /// Checks that the list is usable and that the time of the check is within its validity, including both ends (6.3.3 (a)).
    fn check_current(&self, one: &CertificateList) -> Result<(), Unfit> {
        if let Some(why) = &one.unusable {
            return Err(Unfit::Because(why.clone()));
        }
        let (Some(at), Some(next_update)) = (self.search.at(), one.next_update) else {
            return Ok(());
        };
        if at < one.this_update {
            return Err("its list was issued after the time of the check".into());
        }
        if at > next_update {
            let seconds = i128::from(at) - i128::from(next_update);
            return Err(Unfit::Because(
                format!("its list should have been replaced {seconds} s before the time of the check").into(),
            ));
        }
        Ok(())
    }

    /// Returns the certificate of the key that signed the list (6.3.3 (f), (g)). The certificates above `index` on the path are tried
    /// first, because they have already been checked.
    fn signer(
        &mut self,
        one: &'a Numbered,
        point: &DistributionPoint,
        path: &[&'a Arc<Certificate>],
        index: usize,
    ) -> Result<&'a Arc<Certificate>, Unfit> {
        let name = &one.list.issuer.key;
        let mut why = Unfit::from("the certificate of the list's issuer is unknown");
        let above: Vec<_> = path[index + 1..]
            .iter()
            .copied()
            .filter(|certificate| certificate.subject.key == *name)
            .collect();
        for holder in &above {
            match self.check_signed(one, holder) {
                Ok(()) => return Ok(holder),
                Err(Unfit::Spent(refusal)) => return Err(refusal.into()),
                Err(unfit) => why = unfit,
            }
        }
        let subject = path[index];
        for holder in self.search.certificates_of(name) {
            if above.iter().any(|certificate| certificate.der == holder.der) {
                continue;
            }
            self.search.budget().spend_items(1)?;
            match self.check_signed(one, holder) {
                Ok(()) => {}
                Err(Unfit::Spent(refusal)) => return Err(refusal.into()),
                Err(unfit) => {
                    why = unfit;
                    continue;
                }
            }
            // A distribution point may name the subject of the certificate as the issuer of the list. Only in this case may a certificate
            // confirm its own status, because nobody else issues such a list.
            if holder.der == subject.der && self.pending.contains(subject) && point.crl_issuer.is_some() {
                return Ok(holder);
            }
            let pending = self.pending.with(subject);
            if !pending.contains(holder) && pending.0.len() <= MAX_NESTED && self.search.may_sign(holder, path[path.len() - 1], &pending)? {
                return Ok(holder);
            }
            why = "the certificate of the list's issuer is not valid or may not sign lists".into();
        }
        Err(why)
    }

    fn check_signed(&mut self, one: &Numbered, holder: &'a Arc<Certificate>) -> Result<(), Unfit> {
        if holder.decoded.key_usage.is_some_and(|usage| !usage.has_any(KeyUsage::CRL_SIGN)) {
            return Err("cRLSign is not set for the list's issuer".into());
        }
        let key = (one.number, &*holder.spki);
        if let Some(known) = self.search.signatures().get(&key) {
            return known.clone().map_err(Unfit::Because);
        }
        let verdict = match self.verify(&one.list, holder) {
            Err(Unfit::Spent(refusal)) => return Err(refusal.into()),
            Err(Unfit::Because(problem)) => Err(problem),
            Ok(()) => Ok(()),
        };
        self.search.signatures().insert(key, verdict.clone());
        verdict.map_err(Unfit::Because)
    }

    fn verify(&mut self, one: &CertificateList, holder: &Certificate) -> Result<(), Unfit> {
        let unfit = |problem: Cow<'static, str>| Unfit::Because(format!("the list: {problem}").into());
        let strength = self.search.strength();
        if !strength.accept_weak {
            signature::check_algorithm(one.signature_algorithm.borrowed()).map_err(unfit)?;
        }
        signature::check_key(&holder.public_key, strength.min_rsa_bits).map_err(unfit)?;
        self.search.budget().spend_signature(&holder.public_key)?;
        signature::verify(&one.signature_algorithm, &holder.public_key, one.tbs(), &one.signature)
            .map_err(|fault| unfit(fault.text().into()))
    }
}

/// Returns the reasons that the list covers for the certificate, if the list belongs to this distribution point (6.3.3 (b), (d)).
fn reasons_of(one: &CertificateList, point: &DistributionPoint, certificate: &Certificate) -> Result<Reasons, Unfit> {
    let scope = one.scope.as_ref();
    if point.crl_issuer.is_some() && !scope.is_some_and(|scope| scope.indirect) {
        return Err("a list of another issuer must be indirect, and this one is not".into()); // (b)(1)
    }
    let Some(scope) = scope else {
        return Ok(point.reasons);
    };
    if let Some(list_name) = &scope.name {
        // (b)(2)(i)
        let names: HashSet<Key> = match (&point.name, &point.crl_issuer) {
            (Some(name), _) => name.keys(
                point
                    .issuers()
                    .and_then(|issuers| issuers.first().copied())
                    .unwrap_or(&certificate.issuer),
            ),
            (None, Some(issuers)) => issuers.iter().map(key_of).collect(),
            (None, None) => HashSet::from([Key::Directory(certificate.issuer.key.clone())]),
        };
        if names.is_disjoint(&list_name.keys(&one.issuer)) {
            return Err("the list belongs to another distribution point".into());
        }
    }
    let authority = certificate.decoded.basic_constraints.is_some_and(|basic| basic.ca);
    if (scope.only_user && authority) || (scope.only_ca && !authority) || scope.only_attribute {
        return Err("the list is for certificates of another kind".into()); // (b)(2)(ii) to (iv)
    }
    Ok(point.reasons.and(scope.only_some_reasons))
}
