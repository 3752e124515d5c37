//! Parser of certificates (RFC 5280 section 4.1).
//!
//! Bytes that do not follow the grammar of a certificate are an error. A well-formed certificate that breaks a rule is parsed, and the rule
//! is recorded in [`Certificate::faults`]. Only path validation refuses it, so one bad certificate in a collection does not make the
//! collection unusable.

// Python counterpart: `pki/x509/parser.py`.

use crate::asn1::der::{self, BOOLEAN, Field, OCTET_STRING, Reader, Trail, context, item, primitive};
use crate::pki::x509::certificate::{Certificate, Extension, Extensions};
use crate::pki::x509::extensions::is_understood;
use crate::pki::x509::keys::{read_algorithm, read_public_key};
use crate::pki::x509::names::read_name;
use crate::pki::x509::rules;

/// Parses a certificate. `der` must contain nothing else. `offset` is the offset of `der` in the outermost buffer. `field` is the name of
/// the certificate in errors.
pub(crate) fn parse_certificate(der: &[u8], offset: usize, field: impl Into<Field>) -> der::Result<Certificate> {
    let trail = Trail::new(offset);
    let mut outer = Reader::new(der, &trail);
    let mut certificate = outer.sequence(field)?;
    outer.finish()?;
    let start = certificate.pos;
    let mut tbs = certificate.sequence("tbsCertificate")?;
    let tbs_range = start..certificate.pos;
    let signature_algorithm = read_algorithm(&mut certificate, "signatureAlgorithm")?;
    let signature = certificate.bit_string("signatureValue")?;
    certificate.finish()?;

    let version = read_version(&mut tbs)?;
    let serial = tbs.integer("serialNumber")?;
    let inner_algorithm = read_algorithm(&mut tbs, "signature")?;
    let issuer = read_name(&mut tbs, "issuer")?;
    let mut validity = tbs.sequence("validity")?;
    let (not_before, not_after) = (validity.time("notBefore")?, validity.time("notAfter")?);
    validity.finish()?;
    let subject = read_name(&mut tbs, "subject")?;
    let spki_start = tbs.pos;
    let public_key = read_public_key(&mut tbs)?;
    let spki = &der[spki_start..tbs.pos];
    for (tag, name) in [(primitive(1), "issuerUniqueID"), (primitive(2), "subjectUniqueID")] {
        if tbs.next_is(tag) {
            if version == 1 {
                return Err(tbs.fault("A certificate of version 1 must not have a unique identifier.", name));
            }
            tbs.bits_as(tag, name)?;
        }
    }
    let (mut extensions, mut decoded) = (Vec::new(), Extensions::default());
    if tbs.next_is(context(3)) {
        if version != 3 {
            return Err(tbs.fault("A certificate that does not have version 3 must not have extensions.", "extensions"));
        }
        (extensions, decoded) = read_extensions(&mut tbs)?;
    }
    tbs.finish()?;

    let unknown_critical = extensions
        .iter()
        .filter(|extension| extension.critical && !is_understood(&extension.oid))
        .map(|extension| extension.oid.clone())
        .collect();
    let mut read = Certificate {
        der: der.into(),
        tbs: tbs_range,
        serial: serial.0.into(),
        signature_algorithm,
        signature: signature.into(),
        issuer,
        subject,
        not_before,
        not_after,
        spki: spki.into(),
        public_key,
        extensions,
        decoded,
        unknown_critical,
        faults: Vec::new(),
    };
    read.faults = rules::faults(&read, &inner_algorithm);
    Ok(read)
}

/// Reads the version: 1, 2 or 3. The default is 1. DER forbids an explicit default (X.690 section 11.5), but old certificates have it, so
/// it is accepted.
fn read_version(tbs: &mut Reader<'_, '_>) -> der::Result<u8> {
    if !tbs.next_is(context(0)) {
        return Ok(1);
    }
    let pos = tbs.pos;
    let mut wrapped = tbs.enter(context(0), "version")?;
    let version = match wrapped.integer("")?.small() {
        Some(0) => 1,
        Some(1) => 2,
        Some(2) => 3,
        _ => return Err(tbs.fault_at("The version does not exist.", "version", pos)),
    };
    wrapped.finish()?;
    Ok(version)
}

/// Reads the extensions and decodes the known ones.
fn read_extensions(tbs: &mut Reader<'_, '_>) -> der::Result<(Vec<Extension>, Extensions)> {
    let mut wrapped = tbs.enter(context(3), "")?;
    let mut items = wrapped.sequence("extensions")?;
    wrapped.finish()?;
    if items.is_empty() {
        return Err(items.fault("The list of extensions is empty.", ""));
    }
    let (mut found, mut decoded) = (Vec::new(), Extensions::default());
    while !items.is_empty() {
        let mut extension = items.sequence(item(found.len()))?;
        let oid = extension.oid("extnID")?;
        let mut critical = false;
        if extension.next_is(BOOLEAN) {
            critical = extension.boolean("critical")?;
            if !critical {
                return Err(extension.fault("FALSE is the default, so DER does not encode it (X.690 section 11.5).", "critical"));
            }
        }
        let (start, stop) = extension.expect(OCTET_STRING, "extnValue")?;
        extension.finish()?;
        found.push(Extension {
            oid: oid.into(),
            critical,
            value: extension.data[start..stop].into(),
        });
        decoded.decode(oid, extension.within(start, stop, "extnValue"))?;
    }
    Ok((found, decoded))
}
