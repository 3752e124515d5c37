"""Inspection of documents: it works for every vector, whatever its defect, and shows the actual content."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from attested_vectors import CASES, SETTING, TRUST

from imdskit.clock import ManualClock
from imdskit.verify import Policy, Verifier
from imdskit.verify.inspection import inspect_document


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return Verifier(TRUST, Policy(), clock=ManualClock(SETTING["at"]))


def shown(verifier: Verifier, case: str) -> dict[str, Any]:
    [found] = [one for one in CASES if one["id"] == case]
    return inspect_document(verifier, base64.b64decode(found["document"]))


def test_good_document_is_shown_completely(verifier: Verifier) -> None:
    found = shown(verifier, "envelope/json")
    assert found["report"]["ok"] is True
    assert found["content"]["members"]["vmId"]
    assert found["signature"]["signatureAlgorithm"] == "1.2.840.113549.1.1.1"
    assert [one["trusted"] for one in found["chain"]] == [False, False, True]
    assert [one["authority"] for one in found["chain"]] == [False, True, True]
    assert found["certificates"] == found["chain"][:1]
    assert found["certificates"][0]["names"] == ["westeurope.metadata.azure.com", "metadata.azure.com"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_every_vector_can_be_inspected(verifier: Verifier, case: dict[str, Any]) -> None:
    found = inspect_document(verifier, base64.b64decode(case["document"]))
    assert json.loads(json.dumps(found)) == found
    assert found.keys() == {"report", "content", "signature", "certificates", "chain"}
    if found["chain"] is not None:
        assert found["chain"][-1]["trusted"]


@pytest.mark.parametrize(
    ("case", "missing"),
    [
        ("envelope/stray-letter", {"content", "signature", "chain"}),
        ("structure/detached", {"content"}),
        ("structure/no-signer", {"signature", "chain"}),
        ("structure/other-serial", {"chain"}),
    ],
)
def test_missing_parts_are_shown_as_none(verifier: Verifier, case: str, missing: set[str]) -> None:
    found = shown(verifier, case)
    assert {name for name, value in found.items() if value is None} == missing
