"""Revocation checking of a path with lists that the caller gives (RFC 5280 section 6.3). Nothing is fetched.

For each certificate below the anchor the lists are asked that speak for it: of its issuer or of the issuer that its distribution point names, of its
kind, for the reasons that are still open, current at the time of the check, and signed by a key that may sign lists and is itself good under the
same anchor. A list of changes (delta) counts together with the complete list that it continues. ``certificateHold`` is a revocation like any other.

The order is fixed: distribution points as they stand in the certificate, then the issuer's own lists (the last step of section 6.3.3); for each
of them the newest list first. What an older list says is not asked for once a newer one has spoken. Lists that are equally new are all asked, and
revoked in one of them is revoked: which of them the issuer meant cannot be known.
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
"""Issuers of lists that are asked about on behalf of one another."""


class Lists:
    """Revocation lists by their issuer, the newest first. Immutable.

    Args:
        lists: in any order.
        required: a certificate for which none of them speaks is refused.
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
        """Those that continue ``base`` (section 6.3.3 (c), and 5.2.4 on numbers)."""
        for delta in self._delta.get(base.issuer.key, ()):
            assert delta.base_number is not None
            same_scope = (delta.scope.der if delta.scope else None) == (base.scope.der if base.scope else None)
            same_key = delta.authority_key_identifier == base.authority_key_identifier
            follows = base.number is not None and delta.number is not None and delta.base_number <= base.number < delta.number
            if same_scope and same_key and follows:
                yield delta


def _newness(one: CertificateList) -> tuple[int, int]:
    return one.this_update, one.number or 0


class _Unfit(Exception):  # noqa: N818  # not an error: another list may do
    """Why a list does not tell the status of a certificate."""


@dataclass(slots=True)
class Statuses:
    """What the lists say of the certificates on paths. Belongs to one search for a path.

    Attributes:
        lists: to ask.
        at: Unix seconds; None leaves times out (test suites only).
        budget: of the search.
        min_rsa_bits, accept_weak: as for certificates.
        issuers: certificates by the name that they bear, among which issuers of lists are looked for beside the path.
        vouch: whether a certificate may sign lists, leads to this anchor, and is not revoked. The last argument is ``pending``.
        pending: certificates whose own status is being asked for, so that none vouches for itself.
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
        """Every certificate but the anchor, from the anchor down, so that what stands above has been asked about before.

        Raises:
            Refusal: ``revoked`` or ``revocation-unknown``.
            VerificationError: ``budget-spent``.
        """
        for index in range(len(path) - 2, -1, -1):
            self._check(path, index)

    def _check(self, path: Sequence[Certificate], index: int) -> None:
        """Section 6.3.3, for one certificate."""
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
                        deltas = self._read(one, point, path, index)  # (a), (c), (f) to (h)
                    except _Unfit as unfit:
                        why = why or str(unfit)
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
        """Those of the certificate, and the one that every certificate has: its issuer's name, for all reasons."""
        # If they cannot be read, a list of the issuer that is not limited to a distribution point still tells.
        with suppress(DerError):
            yield from points_of(certificate)
        yield DistributionPoint()

    def _read(self, one: CertificateList, point: DistributionPoint, path: Sequence[Certificate], index: int) -> Sequence[CertificateList]:
        """The list may be relied on; the newest lists of changes that go with it and may be, too: several only if they are equally new.

        Raises:
            _Unfit: it may not.
        """
        self._check_current(one)
        key_holder = self._signer(one, point, path, index)
        found: list[CertificateList] = []
        for delta in self.lists.deltas(one):
            if found and _newness(delta) != _newness(found[0]):
                break
            with suppress(_Unfit):
                self._check_current(delta)
                self._check_signed(delta, key_holder)  # (h): by the key of the complete list
                found.append(delta)
        return found

    def _check_current(self, one: CertificateList) -> None:
        """Usable at all, and (a): within its time, both ends included."""
        if one.unusable:
            raise _Unfit(one.unusable)
        if self.at is None or one.next_update is None:
            return
        if self.at < one.this_update:
            raise _Unfit("its list was issued after the time of the check")
        if self.at > one.next_update:
            raise _Unfit(f"its list should have been replaced {self.at - one.next_update} s before")

    def _signer(self, one: CertificateList, point: DistributionPoint, path: Sequence[Certificate], index: int) -> Certificate:
        """(f), (g): the certificate of the key that signed. Those above on the path come first; they have been checked.

        Raises:
            _Unfit: there is none that may sign lists.
        """
        above = [certificate for certificate in path[index + 1 :] if certificate.subject.key == one.issuer.key]
        why = _Unfit("the certificate of the list's issuer is not known here")
        for holder in above:
            try:
                self._check_signed(one, holder)
            except _Unfit as unfit:
                why = unfit
            else:
                return holder
        used = {certificate.der for certificate in above}
        asked = path[index].der
        for holder in self.issuers.get(one.issuer.key, ()):
            if holder.der in used:
                continue
            self.budget.spend_items(1)
            try:
                self._check_signed(one, holder)
            except _Unfit as unfit:
                why = unfit
                continue
            # Who is named as the issuer of the list for its own certificate is believed about itself; nobody else can be asked.
            if holder.der == asked and asked in self.pending and point.crl_issuer is not None:
                return holder
            pending = self.pending | {asked}
            if holder.der not in pending and len(pending) <= MAX_NESTED and self.vouch(holder, path[-1], pending):
                return holder
            why = _Unfit("the list's issuer is itself not good")
        raise why

    def _check_signed(self, one: CertificateList, holder: Certificate) -> None:
        if holder.key_usage is not None and "cRLSign" not in holder.key_usage:
            raise _Unfit("cRLSign is not set for the list's issuer")
        remembered = (one.der, holder.spki)
        if remembered not in self.signatures:
            self.signatures[remembered] = self._signature_problem(one, holder)
        problem = self.signatures[remembered]
        if problem is not None:
            raise _Unfit(problem)

    def _signature_problem(self, one: CertificateList, holder: Certificate) -> str | None:
        problem = None if self.accept_weak else signature.algorithm_fault(one.signature_algorithm)
        problem = problem or signature.key_fault(holder.public_key, self.min_rsa_bits)
        if problem:
            return f"the list: {problem}"
        self.budget.spend_signature(holder.public_key)
        fault = signature.fault(one.signature_algorithm, holder.public_key, one.tbs, one.signature)
        return None if fault is None else f"the list: {fault.value}"


def _reasons(one: CertificateList, point: DistributionPoint, certificate: Certificate) -> frozenset[str]:
    """(b), (d): the reasons for which the list speaks for the certificate, found by this distribution point.

    Raises:
        _Unfit: it does not speak for it.
    """
    scope = one.scope
    if point.crl_issuer is not None and not (scope is not None and scope.indirect):  # (b)(1)
        raise _Unfit("another issuer's list is needed, and the one at hand is not indirect")
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
            raise _Unfit("the list is that of another distribution point")
    authority = certificate.basic_constraints is not None and certificate.basic_constraints.ca
    if (scope.only_user and authority) or (scope.only_ca and not authority) or scope.only_attribute:  # (b)(2)(ii) to (iv)
        raise _Unfit("the list is for certificates of another kind")
    return point.reasons & scope.only_some_reasons
