//! Comparison of a signer's DNS names with the domain of a cloud's metadata service (RFC 6125 section 6.4, IMDS documentation "Attested
//! data").
//!
//! Names are compared label by label. A comparison of suffixes would let `badexample.com` match `example.com`.

// Python counterpart: `pki/x509/host_names.py`.

use crate::pki::x509::certificate::{Certificate, GeneralName, GeneralNameKind};
use crate::pki::x509::host_labels::is_label;

/// Returns whether the text is a DNS name with at least two labels. The first label may be a wildcard.
fn is_dns_name(name: &str) -> bool {
    let Some((first, rest)) = name.split_once('.') else {
        return false;
    };
    name.len() <= 253 && rest.split('.').all(|label| is_label(label.as_bytes())) && (first == "*" || is_label(first.as_bytes()))
}

/// Returns the DNS names in the subject alternative name of a certificate. If the certificate has no subject alternative name and the
/// caller allows it, returns its common names instead.
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

/// Returns the first DNS name of the certificate that is `domain` or lies below it. A wildcard such as `*.example.com` stands for names
/// below `example.com`, so its parent must be the domain or lie below it.
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
    fn recognizes_dns_names() {
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
