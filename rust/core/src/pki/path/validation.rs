//! Validation of one path from an anchor to a signer (RFC 5280 section 6.1), except for its signatures.
//!
//! The first certificate of a path is the signer and the last one is the anchor, so `chain[0]` is the signer. While
//! [`crate::pki::path::building`] builds a path, it verifies the signatures and checks each certificate by itself ([`check_signer`],
//! [`check_certificate`], [`check_authority`], [`check_anchor`]). [`check_path`] checks the path as a whole.

// Python counterpart: `pki/path/validation.py`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::asn1::oids;
use crate::asn1::values::oid_text;
use crate::pki::path::budget::Budget;
use crate::pki::path::policies::PolicyState;
use crate::pki::x509::certificate::{Certificate, Count, KeyUsage, Oid};
use crate::pki::x509::name_constraints::{self, PathConstraints};
use crate::reasons::{Reason, Refusal};

/// The inputs of section 6.1.1 except for the path.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // the flags of the RFC
pub struct Inputs {
    /// Time of the check in Unix seconds. With `None`, validity periods are ignored (test suites only).
    pub at: Option<i64>,
    /// Extended key usage that the signer must have and that no authority on the path may exclude. `None` allows any.
    pub purpose: Option<Cow<'static, [u8]>>,
    /// Key usage bits. If the set is not empty and the signer has the keyUsage extension, the extension must have at least one of these
    /// bits.
    pub key_usage: KeyUsage,
    /// The user-initial-policy-set. `None` stands for anyPolicy alone.
    pub policies: Option<Vec<Oid>>,
    /// initial-explicit-policy.
    pub explicit_policy: bool,
    /// initial-policy-mapping-inhibit.
    pub inhibit_mapping: bool,
    /// initial-any-policy-inhibit.
    pub inhibit_any: bool,
    /// Maximum number of intermediates that are not self-issued. With `None`, only the certificates on the path limit this number.
    pub max_path_length: Option<Count>,
    /// Whether an anchor's certificate must be valid at the time of the check.
    pub anchor_validity: bool,
    /// Whether an anchor must have basic constraints, as every authority below it must. Certificates of version 1 have none.
    pub anchor_authority: bool,
    /// Whether an anchor's certificate constrains the path (RFC 5937). If so, its path length, key usage, extended key usage, name
    /// constraints and policies apply, and unknown critical extensions in it are refused. Its other extensions, its serial number and its
    /// signature are never checked, because it is trusted.
    pub anchor_constraints: bool,
    /// Whether anyExtendedKeyUsage is enough for the signer. It is always enough for authorities.
    pub any_purpose: bool,
    /// Whether name constraints on DNS names apply to common names too. Set it if the caller accepts common names.
    pub common_names: bool,
}

impl Inputs {
    /// Returns the inputs for the signer of a document.
    #[must_use]
    pub const fn new(at: Option<i64>) -> Self {
        Self {
            at,
            purpose: Some(Cow::Borrowed(oids::SERVER_AUTH)),
            key_usage: KeyUsage::DIGITAL_SIGNATURE,
            policies: None,
            explicit_policy: false,
            inhibit_mapping: false,
            inhibit_any: false,
            max_path_length: None,
            anchor_validity: true,
            anchor_authority: false,
            anchor_constraints: true,
            any_purpose: false,
            common_names: false,
        }
    }
}

type Result = std::result::Result<(), Refusal>;

#[cold]
fn refuse(reason: Reason, index: usize, member: &str, detail: impl Into<Cow<'static, str>>) -> Result {
    let dot = if member.is_empty() { "" } else { "." };
    Err(Refusal::new(reason, format!("chain[{index}]{dot}{member}"), detail))
}

/// Makes the checks for the signer and for every intermediate: 6.1.3 (a)(2), 6.1.4 (o), 6.1.5 (f), and the rules of 4.1 and 4.2.1.
pub(crate) fn check_certificate(certificate: &Certificate, index: usize, inputs: &Inputs) -> Result {
    check_validity(certificate, index, inputs)?;
    check_critical(certificate, index)?;
    match certificate.faults.first() {
        None => Ok(()),
        Some((field, problem)) => refuse(Reason::BadExtension, index, field, problem.clone()),
    }
}

