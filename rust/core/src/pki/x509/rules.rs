//! Rules of RFC 5280 for one certificate, beyond the grammar.
//! A certificate that breaks such a rule can be parsed, but path validation refuses it.

// Python counterpart: `pki/x509/rules.py`.

use std::borrow::Cow;
use std::collections::HashSet;

use num_bigint::BigInt;

use crate::asn1::oids;
use crate::pki::x509::certificate::{
    AlgorithmIdentifier, AuthorityKeyIdentifier, Certificate, CertificateFault, GeneralName, GeneralNameKind, PolicyConstraints,
};

/// Maximum number of recorded faults of one certificate. One fault is enough to refuse it.
const MAX_FAULTS: usize = 16;

const MAX_SERIAL_BITS: u64 = 8 * 20;

/// The recorded faults of one certificate.
struct Faults(Vec<CertificateFault>);

impl Faults {
    fn add(&mut self, field: impl Into<Cow<'static, str>>, what: impl Into<Cow<'static, str>>) {
        if self.0.len() < MAX_FAULTS {
            self.0.push((field.into(), what.into()));
        }
    }
}

#[allow(clippy::too_many_lines)] // a list of independent rules
/// Returns the field and the problem for every broken rule. `inner` is tbsCertificate.signature. A [`Certificate`] stores only the outer
/// signatureAlgorithm, which must be equal to it.
pub(crate) fn faults(certificate: &Certificate, inner: &AlgorithmIdentifier) -> Vec<CertificateFault> {
    let (mut found, decoded) = (Faults(Vec::new()), &certificate.decoded);
    // Zero and negative serial numbers are the authority's fault, but RFC 5280 says that users of certificates "SHOULD be prepared to
    // gracefully handle" them (PKITS 4.4.14).
    if BigInt::from_signed_bytes_be(&certificate.serial).bits() > MAX_SERIAL_BITS {
        found.add("serialNumber", "longer than 20 octets (section 4.1.2.2)");
    }
    if inner.der != certificate.signature_algorithm.der {
        found.add("signature", "differs from signatureAlgorithm (section 4.1.1.2)");
    }
    if certificate.issuer.key.is_empty() {
        found.add("issuer", "empty (section 4.1.2.4)");
    }
    let mut seen = HashSet::new();
    for (index, extension) in certificate.extensions.iter().enumerate() {
        let place = || format!("extensions[{index}]");
        if !seen.insert(&extension.oid) {
            found.add(place(), "the extension occurs twice (section 4.2)");
        }
        if let (true, Some(section)) = (extension.critical, never_critical(&extension.oid)) {
            found.add(place(), format!("critical ({section})"));
        } else if *extension.oid == *oids::SUBJECT_ALT_NAME && !extension.critical && certificate.subject.key.is_empty() {
            found.add(place(), "not critical, although the subject is empty (section 4.2.1.6)");
        }
    }
    for (field, is_empty, section) in [
        ("keyUsage", decoded.key_usage.is_some_and(|usage| usage.0 == 0), "4.2.1.3"),
        (
            "certificatePolicies",
            decoded.certificate_policies.as_ref().is_some_and(Vec::is_empty),
            "4.2.1.4",
        ),
        (
            "policyMappings",
            decoded.policy_mappings.as_ref().is_some_and(Vec::is_empty),
            "4.2.1.5",
        ),
        (
            "subjectAltName",
            decoded.subject_alt_name.as_ref().is_some_and(Vec::is_empty),
            "4.2.1.6",
        ),
        (
            "extendedKeyUsage",
            decoded.extended_key_usage.as_ref().is_some_and(Vec::is_empty),
            "4.2.1.12",
        ),
    ] {
        if is_empty {
            found.add(field, format!("empty (section {section})"));
        }
    }
    let is_incomplete = |identifier: &AuthorityKeyIdentifier| identifier.issuer.is_none() != identifier.serial.is_none();
    if decoded.authority_key_identifier.as_ref().is_some_and(is_incomplete) {
        found.add(
            "authorityKeyIdentifier",
            "an issuer without a serial number, or a serial number without an issuer (section 4.2.1.1)",
        );
    }
    let names = decoded.subject_alt_name.iter().flatten();
    for name in names.filter(|name| is_bad_name(name)).take(MAX_FAULTS) {
        found.add("subjectAltName", format!("a malformed {} (section 4.2.1.6)", name.kind.name()));
    }
    if let Some(constraints) = &decoded.name_constraints {
        if constraints.permitted.is_none() && constraints.excluded.is_none() {
            found.add("nameConstraints", "empty (section 4.2.1.10)");
        }
        if !decoded.basic_constraints.is_some_and(|basic| basic.ca) {
            found.add(
                "nameConstraints",
                "in a certificate that does not belong to an authority (section 4.2.1.10)",
            );
        }
        for subtree in constraints.permitted.iter().chain(&constraints.excluded).flatten() {
            if subtree.base.kind == GeneralNameKind::IpAddress && !is_address_range(&subtree.base.value) {
                found.add(
                    "nameConstraints",
                    "an iPAddress that is not a valid address and mask (section 4.2.1.10)",
                );
            }
        }
    }
    let mut policies = HashSet::new();
    if !decoded.certificate_policies.iter().flatten().all(|policy| policies.insert(policy)) {
        found.add("certificatePolicies", "a policy occurs twice (section 4.2.1.4)");
    }
    let is_any = |oid: &[u8]| oid == oids::ANY_POLICY;
    let mut mappings = decoded.policy_mappings.iter().flatten();
    if mappings.any(|(issuer, subject)| is_any(issuer) || is_any(subject)) {
        found.add("policyMappings", "anyPolicy is mapped (section 4.2.1.5)");
    }
    let limits_nothing = |constraints: PolicyConstraints| constraints.require_explicit.is_none() && constraints.inhibit_mapping.is_none();
    if decoded.policy_constraints.is_some_and(limits_nothing) {
        found.add("policyConstraints", "empty (section 4.2.1.11)");
    }
    found.0
}

