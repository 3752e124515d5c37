"""Parser of certificates (RFC 5280 section 4.1).

The parser raises an error for bytes that do not follow the grammar of a certificate. If a
certificate follows the grammar, but violates another rule of RFC 5280, the parser records the
violation in ``Certificate.faults``, and path validation refuses the certificate. Therefore one such
certificate in a CMS message or in a trust bundle does not prevent the use of the other certificates
there.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from imdskit.asn1.reader import BOOLEAN, OCTET_STRING, Reader, context
from imdskit.pki.x509 import rules
from imdskit.pki.x509.certificate import Certificate, Extension
from imdskit.pki.x509.extensions import DECODERS
from imdskit.pki.x509.keys import read_algorithm, read_public_key
from imdskit.pki.x509.names import read_name

_UNIQUE_IDENTIFIERS = ((context(1, constructed=False), "issuerUniqueID"), (context(2, constructed=False), "subjectUniqueID"))

MAX_FAULTS = 16
"""Maximum number of faults that are recorded for one certificate. Path validation reports only the
first one."""


def parse_certificate(der: bytes, offset: int = 0, field: str = "certificate") -> Certificate:
    """Parse the DER of one certificate. No other bytes may follow it.

    Args:
        der: DER of one Certificate.
        offset: offset of ``der`` in the outermost buffer. Errors report offsets in that buffer.
        field: name of the certificate in errors.

    Raises:
        DerError: the bytes are not a certificate.
    """
    outer = Reader(der, base=offset)
    certificate = outer.sequence(field)
    outer.finish()
    start = certificate.pos
    tbs = certificate.sequence("tbsCertificate")
    tbs_stop = certificate.pos
    algorithm = read_algorithm(certificate, "signatureAlgorithm")
    signature = certificate.bit_string("signatureValue")
    certificate.finish()

    version = _read_version(tbs)
    serial = tbs.integer("serialNumber")
    inner_algorithm = read_algorithm(tbs, "signature")
    issuer = read_name(tbs, "issuer")
    validity = tbs.sequence("validity")
    not_before, not_after = validity.time("notBefore"), validity.time("notAfter")
    validity.finish()
    subject = read_name(tbs, "subject")
    spki_start = tbs.pos
    public_key = read_public_key(tbs)
    spki = der[spki_start : tbs.pos]
    for tag, name in _UNIQUE_IDENTIFIERS:
        if tbs.peek() == tag:
            if version == 1:
                raise tbs.fault("A certificate of version 1 must not have a unique identifier.", name)
            tbs.bits(name, tag)
    extensions: tuple[Extension, ...] = ()
    members: dict[str, Any] = {}
    if tbs.peek() == context(3):
        if version != 3:
            raise tbs.fault("A certificate that does not have version 3 must not have extensions.", "extensions")
        extensions, members = _read_extensions(tbs)
    tbs.finish()

    read = Certificate(
        der=der,
        tbs=der[start:tbs_stop],
        serial=serial,
        signature_algorithm=algorithm,
        signature=signature,
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        spki=spki,
        public_key=public_key,
        extensions=extensions,
        unknown_critical=tuple(extension.oid for extension in extensions if extension.critical and not _is_understood(extension.oid)),
        **members,
    )
    faults = tuple(islice(rules.faults(read, inner_algorithm), MAX_FAULTS))
    return read._replace(faults=faults) if faults else read


def _is_understood(oid: str) -> bool:
    return oid in DECODERS and DECODERS[oid][0] is not None


def _read_version(tbs: Reader) -> int:
    """Return the version: 1, 2 or 3.

    DER forbids encoding version 1, because it is the default (X.690 section 11.5). An encoded
    version 1 is accepted anyway, because some old certificates have it.
    """
    if tbs.peek() != context(0):
        return 1
    pos = tbs.pos
    wrapped = tbs.enter(context(0), "version")
    version = wrapped.integer()
    if version not in (0, 1, 2):
        raise tbs.fault("The version does not exist.", "version", pos)
    wrapped.finish()
    return version + 1


def _read_extensions(tbs: Reader) -> tuple[tuple[Extension, ...], dict[str, Any]]:
    """Return the extensions, and the attributes of Certificate that they set. If an extension
    occurs twice, the first occurrence sets the attribute."""
    wrapped = tbs.enter(context(3))
    items = wrapped.sequence("extensions")
    wrapped.finish()
    if not items:
        raise items.fault("The list of extensions is empty.")
    found: list[Extension] = []
    members: dict[str, Any] = {}
    while items:
        item = items.sequence(f"[{len(found)}]")
        oid = item.oid("extnID")
        critical = False
        if item.peek() == BOOLEAN:
            critical = item.boolean("critical")
            if not critical:
                raise item.fault("FALSE is the default, so DER does not encode it (X.690 section 11.5).", "critical")
        start, stop = item.expect(OCTET_STRING, "extnValue")
        item.finish()
        found.append(Extension(oid, critical, item.data[start:stop]))
        if oid in DECODERS:
            member, decode = DECODERS[oid]
            reader = Reader(item.data, start, stop, item.base, "extnValue", item)
            value = decode(reader)
            reader.finish()
            if member is not None:
                members.setdefault(member, value)
    return tuple(found), members
