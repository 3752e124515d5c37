"""The third-party suites as tests, on both backends. Every case in scope must pass, except for those in ``misses.json``, which has a reason
for each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from imdskit.backends.contract import Backend

HERE = Path(__file__).parent
MISSES: dict[str, list[dict[str, str]]] = json.loads((HERE / "misses.json").read_text())

SUITES = {
    "bettertls-nameconstraints-sample": {"extended": 1050},
    "bettertls-pathbuilding": {"core": 57},
    "boringssl-chain": {"core": 36, "extended": 61},
    "boringssl-signed-data": {"core": 13, "extended": 5},
    "cms-misc": {"core": 36, "extended": 28},
    "der-certificate": {"core": 195, "extended": 137},
    "fuzz-cms": {"core": 972},
    "fuzz-x509": {"core": 594},
    "gnutls-chains": {"core": 14, "extended": 32},
    "http1-requests": {"core": 668, "extended": 56},
    "imds-attested": {"core": 77, "extended": 1},
    "mbedtls-pkcs7": {"core": 557, "extended": 9},
    "nist-pkits": {"core": 34, "extended": 79},
    "openssl-cms": {"core": 156, "extended": 25},
    "openssl-verify": {"core": 21, "extended": 42},
    "pkits-smime": {"core": 34, "extended": 60},
    "wycheproof-ecdsa": {"core": 2169},
    "wycheproof-rsa-pkcs1": {"core": 1088, "extended": 542},
    "wycheproof-rsa-pss": {"core": 1243, "extended": 508},
    "x509-limbo": {"core": 53, "extended": 79},
    "x509test": {"core": 36, "extended": 68},
}
"""Number of cases in each scored scope of each suite. A test fails if a case is missing."""

WITH_LISTS = ("nist-pkits", "pkits-smime", "x509-limbo")
"""Suites that carry revocation lists."""


def scored(backend: Backend, arguments: list[str], out: Path) -> dict[str, Any]:
    """Run ``run.py`` as a program and return its scores."""
    command = [sys.executable, str(HERE / "run.py"), "--backend", backend.name, "--misses", "--json", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    scores: dict[str, Any] = json.loads(out.read_text())
    return scores


def assert_as_listed(scores: dict[str, Any], option: str = "") -> None:
    """Check that the misses are exactly those in the list, and that no case of the core was falsely accepted, ended in an error or was too
    slow."""
    for name, score in scores.items():
        listed = MISSES.get(name + option, [])
        assert score["misses"] == [{key: value for key, value in miss.items() if key != "reason"} for miss in listed]
        for scope, counts in score.items():
            if scope != "misses":
                assert (counts["error"], counts["slow"]) == (0, 0)
                assert scope != "core" or counts["false-accept"] == 0


def folder(shared: Path) -> Path:
    return shared / "suites" / "open"


def test_every_suite_is_known(shared: Path) -> None:
    assert {file.name.removesuffix(".json.gz") for file in folder(shared).iterdir()} == set(SUITES)


def test_every_miss_has_a_reason() -> None:
    assert all(miss["reason"] for misses in MISSES.values() for miss in misses)
    known = {name + option for name in SUITES for option in ("", "/chain", " --crls", "/chain --crls")}
    assert set(MISSES) <= known


@pytest.mark.suites
@pytest.mark.parametrize("suite", SUITES)
def test_suite_passes_except_for_listed_misses(suite: str, backend: Backend, shared: Path, tmp_path: Path) -> None:
    scores = scored(backend, [str(folder(shared) / f"{suite}.json.gz")], tmp_path / "scores.json")
    assert_as_listed(scores)
    made = {scope: sum(counts.values()) for scope, counts in scores[suite].items() if scope not in ("misses", "out")}
    assert made == SUITES[suite]
    assert not any(counts["skip"] for scope, counts in scores[suite].items() if scope not in ("misses", "out"))


@pytest.mark.suites
@pytest.mark.parametrize("suite", WITH_LISTS)
def test_suite_passes_with_its_revocation_lists(suite: str, backend: Backend, shared: Path, tmp_path: Path) -> None:
    arguments = ["--crls", "--scope", "core,extended,out", str(folder(shared) / f"{suite}.json.gz")]
    scores = scored(backend, arguments, tmp_path / "scores.json")
    assert_as_listed(scores, " --crls")
    assert not any(counts["skip"] for scope, counts in scores[suite].items() if scope != "misses")


@pytest.mark.suites
def test_genuine_documents_pass_from_end_to_end(backend: Backend, shared: Path, tmp_path: Path) -> None:
    scores = scored(backend, [str(folder(shared) / "imds-attested.json.gz")], tmp_path / "scores.json")
    outcomes: Counter[str] = Counter()
    for scope in ("core", "extended"):
        outcomes.update(scores["imds-attested/chain"][scope])
    assert outcomes["pass"] == outcomes.total() == 76
