"""Value types of X.509 certificates. :mod:`imdskit.pki.x509.parser` creates them, and all code that validates certificates reads them.

Members have the names of RFC 5280. Times are Unix seconds. Object identifiers are text in dotted decimal form.
"""

from __future__ import annotations

from typing import NamedTuple


class AlgorithmIdentifier(NamedTuple):
    """An AlgorithmIdentifier (RFC 5280 section 4.1.1.2). ``parameters`` is the DER of the parameters, or None if they are absent."""

    oid: str
    parameters: bytes | None
    der: bytes


class RsaPublicKey(NamedTuple):
    """An RSA public key.

    Attributes:
        pss: the DER of the parameters of an id-RSASSA-PSS key (RFC 4055 section 1.2), or None.
        only_pss: True for every id-RSASSA-PSS key, with or without parameters.
    """

    modulus: int
    exponent: int
    only_pss: bool = False
    pss: bytes | None = None

    @property
    def bits(self) -> int:
        return self.modulus.bit_length()


class EcPublicKey(NamedTuple):
    """A point on the named curve ``secp256r1``, ``secp384r1`` or ``secp521r1``. The parser has verified that the point is on the curve."""

    curve: str
    x: int
    y: int


class UnsupportedPublicKey(NamedTuple):
    """A key that is parsed but cannot be used: a DSA or EdDSA key, a key on explicit curve parameters, or a point off its curve. ``why`` is
    a text for logs."""

    oid: str
    why: str


PublicKey = RsaPublicKey | EcPublicKey | UnsupportedPublicKey


class Name(NamedTuple):
    """A distinguished name.

    Attributes:
        der: DER of the whole Name.
        key: a value that is equal for two names if RFC 5280 section 7.1 calls them equal. It has one entry for each relative distinguished
            name, in order.
        common_names: values of the CN attributes, in order.
        email_addresses: values of the emailAddress attributes.
    """

    der: bytes
    key: tuple[bytes, ...]
    common_names: tuple[str, ...] = ()
    email_addresses: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The last common name, or the first 20 bytes of the DER in hexadecimal if there is none. It is for messages and reports."""
        return self.common_names[-1] if self.common_names else self.der[:20].hex()


class GeneralName(NamedTuple):
    """A GeneralName (RFC 5280 section 4.2.1.6).

    Attributes:
        kind: the ASN.1 name of the kind: ``dNSName``, ``iPAddress``, ``directoryName``, ``rfc822Name``, ``uniformResourceIdentifier``,
            ``otherName``, ``x400Address``, ``ediPartyName`` or ``registeredID``.
        value: the content octets.
        name: the decoded name if ``kind`` is ``directoryName``, otherwise None.
    """

    kind: str
    value: bytes
    name: Name | None = None

    @property
    def text(self) -> str:
        """The value as text, for the kinds whose ASN.1 type is IA5String."""
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
    """A certificate (RFC 5280 section 4.1). Extensions that path validation needs are decoded. An absent extension is None.

    Attributes:
        der: DER of the whole certificate.
        tbs: DER of the tbsCertificate, which the issuer signed.
        key_usage: names of the bits that are set (``digitalSignature``, ``keyCertSign``, ...).
        unknown_critical: critical extensions that this package does not understand.
        faults: violations of RFC 5280 as pairs of an extension or field and a text. The parser accepts such certificates, because their DER
            is well-formed, but a path validator must refuse them. Examples are two extensions of one type and an empty sequence of
            extensions.
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
        """True if issuer and subject are the same name (RFC 5280 section 6.1)."""
        return self.issuer.key == self.subject.key
