//! What RFC 5280 section 4 asks of who issues certificates, and section 6 does not make who relies on them check.
//!
//! A path is as safe without these rules; they find issuers that take little care. The verifier does not ask for them by default. The twin of
//! `backends/python/conformance.py`; what its `Profile` is there is [`IssuerProfile`] here.

use crate::certificate::{Certificate, CertificateFault, Extension, GeneralName, GeneralNameKind, KeyUsage, Name, PolicyInformation};
use crate::contract::IssuerProfile;
use crate::der::{
    self, BMP_STRING, IA5_STRING, Integer, Reader, SEQUENCE, SET, TELETEX_STRING, Trail, UNIVERSAL_STRING, UTF8_STRING, oid_text, primitive,
};
use crate::name_constraints::is_host;
use crate::oids;
use crate::uri::Uri;

const MAX_SERIAL_BITS: usize = 8 * 20;

/// 2.5.29.9
const SUBJECT_DIRECTORY_ATTRIBUTES: &[u8] = &[0x55, 0x1d, 0x09];
/// 1.3.6.1.5.5.7.2.1
const CPS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x01];
/// 1.3.6.1.5.5.7.2.2
const USER_NOTICE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x02];
/// 1.3.6.1.4.1.11129.2.4.2
const SIGNED_CERTIFICATE_TIMESTAMPS: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];

/// Whether an extension has to be critical, and the section that says so.
type Criticality = (&'static [u8], bool, &'static str);

const CRITICAL: [Criticality; 9] = [
    (oids::NAME_CONSTRAINTS, true, "4.2.1.10"),
    (oids::POLICY_CONSTRAINTS, true, "4.2.1.11"),
    (oids::INHIBIT_ANY_POLICY, true, "4.2.1.14"),
    (oids::AUTHORITY_KEY_IDENTIFIER, false, "4.2.1.1"),
    (oids::SUBJECT_KEY_IDENTIFIER, false, "4.2.1.2"),
    (SUBJECT_DIRECTORY_ATTRIBUTES, false, "4.2.1.8"),
    (oids::FRESHEST_CRL, false, "4.2.1.15"),
    (oids::AUTHORITY_INFO_ACCESS, false, "4.2.2.1"),
    (oids::SUBJECT_INFO_ACCESS, false, "4.2.2.2"),
];

/// Whether it should be.
const BETTER_CRITICAL: [Criticality; 4] = [
    (oids::KEY_USAGE, true, "4.2.1.3"),
    (oids::POLICY_MAPPINGS, true, "4.2.1.5"),
    (oids::ISSUER_ALT_NAME, false, "4.2.1.7"),
    (oids::CRL_DISTRIBUTION_POINTS, false, "4.2.1.13"),
];

/// The first rule that the certificate breaks; None if it keeps all. An anchor may have any serial number, and need not name its issuer.
pub(crate) fn fault(certificate: &Certificate, profile: IssuerProfile, anchor: bool) -> Option<CertificateFault> {
    if !anchor && !is_good_serial(Integer(&certificate.serial)) {
        return found("serialNumber", "not positive, or longer than 20 octets (4.1.2.2)");
    }
    must(certificate, anchor).or_else(|| {
        if profile == IssuerProfile::Should {
            should(certificate)
        } else {
            None
        }
    })
}

/// What is not true of what a certificate says of its issuer (section 4.2.1.1); None if all is.
pub(crate) fn reference_fault(certificate: &Certificate, issuer: &Certificate) -> Option<CertificateFault> {
    let identifier = certificate.authority_key_identifier.as_ref()?;
    let (ours, theirs) = (&identifier.key_identifier, &issuer.subject_key_identifier);
    if ours.is_some() && theirs.is_some() && ours != theirs {
        return found("authorityKeyIdentifier", "not the key identifier of the issuer");
    }
    if identifier.serial.as_ref().is_some_and(|serial| *serial != issuer.serial) {
        return found("authorityKeyIdentifier", "not the serial number of the issuer's certificate");
    }
    None
}

#[allow(clippy::unnecessary_wraps)] // the answer of its callers
fn found(field: &str, problem: impl Into<String>) -> Option<CertificateFault> {
    Some((field.to_owned(), problem.into()))
}

fn is_good_serial(serial: Integer<'_>) -> bool {
    let magnitude = serial.magnitude();
    let bits = magnitude
        .first()
        .map_or(0, |first| 8 * magnitude.len() - first.leading_zeros() as usize);
    !serial.is_negative() && bits > 0 && bits <= MAX_SERIAL_BITS
}

fn must(certificate: &Certificate, anchor: bool) -> Option<CertificateFault> {
    if certificate.version != 3 {
        return None;
    }
    criticality(certificate, &CRITICAL)
        .or_else(|| {
            certificate
                .extensions
                .iter()
                .filter(|extension| !extension.critical)
                .find_map(|extension| must_be_critical(certificate, extension))
        })
        .or_else(|| authority(certificate))
        .or_else(|| key_identifiers(certificate, anchor))
        .or_else(|| certificate.subject_alt_name.iter().flatten().find_map(alternative_name))
        .or_else(|| constraints(certificate))
        .or_else(|| certificate.extensions.iter().find_map(contents_fault))
        .or_else(|| certificate.certificate_policies.iter().flatten().find_map(qualifiers_fault))
}

