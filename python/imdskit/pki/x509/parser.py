"""Reading certificates (RFC 5280 section 4.1).

What is no certificate by its grammar is refused here. What is one, but breaks a rule that matters only to who relies on it, is noted in
``Certificate.faults`` and refused by path validation, so that one bad certificate in a heap does not spoil the heap.
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
"""Faults of one certificate that are noted. The first is enough to refuse it."""


def parse_certificate(der: bytes, offset: int = 0, field: str = "certificate") -> Certificate:
    """The certificate that ``der`` is, to its last octet.

    Args:
        der: of one Certificate.
        offset: of ``der`` in the outermost buffer, for the offsets in errors.
        field: what to call it in errors.

    Raises:
        DerError: it is not a certificate.
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
                raise tbs.fault("A unique identifier in a certificate of version 1.", name)
            tbs.bits(name, tag)
    extensions: tuple[Extension, ...] = ()
    members: dict[str, Any] = {}
    if tbs.peek() == context(3):
        if version != 3:
            raise tbs.fault("Extensions in a certificate that is not of version 3.", "extensions")
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
    """1, 2 or 3; 1 is the default. Written out it is no DER (X.690 section 11.5), but old certificates have it."""
    if tbs.peek() != context(0):
        return 1
    pos = tbs.pos
    wrapped = tbs.enter(context(0), "version")
    version = wrapped.integer()
    if version not in (0, 1, 2):
        raise tbs.fault("A version that does not exist.", "version", pos)
    wrapped.finish()
    return version + 1


def _read_extensions(tbs: Reader) -> tuple[tuple[Extension, ...], dict[str, Any]]:
    """The extensions, and the members of Certificate that they make; the first of a kind counts."""
    wrapped = tbs.enter(context(3))
    items = wrapped.sequence("extensions")
    wrapped.finish()
    if not items:
        raise items.fault("An empty list of extensions.")
    found: list[Extension] = []
    members: dict[str, Any] = {}
    while items:
        item = items.sequence(f"[{len(found)}]")
        oid = item.oid("extnID")
        critical = False
        if item.peek() == BOOLEAN:
            critical = item.boolean("critical")
            if not critical:
                raise item.fault("FALSE is the default and not written (X.690 section 11.5).", "critical")
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
