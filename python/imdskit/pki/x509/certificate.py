"""What an X.509 certificate says, as values. Made by :mod:`imdskit.pki.x509.parser`, read by everything that validates.

Names of members are those of RFC 5280. Times are Unix seconds, object identifiers dotted decimal text.
"""

from __future__ import annotations

from typing import NamedTuple


class AlgorithmIdentifier(NamedTuple):
    """RFC 5280 section 4.1.1.2. ``parameters`` is the DER of the ANY, or None where absent."""

    oid: str
    parameters: bytes | None
    der: bytes


class RsaPublicKey(NamedTuple):
    """``pss`` is the DER of the parameters of an id-RSASSA-PSS key (RFC 4055 section 1.2); ``only_pss`` is True for every such key."""

    modulus: int
    exponent: int
    only_pss: bool = False
    pss: bytes | None = None

    @property
    def bits(self) -> int:
        return self.modulus.bit_length()


class EcPublicKey(NamedTuple):
    """A point on a named curve: ``secp256r1``, ``secp384r1`` or ``secp521r1``. The point is on the curve."""

    curve: str
    x: int
    y: int


class UnsupportedPublicKey(NamedTuple):
    """A key of a kind that is parsed over but never used: DSA, EdDSA, explicit curves, points off the curve. ``why`` is for the log."""

    oid: str
    why: str


PublicKey = RsaPublicKey | EcPublicKey | UnsupportedPublicKey


class Name(NamedTuple):
    """A distinguished name.

    Attributes:
        der: of the whole Name.
        key: the same for names that RFC 5280 section 7.1 calls equal; one entry for each relative distinguished name, in order.
        common_names: values of the CN attributes, in order.
        email_addresses: values of the emailAddress attributes.
    """

    der: bytes
    key: tuple[bytes, ...]
    common_names: tuple[str, ...] = ()
    email_addresses: tuple[str, ...] = ()


class GeneralName(NamedTuple):
    """RFC 5280 section 4.2.1.6. ``kind`` is the ASN.1 name (``dNSName``, ``iPAddress``, ``directoryName``, ``rfc822Name``,
    ``uniformResourceIdentifier``, ``otherName``, ``x400Address``, ``ediPartyName``, ``registeredID``). ``value`` is the content octets.
    ``name`` is set for directoryName only."""

    kind: str
    value: bytes
    name: Name | None = None

    @property
    def text(self) -> str:
        """Of the IA5String kinds."""
        return self.value.decode("ascii")


class BasicConstraints(NamedTuple):
    ca: bool
    path_length: int | None


class GeneralSubtree(NamedTuple):
    base: GeneralName
    minimum: int
    maximum: int | None


class NameConstraints(NamedTuple):
    permitted: tuple[GeneralSubtree, ...] | None
    excluded: tuple[GeneralSubtree, ...] | None


class PolicyConstraints(NamedTuple):
    require_explicit: int | None
    inhibit_mapping: int | None


class AuthorityKeyIdentifier(NamedTuple):
    key_identifier: bytes | None
    issuer: tuple[GeneralName, ...] | None
    serial: int | None


class Extension(NamedTuple):
    oid: str
    critical: bool
    value: bytes


class Certificate(NamedTuple):
    """RFC 5280 section 4.1. Extensions that path validation needs are decoded; an absent one is None.

    Attributes:
        der: of the whole certificate.
        tbs: DER of the tbsCertificate, which is what was signed.
        key_usage: names of the bits that are set (``digitalSignature``, ``keyCertSign``, ...).
        unknown_critical: critical extensions that nothing here understands.
        faults: (extension or field, what is wrong) of values that are well-formed DER but break RFC 5280 in a way that a path validator
            must refuse and a parser may read, such as two extensions of one kind or an empty sequence of them. Empty for good ones.
    """

    der: bytes
    tbs: bytes
    serial: int
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    issuer: Name
    subject: Name
    not_before: int
    not_after: int
    spki: bytes
    public_key: PublicKey
    extensions: tuple[Extension, ...]
    basic_constraints: BasicConstraints | None = None
    key_usage: frozenset[str] | None = None
    extended_key_usage: tuple[str, ...] | None = None
    subject_alt_name: tuple[GeneralName, ...] | None = None
    subject_key_identifier: bytes | None = None
    authority_key_identifier: AuthorityKeyIdentifier | None = None
    name_constraints: NameConstraints | None = None
    certificate_policies: tuple[str, ...] | None = None
    policy_mappings: tuple[tuple[str, str], ...] | None = None
    policy_constraints: PolicyConstraints | None = None
    inhibit_any_policy: int | None = None
    ca_issuers: tuple[str, ...] = ()
    unknown_critical: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()

    @property
    def self_issued(self) -> bool:
        """Issuer and subject are the same name (RFC 5280 section 6.1)."""
        return self.issuer.key == self.subject.key
