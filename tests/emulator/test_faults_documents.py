"""Faulty documents, and the reasons for which imdskit's verifier and OpenSSL refuse them."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.faults.script import DOCUMENTS
from imdskit.errors import VerificationError
from imdskit.verify.policy import Policy
from imdskit.verify.trust import Trust
from imdskit.verify.verifier import Verifier

NOON = 1_767_268_800
NONCE = "1234567890"


@pytest.fixture(scope="module")
def imds(backend: Backend) -> Iterator[Emulator]:
    with Emulator("linux", seed=1, clock=ManualClock(NOON), backend=backend, rate_limit=False) as emulator:
        yield emulator


def fetch(imds: Emulator, target: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(imds.url).netloc, timeout=10)
    try:
        connection.request("GET", target, headers={"Metadata": "true"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def document(imds: Emulator, fault: str) -> bytes:
    imds.faults.load([{"fault": {"document": fault}}])
    status, body = fetch(imds, f"/metadata/attested/document?api-version=2021-02-01&nonce={NONCE}")
    assert (status, imds.faults.list()[0]["applied"]) == (200, 1)
    imds.faults.clear()
    return body


def signature(document: bytes) -> bytes:
    return base64.b64decode(json.loads(document)["signature"])


def issuer_address(certificate: x509.Certificate) -> str:
    (access,) = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    return urlsplit(str(access.access_location.value)).path


def leaf_of(document: bytes) -> x509.Certificate:
    (leaf,) = pkcs7.load_der_pkcs7_certificates(signature(document))
    return leaf


def reason(imds: Emulator, document: bytes, *intermediates: bytes) -> str | None:
    """Return the reason for which the verifier refuses the document with the emulator's trust, or None if it accepts it."""
    trust = Trust.from_pem([imds.trust_pem.encode()], list(intermediates))
    try:
        Verifier(trust, Policy.offline_audit(), clock=ManualClock(NOON)).verify(document, nonce=NONCE)
    except VerificationError as error:
        return error.reason.value
    return None


REFUSED = {
    "cached-nonce": "nonce-mismatch",
    "broken-signature": "bad-signature",
    "expired-leaf": "expired",
    "rotated-issuer": "unknown-issuer",
    "unknown-root": "unknown-issuer",
    "missing-intermediate": "unknown-issuer",
}


@pytest.mark.parametrize(("fault", "why"), REFUSED.items(), ids=REFUSED)
def test_the_verifier_refuses_each_document_fault_for_its_reason(fault: str, why: str, imds: Emulator) -> None:
    assert reason(imds, document(imds, fault)) == why
    _, good = fetch(imds, f"/metadata/attested/document?api-version=2021-02-01&nonce={NONCE}")
    assert reason(imds, good) is None


def test_the_table_has_every_document_fault() -> None:
    assert set(REFUSED) == set(DOCUMENTS)


@pytest.mark.parametrize(("fault", "why"), [("rotated-issuer", None), ("unknown-root", "unknown-issuer")])
def test_document_is_accepted_if_its_downloaded_issuer_has_a_known_root(fault: str, why: str | None, imds: Emulator) -> None:
    body = document(imds, fault)
    status, der = fetch(imds, issuer_address(leaf_of(body)))
    assert status == 200
    issuing = x509.load_der_x509_certificate(der)
    leaf_of(body).verify_directly_issued_by(issuing)
    assert reason(imds, body, issuing.public_bytes(Encoding.PEM)) == why
    status, root = fetch(imds, issuer_address(issuing))
    assert status == 200
    assert (root == imds.authority.root) is (fault == "rotated-issuer")


def test_the_missing_intermediate_cannot_be_downloaded(imds: Emulator) -> None:
    body = document(imds, "missing-intermediate")
    assert fetch(imds, issuer_address(leaf_of(body)))[0] == 404
    assert leaf_of(body).issuer != x509.load_der_x509_certificate(imds.authority.issuing).subject


def test_faulty_leaves_have_the_names_of_good_leaves_and_differ(imds: Emulator) -> None:
    leaves = [leaf_of(document(imds, fault)) for fault in ("expired-leaf", "rotated-issuer", "unknown-root", "missing-intermediate")]
    good = x509.load_der_x509_certificate(imds.authority.signer().certificate)
    for leaf in leaves:
        assert leaf.subject == good.subject
        assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName) == good.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    assert len({leaf.serial_number for leaf in (*leaves, good)}) == 5
    assert leaves[0].not_valid_after_utc.timestamp() < NOON


@pytest.mark.parametrize(
    ("fault", "words"),
    [("broken-signature", "ignature"), ("expired-leaf", "expired"), ("unknown-root", "issuer"), ("rotated-issuer", "issuer")],
)
def test_openssl_also_refuses_the_document(fault: str, words: str, imds: Emulator, tmp_path: Path) -> None:
    (tmp_path / "trust.pem").write_text(imds.trust_pem, "utf-8")
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-purpose", "any", "-CAfile", "trust.pem", "-attime", str(NOON)]
    result = subprocess.run(command, input=signature(document(imds, fault)), cwd=tmp_path, capture_output=True, check=False)
    assert result.returncode != 0
    assert words in result.stderr.decode()


def test_a_fault_can_withhold_a_certificate_by_its_path(imds: Emulator) -> None:
    path = issuer_address(x509.load_der_x509_certificate(imds.authority.signer().certificate))
    imds.faults.load([{"match": {"path": "/pki/*issuing*.crt"}, "fault": {"status": 404}}])
    assert [fetch(imds, path)[0] for _ in range(2)] == [404, 200]
    imds.faults.clear()


def test_loads_faults_while_the_emulator_runs(imds: Emulator) -> None:
    imds.faults.load([{"match": {"category": "versions"}, "fault": {"status": 503}}])
    assert [fetch(imds, "/metadata/versions")[0] for _ in range(2)] == [503, 200]
    imds.faults.clear()
