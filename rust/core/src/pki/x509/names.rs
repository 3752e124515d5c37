//! Distinguished names and general names (RFC 5280 sections 4.1.2.4 and 4.2.1.6), and their comparison (section 7.1).
//!
//! Case folding and normalization beyond ASCII follow the Unicode version of the crates in use.

// Python counterpart: `pki/x509/names.py`. Its Unicode version may be newer or older. Two names with characters that only the newer
// version knows may be equal for one backend and different for the other.

use std::borrow::Cow;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::asn1::der::{
    self, BMP_STRING, Field, IA5_STRING, NUMERIC_STRING, PRINTABLE_STRING, Reader, SEQUENCE, SET, TELETEX_STRING, UNIVERSAL_STRING,
    UTF8_STRING, VISIBLE_STRING, context, item,
};
use crate::asn1::oids;
use crate::pki::x509::certificate::{GeneralName, GeneralNameKind, Name, NameKey};

/// Maximum length, in characters, of a string that contains non-ASCII characters.
const MAX_CHARACTERS: usize = 1024;

/// Maximum number of consecutive combining characters, as in the Stream-Safe Text Format (UAX 15 section 13).
// The limit protects the Python counterpart: Python's normalization sorts each such run in quadratic time.
const MAX_COMBINING: usize = 30;

/// Attributes whose values must be strings (RFC 5280 appendix A.1). Values of other attributes may be anything.
const STRINGS_ONLY: [&[u8]; 17] = [
    oids::COMMON_NAME,
    oids::SURNAME,
    oids::SERIAL_NUMBER,
    oids::COUNTRY_NAME,
    oids::LOCALITY_NAME,
    oids::STATE_OR_PROVINCE_NAME,
    oids::ORGANIZATION_NAME,
    oids::ORGANIZATIONAL_UNIT_NAME,
    oids::TITLE,
    oids::NAME,
    oids::GIVEN_NAME,
    oids::INITIALS,
    oids::GENERATION_QUALIFIER,
    oids::DN_QUALIFIER,
    oids::PSEUDONYM,
    oids::DOMAIN_COMPONENT,
    oids::EMAIL_ADDRESS,
];

/// Reads a Name: a sequence of relative distinguished names, none of which is empty.
pub(crate) fn read_name(reader: &mut Reader<'_, '_>, field: impl Into<Field>) -> der::Result<Name> {
    let pos = reader.pos;
    let mut names = reader.enter(SEQUENCE, field)?;
    let mut found = Found::default();
    while !names.is_empty() {
        found.read_relative(&mut names, SET, "")?;
    }
    let der = reader.data[pos..reader.pos].into();
    Ok(Name {
        der,
        key: found.key,
        common_names: found.common_names,
        email_addresses: found.email_addresses,
    })
}

/// Reads a RelativeDistinguishedName under an implicit tag and returns its entry in [`Name::key`].
pub(crate) fn read_relative_name(reader: &mut Reader<'_, '_>, field: impl Into<Field>, tag: u8) -> der::Result<NameKey> {
    let mut found = Found::default();
    found.read_relative(reader, tag, field)?;
    Ok(found.key)
}

#[derive(Default)]
struct Found {
    key: NameKey,
    common_names: Vec<String>,
    email_addresses: Vec<String>,
}

impl Found {
    fn read_relative(&mut self, names: &mut Reader<'_, '_>, tag: u8, field: impl Into<Field>) -> der::Result<()> {
        let mut attributes = names.enter(tag, field)?;
        if attributes.is_empty() {
            return Err(attributes.fault("The relative distinguished name has no attributes.", ""));
        }
        let mut parts: Vec<Vec<u8>> = Vec::with_capacity(1);
        let mut previous: &[u8] = b"";
        while !attributes.is_empty() {
            let pos = attributes.pos;
            let mut attribute = attributes.sequence("")?;
            let oid = attribute.oid("type")?;
            let value = read_value(&mut attribute, oid)?;
            attribute.finish()?;
            let element = &attributes.data[pos..attributes.pos];
            if element <= previous {
                let message = "The attributes are not in the order of DER, or one occurs twice (X.690 section 11.6).";
                return Err(attributes.fault_at(message, "", pos));
            }
            previous = element;
            parts.push(part_of(oid, &value));
            if let Value::Text(text) = value {
                match oid {
                    oids::COMMON_NAME => self.common_names.push(text.into_owned()),
                    oids::EMAIL_ADDRESS => self.email_addresses.push(text.into_owned()),
                    _ => {}
                }
            }
        }
        parts.sort_unstable();
        // Each part begins with its length, so different lists of parts have different concatenations.
        self.key.push(parts.concat());
        Ok(())
    }
}

