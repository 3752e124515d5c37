//! Parsed X.509 certificates.
//!
//! Members have the names of RFC 5280. Times are Unix seconds. Object identifiers are stored as the contents octets of their DER
//! ([`crate::asn1::oids`]). Integers of any length are stored in the same way, in their shortest form.

// Python counterpart: `pki/x509/certificate.py`.

use std::borrow::Cow;

use crate::pki::signatures::rsa::RsaPublicKey;

/// The contents of an OBJECT IDENTIFIER.
pub(crate) type Oid = Box<[u8]>;

/// The name of an extension or field that is well-formed but breaks a rule, and a description of the problem.
pub(crate) type CertificateFault = (Cow<'static, str>, Cow<'static, str>);

/// An AlgorithmIdentifier (RFC 5280 section 4.1.1.2). `parameters` is the DER of the ANY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlgorithmIdentifier {
    pub(crate) oid: Oid,
    pub(crate) parameters: Option<Box<[u8]>>,
    pub(crate) der: Box<[u8]>,
}

/// An accepted named curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// A public key.
#[derive(Debug)]
pub(crate) enum PublicKey {
    Rsa(Box<RsaPublicKey>),
    /// An elliptic curve key. The point is on the curve, in uncompressed form.
    Ec {
        curve: Curve,
        point: Box<[u8]>,
    },
    /// A key that this crate parses but cannot use: DSA, EdDSA, explicit curves, or a point that is not on its curve. `why` is for logs.
    Unsupported {
        oid: Oid,
        why: &'static str,
    },
}

/// A distinguished name.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// DER of the whole Name.
    pub(crate) der: Box<[u8]>,
    /// A value that is the same for names that are equal by RFC 5280 section 7.1. It has one entry for each relative distinguished name, in
    /// order.
    pub(crate) key: NameKey,
    /// Values of the CN attributes, in order.
    pub(crate) common_names: Vec<String>,
    /// Values of the emailAddress attributes.
    pub(crate) email_addresses: Vec<String>,
}

impl Name {
    /// Returns the last common name, or the first 20 bytes of the DER in hexadecimal if there is none.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        match self.common_names.last() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(hex(&self.der[..self.der.len().min(20)])),
        }
    }
}

/// Returns hexadecimal text for messages.
pub(crate) fn hex(octets: &[u8]) -> String {
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xF]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

/// See [`Name::key`].
pub(crate) type NameKey = Vec<Vec<u8>>;

/// The kinds of general names (RFC 5280 section 4.2.1.6), in the order of their tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GeneralNameKind {
    OtherName,
    Rfc822Name,
    DnsName,
    X400Address,
    DirectoryName,
    EdiPartyName,
    UniformResourceIdentifier,
    IpAddress,
    RegisteredId,
}

impl GeneralNameKind {
    /// Returns the ASN.1 name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OtherName => "otherName",
            Self::Rfc822Name => "rfc822Name",
            Self::DnsName => "dNSName",
            Self::X400Address => "x400Address",
            Self::DirectoryName => "directoryName",
            Self::EdiPartyName => "ediPartyName",
            Self::UniformResourceIdentifier => "uniformResourceIdentifier",
            Self::IpAddress => "iPAddress",
            Self::RegisteredId => "registeredID",
        }
    }
}

/// A general name (RFC 5280 section 4.2.1.6). `value` is its contents. IA5String kinds contain only ASCII. Only a directoryName has a
/// `name`.
#[derive(Clone, Debug)]
pub(crate) struct GeneralName {
    pub(crate) kind: GeneralNameKind,
    pub(crate) value: Box<[u8]>,
    pub(crate) name: Option<Name>,
}

impl GeneralName {
    /// Returns the text of a name that is an IA5String.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.value).unwrap_or_default()
    }
}

/// A path length, skip count or subtree bound. Its ASN.1 type is INTEGER (0..MAX). A value that does not fit into a `u64` is replaced by
/// `u64::MAX`, which has the same effect.
pub(crate) type Count = u64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<Count>,
}

