"""Revocation lists: issuers, scopes, and the cost of hostile lists. Another library creates the lists. The tests need no documents."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Protocol

import native_parts
import pytest
from certificates import DAY, Extension, basic, key, make, name, usage
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from imdskit.asn1 import writer as der
from imdskit.backends.contract import Backend, Limits
from imdskit.errors import DerError, VerificationError
from imdskit.pki.path import building
from imdskit.pki.path.validation import Inputs
from imdskit.pki.revocation.crl import CertificateList, parse_crl
from imdskit.pki.revocation.distribution_points import points_of
from imdskit.pki.revocation.revocation import Lists
from imdskit.pki.x509.certificate import Certificate

AT = 1_800_000_000
INPUTS = Inputs(AT, purpose=None)


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@cache
def certificate(
    subject: str,
    issuer: str,
    serial: int,
    *,
    ca: bool = True,
    lists: bool = True,
    own: str = "",
    point: x509.DistributionPoint | None = None,
    points: bytes = b"",
) -> Certificate:
    """Return a certificate that is signed with the key labelled like its issuer.

    Its own key is labelled like its subject, unless ``own`` is given.
    """
    usages = ("key_cert_sign",) if ca else ("digital_signature",)
    extensions: list[Extension] = [basic(ca), usage(*usages, *(["crl_sign"] if lists else []))]
    if point is not None:
        extensions.append((x509.CRLDistributionPoints([point]), False))
    if points:
        extensions.append((x509.UnrecognizedExtension(x509.CRLDistributionPoints.oid, points), False))
    return make(subject, issuer, extensions, valid=(AT - DAY, AT + DAY), own=key(own or subject), serial=serial).parsed


def revocation_list(
    issuer: str, *serials: int, signer: str = "", extra: x509.ExtensionType | None = None, number: int = 1
) -> CertificateList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name(issuer))
        .last_update(moment(AT - 60) + timedelta(seconds=number))
        .next_update(moment(AT + 60))
        .add_extension(x509.CRLNumber(number), False)
    )
    if extra is not None:
        builder = builder.add_extension(extra, True)
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment(AT - 60)).build()
        )
    return parse_crl(builder.sign(key(signer or issuer), hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def indirect_list(issuer: str, *entries: tuple[str, int]) -> CertificateList:
    """Return an indirect list that revokes certificates of other issuers. Each entry is an issuer and a serial number."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(name(issuer)).last_update(moment(AT - 60)).next_update(moment(AT + 60))
    builder = builder.add_extension(x509.CRLNumber(1), False).add_extension(limited(indirect=True), True)
    for other, serial in entries:
        whose = x509.CertificateIssuer([x509.DirectoryName(name(other))])
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment(AT - 60)).add_extension(whose, True)
        builder = builder.add_revoked_certificate(entry.build())
    return parse_crl(builder.sign(key(issuer), hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def limited(
    full_name: str | None = None, relative: str | None = None, *, user: bool = False, ca: bool = False, indirect: bool = False
) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(full_name)] if full_name else None,
        relative_name=relative_name(relative) if relative else None,
        only_contains_user_certs=user,
        only_contains_ca_certs=ca,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )


def relative_name(label: str) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, label)])


ROOT = certificate("Root", "Root", 1)
CA = certificate("CA", "Root", 2)
ROOT_LIST = revocation_list("Root")


def signer(point: x509.DistributionPoint | None = None) -> Certificate:
    return certificate("Signer", "CA", 3, ca=False, lists=False, point=point)


class Verdict(Protocol):
    """Function that returns ``good``, or the reason and location of the refusal."""

    def __call__(
        self,
        leaf: Certificate,
        *lists: CertificateList,
        others: tuple[Certificate, ...] = (),
        required: bool = True,
        at: int | None = AT,
        anchors: tuple[Certificate, ...] = (ROOT,),
    ) -> str: ...


@pytest.fixture
def verdict(backend: Backend) -> Verdict:
    """Return the function that computes the verdict of a backend."""

    def judge(
        leaf: Certificate,
        *lists: CertificateList,
        others: tuple[Certificate, ...] = (),
        required: bool = True,
        at: int | None = AT,
        anchors: tuple[Certificate, ...] = (ROOT,),
    ) -> str:
        inputs = replace(INPUTS, at=at)
        try:
            if backend.name == "rust":
                native_parts.build(leaf, anchors, (CA, *others), inputs, lists, require_lists=required)
            else:
                building.build(
                    leaf,
                    anchors=anchors,
                    intermediates=(CA, *others),
                    inputs=inputs,
                    limits=Limits(),
                    lists=Lists(lists, required=required),
                )
        except VerificationError as error:
            return f"{error.code} {error.location}"
        return "good"

    return judge


