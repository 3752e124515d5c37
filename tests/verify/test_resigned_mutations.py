"""Seeded mutations that are signed again, so that the signature is good and the later checks must decide.

An accepted mutation must also be correct according to independent code: the path validation of the ``cryptography`` library for
certificates, and a few lines in this module for contents and attributes. A mutation that another issuer signs must never be accepted.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509 as other_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.verification import PolicyBuilder
from cryptography.x509.verification import VerificationError as OtherError

from imdskit.asn1 import writer as der
from imdskit.backends.contract import Backend, Setup, Signed
from imdskit.emulator.authority import certificates as x509
from imdskit.errors import ImdskitError, TrustError, VerificationError

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "fuzz"), str(TESTS / "vectors" / "attested")]

import message as m  # noqa: E402  # the paths above come first
from malformed import attribute  # noqa: E402
from mutate import mutated  # noqa: E402
from tlv import KINDS, elements  # noqa: E402

import pki  # noqa: E402

DOMAIN = "metadata.azure.com"
CERTIFICATES, CONTENTS, ATTRIBUTES = 250, 300, 200
WEB_RULES = (
    ("2.5.29.35: Certificate is missing required extension", "RFC 5280 section 6.1 does not require an authorityKeyIdentifier"),
    ("2.5.29.14: Certificate is missing required extension", "RFC 5280 section 6.1 does not require a subjectKeyIdentifier"),
    ("2.5.29.15: Certificate is missing required extension", "RFC 5280 section 6.1.4 (n) checks keyUsage only if it is present"),
    ("incorrect criticality", "RFC 5280 section 6.1 accepts a known extension whether or not it is critical"),
    (
        "candidates exhausted with no interior errors",
        "RFC 5280 section 7.1 compares names without regard to letter case; the library compares bytes",
    ),
)
"""Errors of the ``cryptography`` library that are not errors by RFC 5280, because it applies the rules of the CA/Browser Forum.