fn must_be_critical(certificate: &Certificate, extension: &Extension) -> Option<CertificateFault> {
    match &*extension.oid {
        oids::BASIC_CONSTRAINTS if is_authority(certificate) => found("basicConstraints", "not critical (4.2.1.9)"),
        oids::SUBJECT_ALT_NAME if certificate.subject.key.is_empty() => {
            found("subjectAltName", "not critical, although the subject is empty (4.2.1.6)")
        }
        _ => None,
    }
}

fn should(certificate: &Certificate) -> Option<CertificateFault> {
    let mut names = [("issuer", &certificate.issuer), ("subject", &certificate.subject)].into_iter();
    if let Some((field, _)) = names.find(|(_, name)| has_old_string(name).unwrap_or(false)) {
        return found(field, "a TeletexString, BMPString or UniversalString (4.1.2.4)");
    }
    criticality(certificate, &BETTER_CRITICAL)
        .or_else(|| {
            let any = certificate
                .extended_key_usage
                .iter()
                .flatten()
                .any(|purpose| **purpose == *oids::ANY_EXTENDED_KEY_USAGE);
            certificate
                .extensions
                .iter()
                .filter(|extension| extension.critical)
                .find_map(|extension| match &*extension.oid {
                    oids::SUBJECT_ALT_NAME if !certificate.subject.key.is_empty() => {
                        found("subjectAltName", "critical, although there is a subject (4.2.1.6)")
                    }
                    oids::EXTENDED_KEY_USAGE if any => found("extendedKeyUsage", "critical, and yet for any purpose (4.2.1.12)"),
                    _ => None,
                })
        })
        .or_else(|| {
            let asserted = |policy: &[u8]| {
                certificate
                    .certificate_policies
                    .iter()
                    .flatten()
                    .any(|information| *information.policy == *policy)
            };
            let mut mappings = certificate.policy_mappings.iter().flatten();
            let stray = mappings.any(|(issuer_domain_policy, _)| !asserted(issuer_domain_policy));
            if stray {
                found("policyMappings", "of a policy that is not asserted (4.2.1.5)")
            } else {
                None
            }
        })
}

fn is_authority(certificate: &Certificate) -> bool {
    certificate.basic_constraints.is_some_and(|basic| basic.ca)
}

fn criticality(certificate: &Certificate, table: &[Criticality]) -> Option<CertificateFault> {
    certificate.extensions.iter().find_map(|extension| {
        let (_, wanted, section) = table.iter().find(|(oid, ..)| *extension.oid == **oid)?;
        if extension.critical == *wanted {
            return None;
        }
        found(
            &oid_text(&extension.oid),
            format!("{} ({section})", if *wanted { "not critical" } else { "critical" }),
        )
    })
}

fn authority(certificate: &Certificate) -> Option<CertificateFault> {
    let signs = certificate.key_usage.is_some_and(|usage| usage.has_any(KeyUsage::KEY_CERT_SIGN));
    let has_path_length = certificate.basic_constraints.is_some_and(|basic| basic.path_length.is_some());
    if !is_authority(certificate) {
        if signs {
            return found("keyUsage", "keyCertSign without cA (4.2.1.3)");
        }
        if has_path_length {
            return found("basicConstraints", "a path length without cA (4.2.1.9)");
        }
        if certificate.name_constraints.is_some() {
            return found("nameConstraints", "in a certificate that is no authority's (4.2.1.10)");
        }
        return None;
    }
    if certificate.subject.key.is_empty() {
        return found("subject", "empty (4.1.2.6)");
    }
    if certificate.subject_key_identifier.is_none() {
        return found("subjectKeyIdentifier", "absent (4.2.1.2)");
    }
    if certificate.key_usage.is_some() && !signs && has_path_length {
        return found("basicConstraints", "a path length without keyCertSign (4.2.1.9)");
    }
    None
}

fn key_identifiers(certificate: &Certificate, anchor: bool) -> Option<CertificateFault> {
    match &certificate.authority_key_identifier {
        None if !certificate.self_issued() && !anchor => found("authorityKeyIdentifier", "absent (4.2.1.1)"),
        Some(identifier) if identifier.key_identifier.is_none() => found("authorityKeyIdentifier", "without keyIdentifier (4.2.1.1)"),
        _ => None,
    }
}

/// 4.2.1.6
fn alternative_name(name: &GeneralName) -> Option<CertificateFault> {
    let value = &*name.value;
    match name.kind {
        GeneralNameKind::DnsName if !is_host(value.strip_prefix(b"*.").unwrap_or(value)) || value.contains(&b'_') => {
            found("subjectAltName", "a DNS name that is not in the preferred syntax")
        }
        GeneralNameKind::UniformResourceIdentifier if !is_absolute(value) => found("subjectAltName", "a malformed or relative URI"),
        _ => None,
    }
}

