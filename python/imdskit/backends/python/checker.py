"""All checks of a document, in the order in which they run.

This is the reference implementation of :class:`imdskit.backends.contract.Checker`: the Rust backend
must return the same results. Each check is a row of the table :data:`CHECKS`. ``check`` runs the
rows in order and stops at the first failure. ``explain`` runs as many rows as possible and records
the outcome of each. If an earlier document had the same signer,
:mod:`imdskit.backends.python.cache` saves a part of the work.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Literal, NamedTuple, TypeVar

from imdskit.asn1 import oids
from imdskit.backends import envelope
from imdskit.backends.contract import Claims, Columns, Outcome, PackedDocuments, Setup, Signed, SignedDocument
from imdskit.backends.python import claims as claims_of
from imdskit.backends.python.cache import Cache
from imdskit.backends.python.verdicts import Verdicts
from imdskit.errors import DerError, TrustError, VerificationError
from imdskit.pki import cms
from imdskit.pki.path import building
from imdskit.pki.path.validation import Inputs
from imdskit.pki.revocation import crl
from imdskit.pki.revocation.revocation import Lists
from imdskit.pki.signatures import signature
from imdskit.pki.x509 import host_names, parser
from imdskit.pki.x509.certificate import Certificate
from imdskit.reasons import Reason, Stage

T = TypeVar("T")


@dataclass(slots=True)
class _Case:
    """A document and the results of its checks. Each check sets some attributes. An attribute is
    None or False until a check has set it. ``path_is_new`` is True if the path may be added to the
    cache. ``from_template`` is True if the message differs from an earlier accepted message only in
    content and signature (see :mod:`imdskit.backends.python.message_templates`)."""

    document: bytes
    at: int
    nonce: str | None
    der: bytes | None = None
    message: cms.SignedData | None = None
    signer: cms.SignerInfo | None = None
    certificate: Certificate | None = None
    chain: tuple[Certificate, ...] | None = None
    path_is_new: bool = False
    label: str | None = None
    name: str | None = None
    claims: Claims | None = None
    from_template: bool = False


class Checker:
    """See :class:`imdskit.backends.contract.Checker`.

    Raises:
        TrustError: an anchor or intermediate is not a certificate, or a revocation list cannot be
            parsed.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._anchors = _parse_all(setup.anchors, parser.parse_certificate, "certificate", "anchors")
        self._intermediates = _parse_all(setup.intermediates, parser.parse_certificate, "certificate", "intermediates")
        crls = _parse_all(setup.crls, crl.parse_crl, "certificate revocation list", "crls")
        self._lists = Lists(crls, required=setup.require_crl) if crls else None
        self._cache = Cache((*self._anchors, *self._intermediates), crls)

    def check(self, document: bytes, at: int, nonce: str | None = None) -> Signed:
        """See :meth:`imdskit.backends.contract.Checker.check`."""
        case = _Case(document, at, nonce)
        for row in CHECKS:
            row.run(self, case)
        assert case.der and case.message and case.signer and case.certificate
        assert case.message.content is not None and case.chain and case.claims and case.label and case.name
        if not case.from_template:
            self._cache.add_message(case.der, case.message, case.certificate)
        return SignedDocument(case.message.content, case.claims, case.label, case.name, tuple(c.der for c in case.chain))

    def check_many(self, documents: Sequence[bytes], at: int | Sequence[int], threads: int | None = None) -> Verdicts:
        """See :meth:`imdskit.backends.contract.Checker.check_many`."""
        times = repeat(at, len(documents)) if isinstance(at, int) else at
        verdicts = Verdicts()
        for document, second in zip(documents, times, strict=True):
            try:
                verdicts.append(self.check(document, second))
            except VerificationError as error:
                verdicts.append(error)
        return verdicts

    def check_column(self, documents: PackedDocuments, at: int | array[int], threads: int | None = None) -> Columns:
        """See :meth:`imdskit.backends.contract.Checker.check_column`."""
        buffer, ranges = memoryview(documents.octets), list(pairwise((0, *documents.offsets)))
        if not ranges or any(start > end for start, end in ranges) or ranges[-1][1] > len(buffer):
            raise ValueError("the offsets must be ascending positions in the buffer")
        return self.check_many([bytes(buffer[start:end]) for start, end in ranges[1:]], at, threads).columns()

    def explain(self, document: bytes, at: int, nonce: str | None = None) -> tuple[Outcome, ...]:
        """Run the checks and return the outcome of each.

        A check is skipped if it needs the result of a check that failed. All other checks run, so
        the caller sees everything that is wrong with the document. ``check`` would raise the error
        of the first failed check.
        """
        case = _Case(document, at, nonce)
        report = []
        for row in CHECKS:
            missing = [member for member in row.needs if getattr(case, member) is None]
            if missing:
                report.append(Outcome(row.name, row.stage, "skip", "an earlier check failed", row.source))
                continue
            try:
                skipped = row.run(self, case)
            except VerificationError as error:
                report.append(Outcome(row.name, row.stage, "fail", error.detail or error.message, row.source, error))
            else:
                outcome: Literal["pass", "skip"] = "skip" if skipped else "pass"
                report.append(Outcome(row.name, row.stage, outcome, skipped or row.evidence(case), row.source))
        return tuple(report)

    # The checks, in order. If a check has nothing to check, it returns a text that says why.
    # Otherwise it returns None, or raises VerificationError if the check fails.

    def _envelope(self, case: _Case) -> None:
        found, location = envelope.find(case.document, self._setup.limits)
        if not location:
            case.der = found
            return
        case.der = self._cache.decode(found) or envelope.decode_base64(found, location)

    def _structure(self, case: _Case) -> None:
        assert case.der is not None
        known = self._cache.read(case.der)
        if known is not None:
            case.message, case.signer, case.from_template = known, known.signers[0], True
            return
        try:
            message = cms.parse(case.der, self._read_certificate)
        except DerError as error:
            reason = Reason.BAD_CERTIFICATE if error.field.startswith("certificates[") else Reason.BAD_DER
            raise VerificationError(reason, location=error.location, detail=error.message) from None
        if message.version != 1:
            raise VerificationError(Reason.BAD_CMS, location="signedData.version", detail=f"version {message.version}")
        if message.content_type != oids.DATA:
            raise VerificationError(Reason.BAD_CMS, location="signedData.encapContentInfo.eContentType", detail=message.content_type)
        if message.content is None:
            raise VerificationError(Reason.NO_CONTENT, location="signedData.encapContentInfo")
        if len(message.signers) != 1:
            raise VerificationError(Reason.SIGNER_COUNT, location="signedData.signerInfos", detail=f"{len(message.signers)} signers")
        if len(message.certificates) > self._setup.limits.certificates:
            detail = f"{len(message.certificates)}, at most {self._setup.limits.certificates}"
            raise VerificationError(Reason.TOO_MANY_CERTIFICATES, location="signedData.certificates", detail=detail)
        case.message = message
        case.signer = message.signers[0]

    def _signer(self, case: _Case) -> None:
        assert case.message and case.signer
        certificate = cms.find_certificate(case.signer, case.message.certificates)
        if certificate is None:
            raise VerificationError(Reason.SIGNER_NOT_FOUND, location="signedData.signerInfos[0].sid")
        case.certificate = certificate

    def _algorithm(self, case: _Case) -> None:
        assert case.signer
        if case.from_template:
            return  # an earlier accepted message had the same algorithms and the same key
        cms.check_algorithms(case.signer)

    def _key(self, case: _Case) -> None:
        assert case.certificate
        if case.from_template:
            return
        fault = signature.key_fault(case.certificate.public_key, self._setup.min_rsa_bits)
        if fault:
            raise VerificationError(Reason.SIGNATURE_KEY, location="signer.subjectPublicKeyInfo", detail=fault)

    def _signature(self, case: _Case) -> str | None:
        assert case.message and case.signer and case.certificate and case.message.content is not None
        if signature.is_too_large(case.certificate.public_key):
            # The previous check has refused the key. Only `explain` continues after a failure.
            return "the key is too large to verify a signature with it"
        cms.check_signature(case.signer, case.message.content_type, case.message.content, case.certificate)
        return None

    def _chain(self, case: _Case) -> str | None:
        assert case.message and case.certificate
        if not self._setup.check_chain:
            case.chain = (case.certificate,)
            return "the policy turns this check off"
        case.chain, case.path_is_new = self._path(case.certificate, case.message.certificates, case.at)
        return None

    def _revocation(self, case: _Case) -> str | None:
        """Report the result of the revocation check as a separate check.

        The search for a path, in :meth:`_chain`, has already checked revocation. If a certificate
        on a path is revoked, the search tries another path.
        """
        if not self._setup.check_chain:
            return "the policy turns this check off"
        return None if self._lists else "no revocation lists were given"

    def _identity(self, case: _Case) -> None:
        assert case.certificate
        found = self._cache.name(case.certificate) or self._name(case.certificate)
        if found is not None:
            case.label, case.name = found
            if case.path_is_new and case.chain is not None:
                self._cache.add_signer(case.certificate, case.at, case.chain, found)
            return
        names = host_names.dns_names(case.certificate, allow_common_name=self._setup.allow_common_name)
        if not names:
            raise VerificationError(Reason.NO_NAME, location="signer.subjectAltName")
        raise VerificationError(Reason.WRONG_NAME, location="signer.subjectAltName", detail=", ".join(names)[:200])

    def _name(self, signer: Certificate) -> tuple[str, str] | None:
        for label, domain in self._setup.names:
            name = host_names.matching_name(signer, domain, allow_common_name=self._setup.allow_common_name)
            if name is not None:
                return label, name
        return None

    def _claims(self, case: _Case) -> None:
        assert case.message and case.message.content is not None
        case.claims = claims_of.parse(case.message.content, self._setup)

    def _times(self, case: _Case) -> str | None:
        assert case.claims
        if not self._setup.check_times:
            return "the policy turns this check off"
        claims_of.check_times(case.claims, case.at, self._setup)
        return None

    def _nonce(self, case: _Case) -> str | None:
        assert case.claims
        claims_of.check_nonce(case.claims, case.nonce, self._setup)
        return "no nonce was given" if case.nonce is None else None

    def _path(self, signer: Certificate, certificates: tuple[Certificate, ...], at: int) -> tuple[tuple[Certificate, ...], bool]:
        """Return the path of a signer, and whether to add this path to the cache.

        A path is added if it is not cached yet and the message contains no certificate other than
        the signer's. Other certificates come from the sender and could change the path.
        """
        alone = all(certificate.der == signer.der for certificate in certificates)
        cached = self._cache.path(signer, at) if alone else None
        if cached is not None:
            return cached, False
        found = building.build(
            signer,
            anchors=self._anchors,
            intermediates=(*certificates, *self._intermediates),
            inputs=Inputs(at, common_names=self._setup.allow_common_name),
            limits=self._setup.limits,
            min_rsa_bits=self._setup.min_rsa_bits,
            lists=self._lists,
            signatures=self._cache.signatures,
        )
        return found, alone

    def _read_certificate(self, der: bytes, offset: int, field: str) -> Certificate:
        """Return a certificate of a message in parsed form. The certificate of a known signer is
        not parsed again."""
        return self._cache.signer(der) or parser.parse_certificate(der, offset, field)


