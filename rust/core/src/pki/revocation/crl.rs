//! Parser of certificate revocation lists (RFC 5280 section 5).
//!
//! Bytes that do not follow the grammar of a list are an error. RFC 5280 forbids the use of some well-formed lists. Such a list is parsed,
//! and [`CertificateList::unusable`] contains the reason, for example that the list has an unknown critical extension or no nextUpdate.

// Python counterpart: `pki/revocation/crl.py`.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use num_bigint::BigInt;

use crate::asn1::der::{self, BOOLEAN, INTEGER, OCTET_STRING, Reader, SEQUENCE, Trail, context, item};
use crate::asn1::oids;
use crate::asn1::values::oid_text;
use crate::pki::revocation::distribution_points::{IssuingDistributionPoint, read_issuing_distribution_point};
use crate::pki::x509::certificate::{AlgorithmIdentifier, AuthorityKeyIdentifier, Name, NameKey};
use crate::pki::x509::extensions::read_authority_key_identifier;
use crate::pki::x509::keys::read_algorithm;
use crate::pki::x509::names::{read_general_names, read_name};

/// The names of `CRLReason` (section 5.3.1) by their codes. Code 7 is not used.
const REASON_CODES: [&str; 11] = [
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "",
    REMOVED,
    "privilegeWithdrawn",
    "aACompromise",
];

/// The reason of an entry that removes an earlier entry.
pub(crate) const REMOVED: &str = "removeFromCRL";

/// The revoked certificates, by issuer and serial number, with the reasons.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    /// A number for each issuer.
    issuers: HashMap<NameKey, usize>,
    /// The ASN.1 name of the reason for each entry. The key is the number of the issuer in `issuers`, and the contents of the serial
    /// number.
    entries: HashMap<(usize, Box<[u8]>), &'static str>,
}

impl Revoked {
    /// Returns the ASN.1 name of the reason, or `None` if the certificate is not on the list. `serial` is the contents of the INTEGER.
    pub(crate) fn get(&self, issuer: &NameKey, serial: &[u8]) -> Option<&'static str> {
        let number = *self.issuers.get(issuer)?;
        self.entries.get(&(number, serial.into())).copied()
    }

    fn number_of(&mut self, issuer: NameKey) -> usize {
        let next = self.issuers.len();
        *self.issuers.entry(issuer).or_insert(next)
    }

    /// Adds an entry. If a certificate has two entries, a removal does not hide a revocation.
    fn add(&mut self, issuer: usize, serial: &[u8], reason: &'static str) {
        match self.entries.entry((issuer, serial.into())) {
            Entry::Occupied(mut there) if *there.get() == REMOVED => drop(there.insert(reason)),
            Entry::Occupied(_) => {}
            Entry::Vacant(place) => drop(place.insert(reason)),
        }
    }
}

/// A certificate revocation list (section 5.1). Times are Unix seconds.
#[derive(Debug)]
pub(crate) struct CertificateList {
    /// DER of the whole list.
    pub(crate) der: Box<[u8]>,
    /// The range of `der` with the tbsCertList, which is the signed part.
    pub(crate) tbs: Range<usize>,
    pub(crate) signature_algorithm: AlgorithmIdentifier,
    pub(crate) signature: Box<[u8]>,
    pub(crate) issuer: Name,
    pub(crate) this_update: i64,
    /// `None` if the field is absent, which makes the list unusable.
    pub(crate) next_update: Option<i64>,
    pub(crate) revoked: Revoked,
    /// cRLNumber.
    pub(crate) number: Option<BigInt>,
    /// deltaCRLIndicator. `None` for a complete list.
    pub(crate) base_number: Option<BigInt>,
    /// issuingDistributionPoint.
    pub(crate) scope: Option<IssuingDistributionPoint>,
    pub(crate) authority_key_identifier: Option<AuthorityKeyIdentifier>,
    /// The reason why the list must not be used. `None` if it may be used.
    pub(crate) unusable: Option<Cow<'static, str>>,
}

impl CertificateList {
    /// Returns the tbsCertList, which is the signed part.
    pub(crate) fn tbs(&self) -> &[u8] {
        &self.der[self.tbs.clone()]
    }
}

/// The extensions of a list that this module decodes (section 5.2).
#[derive(Default)]
struct Known {
    number: Option<BigInt>,
    base_number: Option<BigInt>,
    scope: Option<IssuingDistributionPoint>,
    authority_key_identifier: Option<AuthorityKeyIdentifier>,
    /// The object identifier of the first unknown critical extension of the list or of an entry.
    unknown: Option<String>,
}