def test_every_certificate_below_the_anchor_needs_a_required_list(verdict: Verdict) -> None:
    assert verdict(signer(), ROOT_LIST, revocation_list("CA")) == "good"
    assert verdict(signer(), ROOT_LIST) == "revocation-unknown chain[0]"
    assert verdict(signer(), revocation_list("CA")) == "revocation-unknown chain[1]"
    assert verdict(signer(), ROOT_LIST, required=False) == "good"
    assert verdict(signer(), revocation_list("CA", 3), required=False) == "revoked chain[0].serialNumber"
    assert verdict(signer(), revocation_list("Root", 2), required=False) == "revoked chain[1].serialNumber"


def test_revocation_of_the_anchor_is_not_checked(verdict: Verdict) -> None:
    assert verdict(signer(), revocation_list("Root", 1), revocation_list("CA")) == "good"


def test_tries_another_path_if_a_certificate_is_revoked(verdict: Verdict) -> None:
    twin = certificate("CA", "Other root", 7)
    other = certificate("Other root", "Other root", 1)
    lists = (revocation_list("Root", 2), revocation_list("Other root"), revocation_list("CA"))
    assert verdict(signer(), *lists, others=(twin,), anchors=(ROOT, other)) == "good"
    assert verdict(signer(), *lists, others=(twin,)) == "revoked chain[1].serialNumber"


@pytest.mark.parametrize("lists", [True, False], ids=["may-sign-lists", "may-not"])
def test_authority_may_sign_lists_with_another_certified_key(verdict: Verdict, lists: bool) -> None:
    holder = certificate("CA", "Root", 8, ca=False, lists=lists, own="CA's key for lists")
    signed = revocation_list("CA", signer="CA's key for lists")
    assert verdict(signer(), ROOT_LIST, signed) == "revocation-unknown chain[0]"
    assert verdict(signer(), ROOT_LIST, signed, others=(holder,)) == ("good" if lists else "revocation-unknown chain[0]")


def test_rejects_list_signed_with_a_revoked_key(verdict: Verdict) -> None:
    holder = certificate("CA", "Root", 8, ca=False, own="CA's key for lists")
    signed = revocation_list("CA", signer="CA's key for lists")
    assert verdict(signer(), revocation_list("Root", 8), signed, others=(holder,)) == "revocation-unknown chain[0]"


def test_key_cannot_confirm_itself_with_its_own_list(verdict: Verdict) -> None:
    holder = certificate("CA", "CA", 9, ca=False, own="CA's key for lists")  # self-issued, and revoked by the authority itself
    signed = revocation_list("CA", signer="CA's key for lists", number=2)
    assert verdict(signer(), ROOT_LIST, signed, others=(holder,)) == "revocation-unknown chain[0]"
    assert verdict(signer(), ROOT_LIST, signed, revocation_list("CA", 3, 9), others=(holder,)) == "revoked chain[0].serialNumber"


POINT = x509.DistributionPoint([x509.UniformResourceIdentifier("http://ca.invalid/1.crl")], None, None, None)
RELATIVE = x509.DistributionPoint(None, relative_name("part 1"), None, None)
ELSEWHERE = x509.DistributionPoint(None, None, None, [x509.DirectoryName(name("List issuer"))])


@pytest.mark.parametrize(
    ("point", "scope", "expected"),
    [
        (None, limited(user=True), "good"),
        (None, limited(ca=True), "revocation-unknown chain[0]"),
        (None, limited("http://ca.invalid/1.crl"), "revocation-unknown chain[0]"),
        (POINT, limited("http://ca.invalid/1.crl"), "good"),
        (POINT, limited("http://ca.invalid/2.crl"), "revocation-unknown chain[0]"),
        (POINT, None, "good"),
        (RELATIVE, limited(relative="part 1"), "good"),
        (RELATIVE, limited(relative="part 2"), "revocation-unknown chain[0]"),
        (ELSEWHERE, limited(indirect=True), "good"),
    ],
    ids=["user", "ca", "named", "same-name", "other-name", "unlimited", "same-part", "other-part", "elsewhere"],
)
def test_list_covers_only_its_scope(
    verdict: Verdict, point: x509.DistributionPoint | None, scope: x509.IssuingDistributionPoint | None, expected: str
) -> None:
    assert verdict(signer(point), ROOT_LIST, revocation_list("CA", extra=scope)) == expected


