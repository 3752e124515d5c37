//! DNS names of a signer, compared with those of a cloud's metadata service (RFC 6125 section 6.4, IMDS documentation "Attested data").
//!
//! Names are compared label by label, never as text with a suffix.

// Python counterpart: `pki/x509/host_names.py`.

use crate::pki::x509::certificate::{Certificate, GeneralName, GeneralNameKind};
use crate::pki::x509::host_labels::is_label;

/// Whether the text is a DNS name: two labels at least, none empty or with other characters. A wildcard may be the first.
fn is_dns_name(name: &str) -> bool {
    let Some((first, rest)) = name.split_once('.') else {
        return false;
    };
    name.len() <= 253 && rest.split('.').all(|label| is_label(label.as_bytes())) && (first == "*" || is_label(first.as_bytes()))
}

/// The DNS names of a certificate: those of its subject alternative name. Its common names only where the caller allows it, and the certificate has no
/// subject alternative name at all.
pub(crate) fn dns_names(certificate: &Certificate, allow_common_name: bool) -> Vec<&str> {
    match &certificate.decoded.subject_alt_name {
        Some(names) => names
            .iter()
            .filter(|name| name.kind == GeneralNameKind::DnsName)
            .map(GeneralName::text)
            .collect(),
        None if allow_common_name => certificate.subject.common_names.iter().map(String::as_str).collect(),
        None => Vec::new(),
    }
}

/// The first DNS name of the certificate that is `domain` or lies below it. A wildcard stands for names below its parent, so its parent must be the domain or
/// lie below it.
pub(crate) fn matching_name(certificate: &Certificate, domain: &str, allow_common_name: bool) -> Option<String> {
    let wanted = domain.to_lowercase();
    let lies_below = |name: &&str| {
        let mut labels = name.rsplit('.');
        is_dns_name(name)
            && wanted
                .rsplit('.')
                .all(|label| labels.next().is_some_and(|found| found.eq_ignore_ascii_case(label)))
    };
    dns_names(certificate, allow_common_name)
        .into_iter()
        .find(lies_below)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_dns_name() {
        let long = format!("{}.com", "a".repeat(63));
        for name in ["a.b", "*.example.com", "_dmarc.example.com", "A-1.example.COM", long.as_str()] {
            assert!(is_dns_name(name), "{name}");
        }
        let longer = format!("{}.com", "a".repeat(64));
        for name in [
            "",
            "com",
            "a..b",
            "a.b.",
            ".a.b",
            "*",
            "a.*.b",
            "*a.b",
            "-a.b",
            "a-.b",
            "\u{212A}.com",
            "a b.c",
            longer.as_str(),
        ] {
            assert!(!is_dns_name(name), "{name}");
        }
    }
}
