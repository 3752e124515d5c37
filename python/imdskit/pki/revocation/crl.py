"""Parser of certificate revocation lists (RFC 5280 section 5).

The parser refuses bytes that do not follow the grammar. If a list follows the grammar, but RFC 5280
forbids verifiers to rely on it, ``CertificateList.unusable`` says why. Examples are an unknown
critical extension, a missing cRLNumber and a missing nextUpdate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from imdskit.asn1 import oids
from imdskit.asn1.reader import BOOLEAN, INTEGER, OCTET_STRING, SEQUENCE, Reader, context
from imdskit.errors import DerError
from imdskit.pki.revocation.distribution_points import IssuingDistributionPoint, read_issuing_distribution_point
from imdskit.pki.x509.certificate import AlgorithmIdentifier, AuthorityKeyIdentifier, Name
from imdskit.pki.x509.extensions import DECODERS
from imdskit.pki.x509.keys import read_algorithm
from imdskit.pki.x509.names import read_general_names, read_name

REASON_CODES = {
    0: "unspecified",
    1: "keyCompromise",
    2: "cACompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    6: "certificateHold",
    8: "removeFromCRL",
    9: "privilegeWithdrawn",
    10: "aACompromise",
}
"""Names of the CRLReason codes (section 5.3.1)."""

REMOVED = "removeFromCRL"
"""Reason code with which a delta list marks a certificate that is no longer revoked."""


class CertificateList(NamedTuple):
    """A CertificateList (section 5.1). Times are Unix seconds.

    Attributes:
        der: DER of the whole list.
        tbs: DER of the tbsCertList, which the issuer signed.
        next_update: the nextUpdate; None if it is absent. A list without it is unusable.
        revoked: the revoked certificates. Each key is a pair of the ``Name.key`` of a certificate's
            issuer and the certificate's serial number. The value is the name of the reason code, as
            in :data:`REASON_CODES`.
        number: the cRLNumber; None if it is absent.
        base_number: the BaseCRLNumber in the deltaCRLIndicator. It is None for a complete list,
            that is, a list that is not a delta list.
        scope: the issuingDistributionPoint; None if it is absent.
        unusable: a text that says why verifiers must not rely on the list; None if they may.
    """

    der: bytes
    tbs: bytes
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    issuer: Name
    this_update: int
    next_update: int | None
    revoked: dict[tuple[tuple[bytes, ...], int], str]
    number: int | None
    base_number: int | None
    scope: IssuingDistributionPoint | None
    authority_key_identifier: AuthorityKeyIdentifier | None
    unusable: str | None


def parse_crl(der: bytes) -> CertificateList:
    """Parse the DER of one revocation list. No other bytes may follow it.

    Raises:
        DerError: the bytes are not a revocation list.
    """
    outer = Reader(der)
    whole = outer.sequence("certificateList")
    outer.finish()
    start = whole.pos
    tbs = whole.sequence("tbsCertList")
    tbs_stop = whole.pos
    algorithm = read_algorithm(whole, "signatureAlgorithm")
    signature = whole.bit_string("signatureValue")
    whole.finish()

    version = tbs.integer("version") if tbs.peek() == INTEGER else 0
    if version not in (0, 1):
        raise tbs.fault("The version is neither 1 nor 2.", "version")
    inner_algorithm = read_algorithm(tbs, "signature")
    issuer = read_name(tbs, "issuer")
    this_update = tbs.time("thisUpdate")
    next_update = tbs.time("nextUpdate") if tbs and tbs.peek() not in (SEQUENCE, context(0)) else None
    entries = tbs.sequence("revokedCertificates") if tbs.peek() == SEQUENCE else None
    found: dict[str, Any] = {}
    unknown: list[str] = []
    if tbs.peek() == context(0):
        wrapped = tbs.enter(context(0))
        for oid, critical, value in _extensions(wrapped.sequence("crlExtensions")):
            _read_crl_extension(oid, critical, value, found, unknown)
        wrapped.finish()
    tbs.finish()
    scope: IssuingDistributionPoint | None = found.get("scope")
    revoked = {} if entries is None else _read_entries(entries, issuer, scope is not None and scope.indirect, unknown)

    unusable = None
    if unknown:
        unusable = f"the critical extension {unknown[0]} is not understood"
    elif inner_algorithm.der != algorithm.der:
        unusable = "its two fields for the signature algorithm differ"
    elif version != 1 or next_update is None or "number" not in found:
        unusable = "its version is not 2, or nextUpdate or cRLNumber is missing (RFC 5280 sections 5.1.2 and 5.2.3)"
    return CertificateList(
        der=der,
        tbs=der[start:tbs_stop],
        signature_algorithm=algorithm,
        signature=signature,
        issuer=issuer,
        this_update=this_update,
        next_update=next_update,
        revoked=revoked,
        number=found.get("number"),
        base_number=found.get("base_number"),
        scope=scope,
        authority_key_identifier=found.get("authority_key_identifier"),
        unusable=unusable,
    )


def _extensions(items: Reader) -> Iterator[tuple[str, bool, Reader]]:
    """Yield the object identifier, the critical flag, and a reader over the value of each
    extension."""
    if not items:
        raise items.fault("The list of extensions is empty.")
    seen: set[str] = set()
    while items:
        item = items.sequence(f"[{len(seen)}]")
        oid = item.oid("extnID")
        if oid in seen:
            raise item.fault("An extension occurs twice.")
        seen.add(oid)
        critical = item.boolean("critical") if item.peek() == BOOLEAN else False
        start, stop = item.expect(OCTET_STRING, "extnValue")
        item.finish()
        yield oid, critical, Reader(item.data, start, stop, item.base, "extnValue", item)


def _read_crl_extension(oid: str, critical: bool, value: Reader, found: dict[str, Any], unknown: list[str]) -> None:
    """Decode one extension of a list (section 5.2). Add its value to ``found``. If the extension is
    unknown and critical, add its object identifier to ``unknown`` instead."""
    if oid == oids.CRL_NUMBER:
        found["number"] = value.integer()
    elif oid == oids.DELTA_CRL_INDICATOR:
        found["base_number"] = value.integer()
    elif oid == oids.ISSUING_DISTRIBUTION_POINT:
        found["scope"] = read_issuing_distribution_point(value)
    elif oid == oids.AUTHORITY_KEY_IDENTIFIER:
        found["authority_key_identifier"] = cast(AuthorityKeyIdentifier, DECODERS[oid][1](value))
    else:
        if critical:
            unknown.append(oid)
        return
    value.finish()


def _read_entries(entries: Reader, issuer: Name, indirect: bool, unknown: list[str]) -> dict[tuple[tuple[bytes, ...], int], str]:
    """Decode the entries of a list (section 5.3).

    In an indirect list, an entry can name the issuer of its certificate. If an entry does not, the
    issuer is that of the previous entry (5.3.3). For the first entry, it is the issuer of the list.
    """
    revoked: dict[tuple[tuple[bytes, ...], int], str] = {}
    current = issuer.key
    while entries:
        entry = entries.sequence("[]")
        serial = entry.integer("userCertificate")
        entry.time("revocationDate")
        reason = "unspecified"
        if entry:
            for oid, critical, value in _extensions(entry.sequence("crlEntryExtensions")):
                if oid == oids.REASON_CODE:
                    reason = _read_reason(value)
                elif oid == oids.CERTIFICATE_ISSUER and indirect:
                    current = _read_certificate_issuer(value)
                elif critical and oid != oids.INVALIDITY_DATE:
                    unknown.append(oid)
        entry.finish()
        # A certificate may have two entries, one of which has the reason removeFromCRL. In this
        # case, the certificate counts as revoked.
        if revoked.get((current, serial), REMOVED) == REMOVED:
            revoked[current, serial] = reason
    return revoked


def _read_reason(value: Reader) -> str:
    code = value.enumerated()
    value.finish()
    if code not in REASON_CODES:
        raise value.fault("The reason code does not exist.")
    return REASON_CODES[code]


def _read_certificate_issuer(value: Reader) -> tuple[bytes, ...]:
    names = read_general_names(value.sequence("certificateIssuer"))
    value.finish()
    for name in names:
        if name.name is not None:
            return name.name.key
    raise DerError("The certificate issuer has no distinguished name.", value.base + value.pos, value.path())