def test_list_of_another_issuer_must_be_named_and_indirect(verdict: Verdict) -> None:
    holder = certificate("List issuer", "Root", 10, ca=False)
    indirect, direct = (revocation_list("List issuer", extra=extra) for extra in (limited(indirect=True), None))
    leaf = signer(ELSEWHERE)
    assert verdict(leaf, ROOT_LIST, indirect, others=(holder,)) == "good"
    assert verdict(leaf, ROOT_LIST, direct, others=(holder,)) == "revocation-unknown chain[0]"
    assert verdict(leaf, ROOT_LIST, indirect) == "revocation-unknown chain[0]"
    assert verdict(signer(), ROOT_LIST, indirect, others=(holder,)) == "revocation-unknown chain[0]"
    assert verdict(leaf, revocation_list("Root", 10), indirect, others=(holder,)) == "revocation-unknown chain[0]"


def test_list_may_have_the_name_in_crl_issuer_of_a_distribution_point(verdict: Verdict) -> None:
    holder = certificate("List issuer", "Root", 10, ca=False)
    for label, expected in (("List issuer", "good"), ("Somebody else", "revocation-unknown chain[0]")):
        named = x509.IssuingDistributionPoint([x509.DirectoryName(name(label))], None, False, False, None, True, False)
        assert verdict(signer(ELSEWHERE), ROOT_LIST, revocation_list("List issuer", extra=named), others=(holder,)) == expected


def test_certificate_may_issue_the_list_that_covers_it_if_it_says_so(verdict: Verdict) -> None:
    holder = certificate("List issuer", "Root", 10, ca=False, point=ELSEWHERE)
    for entries, expected in (
        ((), "good"),
        ((("Root", 10),), "revocation-unknown chain[0]"),
        ((("CA", 3),), "revoked chain[0].serialNumber"),
    ):
        assert verdict(signer(ELSEWHERE), indirect_list("List issuer", *entries), ROOT_LIST, others=(holder,)) == expected


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (der.sequence(der.sequence()), "The distribution point has neither a name nor a CRL issuer."),
        (der.sequence(der.sequence(der.explicit(0))), "An element is missing."),
    ],
    ids=["empty-point", "nameless-point"],
)
def test_malformed_distribution_points_leave_the_issuers_list(points: bytes, message: str, verdict: Verdict) -> None:
    leaf = certificate("Signer", "CA", 3, ca=False, lists=False, points=points)
    assert verdict(leaf, ROOT_LIST, revocation_list("CA")) == "good"
    assert verdict(leaf, ROOT_LIST, revocation_list("CA", 3)) == "revoked chain[0].serialNumber"
    with pytest.raises(DerError) as error:
        points_of(leaf)
    assert error.value.message == message


def test_ignoring_times_applies_to_lists_too(verdict: Verdict) -> None:
    assert verdict(signer(), ROOT_LIST, revocation_list("CA", number=100)) == "revocation-unknown chain[0]"
    assert verdict(signer(), ROOT_LIST, revocation_list("CA", number=100), at=None) == "good"


def test_order_of_revocation_lists_does_not_matter(verdict: Verdict) -> None:
    lists = [ROOT_LIST, *(revocation_list("CA", *serials, number=n) for n, serials in enumerate([(), (4,), (3,)], 1))]
    for seed in range(6):
        random.Random(seed).shuffle(lists)
        assert verdict(signer(), *lists) == "revoked chain[0].serialNumber"


def test_many_lists_and_issuers_exhaust_the_budget(verdict: Verdict) -> None:
    holders = tuple(certificate("CA", "Root", 100 + n, ca=False, own=f"key {n}") for n in range(20))
    lists = [revocation_list("CA", signer="nobody's", number=n) for n in range(1, 31)]
    started = time.process_time()
    assert verdict(signer(), ROOT_LIST, *lists, others=holders) == "budget-spent chain"
    assert time.process_time() - started < 5


def test_rejects_a_malformed_list_with_its_location() -> None:
    good = revocation_list("CA", 3, 4).der
    assert parse_crl(good).revoked.keys() == {(parse_crl(good).issuer.key, serial) for serial in (3, 4)}
    rng = random.Random(20261123)
    refused = 0
    for _ in range(3000):
        changed = bytearray(good)
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        try:
            parse_crl(bytes(changed[: rng.choice([len(changed), rng.randrange(len(changed))])]))
        except DerError:
            refused += 1
    assert refused > 1500
    for cut in range(len(good)):
        with pytest.raises(DerError):
            parse_crl(good[:cut])


def test_rejects_every_modified_list(verdict: Verdict) -> None:
    one = revocation_list("CA", 3)
    emptied = parse_crl(der.sequence(revocation_list("CA").tbs, one.signature_algorithm.der, der.bit_string(one.signature)))
    assert verdict(signer(), ROOT_LIST, emptied) == "revocation-unknown chain[0]"
