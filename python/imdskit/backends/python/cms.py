"""CMS SignedData (RFC 5652 sections 3 and 5): reading it to the last octet, finding the signer, checking the signature.

All of SignedData is read: several signers, detached content, both kinds of attributes. What an attested document may use of it is decided in
:mod:`imdskit.backends.python.checker`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hmac import compare_digest
from typing import TypeVar

from imdskit.asn1 import oids
from imdskit.asn1.reader import OCTET_STRING, SET, Reader, context
from imdskit.backends.python import signature as signatures
from imdskit.backends.python.certificate import AlgorithmIdentifier, Certificate, Name
from imdskit.backends.python.keys import NULL, read_algorithm
from imdskit.backends.python.names import read_name
from imdskit.backends.python.x509 import parse_certificate
from imdskit.errors import DerError, VerificationError
from imdskit.reasons import Reason

T = TypeVar("T")

MAX_ITEMS = 256
"""Of any list inside a message."""

DIGESTS = {
    **signatures.HASHES,
    # A signature's identifier where a digest's belongs: so does the service name SHA-256 in every genuine document.
    oids.SHA256_WITH_RSA: "sha256",
}


@dataclass(frozen=True, slots=True)
class Attributes:
    """A set of attributes (RFC 5652 section 5.3): ``items`` are (type, values), ``der`` the whole set under its universal tag, as it is digested."""

    items: tuple[tuple[str, tuple[bytes, ...]], ...]
    der: bytes

    def values(self, oid: str) -> list[tuple[bytes, ...]]:
        """The values of every attribute of one type."""
        return [values for kind, values in self.items if kind == oid]


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """RFC 5652 section 5.3. The signer is named by ``issuer`` and ``serial``, or by ``key_identifier``."""

    version: int
    issuer: Name | None
    serial: int | None
    key_identifier: bytes | None
    digest_algorithm: AlgorithmIdentifier
    signed_attributes: Attributes | None
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    unsigned_attributes: Attributes | None


@dataclass(frozen=True, slots=True)
class SignedData:
    """RFC 5652 section 5.1. ``content`` is None where it is detached."""

    version: int
    digest_algorithms: tuple[AlgorithmIdentifier, ...]
    content_type: str
    content: bytes | None
    certificates: tuple[Certificate, ...]
    signers: tuple[SignerInfo, ...]


def parse(der: bytes, read_certificate: Callable[[bytes, int, str], Certificate] = parse_certificate) -> SignedData:
    """The SignedData inside a ContentInfo.

    Args:
        der: the whole message.
        read_certificate: of (DER, its offset, its field); lets a caller remember certificates that it has seen.

    Raises:
        DerError: it is none; ``field`` starts with ``certificates[`` if a certificate in it is at fault.
    """
    outer = Reader(der)
    info = outer.sequence()
    outer.finish()
    content_type = info.oid("contentType")
    if content_type != oids.SIGNED_DATA:
        raise info.fault(f"Content of type {content_type}, not SignedData.", "contentType", outer.base)
    wrapped = info.enter(context(0), "content")
    info.finish()
    data = wrapped.sequence()
    wrapped.finish()
    data.field = "signedData"

    version = data.integer("version")
    if version not in (1, 3, 4, 5):
        raise data.fault(f"No SignedData has version {version}.", "version")
    digest_algorithms = _read_set(data.set("digestAlgorithms"), read_algorithm)
    encapsulated = data.sequence("encapContentInfo")
    inner_type = encapsulated.oid("eContentType")
    content = None
    if encapsulated:
        explicit = encapsulated.enter(context(0), "eContent")
        content = explicit.contents(OCTET_STRING)
        explicit.finish()
        encapsulated.finish()
    certificates: tuple[Certificate, ...] = ()
    if data.peek() == context(0):
        certificates = _read_certificates(data.enter(context(0)), read_certificate)
    if data.peek() == context(1):
        revocation = data.enter(context(1), "crls")
        while revocation:
            revocation.any()
    signers = _read_set(data.set("signerInfos"), _read_signer)
    data.finish()
    return SignedData(version, digest_algorithms, inner_type, content, certificates, signers)


def _read_set(reader: Reader, read: Callable[[Reader, str], T]) -> tuple[T, ...]:
    items: list[T] = []
    while reader:
        items.append(read(reader, f"[{len(items)}]"))
        if len(items) > MAX_ITEMS:
            raise reader.fault(f"More than {MAX_ITEMS} items.")
    return tuple(items)


def _read_certificates(reader: Reader, read_certificate: Callable[[bytes, int, str], Certificate]) -> tuple[Certificate, ...]:
    """CertificateSet; attribute certificates and other kinds are passed over."""
    found = []
    index = 0
    while reader:
        pos = reader.pos
        if reader.peek() in (context(0), context(1), context(2), context(3)):
            reader.any()
        else:
            found.append(read_certificate(reader.element(), reader.base + pos, f"certificates[{index}]"))
        index += 1
        if index > MAX_ITEMS:
            raise reader.fault(f"More than {MAX_ITEMS} certificates.")
    return tuple(found)


def _read_signer(reader: Reader, field: str) -> SignerInfo:
    info = reader.sequence(field)
    pos = info.pos
    version = info.integer("version")
    issuer = serial = key_identifier = None
    if info.peek() == context(0, constructed=False):
        key_identifier = info.contents(context(0, constructed=False), "sid")
    else:
        sid = info.sequence("sid")
        issuer, serial = read_name(sid, "issuer"), sid.integer("serialNumber")
        sid.finish()
    if version != (1 if key_identifier is None else 3):
        raise info.fault(f"Version {version} does not fit the form of the sid.", "version", pos)
    digest_algorithm = read_algorithm(info, "digestAlgorithm")
    signed = _read_attributes(info, context(0), "signedAttrs") if info.peek() == context(0) else None
    signature_algorithm = read_algorithm(info, "signatureAlgorithm")
    value = info.octet_string("signature")
    unsigned = _read_attributes(info, context(1), "unsignedAttrs") if info.peek() == context(1) else None
    info.finish()
    return SignerInfo(version, issuer, serial, key_identifier, digest_algorithm, signed, signature_algorithm, value, unsigned)


def _read_attributes(reader: Reader, tag: int, field: str) -> Attributes:
    start = reader.pos
    attributes = reader.enter(tag, field)
    if not attributes:
        raise attributes.fault("A set of attributes without any.")
    items = []
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
            raise attributes.fault("Signed attributes that are not in the order of DER (X.690 section 11.6).", pos=pos)
        previous = whole
        if len(items) > MAX_ITEMS:
            raise attributes.fault(f"More than {MAX_ITEMS} attributes.")
    return Attributes(tuple(items), bytes((SET,)) + reader.data[start + 1 : reader.pos])


def find_certificate(signer: SignerInfo, certificates: Iterable[Certificate]) -> Certificate | None:
    """The certificate that the signer names (RFC 5652 section 5.3), wherever it stands."""
    for certificate in certificates:
        if signer.issuer is None:
            if certificate.subject_key_identifier == signer.key_identifier:
                return certificate
        elif certificate.serial == signer.serial and certificate.issuer.key == signer.issuer.key:
            return certificate
    return None


def _algorithms(signer: SignerInfo) -> tuple[str, AlgorithmIdentifier] | str:
    """Name of the digest, and the algorithm that the signature was made with; or what is wrong with them.

    rsaEncryption as signature algorithm takes its hash from the digest algorithm (RFC 3370 section 3.2); every other algorithm names its own, and
    must name the same.
    """
    digest = signer.digest_algorithm
    name = DIGESTS.get(digest.oid)
    if name is None or digest.parameters not in (NULL, None):
        return f"digest algorithm {digest.oid}"
    algorithm = signer.signature_algorithm
    if algorithm.oid == oids.RSA_ENCRYPTION:
        if algorithm.parameters not in (NULL, None):
            return "rsaEncryption with parameters"
        oid = next(oid for oid, hash_name in signatures.RSA_WITH.items() if hash_name == name)
        return name, AlgorithmIdentifier(oid, NULL, b"")
    if algorithm.oid == oids.RSASSA_PSS:
        parameters = signatures.pss_parameters(algorithm.parameters)
        named = parameters.hash_name if parameters else None
    else:
        named = signatures.RSA_WITH.get(algorithm.oid) or signatures.ECDSA_WITH.get(algorithm.oid)
    if named != name:
        return f"signature algorithm {algorithm.oid} with digest algorithm {digest.oid}"
    return name, algorithm


def check_algorithms(signer: SignerInfo, *, accept_weak: bool = False) -> None:
    """The signer's algorithms are known, fit one another, and are strong enough.

    Raises:
        VerificationError: ``signature-algorithm``.
    """
    algorithms = _algorithms(signer)
    fault = algorithms if isinstance(algorithms, str) else None if accept_weak else signatures.algorithm_fault(algorithms[1])
    if fault:
        raise VerificationError(Reason.SIGNATURE_ALGORITHM, location="signedData.signerInfos[0].signatureAlgorithm", detail=fault)


def check_signature(signer: SignerInfo, content_type: str, content: bytes, certificate: Certificate) -> None:
    """The signer signed this content with the key of this certificate (RFC 5652 sections 5.4 to 5.6).

    With signed attributes: they hold content-type and message-digest, each once and with one value, both are right, and the signature is
    over the DER of the SET. Without: the signature is over the content, which then has to be id-data (section 5.3).

    Raises:
        VerificationError: of stage ``signature``.
    """
    location = "signedData.signerInfos[0]"
    algorithms = _algorithms(signer)
    if isinstance(algorithms, str):
        raise VerificationError(Reason.SIGNATURE_ALGORITHM, location=f"{location}.signatureAlgorithm", detail=algorithms)
    hash_name, algorithm = algorithms
    message = content
    if signer.signed_attributes is not None:
        _check_attributes(signer.signed_attributes, content_type, hashlib.new(hash_name, content).digest())
        message = signer.signed_attributes.der
    elif content_type != oids.DATA:
        raise VerificationError(Reason.SIGNED_ATTRIBUTES, location=f"{location}.signedAttrs", detail=f"absent, over {content_type}")
    fault = signatures.fault(algorithm, certificate.public_key, message, signer.signature)
    if fault is signatures.Fault.SIGNATURE:
        raise VerificationError(Reason.BAD_SIGNATURE, location=f"{location}.signature", detail=fault.value)
    if fault is not None:
        raise VerificationError(Reason.SIGNATURE_ALGORITHM, location=f"{location}.signatureAlgorithm", detail=fault.value)


def _check_attributes(attributes: Attributes, content_type: str, digest: bytes) -> None:
    location = "signedData.signerInfos[0].signedAttrs"
    for oid, name in ((oids.CONTENT_TYPE, "content-type"), (oids.MESSAGE_DIGEST, "message-digest")):
        found = attributes.values(oid)
        if len(found) != 1 or len(found[0]) != 1:
            raise VerificationError(Reason.SIGNED_ATTRIBUTES, location=location, detail=f"{name} is not there exactly once, with one value")
    try:
        kind = _only(attributes, oids.CONTENT_TYPE).oid()
        claimed = _only(attributes, oids.MESSAGE_DIGEST).octet_string()
    except DerError as error:
        raise VerificationError(Reason.SIGNED_ATTRIBUTES, location=location, detail=error.message) from None
    if kind != content_type:
        raise VerificationError(Reason.SIGNED_ATTRIBUTES, location=location, detail=f"content-type {kind} over {content_type}")
    if not compare_digest(claimed, digest):
        raise VerificationError(Reason.DIGEST_MISMATCH, location=location)


def _only(attributes: Attributes, oid: str) -> Reader:
    return Reader(attributes.values(oid)[0][0])
