//! Distribution points of revocation lists: cRLDistributionPoints of certificates (RFC 5280 section 4.2.1.13) and issuingDistributionPoint
//! of lists (section 5.2.5). Nothing is fetched. The names only decide which list covers which certificate.

// Python counterpart: `pki/revocation/distribution_points.py`.

use std::collections::HashSet;

use crate::asn1::der::{self, Reader, Trail, context, item, primitive};
use crate::asn1::oids;
use crate::asn1::values::named_bits;
use crate::pki::x509::certificate::{Certificate, GeneralName, GeneralNameKind, Name, NameKey};
use crate::pki::x509::names::{read_general_names, read_relative_name};

/// A set of `ReasonFlags`. Bit 0 of the BIT STRING is the least significant bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reasons(u16);

impl Reasons {
    pub(crate) const NONE: Self = Self(0);
    /// All reasons (section 6.3.2). Bit 0, which is unused, is not set.
    pub(crate) const ALL: Self = Self(0b1_1111_1110);

    /// The names of the bits, in order.
    pub(crate) const NAMES: [&'static str; 9] = [
        "unused",
        "keyCompromise",
        "cACompromise",
        "affiliationChanged",
        "superseded",
        "cessationOfOperation",
        "certificateHold",
        "privilegeWithdrawn",
        "aACompromise",
    ];

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the names of the set bits in alphabetical order.
    pub(crate) fn sorted_names(self) -> Vec<&'static str> {
        let mut names: Vec<_> = Self::NAMES
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| name)
            .collect();
        names.sort_unstable();
        names
    }
}

/// A key that is the same for equal general names. For a directoryName it is [`Name::key`]. For other names it consists of the kind and the
/// octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Directory(NameKey),
    Other(GeneralNameKind, Box<[u8]>),
}

/// A `DistributionPointName`: full names, or the last part of a distinguished name.
#[derive(Debug)]
pub(crate) enum PointName {
    Full(Vec<GeneralName>),
    /// nameRelativeToCRLIssuer. Contains the one entry that it adds to the [`Name::key`] of the issuer.
    Relative(NameKey),
}

impl PointName {
    /// Returns the keys of the full names. A relative name is appended to `issuer`, the issuer of the list.
    pub(crate) fn keys(&self, issuer: &Name) -> HashSet<Key> {
        match self {
            Self::Full(names) => names.iter().map(key_of).collect(),
            Self::Relative(relative) => HashSet::from([Key::Directory(issuer.key.iter().chain(relative).cloned().collect())]),
        }
    }
}

/// One member of cRLDistributionPoints. `reasons` contains all reasons if the field is absent.
#[derive(Debug)]
pub(crate) struct DistributionPoint {
    pub(crate) name: Option<PointName>,
    pub(crate) reasons: Reasons,
    pub(crate) crl_issuer: Option<Vec<GeneralName>>,
}

impl Default for DistributionPoint {
    /// Returns the implicit distribution point of every certificate: the name of its issuer, for all reasons.
    fn default() -> Self {
        Self {
            name: None,
            reasons: Reasons::ALL,
            crl_issuer: None,
        }
    }
}

impl DistributionPoint {
    /// Returns the distinguished names in cRLIssuer. `None` means that the field is absent, so the certificate's issuer also issues the
    /// list.
    pub(crate) fn issuers(&self) -> Option<Vec<&Name>> {
        self.crl_issuer
            .as_ref()
            .map(|names| names.iter().filter_map(|name| name.name.as_ref()).collect())
    }
}

/// The scope of a revocation list. `only_some_reasons` contains all reasons if the field is absent.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // as in the grammar
pub(crate) struct IssuingDistributionPoint {
    pub(crate) der: Box<[u8]>,
    pub(crate) name: Option<PointName>,
    pub(crate) only_user: bool,
    pub(crate) only_ca: bool,
    pub(crate) only_some_reasons: Reasons,
    pub(crate) indirect: bool,
    pub(crate) only_attribute: bool,
}

pub(crate) fn key_of(name: &GeneralName) -> Key {
    match &name.name {
        Some(directory) => Key::Directory(directory.key.clone()),
        None => Key::Other(name.kind, name.value.clone()),
    }
}

