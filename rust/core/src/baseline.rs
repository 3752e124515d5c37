//! What the CA/Browser Forum's Baseline Requirements (section 7.1.2, version 2) ask of certificates of the public web, beyond RFC 5280.
//!
//! Asked for with [`crate::contract::IssuerProfile::Web`] only: the authorities of the service keep these rules today, but have promised nothing to who
//! verifies documents. The twin of `backends/python/baseline.py`.

use std::net::Ipv4Addr;

use crate::certificate::{Certificate, CertificateFault, PublicKey};
use crate::oids;
use crate::uri::ipv6_address;

const FOREIGN_PURPOSES: [(&[u8], &str); 5] = [
    (oids::ANY_EXTENDED_KEY_USAGE, "any purpose"),
    (&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03], "code signing"),
    (&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04], "mail protection"),
    (&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08], "time stamping"),
    (&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09], "OCSP signing"),
];

/// The first rule that the certificate of a server breaks (7.1.2.7); None if it keeps all.
pub(crate) fn subscriber_fault(certificate: &Certificate) -> Option<CertificateFault> {
    if certificate.basic_constraints.is_some_and(|basic| basic.ca) {
        return fault("basicConstraints", "cA is TRUE (7.1.2.7.8)");
    }
    let purposes = certificate
        .extended_key_usage
        .as_ref()
        .filter(|_| !is_critical(certificate, oids::EXTENDED_KEY_USAGE));
    let Some(purposes) = purposes else {
        return fault("extendedKeyUsage", "absent or critical (7.1.2.7.6)");
    };
    if let Some((_, name)) = FOREIGN_PURPOSES
        .iter()
        .find(|(foreign, _)| purposes.iter().any(|purpose| **purpose == **foreign))
    {
        return fault("extendedKeyUsage", format!("also for {name} (7.1.2.7.10)"));
    }
    if !certificate.subject.key.is_empty() && is_critical(certificate, oids::SUBJECT_ALT_NAME) {
        return fault("subjectAltName", "critical, although there is a subject (7.1.2.7.12)");
    }
    if !certificate.subject.common_names.iter().all(|name| is_canonical(name)) {
        return fault(
            "subject",
            "a common name that is not written as an alternative name would be (7.1.4.3)",
        );
    }
    if matches!(&certificate.public_key, PublicKey::Rsa(key) if key.bits() % 8 != 0) {
        return fault("subjectPublicKeyInfo", "an RSA modulus not of whole octets (6.1.5)");
    }
    identifier_fault(certificate)
}

/// The same for an intermediate (7.1.2.10).
pub(crate) fn subordinate_fault(certificate: &Certificate) -> Option<CertificateFault> {
    let mut purposes = certificate.extended_key_usage.iter().flatten();
    if purposes.any(|purpose| **purpose == *oids::ANY_EXTENDED_KEY_USAGE) {
        return fault("extendedKeyUsage", "for any purpose (7.1.2.10.6)");
    }
    identifier_fault(certificate)
}

/// The same for a root (7.1.2.1).
pub(crate) fn root_fault(certificate: &Certificate) -> Option<CertificateFault> {
    if certificate.extended_key_usage.is_some() {
        return fault("extendedKeyUsage", "in a root (7.1.2.1.2)");
    }
    if let Some(identifier) = &certificate.authority_key_identifier {
        if certificate.self_issued() && identifier.key_identifier != certificate.subject_key_identifier {
            return fault("authorityKeyIdentifier", "not the root's own (7.1.2.1.3)");
        }
    }
    identifier_fault(certificate)
}

#[allow(clippy::unnecessary_wraps)] // the answer of its callers
fn fault(field: &str, problem: impl Into<String>) -> Option<CertificateFault> {
    Some((field.to_owned(), problem.into()))
}

fn identifier_fault(certificate: &Certificate) -> Option<CertificateFault> {
    let identifier = certificate.authority_key_identifier.as_ref()?;
    if identifier.issuer.is_none() && identifier.serial.is_none() {
        return None;
    }
    fault("authorityKeyIdentifier", "with an issuer or a serial number (7.1.2.11.1)")
}

fn is_critical(certificate: &Certificate, oid: &[u8]) -> bool {
    certificate
        .extensions
        .iter()
        .any(|extension| extension.critical && *extension.oid == *oid)
}

/// Whether a common name is in the one form that it would have as an alternative name: addresses as in RFC 5952 and RFC 6943 section 3.1.1, names as
/// A-labels. That it repeats an alternative name is not asked for: certificates that mean no harm do not.
fn is_canonical(common_name: &str) -> bool {
    if common_name.parse::<Ipv4Addr>().is_ok() {
        return true; // There is no other way to write it that can be read.
    }
    if let Some((address, zone)) = ipv6_address(common_name) {
        let text = match address.segments() {
            // Without dots, as Python writes it.
            [0, 0, 0, 0, 0, 0xFFFF, high, low] => format!("::ffff:{high:x}:{low:x}"),
            _ => address.to_string(),
        };
        return common_name.strip_suffix(zone) == Some(&text);
    }
    let prefix = common_name.as_bytes().get(..2).unwrap_or_default();
    let digits =
        || common_name.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') && common_name.bytes().any(|octet| octet != b'.');
    common_name.is_ascii() && !common_name.contains(':') && !prefix.eq_ignore_ascii_case(b"0x") && !digits()
}

#[cfg(test)]
mod tests {
    use super::is_canonical;

    #[test]
    fn common_names_in_the_one_form() {
        for name in [
            "example.com",
            "1.2.3.4",
            "::1",
            "fe80::1%eth0",
            "::ffff:102:304",
            "2001:db8::1",
            "",
            ".",
            "a b",
        ] {
            assert!(is_canonical(name), "{name}");
        }
        for name in [
            "1.2.3",
            "01.2.3.4",
            "0x1.a",
            "0X",
            "::ffff:1.2.3.4",
            "2001:DB8::1",
            "0:0:0:0:0:0:0:1",
            "a:b",
            "fe80::1%",
            "\u{e9}.com",
            "12",
        ] {
            assert!(!is_canonical(name), "{name}");
        }
    }
}
