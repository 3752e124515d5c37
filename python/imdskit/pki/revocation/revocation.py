"""Check whether certificates on a path are revoked, with revocation lists from the caller (RFC 5280
section 6.3). This module fetches nothing.

Every certificate below the anchor is checked. A list is used for a certificate if all of these
conditions are met:

- The list comes from the certificate's issuer, or from the issuer that a distribution point of the
  certificate names.
- The list covers certificates of this kind.
- The time of the check is between thisUpdate and nextUpdate of the list.
- The key that signed the list may sign lists, and a valid path leads from the certificate of this
  key to the anchor of the path that is checked.

A delta list is used together with the complete list that it updates. The reason ``certificateHold``
counts as a revocation.

The lists are used in groups, in a fixed order. The first groups are the lists for the distribution
points, in the order of the points in the certificate. If a point names several issuers, the lists
of each issuer are a separate group. The last group is the lists of the certificate's issuer,
independent of any distribution point (the last step of section 6.3.3). Within each group, newer
lists come first. A list may cover only some of the reasons for a revocation. As soon as the lists
that were used so far cover all reasons, the remaining lists are ignored. There is one exception: if
further lists of the same group are exactly as new as the last list that was used, they are used as
well. Nobody can know which of several equally new lists the issuer intended, so the certificate
counts as revoked if one of them says so.

Comments such as "(b)(1)" are the names of steps in section 6.3.3.
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
"""Maximum depth of nested checks. To check the issuer of a list, another list may be needed, and
the issuer of that list must be checked as well."""


class Lists:
    """Immutable collection of revocation lists. It returns the lists of an issuer, the newest
    first.

    Args:
        lists: revocation lists in any order.
        required: if True, a certificate is refused unless a list covers it.
    """

    def __init__(self, lists: Iterable[CertificateList], *, required: bool = True) -> None:
        self.required = required
        self._complete: dict[tuple[bytes, ...], list[CertificateList]] = {}
        self._delta: dict[tuple[bytes, ...], list[CertificateList]] = {}
        for one in sorted(lists, key=_newness, reverse=True):
            kept = self._complete if one.base_number is None else self._delta
            kept.setdefault(one.issuer.key, []).append(one)

    def complete(self, issuer: Name) -> Sequence[CertificateList]:
        """Return the complete lists of an issuer, the newest first."""
        return self._complete.get(issuer.key, ())

    def deltas(self, base: CertificateList) -> Iterable[CertificateList]:
        """Yield the delta lists that update the complete list ``base``, the newest first (section
        6.3.3 (c)). The conditions for the list numbers come from section 5.2.4."""
        for delta in self._delta.get(base.issuer.key, ()):
            assert delta.base_number is not None
            same_scope = (delta.scope.der if delta.scope else None) == (base.scope.der if base.scope else None)
            same_key = delta.authority_key_identifier == base.authority_key_identifier
            follows = base.number is not None and delta.number is not None and delta.base_number <= base.number < delta.number
            if same_scope and same_key and follows:
                yield delta


def _newness(one: CertificateList) -> tuple[int, int]:
    return one.this_update, one.number or 0


class _Unusable(Exception):  # noqa: N818  # not an error, because another list may show the status
    """Raised if a list cannot be used for a certificate."""


@dataclass(slots=True)
class Statuses:
    """Checks of the revocation statuses of certificates. Each search for a path has a separate
    instance.

    Attributes:
        lists: the revocation lists.
        at: time of the check in Unix seconds, or None to ignore times (test suites only).
        budget: the budget of the search.
        min_rsa_bits: minimum size in bits of an RSA key that signs lists.
        accept_weak: if True, weak signature algorithms are accepted (test suites only).
        issuers: certificates by subject. If the issuer of a list is not on the path, its
            certificate is looked up here.
        vouch: function that returns True if a certificate may sign lists and a valid path leads
            from it to an anchor. Its arguments are the certificate, the anchor, and the value of
            ``pending`` for the certificates on that path.
        pending: DER of the certificates whose status is being checked at present. A certificate
            must not sign the list that decides its own status; :meth:`_signer` describes the only
            exception.
        signatures: results of verifying the signatures on lists, by list and key.
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
        """Check every certificate except the anchor. The check begins at the certificate below the
        anchor. When a certificate is checked, all certificates above it have therefore been checked
        already.

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
        """Yield the distribution points of the certificate, and then the implicit one (the last
        step of section 6.3.3). The implicit distribution point stands for the certificate's issuer
        and all reasons."""
        # If the extension cRLDistributionPoints is malformed, the status can still come from a list
        # that the certificate's issuer has not limited to a distribution point.
        with suppress(DerError):
            yield from points_of(certificate)
        yield DistributionPoint()

    def _usable_deltas(
        self, one: CertificateList, point: DistributionPoint, path: Sequence[Certificate], index: int
    ) -> Sequence[CertificateList]:
        """Check that the complete list ``one`` is usable, and return its newest usable delta lists.

        If several usable delta lists are equally new, the result contains all of them.

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
        """Raise _Unusable unless the time of the check is between thisUpdate and nextUpdate, both
        inclusive, and the list has no other defect (a)."""
        if one.unusable:
            raise _Unusable(one.unusable)
        if self.at is None or one.next_update is None:
            return
        if self.at < one.this_update:
            raise _Unusable("its list was issued after the time of the check")
        if self.at > one.next_update:
            raise _Unusable(f"its list should have been replaced {self.at - one.next_update} s before the time of the check")

    def _signer(self, one: CertificateList, point: DistributionPoint, path: Sequence[Certificate], index: int) -> Certificate:
        """Return the certificate whose key signed the list (f), (g). Certificates on the path are
        tried first, because they have been checked already.

        Raises:
            _Unusable: none of the known certificates belongs to a key that signed the list and may
                sign lists.
        """
        above = [certificate for certificate in path[index + 1 :] if certificate.subject.key == one.issuer.key]
        why = _Unusable("the certificate of the list's issuer is unknown")
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
            # A certificate can have a distribution point that names the certificate's own subject as
            # the issuer of the list. Then a list that was signed with the certificate's own key is
            # accepted, because no other issuer could provide a list.
            if holder.der == checked and checked in self.pending and point.crl_issuer is not None:
                return holder
            pending = self.pending | {checked}
            if holder.der not in pending and len(pending) <= MAX_NESTED and self.vouch(holder, path[-1], pending):
                return holder
            why = _Unusable("the certificate of the list's issuer is not valid or may not sign lists")
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
    """Return the reasons for a revocation that the list covers, for this certificate and this
    distribution point (b), (d).

    Raises:
        _Unusable: the list does not cover the certificate.
    """
    scope = one.scope
    if point.crl_issuer is not None and not (scope is not None and scope.indirect):  # (b)(1)
        raise _Unusable("a list of another issuer must be indirect, and this one is not")
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
            raise _Unusable("the list belongs to another distribution point")
    authority = certificate.basic_constraints is not None and certificate.basic_constraints.ca
    if (scope.only_user and authority) or (scope.only_ca and not authority) or scope.only_attribute:  # (b)(2)(ii) to (iv)
        raise _Unusable("the list is for certificates of another kind")
    return point.reasons & scope.only_some_reasons