fn is_absolute(uri: &[u8]) -> bool {
    Uri::new(uri).is_some_and(|uri| {
        let needs_host = matches!(&*uri.scheme, b"http" | b"https" | b"ftp" | b"ldap");
        !uri.scheme.is_empty() && (!needs_host || !uri.host.is_empty())
    })
}

/// 4.2.1.10
fn constraints(certificate: &Certificate) -> Option<CertificateFault> {
    let constraints = certificate.name_constraints.as_ref()?;
    let mut subtrees = constraints.permitted.iter().chain(&constraints.excluded).flatten().peekable();
    if subtrees.peek().is_none() {
        return found("nameConstraints", "empty");
    }
    subtrees.find_map(|subtree| {
        if subtree.minimum != 0 || subtree.maximum.is_some() {
            return found("nameConstraints", "minimum or maximum");
        }
        match subtree.base.kind {
            kind @ (GeneralNameKind::X400Address | GeneralNameKind::EdiPartyName | GeneralNameKind::RegisteredId) => {
                found("nameConstraints", format!("on {}", kind.name()))
            }
            GeneralNameKind::DnsName if subtree.base.value.starts_with(b".") => found("nameConstraints", "a leading dot"),
            _ => None,
        }
    })
}

fn qualifiers_fault(information: &PolicyInformation) -> Option<CertificateFault> {
    qualifiers(information)
        .unwrap_or_else(|error| Some(error.message))
        .map(|problem| ("certificatePolicies".to_owned(), problem))
}

/// 4.2.1.4
fn qualifiers(information: &PolicyInformation) -> der::Result<Option<String>> {
    let Some(value) = &information.qualifiers else {
        return Ok(None);
    };
    let trail = Trail::new(0);
    let mut qualifiers = Reader::new(value, &trail).sequence("")?;
    if qualifiers.is_empty() {
        return Ok(Some("no qualifiers in a list of them".to_owned()));
    }
    while !qualifiers.is_empty() {
        let mut qualifier = qualifiers.sequence("")?;
        let kind = qualifier.oid("")?;
        if *information.policy == *oids::ANY_POLICY && kind != CPS && kind != USER_NOTICE {
            return Ok(Some(format!("anyPolicy with the qualifier {}", oid_text(kind))));
        }
        if kind != USER_NOTICE {
            continue;
        }
        let mut notice = qualifier.sequence("")?;
        if notice.next_is(SEQUENCE) {
            notice.any("")?;
        }
        if !notice.is_empty() {
            let (tag, start, stop) = notice.header("")?;
            if tag != UTF8_STRING && tag != IA5_STRING {
                return Ok(Some("an explicitText that is neither UTF8String nor IA5String".to_owned()));
            }
            if notice.data[start..stop].iter().any(u8::is_ascii_control) {
                return Ok(Some("a control character in explicitText".to_owned()));
            }
        }
    }
    Ok(None)
}

fn contents_fault(extension: &Extension) -> Option<CertificateFault> {
    contents(extension)
        .map_or_else(|error| Some(error.message), |problem| problem.map(str::to_owned))
        .map(|problem| (oid_text(&extension.oid), problem))
}

/// Extensions that path validation does not read.
fn contents(extension: &Extension) -> der::Result<Option<&'static str>> {
    let trail = Trail::new(0);
    let mut reader = Reader::new(&extension.value, &trail);
    match &*extension.oid {
        SUBJECT_DIRECTORY_ATTRIBUTES | oids::SUBJECT_INFO_ACCESS | oids::AUTHORITY_INFO_ACCESS => {
            Ok(reader.sequence("")?.is_empty().then_some("empty (4.2.1.8, 4.2.2)"))
        }
        oids::CRL_DISTRIBUTION_POINTS | oids::FRESHEST_CRL => {
            let mut points = reader.sequence("")?;
            while !points.is_empty() {
                let mut point = points.sequence("")?;
                if point.next_is(primitive(1)) {
                    point.header("")?;
                    if point.is_empty() {
                        return Ok(Some("a distribution point with nothing but reasons (4.2.1.13)"));
                    }
                }
            }
            Ok(None)
        }
        SIGNED_CERTIFICATE_TIMESTAMPS => {
            let timestamps = reader.octet_string("")?;
            reader.finish()?;
            let is_one_list = matches!(timestamps, [high, low, rest @ ..] if usize::from(*high) << 8 | usize::from(*low) == rest.len());
            Ok((!is_one_list).then_some("not one list of timestamps (RFC 6962 section 3.3)"))
        }
        _ => Ok(None),
    }
}

fn has_old_string(name: &Name) -> der::Result<bool> {
    let trail = Trail::new(0);
    let mut rdns = Reader::new(&name.der, &trail).sequence("")?;
    while !rdns.is_empty() {
        let mut attributes = rdns.enter(SET, "")?;
        while !attributes.is_empty() {
            let mut attribute = attributes.sequence("")?;
            attribute.oid("")?;
            if matches!(attribute.peek(), Some(TELETEX_STRING | BMP_STRING | UNIVERSAL_STRING)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
