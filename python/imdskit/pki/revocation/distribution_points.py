"""Parser of distribution points, which determine the revocation lists that cover a certificate.
This module fetches nothing.

A certificate contains distribution points in the extension cRLDistributionPoints (RFC 5280 section
4.2.1.13). A revocation list contains its own distribution point in the extension
issuingDistributionPoint (section 5.2.5).
"""

from __future__ import annotations

from typing import NamedTuple

from imdskit.asn1 import oids
from imdskit.asn1.reader import Reader, context, named_bits
from imdskit.pki.x509.certificate import Certificate, GeneralName, Name
from imdskit.pki.x509.names import read_general_names, read_relative_name

REASONS = (
    "unused",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
    "aACompromise",
)
"""Names of the ReasonFlags (section 4.2.1.13), in the order of their bit numbers."""

ALL_REASONS = frozenset(REASONS[1:])
"""The set of all reasons, which section 6.3.2 (a) calls the special value all-reasons."""

Key = tuple[object, ...]
"""Comparable form of a general name. It is a pair. The first item is the kind of the name. The
second item is ``Name.key`` for a directoryName, and the contents of the element for any other
kind."""


class PointName(NamedTuple):
    """A DistributionPointName. Either ``full`` or ``relative`` is set, and the other one is None.

    Attributes:
        full: the fullName, which contains complete names.
        relative: the nameRelativeToCRLIssuer, which is the last part of a distinguished name. It
            has the form of a ``Name.key`` with one entry.
    """

    full: tuple[GeneralName, ...] | None
    relative: tuple[bytes, ...] | None

    def keys(self, issuer: Name) -> frozenset[Key]:
        """Return the keys of the names. A relative name is appended to ``issuer``, which is the
        name of the list's issuer."""
        if self.relative is not None:
            return frozenset({("directoryName", (*issuer.key, *self.relative))})
        return frozenset(key_of(name) for name in self.full or ())


class DistributionPoint(NamedTuple):
    """One DistributionPoint of the extension cRLDistributionPoints. If its field ``reasons`` is
    absent, the attribute ``reasons`` contains all reasons."""

    name: PointName | None = None
    reasons: frozenset[str] = ALL_REASONS
    crl_issuer: tuple[GeneralName, ...] | None = None

    @property
    def issuers(self) -> tuple[Name, ...] | None:
        """Distinguished names in the field cRLIssuer. None means that the field is absent; in this
        case, the issuer of the certificate also issues the list."""
        return None if self.crl_issuer is None else tuple(name.name for name in self.crl_issuer if name.name is not None)


class IssuingDistributionPoint(NamedTuple):
    """The scope of a revocation list, from the extension issuingDistributionPoint. If the field
    onlySomeReasons is absent, ``only_some_reasons`` contains all reasons."""

    der: bytes
    name: PointName | None
    only_user: bool
    only_ca: bool
    only_some_reasons: frozenset[str]
    indirect: bool
    only_attribute: bool


def key_of(name: GeneralName) -> Key:
    """Return the comparable form of a general name."""
    return (name.kind, name.value if name.name is None else name.name.key)


def points_of(certificate: Certificate) -> tuple[DistributionPoint, ...]:
    """Return the distribution points of a certificate, or () if it does not have the extension.

    Raises:
        DerError: the value of the extension does not follow the grammar.
    """
    for extension in certificate.extensions:
        if extension.oid == oids.CRL_DISTRIBUTION_POINTS:
            outer = Reader(extension.value, field="cRLDistributionPoints")
            items = outer.sequence()
            outer.finish()
            found: list[DistributionPoint] = []
            while items:
                found.append(_point(items.sequence(f"[{len(found)}]")))
            return tuple(found)
    return ()


def _point(members: Reader) -> DistributionPoint:
    name = _point_name(members)
    reasons = _reasons(members, "reasons", 1)
    issuer = read_general_names(members.enter(context(2), "cRLIssuer")) if members.peek() == context(2) else None
    members.finish()
    if name is None and issuer is None:
        raise members.fault("The distribution point has neither a name nor a CRL issuer.")
    return DistributionPoint(name, reasons, issuer)


def read_issuing_distribution_point(reader: Reader) -> IssuingDistributionPoint:
    """Parse an IssuingDistributionPoint.

    Raises:
        DerError: the value does not follow the grammar.
    """
    der = reader.data[reader.pos : reader.stop]
    members = reader.sequence()
    name = _point_name(members)
    only_user = _flag(members, "onlyContainsUserCerts", 1)
    only_ca = _flag(members, "onlyContainsCACerts", 2)
    reasons = _reasons(members, "onlySomeReasons", 3)
    indirect = _flag(members, "indirectCRL", 4)
    only_attribute = _flag(members, "onlyContainsAttributeCerts", 5)
    members.finish()
    if only_user + only_ca + only_attribute > 1:
        raise members.fault("The list is limited to two kinds of certificates at once.")
    return IssuingDistributionPoint(der, name, only_user, only_ca, reasons, indirect, only_attribute)


def _point_name(members: Reader) -> PointName | None:
    if members.peek() != context(0):
        return None
    choice = members.enter(context(0), "distributionPoint")
    if choice.peek() == context(1):
        name = PointName(None, read_relative_name(choice, "nameRelativeToCRLIssuer", context(1)))
    else:
        name = PointName(read_general_names(choice.enter(context(0), "fullName")), None)
    choice.finish()
    return name


def _flag(members: Reader, field: str, number: int) -> bool:
    """Parse an optional BOOLEAN whose default is FALSE. DER forbids encoding the default. An
    encoded FALSE is accepted anyway, because its meaning is clear."""
    tag = context(number, constructed=False)
    return members.boolean(field, tag) if members.peek() == tag else False


def _reasons(members: Reader, field: str, number: int) -> frozenset[str]:
    """Parse ReasonFlags, and return the names of the bits that are set. Bits without a name are
    ignored. Absent flags stand for all reasons."""
    tag = context(number, constructed=False)
    if members.peek() != tag:
        return ALL_REASONS
    _, octets = members.bits(field, tag)
    return named_bits(octets, REASONS) & ALL_REASONS