/// The bits of keyUsage (RFC 5280 section 4.2.1.3). The lowest bit is bit 0 of the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(pub(crate) u16);

impl KeyUsage {
    pub(crate) const ALL: Self = Self((1 << Self::NAMES.len()) - 1);
    pub(crate) const DIGITAL_SIGNATURE: Self = Self(1);
    pub(crate) const KEY_CERT_SIGN: Self = Self(1 << 5);
    pub(crate) const CRL_SIGN: Self = Self(1 << 6);

    /// Returns whether one of the bits of `other` is set.
    pub(crate) const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Names of the bits, in order.
    pub(crate) const NAMES: [&'static str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];
}

#[derive(Clone, Debug)]
pub(crate) struct GeneralSubtree {
    pub(crate) base: GeneralName,
    pub(crate) minimum: Count,
    pub(crate) maximum: Option<Count>,
}

#[derive(Clone, Debug)]
pub(crate) struct NameConstraints {
    pub(crate) permitted: Option<Vec<GeneralSubtree>>,
    pub(crate) excluded: Option<Vec<GeneralSubtree>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyConstraints {
    pub(crate) require_explicit: Option<Count>,
    pub(crate) inhibit_mapping: Option<Count>,
}

#[derive(Clone, Debug)]
pub(crate) struct AuthorityKeyIdentifier {
    pub(crate) key_identifier: Option<Box<[u8]>>,
    pub(crate) issuer: Option<Vec<GeneralName>>,
    pub(crate) serial: Option<Box<[u8]>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) oid: Oid,
    pub(crate) critical: bool,
    pub(crate) value: Box<[u8]>,
}

/// The decoded extensions of one certificate. If an extension is repeated, the first one counts.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended_key_usage: Option<Vec<Oid>>,
    pub(crate) subject_alt_name: Option<Vec<GeneralName>>,
    pub(crate) subject_key_identifier: Option<Box<[u8]>>,
    pub(crate) authority_key_identifier: Option<AuthorityKeyIdentifier>,
    pub(crate) name_constraints: Option<NameConstraints>,
    pub(crate) certificate_policies: Option<Vec<Oid>>,
    /// Pairs of issuerDomainPolicy and subjectDomainPolicy.
    pub(crate) policy_mappings: Option<Vec<(Oid, Oid)>>,
    pub(crate) policy_constraints: Option<PolicyConstraints>,
    pub(crate) inhibit_any_policy: Option<Count>,
    pub(crate) ca_issuers: Option<Vec<String>>,
}

/// A certificate (RFC 5280 section 4.1). Extensions that path validation needs are decoded; an absent extension is `None`.
#[derive(Debug)]
#[allow(clippy::struct_field_names)] // names of the RFC
pub(crate) struct Certificate {
    /// DER of the whole certificate.
    pub(crate) der: Box<[u8]>,
    /// The range of `der` with the tbsCertificate, which is the signed part.
    pub(crate) tbs: std::ops::Range<usize>,
    /// The contents of the serial number's INTEGER.
    pub(crate) serial: Box<[u8]>,
    pub(crate) signature_algorithm: AlgorithmIdentifier,
    pub(crate) signature: Box<[u8]>,
    pub(crate) issuer: Name,
    pub(crate) subject: Name,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// DER of the whole SubjectPublicKeyInfo.
    pub(crate) spki: Box<[u8]>,
    pub(crate) public_key: PublicKey,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) decoded: Extensions,
    /// Critical extensions that this crate does not understand.
    pub(crate) unknown_critical: Vec<Oid>,
    /// Values that are well-formed DER but break RFC 5280. A parser may accept them, but path validation must refuse them.
    pub(crate) faults: Vec<CertificateFault>,
}

impl Certificate {
    /// Returns whether issuer and subject are the same name (RFC 5280 section 6.1).
    pub(crate) fn self_issued(&self) -> bool {
        self.issuer.key == self.subject.key
    }

    /// Returns the tbsCertificate, which is the signed part.
    pub(crate) fn tbs(&self) -> &[u8] {
        &self.der[self.tbs.clone()]
    }
}
