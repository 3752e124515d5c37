"""The bundle contains the authorities that are known to sign attested documents, and ``explain`` shows the chain for each."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imdskit.backends.contract import Backend
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.bundles import doctor

from .azure_chain import AT, Azure, document, leaf

OCSP = [f"Microsoft TLS G2 RSA CA OCSP {number:02}" for number in range(2, 17, 2)]
DIRECT = [f"Microsoft Azure RSA TLS Issuing CA {number}" for number in ("03", "04", "07", "08")]


def test_bundle_lists_twelve_signing_authorities_with_evidence() -> None:
    signing = Trust.bundled().signing
    assert [one.name for one in signing] == DIRECT + OCSP
    for one in signing:
        assert ("certificate chain issues" if one.name in OCSP else "genuine document") in one.evidence


def test_every_authority_that_signs_has_a_certificate_with_its_key() -> None:
    keys = {}
    for der in Trust.bundled().intermediates:
        certificate = x509.load_der_x509_certificate(der)
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        keys[sha256(spki).hexdigest()] = certificate.subject.rfc4514_string()
    for one in Trust.bundled().signing:
        assert f"CN={one.name}," in keys[one.key]


def test_all_other_intermediates_except_the_cross_signed_root_are_for_audits() -> None:
    uses = {one.fingerprint: one for one in doctor.examine(Trust.bundled(), AT, 60).authorities}
    assert [one.name for one in uses.values() if one.use == "path"] == ["Microsoft TLS RSA Root G2"]
    assert sorted(one.name for one in uses.values() if one.use == "signs") == DIRECT + OCSP
    audit = [one for one in uses.values() if one.use == "audit"]
    assert {one.fingerprint for one in audit} == set(Trust.bundled().audit)
    assert {f"Microsoft Azure ECC TLS Issuing CA {number}" for number in ("03", "04", "07", "08")} <= {one.name for one in audit}


@pytest.mark.parametrize("number", range(2, 17, 2))
def test_explain_names_the_whole_chain_below_each_of_the_eight(number: int, backend: Backend) -> None:
    azure = Azure()
    issuer = azure.ocsp(number)
    signed = document(leaf(issuer))
    verifier = Verifier(Trust((azure.digicert.der,), (azure.cross.der, issuer.der)), Policy.offline_audit(), backend=backend)
    names = ["metadata.azure.com", f"Microsoft TLS G2 RSA CA OCSP {number:02}", "Microsoft TLS RSA Root G2", "DigiCert Global Root G2"]
    report = verifier.explain(signed, at=AT)
    assert report.ok
    assert next(outcome.evidence for outcome in report if outcome.check == "chain") == " <- ".join(names)
    assert len(verifier.verify(signed, at=AT).chain) == 4


@pytest.mark.parametrize("number", range(2, 17, 2))
def test_the_chain_ends_at_the_new_root_where_that_is_an_anchor(number: int, backend: Backend) -> None:
    azure = Azure()
    issuer = azure.ocsp(number)
    verifier = Verifier(Trust((azure.digicert.der, azure.root.der), (azure.cross.der, issuer.der)), Policy.offline_audit(), backend=backend)
    assert verifier.verify(document(leaf(issuer)), at=AT).chain[1:] == (issuer.der, azure.root.der)
