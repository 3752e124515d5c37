//! What an X.509 certificate says, as values. Made by [`crate::pki::x509::parser`], read by everything that validates.
//!
//! Names of members are those of RFC 5280. Times are Unix seconds. Object identifiers are the
//! contents of their DER ([`crate::asn1::oids`]); integers that may be of any length are theirs, in their shortest form.

// Python counterpart: `pki/x509/certificate.py`.

use std::borrow::Cow;

use crate::pki::signatures::rsa::RsaPublicKey;

/// Contents of an OBJECT IDENTIFIER.
pub(crate) type Oid = Box<[u8]>;

/// (Extension or field, what is wrong) of a value that is well-formed and breaks a rule.
pub(crate) type CertificateFault = (Cow<'static, str>, Cow<'static, str>);

/// RFC 5280 section 4.1.1.2. `parameters` is the DER of the ANY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlgorithmIdentifier {
    pub(crate) oid: Oid,
    pub(crate) parameters: Option<Box<[u8]>>,
    pub(crate) der: Box<[u8]>,
}

/// A named curve that is accepted.
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
    /// The point is on the curve, in uncompressed form.
    Ec {
        curve: Curve,
        point: Box<[u8]>,
    },
    /// A key of a kind that is parsed over but never used: DSA, EdDSA, explicit curves, points off the curve. `why` is for the log.
    Unsupported {
        oid: Oid,
        why: &'static str,
    },
}

/// A distinguished name.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    /// Of the whole Name.
    pub(crate) der: Box<[u8]>,
    /// The same for names that RFC 5280 section 7.1 calls equal; one entry for each relative distinguished name, in order.
    pub(crate) key: NameKey,
    /// Values of the CN attributes, in order.
    pub(crate) common_names: Vec<String>,
    /// Values of the emailAddress attributes.
    pub(crate) email_addresses: Vec<String>,
}

/// See [`Name::key`].
pub(crate) type NameKey = Vec<Vec<u8>>;

/// The kinds of RFC 5280 section 4.2.1.6, in the order of their tags.
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
    /// The ASN.1 name.
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

/// RFC 5280 section 4.2.1.6. `value` is the content octets; those of the IA5String kinds are ASCII. `name` is there for directoryName only.
#[derive(Clone, Debug)]
pub(crate) struct GeneralName {
    pub(crate) kind: GeneralNameKind,
    pub(crate) value: Box<[u8]>,
    pub(crate) name: Option<Name>,
}

impl GeneralName {
    /// Of the IA5String kinds.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.value).unwrap_or_default()
    }
}

/// A number of certificates or of labels: INTEGER (0..MAX), where what does not fit is as good as the greatest that does.
pub(crate) type Count = u64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<Count>,
}

/// Bits of keyUsage (RFC 5280 section 4.2.1.3): bit 0 of the extension is the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUsage(pub(crate) u16);

impl KeyUsage {
    pub(crate) const ALL: Self = Self((1 << Self::NAMES.len()) - 1);
    pub(crate) const DIGITAL_SIGNATURE: Self = Self(1);
    pub(crate) const KEY_CERT_SIGN: Self = Self(1 << 5);
    pub(crate) const CRL_SIGN: Self = Self(1 << 6);

    /// Whether one of the bits of `other` is set.
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

/// The decoded extensions of one certificate. The first of a kind counts.
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
    /// (issuerDomainPolicy, subjectDomainPolicy).
    pub(crate) policy_mappings: Option<Vec<(Oid, Oid)>>,
    pub(crate) policy_constraints: Option<PolicyConstraints>,
    pub(crate) inhibit_any_policy: Option<Count>,
    pub(crate) ca_issuers: Option<Vec<String>>,
}

/// RFC 5280 section 4.1. Extensions that path validation needs are decoded; an absent one is None.
#[derive(Debug)]
#[allow(clippy::struct_field_names)] // names of the RFC
pub(crate) struct Certificate {
    /// Of the whole certificate.
    pub(crate) der: Box<[u8]>,
    /// Where in `der` the tbsCertificate is, which is what was signed.
    pub(crate) tbs: std::ops::Range<usize>,
    /// 1, 2 or 3.
    /// Contents of the INTEGER.
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
    /// Critical extensions that nothing here understands.
    pub(crate) unknown_critical: Vec<Oid>,
    /// Of values that are well-formed DER but break RFC 5280 in a way that a path validator must refuse and a parser may read.
    pub(crate) faults: Vec<CertificateFault>,
}

impl Certificate {
    /// Issuer and subject are the same name (RFC 5280 section 6.1).
    pub(crate) fn self_issued(&self) -> bool {
        self.issuer.key == self.subject.key
    }

    /// The tbsCertificate, which is what was signed.
    pub(crate) fn tbs(&self) -> &[u8] {
        &self.der[self.tbs.clone()]
    }
}
