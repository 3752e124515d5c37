"""Search for a certification path from a signer to an anchor (RFC 5280 section 6, RFC 4158), within
a work budget.

The search is depth first, and its order is fixed. For each certificate, the search tries all
candidates for its issuer. A candidate is a certificate whose subject is equal to the issuer field
of the certificate below it. Anchors are tried first. Among the anchors, and among the other
candidates, three rules decide the order:

1. Candidates whose subject key identifier differs from the authority key identifier of the
   certificate below them come after all others.
2. Among candidates that are equal under rule 1, those that are valid at the time of the check come
   first.
3. Candidates that are equal under both rules keep the caller's order.

Below its anchor, a path contains at most one certificate for each pair of subject and key.
Therefore the search cannot run in a loop, and a path contains at most one of the cross-certificates
of an authority.

If there is no valid path, the order of the checks decides which reason is reported:

1. For each candidate, the search checks that the candidate signed the certificate below it. It then
   checks those requirements on the candidate that do not depend on the rest of the path.
2. For each path that has reached an anchor, the search checks those requirements on the signer that
   do not depend on the rest of the path. It then checks the path as a whole.

The search therefore reports a defect of the signer only if a path leads from the signer to an
anchor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace

from imdskit.pki.path import validation
from imdskit.pki.path.budget import Budget, SearchLimits
from imdskit.pki.path.policies import ANY
from imdskit.pki.path.signature_cache import SignatureCache
from imdskit.pki.path.validation import Inputs, Refusal
from imdskit.pki.revocation.revocation import Lists, Statuses
from imdskit.pki.signatures import signature
from imdskit.pki.x509.certificate import Certificate
from imdskit.reasons import Reason

_RANKS = {Reason.UNKNOWN_ISSUER: 0, Reason.UNTRUSTED_ROOT: 1, Reason.CERTIFICATE_SIGNATURE: 2}
"""Ranks of the three least specific reasons. All other reasons have a higher rank.