enum Value<'d> {
    Text(Cow<'d, str>),
    /// The DER of a value that is not a string.
    Other(&'d [u8]),
}

/// Encodes one attribute as length, type, kind of value and value. Equal attributes have equal encodings.
fn part_of(oid: &[u8], value: &Value<'_>) -> Vec<u8> {
    let comparable;
    let (kind, octets) = match value {
        Value::Text(text) => {
            comparable = self::comparable(text);
            (b'=', comparable.as_slice())
        }
        Value::Other(der) => (b':', *der),
    };
    let mut part = Vec::with_capacity(oid.len() + octets.len() + 10);
    part.extend_from_slice(&(oid.len() + octets.len() + 2).to_be_bytes());
    part.push(u8::try_from(oid.len()).unwrap_or(u8::MAX)); // at most 64
    part.extend_from_slice(oid);
    part.push(kind);
    part.extend_from_slice(octets);
    part
}

fn read_value<'d>(attribute: &mut Reader<'d, '_>, oid: &[u8]) -> der::Result<Value<'d>> {
    let pos = attribute.pos;
    let tag = attribute.peek().unwrap_or(0);
    let is_string = matches!(
        tag,
        UTF8_STRING | NUMERIC_STRING | PRINTABLE_STRING | TELETEX_STRING | IA5_STRING | VISIBLE_STRING | BMP_STRING | UNIVERSAL_STRING
    );
    if !is_string {
        if STRINGS_ONLY.contains(&oid) {
            return Err(attribute.fault("The element is not a string.", "value"));
        }
        return attribute.any("value").map(Value::Other);
    }
    let octets = attribute.contents(tag, "value")?;
    let text =
        decode(tag, octets).ok_or_else(|| attribute.fault_at("The string has octets that its type does not allow.", "value", pos))?;
    if !has_only_its_characters(tag, octets) {
        return Err(attribute.fault_at("The string has characters that its type does not allow.", "value", pos));
    }
    if !text.is_ascii() {
        if text.chars().count() > MAX_CHARACTERS {
            let message = format!("The string is not ASCII and has more than {MAX_CHARACTERS} characters.");
            return Err(attribute.fault_at(message, "value", pos));
        }
        if has_long_run(&text) {
            let message = format!("The string has more than {MAX_COMBINING} combining characters in a row.");
            return Err(attribute.fault_at(message, "value", pos));
        }
    }
    Ok(Value::Text(text))
}

fn has_long_run(text: &str) -> bool {
    let mut run = 0;
    text.chars().any(|character| {
        run = if canonical_combining_class(character) == 0 { 0 } else { run + 1 };
        run > MAX_COMBINING
    })
}

/// Decodes a string. In practice, a TeletexString contains Latin-1. Nobody follows the standard's definition of its non-ASCII characters.
fn decode(tag: u8, octets: &[u8]) -> Option<Cow<'_, str>> {
    match tag {
        UTF8_STRING => std::str::from_utf8(octets).ok().map(Cow::Borrowed),
        TELETEX_STRING if !octets.is_ascii() => Some(Cow::Owned(octets.iter().map(|octet| char::from(*octet)).collect())),
        BMP_STRING => {
            let units = octets
                .chunks(2)
                .map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)))
                .collect::<Option<Vec<_>>>()?;
            String::from_utf16(&units).ok().map(Cow::Owned)
        }
        UNIVERSAL_STRING => {
            let of = |quad: &[u8]| char::from_u32(u32::from_be_bytes(quad.try_into().ok()?));
            octets.chunks(4).map(of).collect::<Option<String>>().map(Cow::Owned)
        }
        _ if octets.is_ascii() => std::str::from_utf8(octets).ok().map(Cow::Borrowed),
        _ => None,
    }
}

/// Returns whether a string has only characters of its type (X.680 sections 41.3 and 41.4). Types that allow all of ASCII are not checked.
/// `PrintableString` does not allow `*` and `&`, but authorities use both, and OpenSSL and Go accept both.
fn has_only_its_characters(tag: u8, octets: &[u8]) -> bool {
    let has = match tag {
        NUMERIC_STRING => |octet: &u8| matches!(octet, b'0'..=b'9' | b' '),
        PRINTABLE_STRING => |octet: &u8| octet.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(octet),
        VISIBLE_STRING => |octet: &u8| matches!(octet, b' '..=b'~'),
        _ => return true,
    };
    octets.iter().all(has)
}

