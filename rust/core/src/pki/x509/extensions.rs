//! Decoding of certificate extensions (RFC 5280 section 4.2).
//!
//! An extension that does not follow its grammar is a [`der::DerError`]. [`crate::pki::x509::rules`] checks the values of well-formed
//! extensions.

// Python counterpart: `pki/x509/extensions.py`.

use crate::asn1::der::{self, BOOLEAN, Field, INTEGER, Reader, SEQUENCE, context, item, primitive};
use crate::asn1::oids;
use crate::asn1::values::named_bits;
use crate::pki::x509::certificate::{
    AuthorityKeyIdentifier, BasicConstraints, Count, Extensions, GeneralName, GeneralNameKind, GeneralSubtree, KeyUsage, NameConstraints,
    Oid, PolicyConstraints,
};
use crate::pki::x509::names::{read_general_name, read_general_names};

/// Maximum number of items in a list whose items path validation compares with one another.
const MAX_ITEMS: usize = 1024;

/// Returns whether an extension is understood. Only such extensions may be critical.
pub(crate) fn is_understood(oid: &[u8]) -> bool {
    matches!(
        oid,
        oids::BASIC_CONSTRAINTS
            | oids::KEY_USAGE
            | oids::EXTENDED_KEY_USAGE
            | oids::SUBJECT_ALT_NAME
            | oids::SUBJECT_KEY_IDENTIFIER
            | oids::AUTHORITY_KEY_IDENTIFIER
            | oids::NAME_CONSTRAINTS
            | oids::CERTIFICATE_POLICIES
            | oids::POLICY_MAPPINGS
            | oids::POLICY_CONSTRAINTS
            | oids::INHIBIT_ANY_POLICY
            | oids::AUTHORITY_INFO_ACCESS
    )
}

impl Extensions {
    /// Decodes the whole value of one extension. Unknown extensions may contain anything.
    pub(crate) fn decode(&mut self, oid: &[u8], mut value: Reader<'_, '_>) -> der::Result<()> {
        let reader = &mut value;
        match oid {
            oids::BASIC_CONSTRAINTS => keep(&mut self.basic_constraints, basic_constraints(reader)?),
            oids::KEY_USAGE => keep(&mut self.key_usage, key_usage(reader)?),
            oids::EXTENDED_KEY_USAGE => keep(
                &mut self.extended_key_usage,
                list(reader, |item, field| item.oid(field).map(Into::into))?,
            ),
            oids::SUBJECT_ALT_NAME => keep(&mut self.subject_alt_name, read_general_names(reader.sequence("")?)?),
            oids::SUBJECT_KEY_IDENTIFIER => keep(&mut self.subject_key_identifier, reader.octet_string("")?.into()),
            oids::AUTHORITY_KEY_IDENTIFIER => keep(&mut self.authority_key_identifier, read_authority_key_identifier(reader)?),
            oids::NAME_CONSTRAINTS => keep(&mut self.name_constraints, name_constraints(reader)?),
            oids::CERTIFICATE_POLICIES => keep(&mut self.certificate_policies, list(reader, policy_identifier)?),
            oids::POLICY_MAPPINGS => keep(&mut self.policy_mappings, list(reader, policy_mapping)?),
            oids::POLICY_CONSTRAINTS => keep(&mut self.policy_constraints, policy_constraints(reader)?),
            oids::INHIBIT_ANY_POLICY => keep(&mut self.inhibit_any_policy, count(reader, INTEGER, "")?),
            oids::AUTHORITY_INFO_ACCESS => keep(&mut self.ca_issuers, authority_info_access(reader)?),
            oids::ISSUER_ALT_NAME => drop(read_general_names(reader.sequence("")?)?),
            // Any well-formed SEQUENCE is accepted here. `distribution_points.rs` reads its contents.
            oids::CRL_DISTRIBUTION_POINTS if !reader.next_is(SEQUENCE) => return Err(reader.fault("The element is not a SEQUENCE.", "")),
            oids::CRL_DISTRIBUTION_POINTS => drop(reader.any("")?),
            _ => return Ok(()),
        }
        value.finish()
    }
}

fn keep<T>(member: &mut Option<T>, value: T) {
    member.get_or_insert(value);
}

/// Reads values until the reader is at its end. `read` receives the reader and the field of the value.
fn items<'d, 't, T>(mut reader: Reader<'d, 't>, read: impl Fn(&mut Reader<'d, 't>, Field) -> der::Result<T>) -> der::Result<Vec<T>> {
    let mut found = Vec::new();
    while !reader.is_empty() {
        found.push(read(&mut reader, item(found.len()))?);
        if found.len() > MAX_ITEMS {
            return Err(reader.fault(format!("The list has more than {MAX_ITEMS} items."), ""));
        }
    }
    Ok(found)
}

/// Reads a SEQUENCE of values with `read`.
fn list<'d, 't, T>(reader: &mut Reader<'d, 't>, read: impl Fn(&mut Reader<'d, 't>, Field) -> der::Result<T>) -> der::Result<Vec<T>> {
    items(reader.sequence("")?, read)
}

/// Reads basic constraints. DER omits FALSE because it is the default (X.690 section 11.5). An explicit FALSE is accepted, because some
/// authorities encode it, and it means the same.
fn basic_constraints(reader: &mut Reader<'_, '_>) -> der::Result<BasicConstraints> {
    let mut members = reader.sequence("")?;
    let ca = if members.next_is(BOOLEAN) { members.boolean("cA")? } else { false };
    let path_length = (!members.is_empty())
        .then(|| count(&mut members, INTEGER, "pathLenConstraint"))
        .transpose()?;
    members.finish()?;
    Ok(BasicConstraints { ca, path_length })
}

