//! Rules of RFC 5280 that a well-formed certificate may break. Path validation refuses such a certificate.

// Python counterpart: `pki/x509/rules.py`.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::asn1::oids;
use crate::pki::x509::certificate::{AlgorithmIdentifier, Certificate, CertificateFault, GeneralName, GeneralNameKind};

/// Maximum number of recorded faults of one certificate. One fault is enough to refuse it.
const MAX_FAULTS: usize = 16;

const MAX_SERIAL_BITS: usize = 8 * 20;

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
    let mut found = Faults(Vec::new());
    // Zero and negative numbers are the authority's fault, but RFC 5280 says that users of certificates "SHOULD be prepared to gracefully handle"
    // them (PKITS 4.4.14).
    if serial_bits(&certificate.serial) > MAX_SERIAL_BITS {
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
        (
            "keyUsage",
            certificate.decoded.key_usage.is_some_and(|usage| usage.0 == 0),
            "4.2.1.3",
        ),
        (
            "certificatePolicies",
            certificate.decoded.certificate_policies.as_ref().is_some_and(Vec::is_empty),
            "4.2.1.4",
        ),
        (
            "policyMappings",
            certificate.decoded.policy_mappings.as_ref().is_some_and(Vec::is_empty),
            "4.2.1.5",
        ),
        (
            "subjectAltName",
            certificate.decoded.subject_alt_name.as_ref().is_some_and(Vec::is_empty),
            "4.2.1.6",
        ),
        (
            "extendedKeyUsage",
            certificate.decoded.extended_key_usage.as_ref().is_some_and(Vec::is_empty),
            "4.2.1.12",
        ),
    ] {
        if is_empty {
            found.add(field, format!("empty (section {section})"));
        }
    }
    if certificate
        .decoded
        .authority_key_identifier
        .as_ref()
        .is_some_and(|identifier| identifier.issuer.is_none() != identifier.serial.is_none())
    {
        found.add(
            "authorityKeyIdentifier",
            "an issuer without a serial number, or a serial number without an issuer (section 4.2.1.1)",
        );
    }
    for name in certificate
        .decoded
        .subject_alt_name
        .iter()
        .flatten()
        .filter(|name| is_bad_name(name))
        .take(MAX_FAULTS)
    {
        found.add("subjectAltName", format!("a malformed {} (section 4.2.1.6)", name.kind.name()));
    }
    if let Some(constraints) = &certificate.decoded.name_constraints {
        if constraints.permitted.is_none() && constraints.excluded.is_none() {
            found.add("nameConstraints", "empty (section 4.2.1.10)");
        }
        if !certificate.decoded.basic_constraints.is_some_and(|basic| basic.ca) {
            found.add(
                "nameConstraints",
                "in a certificate that does not belong to an authority (section 4.2.1.10)",
            );
        }
        for subtree in constraints.permitted.iter().chain(&constraints.excluded).flatten() {
            if subtree.base.kind == GeneralNameKind::IpAddress && !is_range(&subtree.base.value) {
                found.add(
                    "nameConstraints",
                    "an iPAddress that is not a valid address and mask (section 4.2.1.10)",
                );
            }
        }
    }
    let mut policies = HashSet::new();
    if !certificate
        .decoded
        .certificate_policies
        .iter()
        .flatten()
        .all(|information| policies.insert(information))
    {
        found.add("certificatePolicies", "a policy occurs twice (section 4.2.1.4)");
    }
    let is_any = |oid: &[u8]| oid == oids::ANY_POLICY;
    if certificate
        .decoded
        .policy_mappings
        .iter()
        .flatten()
        .any(|(issuer, subject)| is_any(issuer) || is_any(subject))
    {
        found.add("policyMappings", "anyPolicy is mapped (section 4.2.1.5)");
    }
    if certificate
        .decoded
        .policy_constraints
        .is_some_and(|constraints| constraints.require_explicit.is_none() && constraints.inhibit_mapping.is_none())
    {
        found.add("policyConstraints", "empty (section 4.2.1.11)");
    }
    found.0
}

/// Returns the length in bits of the magnitude of an INTEGER.
fn serial_bits(contents: &[u8]) -> usize {
    let Some(first) = contents.first() else {
        return 0;
    };
    if *first < 0x80 {
        let significant = if *first == 0 { &contents[1..] } else { contents };
        return significant
            .first()
            .map_or(0, |first| 8 * significant.len() - first.leading_zeros() as usize);
    }
    // The magnitude of -n has as many bits as the complement without its leading ones, or one more if n is a power of two.
    let complement_bits = 8 * contents.len() - first.leading_ones() as usize;
    let zeros_below = contents.iter().rev().take_while(|octet| **octet == 0).count() * 8
        + contents
            .iter()
            .rev()
            .find(|octet| **octet != 0)
            .map_or(0, |octet| octet.trailing_zeros() as usize);
    if zeros_below >= complement_bits {
        complement_bits + 1
    } else {
        complement_bits
    }
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

/// Returns whether the bytes are an address and a mask. In the mask, all ones must come before the zeros (RFC 4632 section 3.1).
fn is_range(octets: &[u8]) -> bool {
    if !matches!(octets.len(), 8 | 32) {
        return false;
    }
    let mask = &octets[octets.len() / 2..];
    let ones: usize = mask.iter().map(|octet| octet.count_ones() as usize).sum();
    let leading = mask.iter().take_while(|octet| **octet == 0xFF).count();
    let after = mask.get(leading).map_or(0, |octet| octet.leading_ones() as usize);
    ones == 8 * leading + after
}
