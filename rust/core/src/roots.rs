//! The certificates of Azure's authorities, and the domains of the four Azure clouds.
//!
//! The root certificates are trusted. The intermediate certificates are not trusted, but they are needed to build a path, because documents
//! contain no intermediate certificates.
//! Azure's authorities change, but the certificates in a version of the crate do not. Update the crate, or pass your own certificates in
//! [`Setup`].

use crate::contract::Setup;

const ANCHORS: &str = include_str!("../roots/anchors.pem");
const INTERMEDIATES: &str = include_str!("../roots/intermediates.pem");

/// Labels and domains of the Azure clouds, as in [`Setup::names`].
pub const NAMES: [(&str, &str); 4] = [
    ("public", "metadata.azure.com"),
    ("usgovernment", "metadata.azure.us"),
    ("china", "metadata.azure.cn"),
    ("germany", "metadata.microsoftazure.de"),
];

/// Returns the trusted root certificates, in DER.
#[must_use]
pub fn anchors() -> Vec<Vec<u8>> {
    decode(ANCHORS)
}

/// Returns the known intermediate certificates, in DER.
#[must_use]
pub fn intermediates() -> Vec<Vec<u8>> {
    decode(INTERMEDIATES)
}

/// Returns a setup that trusts these root certificates and accepts the signers of all four clouds.
#[must_use]
pub fn setup() -> Setup {
    Setup {
        anchors: anchors(),
        intermediates: intermediates(),
        names: NAMES.iter().map(|(label, domain)| ((*label).into(), (*domain).into())).collect(),
        ..Setup::default()
    }
}

/// Decodes the certificates of a PEM text (RFC 7468). Text between them is ignored.
fn decode(pem: &str) -> Vec<Vec<u8>> {
    let body = |block: &str| {
        let (body, _) = block.split_once("-----END CERTIFICATE-----")?;
        let text: Vec<u8> = body.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
        base64_simd::STANDARD.decode_to_vec(text).ok()
    };
    pem.split("-----BEGIN CERTIFICATE-----").skip(1).filter_map(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::Checker;

    #[test]
    fn parses_every_bundled_certificate() {
        assert_eq!((anchors().len(), intermediates().len()), (8, 32));
        assert!(Checker::new(setup()).is_ok());
    }
}