fn key_usage(reader: &mut Reader<'_, '_>) -> der::Result<KeyUsage> {
    let (_, octets) = reader.bits("")?;
    Ok(KeyUsage(named_bits(octets) & KeyUsage::ALL.0))
}

pub(crate) fn read_authority_key_identifier(reader: &mut Reader<'_, '_>) -> der::Result<AuthorityKeyIdentifier> {
    let mut members = reader.sequence("")?;
    let key_identifier = members
        .next_is(primitive(0))
        .then(|| members.contents(primitive(0), "keyIdentifier"))
        .transpose()?;
    let issuer = members.enter_optional(context(1), "authorityCertIssuer")?;
    let issuer = issuer.map(read_general_names).transpose()?;
    let serial = members
        .next_is(primitive(2))
        .then(|| members.integer_as(primitive(2), "authorityCertSerialNumber"))
        .transpose()?;
    members.finish()?;
    Ok(AuthorityKeyIdentifier {
        key_identifier: key_identifier.map(Into::into),
        issuer,
        serial: serial.map(|serial| serial.0.into()),
    })
}

fn name_constraints(reader: &mut Reader<'_, '_>) -> der::Result<NameConstraints> {
    let mut members = reader.sequence("")?;
    let permitted = members.enter_optional(context(0), "permittedSubtrees")?.map(subtrees).transpose()?;
    let excluded = members.enter_optional(context(1), "excludedSubtrees")?.map(subtrees).transpose()?;
    members.finish()?;
    Ok(NameConstraints { permitted, excluded })
}

/// Reads GeneralSubtrees, which must not be empty.
fn subtrees(reader: Reader<'_, '_>) -> der::Result<Vec<GeneralSubtree>> {
    if reader.is_empty() {
        return Err(reader.fault("The list of subtrees is empty.", ""));
    }
    items(reader, |reader, field| {
        let mut subtree = reader.sequence(field)?;
        let base = read_general_name(&mut subtree, "base")?;
        let minimum = optional_count(&mut subtree, primitive(0), "minimum")?.unwrap_or(0);
        let maximum = optional_count(&mut subtree, primitive(1), "maximum")?;
        subtree.finish()?;
        Ok(GeneralSubtree { base, minimum, maximum })
    })
}

/// Reads a `PolicyInformation`. Only the form of its qualifiers is checked, because path validation does not use them.
fn policy_identifier(reader: &mut Reader<'_, '_>, field: Field) -> der::Result<Oid> {
    let mut information = reader.sequence(field)?;
    let policy = information.oid("policyIdentifier")?.into();
    if !information.is_empty() {
        let mut items = information.sequence("policyQualifiers")?;
        if items.is_empty() {
            return Err(items.fault("The list of qualifiers is empty.", ""));
        }
        while !items.is_empty() {
            let mut item = items.sequence("")?;
            item.oid("policyQualifierId")?;
            item.any("qualifier")?;
            item.finish()?;
        }
    }
    information.finish()?;
    Ok(policy)
}

fn policy_mapping(reader: &mut Reader<'_, '_>, field: Field) -> der::Result<(Oid, Oid)> {
    let mut mapping = reader.sequence(field)?;
    let pair = (
        mapping.oid("issuerDomainPolicy")?.into(),
        mapping.oid("subjectDomainPolicy")?.into(),
    );
    mapping.finish()?;
    Ok(pair)
}

fn policy_constraints(reader: &mut Reader<'_, '_>) -> der::Result<PolicyConstraints> {
    let mut members = reader.sequence("")?;
    let require_explicit = optional_count(&mut members, primitive(0), "requireExplicitPolicy")?;
    let inhibit_mapping = optional_count(&mut members, primitive(1), "inhibitPolicyMapping")?;
    members.finish()?;
    Ok(PolicyConstraints {
        require_explicit,
        inhibit_mapping,
    })
}

/// Reads an INTEGER (0..MAX), such as a path length.
fn count(reader: &mut Reader<'_, '_>, tag: u8, field: &'static str) -> der::Result<Count> {
    let pos = reader.pos;
    let number = reader.integer_as(tag, field)?;
    if number.is_negative() {
        return Err(reader.fault_at("The count is negative.", field, pos));
    }
    Ok(number.small().and_then(|number| Count::try_from(number).ok()).unwrap_or(Count::MAX))
}

/// Reads a count if the next element has this identifier octet.
fn optional_count(reader: &mut Reader<'_, '_>, tag: u8, field: &'static str) -> der::Result<Option<Count>> {
    reader.next_is(tag).then(|| count(reader, tag, field)).transpose()
}

/// Reads the addresses of the issuer's certificates. Other access methods and locations are skipped.
fn authority_info_access(reader: &mut Reader<'_, '_>) -> der::Result<Vec<String>> {
    let descriptions = list(reader, |reader, field| {
        let mut description = reader.sequence(field)?;
        let found = (
            description.oid("accessMethod")? == oids::CA_ISSUERS,
            read_general_name(&mut description, "accessLocation")?,
        );
        description.finish()?;
        Ok(found)
    })?;
    if descriptions.is_empty() {
        return Err(reader.fault("The list of access descriptions is empty.", ""));
    }
    let of_issuers = |(is_issuers, name): (bool, GeneralName)| {
        (is_issuers && name.kind == GeneralNameKind::UniformResourceIdentifier).then(|| name.text().to_owned())
    };
    Ok(descriptions.into_iter().filter_map(of_issuers).collect())
}