Each is harmless: only the authority can have created the certificate, and the path is valid by RFC 5280 section 6.1.
"""
Outcomes = Counter[str]
LEAF, ISSUING, ROOT = pki.leaf(), pki.issuing(), pki.root()
SIGNATURE = pki.sign(m.CONTENT, pki.key("leaf"))
CONTENT_TYPE = attribute(m.CONTENT_TYPE, der.oid(m.DATA))
MESSAGE_DIGEST = attribute(m.MESSAGE_DIGEST, der.octet_string(hashlib.sha256(m.CONTENT).digest()))


def resigned(tbs: bytes, signer: str) -> bytes:
    """Return a certificate with a good signature over ``tbs``."""
    return der.sequence(tbs, x509.algorithm(pki.SHA384_RSA), der.bit_string(private(signer).sign(tbs, padding.PKCS1v15(), hashes.SHA384())))


@cache
def private(purpose: str) -> rsa.RSAPrivateKey:
    """Return one of the keys of the vectors."""
    key = pki.key(purpose)
    d = pow(key.exponent, -1, (key.p - 1) * (key.q - 1))
    public = rsa.RSAPublicNumbers(key.exponent, key.modulus)
    parts = (key.p, key.q, d, d % (key.p - 1), d % (key.q - 1), pow(key.q, -1, key.p))
    return rsa.RSAPrivateNumbers(*parts, public).private_key(unsafe_skip_rsa_key_validation=True)


def signature_of(raw: bytes) -> bytes:
    """Return the signature of the signer of documents."""
    return private("leaf").sign(raw, padding.PKCS1v15(), hashes.SHA256())


def tbs_of(certificate: bytes) -> bytes:
    tbs = next(e for e in elements(certificate) if e.depth == 1)
    return certificate[tbs.start : tbs.stop]


def judged(backend: Backend, document: bytes, intermediate: bytes | None = None) -> Signed | VerificationError | TrustError:
    intermediates = (ISSUING if intermediate is None else intermediate,)
    try:
        return backend.checker(Setup((ROOT,), intermediates, ((DOMAIN, DOMAIN),))).check(document, pki.AT, None)
    except (VerificationError, TrustError) as error:
        return error


def second_opinion(leaf: bytes, intermediate: bytes, name: str) -> str | None:
    """Return the error of another library for this path, or None if it accepts the path."""
    try:
        store = other_x509.verification.Store([other_x509.load_der_x509_certificate(ROOT)])
        at = datetime.fromtimestamp(pki.AT, UTC)
        verifier = PolicyBuilder().store(store).time(at).build_server_verifier(other_x509.DNSName(name))
        verifier.verify(other_x509.load_der_x509_certificate(leaf), [other_x509.load_der_x509_certificate(intermediate)])
    except (OtherError, ValueError) as error:
        return str(error)
    return None


def mutations(data: bytes, purpose: str, count: int) -> Iterator[bytes]:
    rng = random.Random(f"{purpose} 20261123")
    for number in range(count):
        yield KINDS[number % len(KINDS)](data, rng)


def signed_by(leaf: bytes) -> bytes:
    return m.signed_data(certificates=[leaf], signature=SIGNATURE)


def noted(outcomes: Outcomes, response: Signed | VerificationError | TrustError) -> bool:
    """Count the outcome, and return whether it is an acceptance."""
    refused = isinstance(response, ImdskitError)
    outcomes[response.code if refused else "accepted"] += 1
    return not refused


@pytest.mark.parametrize("mutated_one", ["signer", "authority"])
def test_accepts_mutated_certificate_only_if_another_library_agrees(
    mutated_one: str, backend: Backend, record_property: Callable[[str, object], None]
) -> None:
    outcomes: Outcomes = Counter()
    good, signer = (LEAF, "issuing") if mutated_one == "signer" else (ISSUING, "root")
    for tbs in mutations(tbs_of(good), mutated_one, CERTIFICATES):
        certificate = resigned(tbs, signer)
        leaf, intermediate = (certificate, ISSUING) if mutated_one == "signer" else (LEAF, certificate)
        response = judged(backend, signed_by(leaf), intermediate)
        if noted(outcomes, response) and certificate != good:
            assert not isinstance(response, ImdskitError)
            against = second_opinion(leaf, intermediate, response.name)
            ours = next((why for words, why in WEB_RULES if against is not None and words in against), None)
            assert against is None or ours is not None, (against, certificate.hex())
            outcomes[f"accepted: {ours}" if ours else "accepted, and agreed"] += 1
    record_property("outcomes", dict(outcomes))
    assert outcomes["accepted"] < CERTIFICATES / 4
    assert outcomes.keys() - {"accepted", "bad-certificate", "bad-der", "bad-trust"}, "later checks were reached"


@pytest.mark.parametrize("mutated_one", ["signer", "authority"])
def test_never_accepts_mutated_certificate_of_another_issuer(mutated_one: str, backend: Backend) -> None:
    good = LEAF if mutated_one == "signer" else ISSUING
    for tbs in mutations(tbs_of(good), mutated_one, CERTIFICATES // 2):
        certificate = resigned(tbs, "stranger")
        leaf, intermediate = (certificate, ISSUING) if mutated_one == "signer" else (LEAF, certificate)
        assert isinstance(judged(backend, signed_by(leaf), intermediate), ImdskitError), certificate.hex()


def test_parses_mutated_signed_content_like_another_parser(backend: Backend, record_property: Callable[[str, object], None]) -> None:
    """Claims must equal those of the standard library's parser, members must be unique, and the times must be correct."""
    outcomes: Outcomes = Counter()
    rng = random.Random("content 20261123")
    for _ in range(CONTENTS):
        content = mutated((m.CONTENT,), rng)
        response = judged(backend, m.signed_data(signed=content, certificates=[LEAF], signature=signature_of(content)))
        if not noted(outcomes, response):
            continue
        assert not isinstance(response, ImdskitError)
        assert response.content == content
        members = json.loads(content.decode("utf-8"), object_pairs_hook=once)
        claims = response.claims
        assert (claims.vm_id, claims.nonce) == (members["vmId"], members["nonce"])
        optional = (claims.subscription_id, claims.sku, claims.license_type)
        assert optional == (members.get("subscriptionId"), members.get("sku"), members.get("licenseType"))
        times = [datetime.strptime(members["timeStamp"][name], "%m/%d/%y %H:%M:%S %z").timestamp() for name in ("createdOn", "expiresOn")]
        assert [claims.created_on, claims.expires_on] == times
        assert claims.created_on - 120 <= pki.AT <= claims.expires_on + 120
    record_property("outcomes", dict(outcomes))
    assert outcomes["accepted"]
    assert {"bad-claims", "missing-claim", "bad-time"} <= outcomes.keys()


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_mutated_signed_attributes_still_match_the_content(backend: Backend, record_property: Callable[[str, object], None]) -> None:
    """There must be exactly one content type and one digest, which must be that of the content."""
    outcomes: Outcomes = Counter()
    attributes = sorted((CONTENT_TYPE, MESSAGE_DIGEST, attribute(m.SIGNING_TIME, der.time(pki.AT))))
    for body in mutations(der.element(0x31, *attributes), "attributes", ATTRIBUTES):
        whole = b"\xa0" + body[1:]
        document = m.signed_data(attributes=whole, certificates=[LEAF], signature=signature_of(body))
        response = judged(backend, document)
        if not noted(outcomes, response) or body == der.element(0x31, *attributes):
            continue
        found = [body[e.start : e.stop] for e in elements(body) if e.depth == 1]
        assert body[0] == 0x31
        assert found.count(CONTENT_TYPE) == found.count(MESSAGE_DIGEST) == 1
        for oid in (m.CONTENT_TYPE, m.MESSAGE_DIGEST):
            assert sum(one.find(der.oid(oid)) in (2, 3) for one in found) == 1
    record_property("outcomes", dict(outcomes))
    assert {"digest-mismatch", "signed-attributes"} <= outcomes.keys()