/// Makes the checks for the signer in addition to [`check_certificate`]: 4.2.1.3 and 4.2.1.12.
pub(crate) fn check_signer(certificate: &Certificate, inputs: &Inputs) -> Result {
    let wanted = inputs.key_usage;
    if wanted.0 != 0 && certificate.decoded.key_usage.is_some_and(|usage| !usage.has_any(wanted)) {
        let mut names: Vec<_> = KeyUsage::NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| wanted.0 >> bit & 1 == 1)
            .map(|(_, name)| *name)
            .collect();
        names.sort_unstable();
        return refuse(Reason::KeyUsage, 0, "keyUsage", format!("none of {} is set", names.join(", ")));
    }
    check_purpose(certificate, 0, inputs.purpose.as_deref(), inputs.any_purpose)
}

/// Makes the checks for every intermediate in addition to [`check_certificate`]: 6.1.4 (k) and (n), and 4.2.1.12 for authorities.
pub(crate) fn check_authority(certificate: &Certificate, index: usize, inputs: &Inputs) -> Result {
    // 6.1.4 (k): the certificate must say that it belongs to an authority. Certificates of version 1 or 2 have no extensions, so they
    // cannot say this. RFC 5280 allows other evidence for them, which this crate does not support.
    match certificate.decoded.basic_constraints {
        None => return refuse(Reason::NotACa, index, "basicConstraints", "absent"),
        Some(basic) if !basic.ca => return refuse(Reason::NotACa, index, "basicConstraints", "cA is FALSE"),
        Some(_) => {}
    }
    check_issuing(certificate, index, inputs)
}

/// Makes the checks for an anchor that signed another certificate. In RFC 5280, an anchor is only a name and a key (6.1.1 (d)). RFC 5937
/// allows its certificate to constrain the path.
pub(crate) fn check_anchor(certificate: &Certificate, index: usize, inputs: &Inputs) -> Result {
    if inputs.anchor_validity {
        check_validity(certificate, index, inputs)?;
    }
    if inputs.anchor_authority {
        check_authority(certificate, index, inputs)?;
    }
    if !inputs.anchor_constraints {
        return Ok(());
    }
    check_critical(certificate, index)?;
    // An anchor of version 1 counts as an authority, because it is an anchor. An anchor with basic constraints is an authority only if
    // they say so.
    if certificate.decoded.basic_constraints.is_some_and(|basic| !basic.ca) {
        return refuse(Reason::NotACa, index, "basicConstraints", "cA is FALSE");
    }
    check_issuing(certificate, index, inputs)
}

/// Checks a path as a whole: its names (6.1.3 (b) and (c), 6.1.4 (g)), its policies (6.1.3 (d) to (f), 6.1.4 (a), (b) and (h) to (j),
/// 6.1.5), and the number of authorities on it (6.1.4 (l) and (m)).
pub(crate) fn check_path(path: &[&Arc<Certificate>], inputs: &Inputs, budget: &mut Budget) -> Result {
    let [signer, above @ ..] = path else {
        return Ok(());
    };
    let length = above.len().max(1); // a signer that is its own anchor counts as 1
    let policies = |certificate: &Certificate| certificate.decoded.certificate_policies.as_ref().map_or(0, Vec::len);
    let mappings = |certificate: &Certificate| certificate.decoded.policy_mappings.as_ref().map_or(0, Vec::len);
    budget.spend_items(path.iter().map(|certificate| policies(certificate) + mappings(certificate)).sum())?;
    let mut constraints = PathConstraints::new(inputs.common_names);
    let mut policies = PolicyState::new(
        length,
        inputs.policies.as_deref(),
        inputs.explicit_policy,
        inputs.inhibit_mapping,
        inputs.inhibit_any,
    );
    let mut max_path_length = inputs.max_path_length.unwrap_or(length as Count); // 6.1.2 (k)
    let (anchor, authorities) = above
        .split_last()
        .map_or((None, above), |(anchor, authorities)| (Some(anchor), authorities));
    if let Some(anchor) = anchor.filter(|_| inputs.anchor_constraints) {
        constraints.add(anchor, budget)?;
        if anchor.decoded.certificate_policies.is_some() {
            demand(policies.process(anchor, false), Reason::Policy, length, "certificatePolicies")?;
        }
        demand(policies.map(anchor), Reason::Policy, length, "policyMappings")?;
        policies.restrict(anchor);
        max_path_length = lower(max_path_length, anchor);
    }
    for (below, authority) in authorities.iter().enumerate().rev() {
        let index = below + 1;
        let self_issued = authority.self_issued();
        if !self_issued {
            // 6.1.3 (b), (c): constraints do not apply to self-issued authorities
            constraints.check(authority, index, budget)?;
        }
        demand(policies.process(authority, false), Reason::Policy, index, "certificatePolicies")?;
        demand(policies.map(authority), Reason::Policy, index, "policyMappings")?;
        constraints.add(authority, budget)?;
        policies.descend(authority);
        policies.restrict(authority);
        if !self_issued {
            // 6.1.4 (l)
            match max_path_length.checked_sub(1) {
                Some(rest) => max_path_length = rest,
                None => {
                    return refuse(
                        Reason::PathLength,
                        index,
                        "",
                        "the path length constraint of an authority above is exceeded",
                    );
                }
            }
        }
        max_path_length = lower(max_path_length, authority);
    }
    constraints.check(signer, 0, budget)?;
    demand(policies.process(signer, true), Reason::Policy, 0, "certificatePolicies")?;
    demand(policies.wrap_up(signer), Reason::Policy, 0, "certificatePolicies")
}

