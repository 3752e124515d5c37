"""Tests of nonces and attestations: what the service accepts and refuses, and when it treats a
nonce or a document as used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest

from imdskit.clock import ManualClock
from imdskit.errors import StoreError

from .conftest import NOW, SUBSCRIPTION, VM, Service


class BrokenStore:
    """Store that raises StoreError, because it cannot tell whether a document was used."""

    def consume(self, key: bytes, expires_at: int) -> bool:
        raise StoreError("store-unreachable", "It is away.\x1b[31m")


def test_accepts_document_with_nonce_and_returns_its_claims(service: Service) -> None:
    nonce = service.nonce()
    response = service.attest(nonce, service.document(nonce))
    assert response.status == 200
    assert response.json == {
        "decision": "accepted",
        "cloud": "public",
        "signer": "westeurope.metadata.azure.com",
        "claims": {
            "vmId": VM,
            "subscriptionId": SUBSCRIPTION,
            "sku": "",
            "licenseType": "",
            "plan": {"name": "", "product": "", "publisher": ""},
            "nonce": nonce,
            "createdOn": NOW,
            "expiresOn": NOW + 21_600,
        },
    }


def test_document_and_nonce_are_accepted_only_once(service: Service) -> None:
    nonce = service.nonce()
    document = service.document(nonce)
    assert service.attest(nonce, document).status == 200
    assert service.attest(nonce, document).status == 403
    # Another document with the same nonce is refused as well.
    assert service.attest(nonce, service.document(nonce, at=NOW + 1)).status == 403
    assert [line["reason"] for line in service.audit_lines()[1:]] == ["replayed", "replayed"]


def test_refused_document_does_not_use_up_the_nonce(service: Service) -> None:
    nonce = service.nonce()
    document = service.document(nonce)
    for rubbish in ("", "MII=", document[:-40], service.document("other")):
        assert service.attest(nonce, rubbish).status == 403
    assert service.attest(nonce, document).status == 200


def refusals(service: Service, clock: ManualClock) -> dict[str, tuple[str, str]]:
    """Return pairs of a nonce and a document. The key of each pair is the reason for which the
    service refuses it."""
    nonce = service.nonce()
    old = service.nonce()
    clock.advance(301)
    fresh = service.nonce()
    return {
        "nonce-unknown": ("a" * 32, service.document("a" * 32)),
        "nonce-expired": (nonce, service.document(nonce)),
        "nonce-mismatch": (fresh, service.document("1234567890")),
        "document-too-old": (fresh, service.document(fresh, at=clock.now() - 500)),
        "document-not-yet-valid": (fresh, service.document(fresh, at=clock.now() + 500)),
        "empty": (fresh, ""),
        "bad-base64": (fresh, "***"),
        "bad-der": (fresh, "MII="),
        "missing": (old, "MII="),
    }


def test_refusals_look_the_same_and_only_the_audit_log_has_the_reason(service: Service, clock: ManualClock) -> None:
    cases = refusals(service, clock)
    del cases["missing"]
    seen = {(response.status, response.body) for response in (service.attest(*case) for case in cases.values())}
    assert seen == {(403, b'{"decision": "refused"}')}
    assert [line["reason"] for line in service.audit_lines()] == list(cases)


def test_nonce_is_valid_only_for_the_key_that_requested_it(service: Service) -> None:
    nonce = service.nonce("client")
    assert service.attest(nonce, service.document(nonce), "other").status == 403
    assert service.audit_lines()[-1]["reason"] == "nonce-unknown"
    assert service.attest(nonce, service.document(nonce), "client").status == 200


@pytest.mark.parametrize("given", [{}, {"binding": ""}, {"binding": "order 8"}])
def test_nonce_is_valid_only_for_its_binding(service: Service, given: dict[str, str]) -> None:
    nonce = service.nonce(binding="order 7")
    assert service.attest(nonce, service.document(nonce), **given).status == 403
    assert service.attest(nonce, service.document(nonce), binding="order 7").status == 200


def test_key_name_and_binding_cannot_be_confused(service: Service) -> None:
    nonce = service.nonce("client", binding="2x")
    for key, binding in (("client2", "x"), ("other", "client\x002x"), ("client", "\x002x")):
        assert service.attest(nonce, service.document(nonce), key, binding=binding).status == 403
    assert service.attest(nonce, service.document(nonce), "client", binding="2x").status == 200


def test_refuses_other_clouds_unless_configured(service: Service) -> None:
    service.configure(clouds="usgovernment")
    nonce = service.nonce()
    assert service.attest(nonce, service.document(nonce)).status == 403
    assert service.audit_lines()[-1]["reason"] == "wrong-name"
    service.configure(clouds="usgovernment,public")
    assert service.attest(nonce, service.document(nonce)).status == 200


def test_accepts_nothing_while_the_store_is_unavailable(service: Service) -> None:
    service.use(store=BrokenStore())
    nonce = service.nonce()
    response = service.attest(nonce, service.document(nonce))
    assert (response.status, response.json["code"], response.headers["Retry-After"]) == (503, "undecided", "5")
    (line,) = service.audit_lines()
    assert (line["decision"], line["reason"]) == ("undecided", "store-unreachable")
    assert service.attest(nonce, service.document("other")).status == 403  # this refusal needs no store
    service.use()
    assert service.attest(nonce, service.document(nonce)).status == 200


def test_accepts_nothing_that_the_audit_log_cannot_record(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    nonce = service.nonce()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    response = service.attest(nonce, service.document(nonce))
    monkeypatch.undo()
    assert (response.status, response.json["code"]) == (503, "undecided")
    assert service.metric("imdskit_decisions_total") == 0
    assert service.attest(nonce, service.document(nonce)).status == 403  # the failed request has used up the nonce


def test_concurrent_threads_get_a_document_accepted_once(service: Service) -> None:
    nonce = service.nonce()
    document = service.document(nonce)
    _ = service.application
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: service.attest(nonce, document).status, range(24)))
    assert statuses == [200] + [403] * 23


def test_audit_log_contains_neither_document_nor_nonce(service: Service) -> None:
    nonce = service.nonce()
    document = service.document(nonce)
    service.attest(nonce, document)
    service.attest(nonce, document)
    accepted, refused = service.audit_lines()
    digest = sha256(document.encode()).hexdigest()
    common = {"time": "2026-09-21T14:13:20Z", "operation": "attestation", "key": "client", "document": digest}
    assert accepted == {**common, "decision": "accepted", "vmId": VM, "subscriptionId": SUBSCRIPTION, "cloud": "public"}
    assert refused == {**common, "decision": "refused", "reason": "replayed", "stage": "claims", "location": "content"}
    text = (service.folder / "audit.jsonl").read_text()
    assert nonce not in text and document[30:60] not in text


def test_processes_with_a_common_secret_accept_each_others_nonces(service: Service) -> None:
    nonce = service.nonce()
    first = service.application
    service.use()
    assert service.application is not first
    assert service.attest(nonce, service.document(nonce)).status == 200


def test_processes_without_common_store_accept_nothing_twice(service: Service) -> None:
    """The service stays safe even if the WSGI server does not report that it has several processes."""
    service.configure(store="memory", nonce_key_file=None)
    nonce = service.nonce()
    document = service.document(nonce)
    assert service.attest(nonce, document).status == 200
    service.use()  # simulates another process
    assert service.attest(nonce, document).status == 403
    assert service.audit_lines()[-1]["reason"] == "nonce-unknown"


def test_nonce_secret_can_be_rotated_without_refusals(service: Service, clock: ManualClock) -> None:
    path = service.folder / "nonce-key"
    old, new = "ab" * 32, "cd" * 32

    def exchanged(lines: list[str]) -> None:
        nonce = service.nonce()
        path.write_text("\n".join(lines))
        clock.advance(11)
        assert service.attest(nonce, service.document(nonce)).status == 200

    for lines in ([old, new], [new, old], [new]):
        exchanged(lines)


# Verdicts


def audit(service: Service, *documents: dict[str, Any]) -> Any:
    response = service.call("POST", "/v1/verdicts", {"documents": list(documents)}, "operator")
    assert response.status == 200
    return response.json["verdicts"]


def test_verdicts_explain_refusals_and_use_up_nothing(service: Service) -> None:
    document = service.document("1234567890")
    for _ in range(2):
        good, other, expired, bad = audit(
            service,
            {"document": document, "nonce": "1234567890"},
            {"document": document, "nonce": "0987654321"},
            {"document": document, "at": NOW + 30_000},
            {"document": '{"encoding":"pkcs7"}'},
        )
        assert (good["decision"], good["claims"]["vmId"]) == ("accepted", VM)
        assert (other["decision"], other["reason"], other["stage"]) == ("refused", "nonce-mismatch", "claims")
        assert (expired["reason"], bad["reason"], bad["stage"]) == ("document-expired", "bad-envelope", "envelope")
        assert all(verdict["message"] and verdict["hint"] for verdict in (other, expired, bad))
    assert [line["operation"] for line in service.audit_lines()] == ["verdict"] * 8


def test_verdicts_verify_each_document_at_its_own_time(service: Service) -> None:
    document = service.document("1", at=NOW - 86_400)
    found = audit(
        service, {"document": document}, {"document": document, "at": NOW - 80_000}, {"document": document, "at": NOW - 100_000.0}
    )
    assert [verdict.get("reason", "") for verdict in found] == ["document-expired", "", "document-not-yet-valid"]


def test_refuses_too_many_documents(service: Service) -> None:
    service.configure(max_verdict_documents="3")
    assert len(audit(service, *[{"document": ""}] * 3)) == 3
    response = service.call("POST", "/v1/verdicts", {"documents": [{"document": ""}] * 4}, "operator")
    assert (response.status, response.json["location"]) == (422, "/documents")
