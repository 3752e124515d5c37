"""Revocation checking of a path with lists from the caller (RFC 5280 section 6.3). Nothing is fetched.

A list is consulted for a certificate below the anchor if all of the following hold:

- It comes from the certificate's issuer, or from the issuer that the certificate's distribution point names.
- It covers certificates of this kind, and at least one reason that no earlier list has covered.
- It is current at the time of the check.
- It is signed with a key that may sign lists, and the key's certificate is itself valid under the same anchor.

A delta list is used together with the complete list that it updates. ``certificateHold`` counts as a revocation.

The lists are consulted in a fixed order. The lists of the distribution points come first, in the order of the points in the certificate.
The issuer's own lists follow (the last step of section 6.3.3). For each distribution point, and among the issuer's own lists, newer lists
come first. When the consulted lists have covered all reasons, older lists are ignored. Lists of the same age are all consulted, and the
certificate is revoked if one of them says so, because nobody can know which of these lists the issuer intended.

Comments such as "(b)(1)" name steps of section 6.3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from imdskit.errors import DerError
from imdskit.pki.path.budget import Budget
from imdskit.pki.path.validation import Refusal
from imdskit.pki.revocation.crl import REMOVED, CertificateList
from imdskit.pki.revocation.distribution_points import ALL_REASONS, DistributionPoint, key_of, points_of
from imdskit.pki.signatures import signature
from imdskit.pki.x509.certificate import Certificate, Name
from imdskit.reasons import Reason

MAX_NESTED = 4
"""Maximum depth of nested checks. Checking the issuer of a list may require another list, whose issuer must be checked too."""


class Lists:
    """Revocation lists by issuer, newest first. Immutable.

    Args:
        lists: revocation lists in any order.
        required: if True, a certificate that no list covers is refused.
    """

    def __init__(self, lists: Iterable[CertificateList], *, required: bool = True) -> None:
        self.required = required
        self._complete: dict[tuple[bytes, ...], list[CertificateList]] = {}
        self._delta: dict[tuple[bytes, ...], list[CertificateList]] = {}
        for one in sorted(lists, key=_newness, reverse=True):
            kept = self._complete if one.base_number is None else self._delta
            kept.setdefault(one.issuer.key, []).append(one)

    def complete(self, issuer: Name) -> Sequence[CertificateList]:
        return self._complete.get(issuer.key, ())

    def deltas(self, base: CertificateList) -> Iterable[CertificateList]:
        """Yield the delta lists that update ``base`` (section 6.3.3 (c)). Section 5.2.4 has the rules for the list numbers."""
        for delta in self._delta.get(base.issuer.key, ()):
            assert delta.base_number is not None
            same_scope = (delta.scope.der if delta.scope else None) == (base.scope.der if base.scope else None)
            same_key = delta.authority_key_identifier == base.authority_key_identifier
            follows = base.number is not None and delta.number is not None and delta.base_number <= base.number < delta.number
            if same_scope and same_key and follows:
                yield delta


def _newness(one: CertificateList) -> tuple[int, int]:
    return one.this_update, one.number or 0


class _Unusable(Exception):  # noqa: N818  # not an error: another list may tell the status
    """Raised if a list does not tell the status of a certificate."""


@dataclass(slots=True)
class Statuses:
    """Revocation statuses of the certificates on paths. Each search for a path has its own instance.

    Attributes:
        lists: the lists to consult.
        at: Unix seconds, or None to ignore times (test suites only).
        budget: the budget of the search.
        min_rsa_bits, accept_weak: policy for the keys and signatures of lists, the same as for certificates.
        issuers: certificates by subject. Issuers of lists are looked up among them if they are not on the path.
        vouch: function that returns True if a certificate may sign lists, has a path to the given anchor, and is not revoked. Its last
            argument is ``pending``.
        pending: certificates whose own status is being checked, so that none of them can vouch for itself.
    """

    lists: Lists
    at: int | None
    budget: Budget
    min_rsa_bits: int
    accept_weak: bool
    issuers: dict[tuple[bytes, ...], list[Certificate]]
    vouch: Callable[[Certificate, Certificate, frozenset[bytes]], bool]
    pending: frozenset[bytes] = frozenset()
    signatures: dict[tuple[bytes, bytes], str | None] = field(default_factory=dict)

    def check_path(self, path: Sequence[Certificate]) -> None:
        """Check every certificate but the anchor. Begin below the anchor, so that all certificates above the current certificate have
        already been checked.

        Raises:
            Refusal: ``revoked`` or ``revocation-unknown``.
            VerificationError: ``budget-spent``.
        """
        for index in range(len(path) - 2, -1, -1):
            self._check(path, index)

    def _check(self, path: Sequence[Certificate], index: int) -> None:
        """Check one certificate as in section 6.3.3."""
        certificate = path[index]
        covered: frozenset[str] = frozenset()
        why = ""
        for point in self._points(certificate):
            for issuer in (certificate.issuer,) if point.issuers is None else point.issuers:
                enough: CertificateList | None = None
                for one in self.lists.complete(issuer):
                    if enough is not None and _newness(one) != _newness(enough):
                        break
                    self.budget.spend_items(1)
                    try:
                        reasons = _reasons(one, point, certificate) - covered  # (b), (d), (e)
                        deltas = self._usable_deltas(one, point, path, index)  # (a), (c), (f) to (h)
                    except _Unusable as error:
                        why = why or str(error)
                        continue
                    entry = (certificate.issuer.key, certificate.serial)
                    changes = [delta.revoked[entry] for delta in deltas if entry in delta.revoked]  # (i)
                    if not changes and entry in one.revoked:  # (j)
                        changes = [one.revoked[entry]]
                    for status in changes:
                        if status != REMOVED:  # (k)
                            raise Refusal(Reason.REVOKED, f"chain[{index}].serialNumber", status)
                    covered |= reasons  # (l)
                    if covered == ALL_REASONS:
                        enough = one
                if enough is not None:
                    return
        if self.lists.required:
            detail = why or ("no list for " + ", ".join(sorted(ALL_REASONS - covered)) if covered else "no list of its issuer")
            raise Refusal(Reason.REVOCATION_UNKNOWN, f"chain[{index}]", detail)

    def _points(self, certificate: Certificate) -> Iterable[DistributionPoint]:
        """Yield the certificate's distribution points and then the implicit one: its issuer's name, for all reasons."""
        # If the extension is malformed, a list of the issuer that is not limited to a distribution point can still tell the status.
        with suppress(DerError):
            yield from points_of(certificate)
        yield DistributionPoint()

    def _usable_deltas(
        self, one: CertificateList, point: DistributionPoint, path: Sequence[Certificate], index: int
    ) -> Sequence[CertificateList]:
        """Check that the complete list ``one`` is usable, and return its newest usable delta lists.

        The result has more than one delta list only if they are equally new.

        Raises:
            _Unusable: ``one`` is not usable.
        """
        self._check_current(one)
        key_holder = self._signer(one, point, path, index)
        found: list[CertificateList] = []
        for delta in self.lists.deltas(one):
            if found and _newness(delta) != _newness(found[0]):
                break
            with suppress(_Unusable):
                self._check_current(delta)
                self._check_signed(delta, key_holder)  # (h): a delta list must be signed with the key of the complete list
                found.append(delta)
        return found

    def _check_current(self, one: CertificateList) -> None:
        """Raise _Unusable unless the list may be relied on and is within its validity period. Both ends of the period are inclusive (a)."""
        if one.unusable:
            raise _Unusable(one.unusable)
        if self.at is None or one.next_update is None:
            return
        if self.at < one.this_update:
            raise _Unusable("its list was issued after the time of the check")
        if self.at > one.next_update:
            raise _Unusable(f"its list should have been replaced {self.at - one.next_update} s before")

    def _signer(self, one: CertificateList, point: DistributionPoint, path: Sequence[Certificate], index: int) -> Certificate:
        """Return the certificate whose key signed the list (f), (g). Certificates on the path come first, because they have been checked
        already.

        Raises:
            _Unusable: no certificate of the list's issuer may sign lists.
        """
        above = [certificate for certificate in path[index + 1 :] if certificate.subject.key == one.issuer.key]
        why = _Unusable("the certificate of the list's issuer is not known here")
        for holder in above:
            try:
                self._check_signed(one, holder)
            except _Unusable as error:
                why = error
            else:
                return holder
        used = {certificate.der for certificate in above}
        checked = path[index].der
        for holder in self.issuers.get(one.issuer.key, ()):
            if holder.der in used:
                continue
            self.budget.spend_items(1)
            try:
                self._check_signed(one, holder)
            except _Unusable as error:
                why = error
                continue
            # A certificate may name itself as the issuer of the list that covers it. In this case, the list that it signed is accepted,
            # because no other issuer could provide a list for it.
            if holder.der == checked and checked in self.pending and point.crl_issuer is not None:
                return holder
            pending = self.pending | {checked}
            if holder.der not in pending and len(pending) <= MAX_NESTED and self.vouch(holder, path[-1], pending):
                return holder
            why = _Unusable("the list's issuer is itself not good")
        raise why

    def _check_signed(self, one: CertificateList, holder: Certificate) -> None:
        if holder.key_usage is not None and "cRLSign" not in holder.key_usage:
            raise _Unusable("cRLSign is not set for the list's issuer")
        key = (one.der, holder.spki)
        if key not in self.signatures:
            self.signatures[key] = self._signature_problem(one, holder)
        problem = self.signatures[key]
        if problem is not None:
            raise _Unusable(problem)

    def _signature_problem(self, one: CertificateList, holder: Certificate) -> str | None:
        problem = None if self.accept_weak else signature.algorithm_fault(one.signature_algorithm)
        problem = problem or signature.key_fault(holder.public_key, self.min_rsa_bits)
        if problem:
            return f"the list: {problem}"
        self.budget.spend_signature(holder.public_key)
        fault = signature.fault(one.signature_algorithm, holder.public_key, one.tbs, one.signature)
        return None if fault is None else f"the list: {fault.value}"


def _reasons(one: CertificateList, point: DistributionPoint, certificate: Certificate) -> frozenset[str]:
    """Return the reasons for which the list covers the certificate through this distribution point (b), (d).

    Raises:
        _Unusable: the list does not cover the certificate.
    """
    scope = one.scope
    if point.crl_issuer is not None and not (scope is not None and scope.indirect):  # (b)(1)
        raise _Unusable("another issuer's list is needed, and the one at hand is not indirect")
    if scope is None:
        return point.reasons
    if scope.name is not None:  # (b)(2)(i)
        if point.name is not None:
            base = point.issuers[0] if point.issuers else certificate.issuer
            names = point.name.keys(base)
        elif point.crl_issuer is not None:
            names = frozenset(key_of(name) for name in point.crl_issuer)
        else:
            names = frozenset({("directoryName", certificate.issuer.key)})
        if not names & scope.name.keys(one.issuer):
            raise _Unusable("the list is that of another distribution point")
    authority = certificate.basic_constraints is not None and certificate.basic_constraints.ca
    if (scope.only_user and authority) or (scope.only_ca and not authority) or scope.only_attribute:  # (b)(2)(ii) to (iv)
        raise _Unusable("the list is for certificates of another kind")
    return point.reasons & scope.only_some_reasons
