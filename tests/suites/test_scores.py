"""The third-party suites as a test: what is in scope passes, case by case, and nothing that must be refused is accepted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run.py"

MISSED = {"gnutls-088-many-intermediates-ok": "signed with Ed25519, which no Azure authority uses and the verifier does not accept"}
"""Cases of scope ``core`` that are judged otherwise than their suite says, and why. None of them is accepted falsely."""


@pytest.mark.suites
def test_every_case_in_the_core_of_every_suite_passes(shared: Path, tmp_path: Path) -> None:
    folder, out = shared / "suites" / "open", tmp_path / "scores.json"
    done = subprocess.run(
        [sys.executable, RUN, "--backend", "python", "--misses", "--json", out, folder],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads(out.read_text())
    assert {name.partition("/")[0] for name in scores} == {file.name.removesuffix(".json.gz") for file in folder.iterdir()}
    assert all(score["core"]["pass"] for score in scores.values() if "core" in score)
    core = {miss["id"]: miss["got"] for score in scores.values() for miss in score["misses"] if miss["scope"] == "core"}
    assert core == dict.fromkeys(MISSED, "reject")