/// Returns the section that forbids marking the extension critical, if there is one.
const fn never_critical(oid: &[u8]) -> Option<&'static str> {
    match oid {
        oids::AUTHORITY_KEY_IDENTIFIER => Some("section 4.2.1.1"),
        oids::SUBJECT_KEY_IDENTIFIER => Some("section 4.2.1.2"),
        oids::AUTHORITY_INFO_ACCESS => Some("section 4.2.2.1"),
        _ => None,
    }
}

fn is_bad_name(name: &GeneralName) -> bool {
    match name.kind {
        GeneralNameKind::IpAddress => !matches!(name.value.len(), 4 | 16),
        GeneralNameKind::UniformResourceIdentifier => !is_absolute_uri(&name.value),
        GeneralNameKind::Rfc822Name => !is_mailbox(&name.value),
        _ => false,
    }
}

/// Returns whether the text consists of a scheme, a colon, and something after the colon (RFC 3986 section 3.1).
fn is_absolute_uri(text: &[u8]) -> bool {
    let Some(colon) = text.iter().position(|octet| *octet == b':') else {
        return false;
    };
    let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(octet))
        && !rest.is_empty()
}

/// Returns whether the text has no blank and exactly one at sign, with something on both sides of it.
fn is_mailbox(text: &[u8]) -> bool {
    let mut parts = text.split(|octet| *octet == b'@');
    let is_part = |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && !part.contains(&b' '));
    is_part(parts.next()) && is_part(parts.next()) && parts.next().is_none()
}

/// Returns whether the bytes are an address and a mask of the same length. In the mask, all ones must come before the zeros (RFC 4632
/// section 3.1).
pub(crate) fn is_address_range(octets: &[u8]) -> bool {
    if !matches!(octets.len(), 8 | 32) {
        return false;
    }
    let mut rest = octets[octets.len() / 2..].iter().skip_while(|octet| **octet == 0xFF);
    let partial = rest.next().copied().unwrap_or(0);
    partial.leading_ones() + partial.trailing_zeros() == 8 && rest.all(|octet| *octet == 0)
}
