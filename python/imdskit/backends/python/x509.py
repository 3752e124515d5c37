"""Reading certificates (RFC 5280 section 4.1).

What is no certificate by its grammar is refused here. What is one, but breaks a rule that matters only to who relies on it, is noted in
``Certificate.faults`` and refused by path validation, so that one bad certificate in a heap does not spoil the heap.
"""

from __future__ import annotations

from typing import Any

from imdskit.asn1 import oids
from imdskit.asn1.reader import Reader, context
from imdskit.backends.python.certificate import Certificate, Extension, GeneralName, PolicyConstraints
from imdskit.backends.python.extensions import DECODERS, EMPTY
from imdskit.backends.python.keys import read_algorithm, read_public_key
from imdskit.backends.python.names import read_name

MAX_EXTENSIONS = 64
MAX_SERIAL_OCTETS = 20


def parse_certificate(der: bytes, offset: int = 0, field: str = "certificate") -> Certificate:
    """The certificate that ``der`` is, to its last octet.

    Args:
        der: of one Certificate.
        offset: of ``der`` in the outermost buffer, for the offsets in errors.
        field: what to call it in errors.

    Raises:
        DerError: it is not a certificate.
    """
    outer = Reader(der, base=offset, field=field)
    certificate = outer.sequence()
    outer.finish()
    start = certificate.pos
    tbs = certificate.sequence("tbsCertificate")
    tbs_der = der[start : certificate.pos]
    algorithm = read_algorithm(certificate, "signatureAlgorithm")
    signature = certificate.bit_string("signatureValue")
    certificate.finish()

    faults: list[tuple[str, str]] = []
    version = _read_version(tbs)
    serial_octets = tbs.integer_octets("serialNumber")
    serial = int.from_bytes(serial_octets, "big", signed=True)
    if serial <= 0 or len(serial_octets) > MAX_SERIAL_OCTETS + (serial_octets[0] == 0):
        faults.append(("serialNumber", "not positive, or longer than 20 octets"))
    inner_algorithm = read_algorithm(tbs, "signature")
    if inner_algorithm.der != algorithm.der:
        faults.append(("signature", "not the algorithm that stands outside"))
    issuer = read_name(tbs, "issuer")
    validity = tbs.sequence("validity")
    not_before, not_after = validity.time("notBefore"), validity.time("notAfter")
    validity.finish()
    subject = read_name(tbs, "subject")
    start = tbs.pos
    public_key = read_public_key(tbs)
    spki = der[start : tbs.pos]
    for number, name in ((1, "issuerUniqueID"), (2, "subjectUniqueID")):
        if tbs.peek() == context(number, constructed=False):
            if version == 1:
                raise tbs.fault("A unique identifier in a certificate of version 1.", name)
            tbs.bits(name, context(number, constructed=False))
    extensions: tuple[Extension, ...] = ()
    if tbs.peek() == context(3):
        if version != 3:
            raise tbs.fault(f"Extensions in a certificate of version {version}.", "extensions")
        extensions = _read_extensions(tbs)
    tbs.finish()

    members = _decode(extensions, offset, f"{field}.tbsCertificate.extensions", faults)
    if not issuer.key:
        faults.append(("issuer", "empty"))
    return Certificate(
        der=der,
        tbs=tbs_der,
        version=version,
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
        unknown_critical=tuple(extension.oid for extension in extensions if extension.critical and extension.oid not in DECODERS),
        faults=tuple(faults),
        **members,
    )


def _read_version(tbs: Reader) -> int:
    """1, 2 or 3; 1 is the default. Written out it is no DER (X.690 section 11.5), but old certificates have it."""
    if tbs.peek() != context(0):
        return 1
    wrapped = tbs.enter(context(0), "version")
    version = wrapped.integer() + 1
    if version not in (1, 2, 3):
        raise wrapped.fault(f"There is no version {version}.")
    wrapped.finish()
    return version


def _read_extensions(tbs: Reader) -> tuple[Extension, ...]:
    wrapped = tbs.enter(context(3), "extensions")
    items = wrapped.sequence()
    wrapped.finish()
    found: list[Extension] = []
    if not items:
        raise items.fault("An empty list of extensions.")
    while items:
        item = items.sequence(f"[{len(found)}]")
        oid = item.oid("extnID")
        critical = False
        if item.peek() == 0x01:
            critical = item.boolean("critical")
            if not critical:
                raise item.fault("FALSE is the default and not written (X.690 section 11.5).", "critical")
        found.append(Extension(oid, critical, item.octet_string("extnValue")))
        item.finish()
        if len(found) > MAX_EXTENSIONS:
            raise items.fault(f"More than {MAX_EXTENSIONS} extensions.")
    return tuple(found)


def _decode(extensions: tuple[Extension, ...], offset: int, field: str, faults: list[tuple[str, str]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    seen: set[str] = set()
    for index, extension in enumerate(extensions):
        if extension.oid in seen:
            faults.append((f"extensions[{index}]", "an extension of this kind stands before it (section 4.2)"))
            continue
        seen.add(extension.oid)
        if extension.oid not in DECODERS:
            continue
        member, decode = DECODERS[extension.oid]
        reader = Reader(extension.value, base=offset, field=f"{field}[{index}]")
        value = decode(reader)
        reader.finish()
        if member is not None:
            members[member] = value
        if extension.oid in EMPTY and not value:
            faults.append((f"extensions[{index}]", f"an empty {EMPTY[extension.oid]}"))
        if extension.oid == oids.AUTHORITY_INFO_ACCESS and extension.critical:
            faults.append((f"extensions[{index}]", "authorityInfoAccess is critical (section 4.2.2.1)"))
    faults += [("subjectAltName", "an address that is none") for name in members.get("subject_alt_name", ()) if _is_bad_address(name)]
    policies = [information.policy for information in members.get("certificate_policies", ())]
    if len(set(policies)) != len(policies):
        faults.append(("certificatePolicies", "a policy twice (section 4.2.1.4)"))
    if members.get("policy_constraints") == PolicyConstraints(None, None):
        faults.append(("policyConstraints", "empty (section 4.2.1.11)"))
    if oids.NAME_CONSTRAINTS in seen and members["name_constraints"].permitted is None and members["name_constraints"].excluded is None:
        faults.append(("nameConstraints", "empty (section 4.2.1.10)"))
    return members


def _is_bad_address(name: GeneralName) -> bool:
    """An iPAddress that is neither of version 4 nor of version 6 (section 4.2.1.6)."""
    return name.kind == "iPAddress" and len(name.value) not in (4, 16)