def _parse_all(ders: Iterable[bytes], parse: Callable[[bytes], T], noun: str, origin: str) -> tuple[T, ...]:
    parsed = []
    for index, der in enumerate(ders):
        try:
            parsed.append(parse(der))
        except DerError as error:
            raise TrustError("bad-trust", f"Not a {noun}: {error.message}", location=f"{origin}[{index}] {error.location}") from None
    return tuple(parsed)


class _Row(NamedTuple):
    """One check.

    Attributes:
        name: name of the check in reports.
        stage: stage of verification that the check belongs to.
        needs: attributes of :class:`_Case` that earlier checks must have set.
        run: method of the checker that runs the check.
        evidence: function that says in reports what a successful check found.
        source: standards that define the rule, or the observation on which it is based.
    """

    name: str
    stage: Stage
    needs: tuple[str, ...]
    run: Callable[[Checker, _Case], str | None]
    evidence: Callable[[_Case], str]
    source: str


def _seen_structure(case: _Case) -> str:
    assert case.message and case.message.content is not None
    return f"SignedData v1, {len(case.message.content)} bytes of content, {len(case.message.certificates)} certificate(s), one signer"


def _seen_signer(case: _Case) -> str:
    assert case.certificate
    return f"serial number {case.certificate.serial:x}"


