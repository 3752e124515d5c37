"""Tests with the documents in `attested`: every backend gives the recorded verdict, reason and location."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attested_vectors import AT, CASES, FILE, setup_of

from imdskit.backends.contract import Backend
from imdskit.errors import VerificationError
from imdskit.reasons import Reason

HERE = Path(__file__).parent / "attested"

UNTESTED = {
    Reason.BUDGET_SPENT: "tests/pki/test_path.py",
    Reason.DOCUMENT_TOO_OLD: "tests/verify, because the vectors do not set this policy",
    Reason.NONCE_REQUIRED: "tests/verify, because the vectors do not set this policy",
    Reason.REPLAYED: "tests/verify/test_nonce_stores.py, because this check needs a store",
}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_vector_gets_its_recorded_verdict(case: dict[str, Any], backend: Backend) -> None:
    checker = backend.checker(setup_of(case))
    at, nonce = case.get("at", AT), case.get("nonce")
    for _ in ("cold", "warm"):
        try:
            checker.check(base64.b64decode(case["document"]), at, nonce)
        except VerificationError as error:
            assert case["expected"] == "reject", str(error)
            assert (error.code, error.stage, error.location) == (case["reason"], case["stage"], case["location"])
        else:
            assert case["expected"] == "accept"


def test_every_reason_has_a_vector_or_another_test() -> None:
    assert {case["reason"] for case in CASES if "reason" in case} == {str(reason) for reason in Reason if reason not in UNTESTED}


def test_ids_of_vectors_are_unique() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES) > 400


def test_the_script_writes_the_same_bytes_again() -> None:
    code = f"import sys; sys.path[:0] = [{str(HERE)!r}]; import make; sys.stdout.write(make.build())"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=300)
    assert made.stdout == FILE.read_bytes()