If several reasons occur during a search, the one with the highest rank is reported. If several
reasons have the same rank, the first of them is reported. ``certificate-signature`` has a low rank,
because a candidate that did not sign the certificate below it does not belong to any path.
"""

MAX_SHOWN = 200
"""Maximum number of characters of a name or URL in the detail of a refusal."""


def build(
    signer: Certificate,
    *,
    anchors: Sequence[Certificate],
    intermediates: Sequence[Certificate],
    inputs: Inputs,
    limits: SearchLimits,
    min_rsa_bits: int = 2048,
    accept_weak: bool = False,
    lists: Lists | None = None,
    signatures: SignatureCache | None = None,
) -> tuple[Certificate, ...]:
    """Return the first valid path, as the certificates from the signer to an anchor. If the signer
    is itself an anchor, the path consists of this certificate.

    Args:
        signer: the certificate for which a path is searched.
        anchors: certificates that are trusted.
        intermediates: certificates that may be between signer and anchor on the path. They are not
            trusted, and need not be sorted.
        inputs: the inputs of path validation that RFC 5280 section 6.1.1 defines.
        limits: limits of the search. Only ``path_certificates`` and ``work`` are used.
        min_rsa_bits: minimum size in bits of every RSA key on the path.
        accept_weak: if True, valid signatures are accepted even if their hash is weak, such as
            SHA-1 (test suites only).
        lists: revocation lists, or None to skip revocation checking.
        signatures: cache of verified signatures. It does not affect the result.

    Raises:
        VerificationError: the stage of its reason is ``chain``. :mod:`imdskit.backends.contract`
            defines which reason is reported. ``location`` has the form ``chain[1].keyUsage``, where
            ``chain[0]`` is the signer.
    """
    search = _Search(anchors, intermediates, inputs, limits, min_rsa_bits, accept_weak, lists, signatures or SignatureCache())
    found = search.run(signer)
    if found is None:
        assert search.refusal is not None
        raise search.refusal.error()
    return found


class _Search:
    """State of one search. The constructor's arguments are those of :func:`build`.

    Attributes:
        refusal: the refusal to report if there is no valid path. None until the first refusal.
        signature_refusals: results of :meth:`_check_signature`.
        issuers: results of :meth:`_check_alone`, each with the index that the certificate had on
            the path when it was checked.
        statuses: revocation statuses, or None to skip revocation checking.
    """

    def __init__(
        self,
        anchors: Sequence[Certificate],
        intermediates: Sequence[Certificate],
        inputs: Inputs,
        limits: SearchLimits,
        min_rsa_bits: int,
        accept_weak: bool,
        lists: Lists | None,
        signatures: SignatureCache,
    ) -> None:
        self.signatures = signatures
        self.anchors = _by_subject(anchors)
        self.intermediates = _by_subject(intermediates)
        self.inputs = inputs
        self.longest = limits.path_certificates
        self.min_rsa_bits = min_rsa_bits
        self.accept_weak = accept_weak
        self.budget = Budget(limits.work)
        self.signature_refusals: dict[tuple[bytes, bytes], Refusal | None] = {}
        self.issuers: dict[tuple[bytes, bool, str | None], tuple[int, Refusal | None]] = {}
        self.refusal: Refusal | None = None
        self.statuses: Statuses | None = None
        if lists is not None:
            self.statuses = Statuses(lists, inputs.at, self.budget, min_rsa_bits, accept_weak, self.intermediates, self._vouch)

    def run(self, signer: Certificate) -> tuple[Certificate, ...] | None:
        """Return the first valid path from ``signer``. If there is none, return None and set
        ``refusal``."""
        if any(anchor.der == signer.der for anchor in self.anchors.get(signer.subject.key, ())):
            return self._complete((signer,))
        return self._extend((signer,))

    def _extend(self, path: tuple[Certificate, ...]) -> tuple[Certificate, ...] | None:
        """Return the first valid path that begins with ``path``, or None."""
        child, index = path[-1], len(path)
        anchors = self._in_order(child, self.anchors)
        others = [issuer for issuer in self._in_order(child, self.intermediates) if not _is_on(path, issuer)]
        for issuer in anchors:
            found = self._complete((*path, issuer)) if self._may_issue(child, issuer, index, anchor=True) else None
            if found is not None:
                return found
        for issuer in others:
            found = self._extend((*path, issuer)) if self._may_issue(child, issuer, index, anchor=False) else None
            if found is not None:
                return found
        if not anchors and not others:
            reason = Reason.UNTRUSTED_ROOT if child.self_issued else Reason.UNKNOWN_ISSUER
            self._note(Refusal(reason, f"chain[{index - 1}].issuer", _issuer_of(child)))
        return None

    def _complete(self, path: tuple[Certificate, ...]) -> tuple[Certificate, ...] | None:
        """Return ``path`` if it is valid, and otherwise None. The last certificate of ``path`` is
        an anchor."""
        signer = path[0]
        try:
            # A signer that is itself an anchor is trusted, so its key need not meet any
            # requirement.
            problem = signature.key_fault(signer.public_key, self.min_rsa_bits) if len(path) > 1 else None
            if problem:
                raise Refusal(Reason.CERTIFICATE_KEY, "chain[0].subjectPublicKeyInfo", problem)
            validation.check_certificate(signer, 0, self.inputs)
            validation.check_signer(signer, self.inputs)
            validation.check_path(path, self.inputs, self.budget)
            if self.statuses is not None:
                self.statuses.check_path(path)
        except Refusal as refusal:
            self._note(refusal)
            return None
        return path

    def _vouch(self, issuer: Certificate, anchor: Certificate, pending: frozenset[bytes]) -> bool:
        """Return True if ``issuer`` may sign revocation lists, and a valid path leads from it to
        ``anchor`` (6.3.3 (f)).

        The requirements for signers of documents, such as the extended key usage, do not apply to
        ``issuer``. ``pending`` contains the DER of the certificates whose own status is being
        checked at present.
        """
        assert self.statuses is not None
        search = copy(self)
        search.anchors = _by_subject((anchor,))
        search.inputs = replace(
            self.inputs, purpose=None, key_usage=frozenset({"cRLSign"}), policies=ANY, explicit_policy=False, max_path_length=None
        )
        search.refusal = None
        search.statuses = replace(self.statuses, pending=pending | {issuer.der}, vouch=search._vouch)
        return search.run(issuer) is not None

    def _may_issue(self, child: Certificate, issuer: Certificate, index: int, *, anchor: bool) -> bool:
        """Return True if ``issuer`` signed ``child`` and may follow it on a path, at the position
        ``index``.

        Raises:
            VerificationError: ``budget-spent``.
        """
        self.budget.spend_step(index)
        try:
            if index + (1 if anchor else 2) > self.longest:
                raise Refusal(Reason.PATH_LENGTH, f"chain[{index}]", f"more than {self.longest} certificates")
            self._check_signature(child, issuer, index)
            self._check_alone(issuer, index, anchor=anchor)
        except Refusal as refusal:
            self._note(refusal)
            return False
        return True

    def _check_alone(self, issuer: Certificate, index: int, *, anchor: bool) -> None:
        """Check those requirements on an issuer that do not depend on the rest of the path.

        The duration of this check is proportional to the size of the certificate, but the budget
        charges only a small fixed cost for a candidate. For this reason, the check runs only once
        for each certificate.
        """
        key = (issuer.der, anchor, self.inputs.purpose)
        if key not in self.issuers:
            self.issuers[key] = index, self._fault_alone(issuer, index, anchor=anchor)
        first, refusal = self.issuers[key]
        if refusal is not None:
            raise refusal.moved(first, index)

    def _fault_alone(self, issuer: Certificate, index: int, *, anchor: bool) -> Refusal | None:
        try:
            if anchor:
                validation.check_anchor(issuer, index, self.inputs)
            else:
                validation.check_certificate(issuer, index, self.inputs)
                validation.check_authority(issuer, index, self.inputs)
        except Refusal as refusal:
            return refusal.with_traceback(None)
        return None

    def _in_order(self, child: Certificate, certificates: dict[tuple[bytes, ...], list[Certificate]]) -> list[Certificate]:
        """Return the candidates for the issuer of ``child`` among ``certificates``, the most likely
        ones first.

        The candidate's subject must be the issuer's name in ``child`` (6.1.3 (a)(4)). Key
        identifiers affect only the order (4.2.1.1): they help to find the issuer, but the signature
        proves which key signed ``child``.
        """
        wanted = child.authority_key_identifier.key_identifier if child.authority_key_identifier else None
        at = self.inputs.at

        def rank(issuer: Certificate) -> tuple[bool, bool]:
            differs = wanted is not None and issuer.subject_key_identifier is not None and wanted != issuer.subject_key_identifier
            return differs, at is not None and not issuer.not_before <= at <= issuer.not_after

        return sorted(certificates.get(child.issuer.key, ()), key=rank)

    def _check_signature(self, child: Certificate, issuer: Certificate, index: int) -> None:
        """Check that the key of ``issuer`` signed ``child``, and that the algorithm and the key are
        accepted (6.1.3 (a)(1)).

        The check runs only once for each pair of certificate and key.
        """
        key = (child.der, issuer.spki)
        if key not in self.signature_refusals:
            self.signature_refusals[key] = self._signature_refusal(child, issuer, index)
        refusal = self.signature_refusals[key]
        if refusal is not None:
            raise refusal.with_traceback(None)  # otherwise the traceback would grow each time the refusal is raised

    def _signature_refusal(self, child: Certificate, issuer: Certificate, index: int) -> Refusal | None:
        algorithm, key = child.signature_algorithm, issuer.public_key
        problem = None if self.accept_weak else signature.algorithm_fault(algorithm)
        if problem:
            return Refusal(Reason.CERTIFICATE_ALGORITHM, f"chain[{index - 1}].signatureAlgorithm", problem)
        problem = signature.key_fault(key, self.min_rsa_bits)
        if problem:
            return Refusal(Reason.CERTIFICATE_KEY, f"chain[{index}].subjectPublicKeyInfo", problem)
        self.budget.spend_signature(key)
        fault = self.signatures.fault(child, issuer)
        if fault is signature.Fault.ALGORITHM:
            return Refusal(Reason.CERTIFICATE_ALGORITHM, f"chain[{index - 1}].signatureAlgorithm", fault.value)
        if fault is not None:
            return Refusal(Reason.CERTIFICATE_SIGNATURE, f"chain[{index - 1}].signatureValue", fault.value)
        return None

    def _note(self, refusal: Refusal) -> None:
        """Store the refusal, unless an earlier one has a reason of the same or a higher rank."""
        if self.refusal is None or _RANKS.get(refusal.reason, 3) > _RANKS.get(self.refusal.reason, 3):
            self.refusal = refusal.with_traceback(None)  # a traceback would keep this search in memory


def _is_on(path: tuple[Certificate, ...], issuer: Certificate) -> bool:
    return any(issuer.spki == other.spki and issuer.subject.key == other.subject.key for other in path)


def _by_subject(certificates: Iterable[Certificate]) -> dict[tuple[bytes, ...], list[Certificate]]:
    """Return the certificates by subject. Duplicates are removed, and certificates of the same
    subject keep their order."""
    found: dict[tuple[bytes, ...], list[Certificate]] = {}
    for certificate in {certificate.der: certificate for certificate in certificates}.values():
        found.setdefault(certificate.subject.key, []).append(certificate)
    return found


def _issuer_of(certificate: Certificate) -> str:
    where = f"; it may lie at {certificate.ca_issuers[0][:MAX_SHOWN]}" if certificate.ca_issuers else ""
    return f"{certificate.issuer.shown[:MAX_SHOWN]}{where}"
