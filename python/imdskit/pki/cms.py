"""Parser of CMS SignedData (RFC 5652 sections 3 and 5), with functions that find the signer's
certificate and verify the signature.

The parser reads the whole message. It accepts every form of SignedData, including several signers,
detached content, and signed and unsigned attributes. The module
:mod:`imdskit.backends.python.checker` decides which of these forms an attested document may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from hmac import compare_digest
from typing import NamedTuple

from imdskit.asn1 import oids
from imdskit.asn1.reader import OCTET_STRING, SEQUENCE, SET, Reader, context
from imdskit.errors import DerError, VerificationError
from imdskit.pki.signatures import signature as signatures
from imdskit.pki.signatures.digests import HASHES, digest_of
from imdskit.pki.x509.certificate import AlgorithmIdentifier, Certificate, Name
from imdskit.pki.x509.keys import NULL, read_algorithm
from imdskit.pki.x509.names import read_name
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason

DIGESTS = {
    **HASHES,
    # This is the identifier of a signature algorithm. Every genuine document uses it as the
    # identifier of the digest algorithm SHA-256.
    oids.SHA256_WITH_RSA: "sha256",
}
"""Maps the object identifier of a digest algorithm to the name of its hash in hashlib."""

_OTHER_CERTIFICATES = (context(0), context(1), context(2), context(3))


class Attributes(NamedTuple):
    """A set of attributes (RFC 5652 section 5.3).

    Attributes:
        items: pairs of an attribute type (an object identifier) and the DER of each of its values.
        der: DER of the set with the universal tag of a SET, which replaces the tag in the message.
            The signature is computed over these bytes (section 5.4).
    """

    items: tuple[tuple[str, tuple[bytes, ...]], ...]
    der: bytes

    def values(self, oid: str) -> list[tuple[bytes, ...]]:
        """Return the values of each attribute of the type ``oid``. The list has one tuple for each
        attribute."""
        return [values for kind, values in self.items if kind == oid]


class SignerInfo(NamedTuple):
    """A SignerInfo (RFC 5652 section 5.3).

    Attributes:
        issuer: name of the issuer of the signer's certificate; None if ``key_identifier`` is
            present.
        serial: serial number of the signer's certificate; None if ``key_identifier`` is present.
        key_identifier: the subject key identifier of the signer's certificate, or None.
        digest_listed: True if SignedData.digestAlgorithms contains the signer's digest algorithm.
        signature_start: offset of the signature in the message, in bytes.
    """

    version: int
    issuer: Name | None
    serial: int | None
    key_identifier: bytes | None
    digest_algorithm: AlgorithmIdentifier
    signed_attributes: Attributes | None
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    digest_listed: bool
    signature_start: int


class SignedData(NamedTuple):
    """A SignedData (RFC 5652 section 5.1). ``content`` is None if the content is detached.
    ``content_start`` is the offset of the content in the message, in bytes."""

    version: int
    digest_algorithms: tuple[AlgorithmIdentifier, ...]
    content_type: str
    content: bytes | None
    certificates: tuple[Certificate, ...]
    signers: tuple[SignerInfo, ...]
    content_start: int


def parse(der: bytes, read_certificate: Callable[[bytes, int, str], Certificate] = parse_certificate) -> SignedData:
    """Parse a ContentInfo and return the SignedData inside it.

    Args:
        der: the whole message.
        read_certificate: function that parses one certificate. Its arguments are the DER of the
            certificate, its offset in the message, and its field name for errors. A caller can pass
            a function that caches certificates.

    Raises:
        DerError: the message is not a SignedData. If one of its certificates is malformed,
            ``field`` of the error starts with ``certificates[``.
    """
    outer = Reader(der)
    info = outer.sequence()
    outer.finish()
    if info.oid("contentType") != oids.SIGNED_DATA:
        raise info.fault("The message has another type than SignedData.", "contentType")
    wrapped = info.enter(context(0))
    info.finish()
    data = wrapped.sequence("signedData")
    wrapped.finish()

    pos = data.pos
    version = data.integer("version")
    if version not in (1, 3, 4, 5):
        raise data.fault("SignedData does not have this version.", "version", pos)
    algorithms = data.enter(SET, "digestAlgorithms")
    digest_algorithms: list[AlgorithmIdentifier] = []
    while algorithms:
        digest_algorithms.append(read_algorithm(algorithms, f"[{len(digest_algorithms)}]"))
    encapsulated = data.sequence("encapContentInfo")
    content_type = encapsulated.oid("eContentType")
    content = None
    content_start = 0
    if encapsulated:
        explicit = encapsulated.enter(context(0), "eContent")
        content = explicit.contents(OCTET_STRING)
        content_start = explicit.pos - len(content)
        explicit.finish()
        encapsulated.finish()
    certificates: tuple[Certificate, ...] = ()
    if data.peek() == context(0):
        certificates = _read_certificates(data.enter(context(0), "certificates"), read_certificate)
    if data.peek() == context(1):
        revocation = data.enter(context(1), "crls")
        while revocation:
            if revocation.peek() not in (SEQUENCE, context(1)):
                raise revocation.fault("The element is neither a certificate revocation list nor another revocation format.")
            revocation.any()
    listed = frozenset(DIGESTS.get(algorithm.oid, algorithm.oid) for algorithm in digest_algorithms)
    infos = data.enter(SET, "signerInfos")
    signers: list[SignerInfo] = []
    while infos:
        # If a certificate has the same issuer as the SignerInfo, the parsed name of this issuer is
        # reused. This is done only for the first SignerInfo, because an attested document has
        # exactly one.
        signers.append(_read_signer(infos, f"[{len(signers)}]", listed, () if signers else certificates))
    data.finish()
    return SignedData(version, tuple(digest_algorithms), content_type, content, certificates, tuple(signers), content_start)


def _read_certificates(reader: Reader, read_certificate: Callable[[bytes, int, str], Certificate]) -> tuple[Certificate, ...]:
    """Parse a CertificateSet (section 10.2.3). The function skips attribute certificates and other
    formats."""
    found = []
    index = 0
    while reader:
        pos = reader.pos
        if reader.peek() in _OTHER_CERTIFICATES:
            reader.any(f"[{index}]")
        else:
            found.append(read_certificate(reader.element(f"[{index}]"), reader.base + pos, f"certificates[{index}]"))
        index += 1
    return tuple(found)


def _read_signer(reader: Reader, field: str, listed: frozenset[str], certificates: tuple[Certificate, ...]) -> SignerInfo:
    info = reader.sequence(field)
    pos = info.pos
    version = info.integer("version")
    issuer = serial = key_identifier = None
    if info.peek() == context(0, constructed=False):
        key_identifier = info.contents(context(0, constructed=False), "sid")
    else:
        sid = info.sequence("sid")
        issuer, serial = _read_issuer(sid, certificates), sid.integer("serialNumber")
        sid.finish()
    if version != (1 if key_identifier is None else 3):
        raise info.fault("The version does not match the type of the sid.", "version", pos)
    digest_algorithm = read_algorithm(info, "digestAlgorithm")
    signed = _read_attributes(info, context(0), "signedAttrs") if info.peek() == context(0) else None
    signature_algorithm = read_algorithm(info, "signatureAlgorithm")
    value = info.contents(OCTET_STRING, "signature")
    signature_start = info.pos - len(value)
    if info.peek() == context(1):
        _read_attributes(info, context(1), "unsignedAttrs")
    info.finish()
    return SignerInfo(
        version,
        issuer,
        serial,
        key_identifier,
        digest_algorithm,
        signed,
        signature_algorithm,
        value,
        DIGESTS.get(digest_algorithm.oid, digest_algorithm.oid) in listed,
        signature_start,
    )


def _read_issuer(sid: Reader, certificates: tuple[Certificate, ...]) -> Name:
    """Return the issuer's name in the sid of a SignerInfo. If the issuer's name in a certificate of
    the message has the same bytes, return that name instead of parsing the bytes again."""
    with suppress(DerError):
        ahead = Reader(sid.data, sid.pos, sid.stop)
        der = ahead.element()
        for certificate in certificates:
            if certificate.issuer.der == der:
                sid.pos = ahead.pos
                return certificate.issuer
    return read_name(sid, "issuer")


def _read_attributes(reader: Reader, tag: int, field: str) -> Attributes:
    """Parse a set of attributes, which must not be empty. Signed attributes must be in the order
    that DER requires for a SET OF; unsigned attributes may have any order (sections 5.3 and
    5.4)."""
    start = reader.pos
    attributes = reader.enter(tag, field)
    if not attributes:
        raise attributes.fault("The set of attributes is empty.")
    items: list[tuple[str, tuple[bytes, ...]]] = []
    previous = b""
    while attributes:
        pos = attributes.pos
        attribute = attributes.sequence(f"[{len(items)}]")
        oid = attribute.oid("attrType")
        values = attribute.enter(SET, "attrValues")
        attribute.finish()
        found = []
        while values:
            found.append(values.any())
        items.append((oid, tuple(found)))
        whole = attributes.data[pos : attributes.pos]
        if tag == context(0) and whole < previous:
            raise attributes.fault("The signed attributes are not in the order of DER (X.690 section 11.6).", pos=pos)
        previous = whole
    return Attributes(tuple(items), bytes((SET,)) + reader.data[start + 1 : reader.pos])


def find_certificate(signer: SignerInfo, certificates: Iterable[Certificate]) -> Certificate | None:
    """Return the certificate that the SignerInfo identifies (RFC 5652 section 5.3), or None if it
    is not among ``certificates``.

    The SignerInfo identifies it by issuer and serial number, or by the subject key identifier.
    """
    for certificate in certificates:
        if signer.issuer is None:
            if certificate.subject_key_identifier == signer.key_identifier:
                return certificate
        elif certificate.serial == signer.serial and certificate.issuer.key == signer.issuer.key:
            return certificate
    return None


def _algorithms(signer: SignerInfo) -> tuple[str, AlgorithmIdentifier] | str:
    """Return the name of the hash and the signature algorithm, or a text that says what is wrong
    with the algorithms.

    The signature algorithm rsaEncryption does not name a hash, so the hash of the digest algorithm
    is used (RFC 3370 section 3.2). Every other signature algorithm names a hash, which must be the
    hash of the digest algorithm.
    """
    digest = signer.digest_algorithm
    name = DIGESTS.get(digest.oid)
    if name is None or digest.parameters not in (NULL, None):
        return f"digest algorithm {digest.oid}"
    if not signer.digest_listed:
        return f"digest algorithm {digest.oid}, which is not listed in digestAlgorithms"
    algorithm = signer.signature_algorithm
    if algorithm.oid == oids.RSA_ENCRYPTION:
        if algorithm.parameters not in (NULL, None):
            return "rsaEncryption with parameters"
        return name, _WITH_RSA[name]
    if signatures.hash_of(algorithm) != name:
        return f"signature algorithm {algorithm.oid} with digest algorithm {digest.oid}"
    return name, algorithm


_WITH_RSA = {name: AlgorithmIdentifier(oid, NULL, b"") for oid, name in signatures.RSA_WITH.items()}


def check_algorithms(signer: SignerInfo, *, accept_weak: bool = False) -> None:
    """Raise an error unless the digest and signature algorithms of the signer are known, use the
    same hash, and are strong enough.

    Args:
        signer: the SignerInfo.
        accept_weak: if True, weak algorithms are accepted (test suites only).

    Raises:
        VerificationError: ``signature-algorithm``.
    """
    algorithms = _algorithms(signer)
    fault = algorithms if isinstance(algorithms, str) else None if accept_weak else signatures.algorithm_fault(algorithms[1])
    if fault:
        raise VerificationError(Reason.SIGNATURE_ALGORITHM, location="signedData.signerInfos[0].signatureAlgorithm", detail=fault)


def check_signature(signer: SignerInfo, content_type: str, content: bytes, certificate: Certificate) -> None:
    """Raise an error unless the signer signed this content with the key of this certificate (RFC
    5652 sections 5.4 to 5.6).

    If there are signed attributes, the attributes content-type and message-digest must each occur
    exactly once. Each must have one value, which is the type or the digest of the content,
    respectively. The signature must be over the DER of the SET of attributes. If there are no
    signed attributes, the signature must be over the content, and the type of the content must be
    id-data (section 5.3).

    This function accepts weak algorithms. :func:`check_algorithms` refuses them.

    Raises:
        VerificationError: the stage of its reason is ``signature``.
    """
    location = "signedData.signerInfos[0]"
    algorithms = _algorithms(signer)
    if isinstance(algorithms, str):
        raise VerificationError(Reason.SIGNATURE_ALGORITHM, location=f"{location}.signatureAlgorithm", detail=algorithms)
    hash_name, algorithm = algorithms
    message = content
    if signer.signed_attributes is not None:
        _check_attributes(signer.signed_attributes, content_type, digest_of(hash_name, content))
        message = signer.signed_attributes.der
    elif content_type != oids.DATA:
        raise VerificationError(
            Reason.SIGNED_ATTRIBUTES, location=f"{location}.signedAttrs", detail=f"absent, although the content has the type {content_type}"
        )
    fault = signatures.fault(algorithm, certificate.public_key, message, signer.signature)
    if fault is not None:
        reason, member = _REASONS[fault]
        raise VerificationError(reason, location=f"{location}.{member}", detail=fault.value)


_REASONS = {
    signatures.Fault.ALGORITHM: (Reason.SIGNATURE_ALGORITHM, "signatureAlgorithm"),
    signatures.Fault.KEY: (Reason.SIGNATURE_KEY, "signatureAlgorithm"),
    signatures.Fault.SIGNATURE: (Reason.BAD_SIGNATURE, "signature"),
}


def _check_attributes(attributes: Attributes, content_type: str, digest: bytes) -> None:
    location = "signedData.signerInfos[0].signedAttrs"
    try:
        kind = _only(attributes, oids.CONTENT_TYPE, "content-type").oid()
        claimed = _only(attributes, oids.MESSAGE_DIGEST, "message-digest").octet_string()
        if attributes.values(oids.SIGNING_TIME):
            _only(attributes, oids.SIGNING_TIME, "signing-time")
    except DerError as error:
        raise VerificationError(Reason.SIGNED_ATTRIBUTES, location=location, detail=f"{error.field}: {error.message}") from None
    if kind != content_type:
        raise VerificationError(
            Reason.SIGNED_ATTRIBUTES, location=location, detail=f"content-type is {kind}, but the content has the type {content_type}"
        )
    if not compare_digest(claimed, digest):
        raise VerificationError(Reason.DIGEST_MISMATCH, location=location)


def _only(attributes: Attributes, oid: str, name: str) -> Reader:
    """Return a reader over the value of the attribute ``oid``. Raise DerError unless the attribute
    occurs exactly once and has exactly one value (RFC 5652 sections 11.1 to 11.3)."""
    found = attributes.values(oid)
    if len(found) != 1 or len(found[0]) != 1:
        raise DerError("The attribute must occur exactly once, with one value.", 0, name)
    return Reader(found[0][0], field=name)
