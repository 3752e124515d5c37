"""Finding a path from a signer to an anchor (RFC 5280 section 6, RFC 4158), under a budget.

The search is depth first and its order is fixed: anchors before other certificates, a fitting key identifier before another, valid before not, and then
as given. A name and key stand on a path once, however many certificates they have. Every signature is checked once at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imdskit.backends.contract import Limits
from imdskit.backends.python import signature, validation
from imdskit.backends.python.budget import Budget
from imdskit.backends.python.certificate import Certificate
from imdskit.backends.python.validation import Inputs, Refusal
from imdskit.errors import VerificationError
from imdskit.reasons import Reason

_GENERAL = {Reason.UNKNOWN_ISSUER: 0, Reason.UNTRUSTED_ROOT: 1}


def build(
    signer: Certificate,
    *,
    anchors: Sequence[Certificate],
    intermediates: Sequence[Certificate],
    inputs: Inputs,
    limits: Limits,
    min_rsa_bits: int = 2048,
    accept_weak: bool = False,
) -> tuple[Certificate, ...]:
    """The first good path, signer first, anchor last.

    Args:
        signer: the certificate at the end of the path.
        anchors: certificates that are trusted.
        intermediates: certificates that may stand in between, in any order; none of them is trusted.
        inputs: what RFC 5280 section 6.1.1 asks of the caller.
        limits: ``path_certificates`` and ``work`` count here.
        min_rsa_bits: of every key on the path.
        accept_weak: compute weak algorithms and keys instead of refusing them (test suites only).

    Raises:
        VerificationError: of stage ``chain``; which reason is reported is said in :mod:`imdskit.backends.contract`.
    """
    problem = None if accept_weak else signature.key_fault(signer.public_key, min_rsa_bits)
    if problem:
        raise VerificationError(Reason.CERTIFICATE_KEY, location="chain[0].subjectPublicKeyInfo", detail=problem)
    search = _Search(anchors, intermediates, inputs, limits, min_rsa_bits, accept_weak)
    found = search.extend((signer,))
    if found is None:
        assert search.refusal is not None
        raise search.refusal.error()
    return found


class _Search:
    def __init__(
        self,
        anchors: Sequence[Certificate],
        intermediates: Sequence[Certificate],
        inputs: Inputs,
        limits: Limits,
        min_rsa_bits: int,
        accept_weak: bool,
    ) -> None:
        self.anchors = _by_subject(anchors)
        self.intermediates = _by_subject(intermediates)
        self.inputs = inputs
        self.longest = limits.path_certificates
        self.min_rsa_bits = min_rsa_bits
        self.accept_weak = accept_weak
        self.budget = Budget(limits.work)
        self.links: dict[tuple[bytes, bytes], Refusal | None] = {}
        self.refusal: Refusal | None = None

    def extend(self, path: tuple[Certificate, ...]) -> tuple[Certificate, ...] | None:
        """The first good path that begins with ``path``, or None; then ``refusal`` says why."""
        child = path[-1]
        index = len(path)
        nobody = True
        for issuer in self._in_order(child, self.anchors):
            nobody = False
            self.budget.spend_step()
            try:
                self._check_link(child, issuer, index)
                validation.check_path((*path, issuer), self.inputs, self.budget)
            except Refusal as refusal:
                self._note(refusal)
            else:
                return (*path, issuer)
        for issuer in self._in_order(child, self.intermediates):
            if any(issuer.spki == other.spki and issuer.subject.key == other.subject.key for other in path):
                continue
            nobody = False
            self.budget.spend_step()
            try:
                if index + 2 > self.longest:
                    raise Refusal(Reason.PATH_LENGTH, f"chain[{index}]", f"more than {self.longest} certificates")
                validation.check_certificate(issuer, index, self.inputs)
                validation.check_authority(issuer, index, self.inputs)
                self._check_link(child, issuer, index)
            except Refusal as refusal:
                self._note(refusal)
                continue
            found = self.extend((*path, issuer))
            if found is not None:
                return found
        if nobody:
            reason = Reason.UNTRUSTED_ROOT if child.self_issued else Reason.UNKNOWN_ISSUER
            self._note(Refusal(reason, f"chain[{index - 1}].issuer", _issuer_of(child)))
        return None

    def _in_order(self, child: Certificate, certificates: dict[tuple[bytes, ...], list[Certificate]]) -> list[Certificate]:
        """Candidates for the issuer of ``child``: those that bear its name (6.1.3 (a)(4)), the likely ones first. Key identifiers only
        order them (4.2.1.1): a wrong one forbids nothing."""
        wanted = child.authority_key_identifier.key_identifier if child.authority_key_identifier else None
        at = self.inputs.at

        def rank(issuer: Certificate) -> tuple[bool, bool]:
            differs = wanted is not None and issuer.subject_key_identifier is not None and wanted != issuer.subject_key_identifier
            return differs, at is not None and not issuer.not_before <= at <= issuer.not_after

        return sorted(certificates.get(child.issuer.key, ()), key=rank)

    def _check_link(self, child: Certificate, issuer: Certificate, index: int) -> None:
        """6.1.3 (a)(1): ``child`` was signed with the key of ``issuer``, with an algorithm and a key that are accepted."""
        key = (child.der, issuer.spki)
        if key not in self.links:
            self.links[key] = self._link_fault(child, issuer, index)
        refusal = self.links[key]
        if refusal is not None:
            raise refusal

    def _link_fault(self, child: Certificate, issuer: Certificate, index: int) -> Refusal | None:
        if not self.accept_weak:
            problem = signature.algorithm_fault(child.signature_algorithm)
            if problem:
                return Refusal(Reason.CERTIFICATE_ALGORITHM, f"chain[{index - 1}].signatureAlgorithm", problem)
            problem = signature.key_fault(issuer.public_key, self.min_rsa_bits)
            if problem:
                return Refusal(Reason.CERTIFICATE_KEY, f"chain[{index}].subjectPublicKeyInfo", problem)
        self.budget.spend_signature(issuer.public_key)
        fault = signature.fault(child.signature_algorithm, issuer.public_key, child.tbs, child.signature)
        if fault is signature.Fault.ALGORITHM:
            return Refusal(Reason.CERTIFICATE_ALGORITHM, f"chain[{index - 1}].signatureAlgorithm", fault.value)
        if fault is not None:
            return Refusal(Reason.CERTIFICATE_SIGNATURE, f"chain[{index - 1}].signatureValue", fault.value)
        return None

    def _note(self, refusal: Refusal) -> None:
        """Keep the first refusal of the most telling kind."""
        if self.refusal is None or _GENERAL.get(refusal.reason, 2) > _GENERAL.get(self.refusal.reason, 2):
            self.refusal = refusal


def _by_subject(certificates: Iterable[Certificate]) -> dict[tuple[bytes, ...], list[Certificate]]:
    found: dict[tuple[bytes, ...], list[Certificate]] = {}
    seen: set[bytes] = set()
    for certificate in certificates:
        if certificate.der not in seen:
            seen.add(certificate.der)
            found.setdefault(certificate.subject.key, []).append(certificate)
    return found


def _issuer_of(certificate: Certificate) -> str:
    names = certificate.issuer.common_names
    where = f"; it may lie at {certificate.ca_issuers[0]}" if certificate.ca_issuers else ""
    return f"{names[-1] if names else certificate.issuer.der.hex()[:40]}{where}"

