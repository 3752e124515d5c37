"""Value types of X.509 certificates. :mod:`imdskit.pki.x509.parser` creates them, and all code that
validates certificates reads them.

The attributes are named after the fields in RFC 5280. Times are Unix seconds. Object identifiers
are text in dotted decimal form.
"""

from __future__ import annotations

from typing import NamedTuple


class AlgorithmIdentifier(NamedTuple):
    """An AlgorithmIdentifier (RFC 5280 section 4.1.1.2). ``parameters`` is the DER of the
    parameters, or None if they are absent."""

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
    """A point on the named curve ``secp256r1``, ``secp384r1`` or ``secp521r1``. The parser has
    verified that the point is on the curve."""

    curve: str
    x: int
    y: int


class UnsupportedPublicKey(NamedTuple):
    """A key that can be parsed but not used. Examples are a DSA or EdDSA key, an elliptic curve key
    with explicit curve parameters, and a point that is not on its curve. ``oid`` is the algorithm
    of the key, and ``why`` says why the key cannot be used."""

    oid: str
    why: str


PublicKey = RsaPublicKey | EcPublicKey | UnsupportedPublicKey


class Name(NamedTuple):
    """A distinguished name.

    Attributes:
        der: DER of the whole Name.
        key: comparable form of the name. If two names match according to RFC 5280 section 7.1,
            their keys are equal. The key has one entry for each relative distinguished name, in
            order.
        common_names: values of the CN attributes, in order.
        email_addresses: values of the emailAddress attributes.
    """

    der: bytes
    key: tuple[bytes, ...]
    common_names: tuple[str, ...] = ()
    email_addresses: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The last common name, or the first 20 bytes of the DER in hexadecimal if there is none.
        It is for messages and reports."""
        return self.common_names[-1] if self.common_names else self.der[:20].hex()


class GeneralName(NamedTuple):
    """A GeneralName (RFC 5280 section 4.2.1.6).

    Attributes:
        kind: the ASN.1 name of the kind: ``dNSName``, ``iPAddress``, ``directoryName``,
            ``rfc822Name``, ``uniformResourceIdentifier``, ``otherName``, ``x400Address``,
            ``ediPartyName`` or ``registeredID``.
        value: contents of the element, without identifier and length.
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
    """The extension basicConstraints (RFC 5280 section 4.2.1.9). ``path_length`` is None if the
    field is absent."""

    ca: bool
    path_length: int | None


class GeneralSubtree(NamedTuple):
    """A subtree of name constraints (RFC 5280 section 4.2.1.10). ``maximum`` is None if the field
    is absent."""

    base: GeneralName
    minimum: int
    maximum: int | None


class NameConstraints(NamedTuple):
    """The extension nameConstraints (RFC 5280 section 4.2.1.10). An absent list of subtrees is
    None."""

    permitted: tuple[GeneralSubtree, ...] | None
    excluded: tuple[GeneralSubtree, ...] | None


class PolicyConstraints(NamedTuple):
    """The extension policyConstraints (RFC 5280 section 4.2.1.11). An absent field is None."""

    require_explicit: int | None
    inhibit_mapping: int | None


class AuthorityKeyIdentifier(NamedTuple):
    """The extension authorityKeyIdentifier (RFC 5280 section 4.2.1.1). An absent field is None."""

    key_identifier: bytes | None
    issuer: tuple[GeneralName, ...] | None
    serial: int | None


class Extension(NamedTuple):
    """One extension (RFC 5280 section 4.1). ``value`` is the contents of the OCTET STRING
    extnValue."""

    oid: str
    critical: bool
    value: bytes


class Certificate(NamedTuple):
    """A certificate (RFC 5280 section 4.1). The extensions that path validation needs are decoded.
    If such an extension is absent, its attribute is None.

    Attributes:
        der: DER of the whole certificate.
        tbs: DER of the tbsCertificate, which the issuer signed.
        spki: DER of the subjectPublicKeyInfo.
        extensions: all extensions, in order.
        key_usage: names of the bits that are set, such as ``digitalSignature`` and ``keyCertSign``.
        ca_issuers: URLs of the issuer's certificate, from the extension authorityInfoAccess. Empty
            if there are none.
        unknown_critical: object identifiers of critical extensions that this package does not
            understand.
        faults: violations of RFC 5280. Each is a pair: the name of a field or extension, and a text
            that says what is wrong. The parser accepts such a certificate, because its DER follows
            the grammar, but path validation refuses it. Examples are two extensions of the same
            type, and a keyUsage in which no bit is set.
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