/// Returns the form in which two strings are compared, independent of their ASN.1 types. It ignores case, applies Unicode normalization,
/// removes blanks at both ends, and shortens runs of inner blanks (RFC 5280 section 7.1; RFC 4518 sections 2.2, 2.3 and 2.6.1). A blank is
/// a character with the Unicode property White_Space. Characters that RFC 4518 drops or forbids are kept, so strings that differ only in
/// such characters are different here. The normalization form is NFKD. Two strings are equal in NFKD exactly when they are equal in NFKC.
pub(crate) fn comparable(text: &str) -> Vec<u8> {
    if text.is_ascii() {
        let mut form = Vec::with_capacity(text.len());
        for word in text.split_whitespace() {
            if !form.is_empty() {
                form.push(b' ');
            }
            form.extend(word.bytes().map(|octet| octet.to_ascii_lowercase()));
        }
        return form;
    }
    let folded: String = text.chars().default_case_fold().nfkd().default_case_fold().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ").into_bytes()
}

/// Reads a GeneralName and checks its contents as far as its kind defines them.
pub(crate) fn read_general_name(reader: &mut Reader<'_, '_>, field: impl Into<Field>) -> der::Result<GeneralName> {
    let (pos, field) = (reader.pos, field.into());
    let tag = reader.peek().unwrap_or(0);
    let kind = match tag {
        0xA0 => GeneralNameKind::OtherName,
        0x81 => GeneralNameKind::Rfc822Name,
        0x82 => GeneralNameKind::DnsName,
        0xA3 => GeneralNameKind::X400Address,
        0xA4 => GeneralNameKind::DirectoryName,
        0xA5 => GeneralNameKind::EdiPartyName,
        0x86 => GeneralNameKind::UniformResourceIdentifier,
        0x87 => GeneralNameKind::IpAddress,
        0x88 => GeneralNameKind::RegisteredId,
        _ => return Err(reader.fault("The element is not a GeneralName.", field)),
    };
    if tag & 0x20 == 0 {
        let value = reader.contents(tag, field)?;
        let is_ia5 = matches!(
            kind,
            GeneralNameKind::Rfc822Name | GeneralNameKind::DnsName | GeneralNameKind::UniformResourceIdentifier
        );
        if is_ia5 && !value.is_ascii() {
            return Err(reader.fault_at("The IA5String has octets beyond ASCII.", field, pos));
        }
        if kind == GeneralNameKind::RegisteredId {
            reader.pos = pos;
            reader.oid_as(tag, field)?;
        }
        return Ok(GeneralName {
            kind,
            value: value.into(),
            name: None,
        });
    }
    let mut inner = reader.enter(tag, field)?;
    let value = &inner.data[inner.pos..inner.stop];
    let mut name = None;
    match kind {
        GeneralNameKind::DirectoryName => name = Some(read_name(&mut inner, "directoryName")?),
        GeneralNameKind::OtherName => read_other_name(&mut inner)?,
        _ => {
            while !inner.is_empty() {
                inner.any("")?;
            }
        }
    }
    inner.finish()?;
    Ok(GeneralName {
        kind,
        value: value.into(),
        name,
    })
}

/// Reads general names to the end of the reader.
pub(crate) fn read_general_names(mut reader: Reader<'_, '_>) -> der::Result<Vec<GeneralName>> {
    let mut names = Vec::new();
    while !reader.is_empty() {
        names.push(read_general_name(&mut reader, item(names.len()))?);
    }
    Ok(names)
}

/// Reads an OtherName: a type and a value. The value is checked if the type is known (RFC 4108 section 5).
fn read_other_name(reader: &mut Reader<'_, '_>) -> der::Result<()> {
    let kind = reader.oid("type-id")?;
    let mut value = reader.enter(context(0), "value")?;
    if kind == oids::HARDWARE_MODULE_NAME {
        let mut module = value.sequence("hardwareModuleName")?;
        module.oid("hwType")?;
        module.octet_string("hwSerialNum")?;
        module.finish()?;
    } else {
        value.any("")?;
    }
    value.finish()
}