/// Returns the distribution points of a certificate, or an empty list if it has no cRLDistributionPoints extension. Returns an error if the
/// extension does not follow its grammar.
pub(crate) fn points_of(certificate: &Certificate) -> der::Result<Vec<DistributionPoint>> {
    let Some(extension) = certificate
        .extensions
        .iter()
        .find(|extension| *extension.oid == *oids::CRL_DISTRIBUTION_POINTS)
    else {
        return Ok(Vec::new());
    };
    let trail = Trail::new(0);
    let mut outer = Reader::new(&extension.value, &trail).within(0, extension.value.len(), "cRLDistributionPoints");
    let mut items = outer.sequence("")?;
    outer.finish()?;
    let mut found = Vec::new();
    while !items.is_empty() {
        found.push(read_point(items.sequence(item(found.len()))?)?);
    }
    Ok(found)
}

fn read_point(mut members: Reader<'_, '_>) -> der::Result<DistributionPoint> {
    let name = read_point_name(&mut members)?;
    let reasons = read_reasons(&mut members, "reasons", 1)?;
    let crl_issuer = members
        .enter_optional(context(2), "cRLIssuer")?
        .map(read_general_names)
        .transpose()?;
    members.finish()?;
    if name.is_none() && crl_issuer.is_none() {
        return Err(members.fault("The distribution point has neither a name nor a CRL issuer.", ""));
    }
    Ok(DistributionPoint { name, reasons, crl_issuer })
}

/// Reads an `IssuingDistributionPoint`, which must extend to the end of the reader.
pub(crate) fn read_issuing_distribution_point(reader: &mut Reader<'_, '_>) -> der::Result<IssuingDistributionPoint> {
    let der = reader.data[reader.pos..reader.stop].into();
    let mut members = reader.sequence("")?;
    let name = read_point_name(&mut members)?;
    let only_user = read_flag(&mut members, "onlyContainsUserCerts", 1)?;
    let only_ca = read_flag(&mut members, "onlyContainsCACerts", 2)?;
    let only_some_reasons = read_reasons(&mut members, "onlySomeReasons", 3)?;
    let indirect = read_flag(&mut members, "indirectCRL", 4)?;
    let only_attribute = read_flag(&mut members, "onlyContainsAttributeCerts", 5)?;
    members.finish()?;
    if u8::from(only_user) + u8::from(only_ca) + u8::from(only_attribute) > 1 {
        return Err(members.fault("The list is limited to two kinds of certificates at once.", ""));
    }
    Ok(IssuingDistributionPoint {
        der,
        name,
        only_user,
        only_ca,
        only_some_reasons,
        indirect,
        only_attribute,
    })
}

fn read_point_name(members: &mut Reader<'_, '_>) -> der::Result<Option<PointName>> {
    let Some(mut choice) = members.enter_optional(context(0), "distributionPoint")? else {
        return Ok(None);
    };
    let name = if choice.next_is(context(1)) {
        PointName::Relative(read_relative_name(&mut choice, "nameRelativeToCRLIssuer", context(1))?)
    } else {
        PointName::Full(read_general_names(choice.enter(context(0), "fullName")?)?)
    };
    choice.finish()?;
    Ok(Some(name))
}

/// Reads a BOOLEAN with the default FALSE. DER forbids an explicit FALSE. It is accepted here, because it means the same as an absent
/// value.
fn read_flag(members: &mut Reader<'_, '_>, field: &'static str, number: u8) -> der::Result<bool> {
    let tag = primitive(number);
    if members.next_is(tag) {
        members.boolean_as(tag, field)
    } else {
        Ok(false)
    }
}

/// Reads `ReasonFlags`. Bits without a name are ignored. Absent flags stand for all reasons.
fn read_reasons(members: &mut Reader<'_, '_>, field: &'static str, number: u8) -> der::Result<Reasons> {
    if !members.next_is(primitive(number)) {
        return Ok(Reasons::ALL);
    }
    let (_, octets) = members.bits_as(primitive(number), field)?;
    Ok(Reasons(named_bits(octets)).and(Reasons::ALL))
}