/// Parses a list. `der` must contain nothing else.
pub(crate) fn parse_crl(der: &[u8]) -> der::Result<CertificateList> {
    let trail = Trail::new(0);
    let mut outer = Reader::new(der, &trail);
    let mut whole = outer.sequence("certificateList")?;
    outer.finish()?;
    let start = whole.pos;
    let mut tbs = whole.sequence("tbsCertList")?;
    let tbs_range = start..whole.pos;
    let signature_algorithm = read_algorithm(&mut whole, "signatureAlgorithm")?;
    let signature = whole.bit_string("signatureValue")?.into();
    whole.finish()?;

    let version = if tbs.next_is(INTEGER) {
        tbs.integer("version")?.small()
    } else {
        Some(0)
    };
    if !matches!(version, Some(0 | 1)) {
        return Err(tbs.fault("The version is neither 1 nor 2.", "version"));
    }
    let inner_algorithm = read_algorithm(&mut tbs, "signature")?;
    let issuer = read_name(&mut tbs, "issuer")?;
    let this_update = tbs.time("thisUpdate")?;
    let has_next = tbs.peek().is_some_and(|tag| tag != SEQUENCE && tag != context(0));
    let next_update = if has_next { Some(tbs.time("nextUpdate")?) } else { None };
    let entries = tbs.enter_optional(SEQUENCE, "revokedCertificates")?;
    let mut known = Known::default();
    if let Some(mut wrapped) = tbs.enter_optional(context(0), "")? {
        read_extensions(wrapped.sequence("crlExtensions")?, |oid, critical, value| {
            read_crl_extension(oid, critical, value, &mut known)
        })?;
        wrapped.finish()?;
    }
    tbs.finish()?;
    let indirect = known.scope.as_ref().is_some_and(|scope| scope.indirect);
    let revoked = match entries {
        Some(entries) => read_entries(entries, &issuer, indirect, &mut known.unknown)?,
        None => Revoked::default(),
    };

    let unusable = if let Some(oid) = known.unknown {
        Some(format!("the critical extension {oid} is not understood").into())
    } else if inner_algorithm.der != signature_algorithm.der {
        Some("its two fields for the signature algorithm differ".into())
    } else if version != Some(1) || next_update.is_none() || known.number.is_none() {
        Some("its version is not 2, or nextUpdate or cRLNumber is missing (RFC 5280 sections 5.1.2 and 5.2.3)".into())
    } else {
        None
    };
    Ok(CertificateList {
        der: der.into(),
        tbs: tbs_range,
        signature_algorithm,
        signature,
        issuer,
        this_update,
        next_update,
        revoked,
        number: known.number,
        base_number: known.base_number,
        scope: known.scope,
        authority_key_identifier: known.authority_key_identifier,
        unusable,
    })
}

/// Calls `each` for every extension. The arguments are its object identifier, whether it is critical, and a reader over its value. `each`
/// must read the value to its end.
fn read_extensions<'d, 't>(
    mut items: Reader<'d, 't>,
    mut each: impl FnMut(&'d [u8], bool, Reader<'d, 't>) -> der::Result<()>,
) -> der::Result<()> {
    if items.is_empty() {
        return Err(items.fault("The list of extensions is empty.", ""));
    }
    let mut seen: HashSet<&[u8]> = HashSet::new();
    while !items.is_empty() {
        let mut extension = items.sequence(item(seen.len()))?;
        let oid = extension.oid("extnID")?;
        if !seen.insert(oid) {
            return Err(extension.fault("An extension occurs twice.", ""));
        }
        let critical = extension.next_is(BOOLEAN) && extension.boolean("critical")?;
        let (start, stop) = extension.expect(OCTET_STRING, "extnValue")?;
        extension.finish()?;
        each(oid, critical, extension.within(start, stop, "extnValue"))?;
    }
    Ok(())
}

/// Reads one extension of a list (section 5.2).
fn read_crl_extension(oid: &[u8], critical: bool, mut value: Reader<'_, '_>, known: &mut Known) -> der::Result<()> {
    match oid {
        oids::CRL_NUMBER => known.number = Some(BigInt::from_signed_bytes_be(value.integer("")?.0)),
        oids::DELTA_CRL_INDICATOR => known.base_number = Some(BigInt::from_signed_bytes_be(value.integer("")?.0)),
        oids::ISSUING_DISTRIBUTION_POINT => known.scope = Some(read_issuing_distribution_point(&mut value)?),
        oids::AUTHORITY_KEY_IDENTIFIER => known.authority_key_identifier = Some(read_authority_key_identifier(&mut value)?),
        _ => {
            if critical {
                known.unknown.get_or_insert_with(|| oid_text(oid));
            }
            return Ok(());
        }
    }
    value.finish()
}

/// Reads the entries (section 5.3). In an indirect list, an entry has the issuer of the entry before it unless it specifies another one
/// (section 5.3.3).
fn read_entries(mut entries: Reader<'_, '_>, issuer: &Name, indirect: bool, unknown: &mut Option<String>) -> der::Result<Revoked> {
    let mut revoked = Revoked::default();
    let mut current = revoked.number_of(issuer.key.clone());
    while !entries.is_empty() {
        let mut entry = entries.sequence("[]")?;
        let serial = entry.integer("userCertificate")?;
        entry.time("revocationDate")?;
        let mut reason = REASON_CODES[0];
        if !entry.is_empty() {
            read_extensions(entry.sequence("crlEntryExtensions")?, |oid, critical, value| {
                match oid {
                    oids::REASON_CODE => reason = read_reason(value)?,
                    oids::CERTIFICATE_ISSUER if indirect => current = revoked.number_of(read_certificate_issuer(value)?),
                    oids::INVALIDITY_DATE => {}
                    _ if critical => drop(unknown.get_or_insert_with(|| oid_text(oid))),
                    _ => {}
                }
                Ok(())
            })?;
        }
        entry.finish()?;
        revoked.add(current, serial.0, reason);
    }
    Ok(revoked)
}

fn read_reason(mut value: Reader<'_, '_>) -> der::Result<&'static str> {
    let code = value.enumerated("")?;
    value.finish()?;
    let name = code
        .small()
        .and_then(|code| usize::try_from(code).ok())
        .and_then(|code| REASON_CODES.get(code));
    name.copied()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| value.fault("The reason code does not exist.", ""))
}

fn read_certificate_issuer(mut value: Reader<'_, '_>) -> der::Result<NameKey> {
    let names = read_general_names(value.sequence("certificateIssuer")?)?;
    value.finish()?;
    let key = names.into_iter().find_map(|name| name.name).map(|name| name.key);
    key.ok_or_else(|| value.fault("The certificate issuer has no distinguished name.", ""))
}