def _seen_key(case: _Case) -> str:
    assert case.certificate
    return signature.describe_key(case.certificate.public_key)


def _seen_chain(case: _Case) -> str:
    assert case.chain
    return " <- ".join(c.subject.shown for c in case.chain)


def _seen_name(case: _Case) -> str:
    return f"{case.name} ({case.label})"


def _seen_claims(case: _Case) -> str:
    assert case.claims
    return f"vmId {case.claims.vm_id}"


def _seen_times(case: _Case) -> str:
    assert case.claims
    return f"{case.at - case.claims.created_on} s after createdOn, {case.claims.expires_on - case.at} s before expiresOn"


CHECKS: tuple[_Row, ...] = (
    _Row(
        "envelope",
        Stage.ENVELOPE,
        (),
        Checker._envelope,
        lambda case: f"{len(case.der or b'')} bytes of DER",
        "IMDS documentation, attested data; RFC 4648 section 4",
    ),
    _Row("structure", Stage.STRUCTURE, ("der",), Checker._structure, _seen_structure, "RFC 5652 sections 3 and 5; X.690"),
    _Row("signer", Stage.STRUCTURE, ("message",), Checker._signer, _seen_signer, "RFC 5652 section 5.3"),
    _Row(
        "signature algorithm",
        Stage.SIGNATURE,
        ("signer",),
        Checker._algorithm,
        lambda case: f"digest {case.signer.digest_algorithm.oid}, signature {case.signer.signature_algorithm.oid}" if case.signer else "",
        "RFC 5754; RFC 4056; observed in every genuine document",
    ),
    _Row("signature key", Stage.SIGNATURE, ("certificate",), Checker._key, _seen_key, "CA/Browser Forum Baseline Requirements 6.1.5"),
    _Row(
        "signature",
        Stage.SIGNATURE,
        ("certificate",),
        Checker._signature,
        lambda case: "the signature matches the content and the signer's key",
        "RFC 5652 sections 5.4 and 5.6; RFC 8017 section 8.2.2",
    ),
    _Row("chain", Stage.CHAIN, ("certificate",), Checker._chain, _seen_chain, "RFC 5280 section 6.1"),
    _Row(
        "revocation",
        Stage.CHAIN,
        ("chain",),
        Checker._revocation,
        lambda case: "no certificate on the path is revoked",
        "RFC 5280 section 6.3",
    ),
    _Row(
        "name", Stage.IDENTITY, ("certificate",), Checker._identity, _seen_name, "IMDS documentation, attested data; RFC 6125 section 6.4"
    ),
    _Row("claims", Stage.CLAIMS, ("message",), Checker._claims, _seen_claims, "RFC 8259; every genuine document"),
    _Row("times", Stage.CLAIMS, ("claims",), Checker._times, _seen_times, "IMDS documentation, attested data: timestamp"),
    _Row(
        "nonce",
        Stage.CLAIMS,
        ("claims",),
        Checker._nonce,
        lambda case: "the document contains the expected nonce",
        "IMDS documentation, attested data: nonce",
    ),
)