/// Returns `outcome`. Converts the text of an error to a refusal with this text as its detail.
fn demand(outcome: std::result::Result<(), &'static str>, reason: Reason, index: usize, member: &str) -> Result {
    outcome.or_else(|problem| refuse(reason, index, member, problem))
}

/// Returns the maximum path length below this authority (6.1.4 (m)).
fn lower(max_path_length: Count, authority: &Certificate) -> Count {
    authority
        .decoded
        .basic_constraints
        .and_then(|basic| basic.path_length)
        .map_or(max_path_length, |length| length.min(max_path_length))
}

/// Checks the validity period (6.1.3 (a)(2)). Both ends are inclusive (4.1.2.5).
fn check_validity(certificate: &Certificate, index: usize, inputs: &Inputs) -> Result {
    let Some(at) = inputs.at else {
        return Ok(());
    };
    if at < certificate.not_before {
        let seconds = i128::from(certificate.not_before) - i128::from(at);
        return refuse(
            Reason::NotYetValid,
            index,
            "notBefore",
            format!("becomes valid {seconds} s after the time of the check"),
        );
    }
    if at > certificate.not_after {
        let seconds = i128::from(at) - i128::from(certificate.not_after);
        return refuse(
            Reason::Expired,
            index,
            "notAfter",
            format!("expired {seconds} s before the time of the check"),
        );
    }
    Ok(())
}

/// Refuses critical extensions that are not understood (4.2).
fn check_critical(certificate: &Certificate, index: usize) -> Result {
    let unknown = certificate.unknown_critical.first();
    unknown.map_or(Ok(()), |oid| {
        refuse(Reason::UnknownCriticalExtension, index, "extensions", oid_text(oid))
    })
}

/// Checks that an authority's certificate allows it to issue certificates.
fn check_issuing(certificate: &Certificate, index: usize, inputs: &Inputs) -> Result {
    if certificate
        .decoded
        .key_usage
        .is_some_and(|usage| !usage.has_any(KeyUsage::KEY_CERT_SIGN))
    {
        return refuse(Reason::KeyUsage, index, "keyUsage", "keyCertSign is not set"); // 6.1.4 (n)
    }
    // Section 6 does not require this, but every verifier of server certificates does it: an authority's extended key usage limits the
    // certificates below it.
    check_purpose(certificate, index, inputs.purpose.as_deref(), true)?;
    let constraints = certificate.decoded.name_constraints.as_ref();
    demand(
        constraints.map_or(Ok(()), name_constraints::check_form),
        Reason::NameConstraints,
        index,
        "nameConstraints",
    )
}

/// Checks the extended key usage (4.2.1.12). For servers, the CA/Browser Forum Baseline Requirements 7.1.2.7.10 do not accept
/// anyExtendedKeyUsage.
fn check_purpose(certificate: &Certificate, index: usize, purpose: Option<&[u8]>, any_purpose: bool) -> Result {
    let (Some(purpose), Some(purposes)) = (purpose, &certificate.decoded.extended_key_usage) else {
        return Ok(());
    };
    if purposes
        .iter()
        .any(|one| **one == *purpose || (any_purpose && **one == *oids::ANY_EXTENDED_KEY_USAGE))
    {
        return Ok(());
    }
    let texts: Vec<_> = purposes.iter().map(|one| oid_text(one)).collect();
    refuse(
        Reason::ExtendedKeyUsage,
        index,
        "extendedKeyUsage",
        texts.join(", ").chars().take(200).collect::<String>(),
    )
}
