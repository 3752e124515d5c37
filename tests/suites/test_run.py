"""Tests of the scoring program with a small suite."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imdskit.verify import Trust

RUN = Path(__file__).parent / "run.py"
GOOD = Trust.bundled().anchors[0]
BLOBS = {"good": GOOD, "bad": GOOD[:-1]}


def case(name: str, blob: str, expected: str, scope: str = "core", grammar: str = "certificate") -> dict[str, Any]:
    return {
        "id": name,
        "category": "own",
        "expected": expected,
        "scope": scope,
        "flags": [],
        "comment": "",
        "grammar": grammar,
        "der": blob,
    }


def run(tmp_path: Path, cases: list[dict[str, Any]], *options: str, zipped: bool = True) -> tuple[int, Any, str]:
    content = {
        "format": "imds-vectors/1",
        "suite": "own",
        "kind": "der",
        "blobs": {key: base64.b64encode(value).decode() for key, value in BLOBS.items()},
        "cases": cases,
    }
    data = json.dumps(content).encode()
    file, out = tmp_path / ("own.json.gz" if zipped else "own.json"), tmp_path / "out.json"
    file.write_bytes(gzip.compress(data) if zipped else data)
    command = [sys.executable, str(RUN), "--json", str(out), *options, str(tmp_path if zipped else file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(out.read_text()) if out.exists() else None, done.stdout + done.stderr


def counts(**changed: int) -> dict[str, int]:
    return {"pass": 0, "false-accept": 0, "false-reject": 0, "error": 0, "slow": 0, "skip": 0} | {
        name.replace("_", "-"): number for name, number in changed.items()
    }


def test_passes_are_counted_by_scope(tmp_path: Path) -> None:
    cases = [
        case("a", "good", "accept"),
        case("b", "bad", "reject"),
        case("c", "bad", "either"),
        case("d", "good", "unlabelled", "extended"),
    ]
    assert run(tmp_path, cases)[:2] == (0, {"own": {"core": counts(**{"pass": 3}), "extended": counts(**{"pass": 1}), "misses": []}})
    assert run(tmp_path, cases, zipped=False)[0] == 0


def test_reports_misses_and_fails_on_a_false_accept_in_the_core(tmp_path: Path) -> None:
    status, scores, text = run(tmp_path, [case("a", "good", "reject"), case("b", "bad", "accept", "extended")], "--misses")
    assert status == 1
    assert scores["own"] == {
        "core": counts(false_accept=1),
        "extended": counts(false_reject=1),
        "misses": [
            {"id": "a", "scope": "core", "expected": "reject", "got": "accept"},
            {"id": "b", "scope": "extended", "expected": "accept", "got": "reject"},
        ],
    }
    assert "core a: expected reject, got accept" in text
    assert run(tmp_path, [case("a", "good", "reject", "extended")])[0] == 0


def test_unexpected_exception_is_an_error_and_a_failure(tmp_path: Path) -> None:
    status, scores, _ = run(tmp_path, [case("a", "good", "unlabelled", "extended", grammar="poetry")])
    assert (status, scores["own"]["extended"]) == (1, counts(error=1))
    assert scores["own"]["misses"][0]["got"] == "error: ValueError"


def test_skips_cases_out_of_scope_unless_requested(tmp_path: Path) -> None:
    cases = [case("a", "good", "accept", "out")]
    assert run(tmp_path, cases)[1]["own"] == {"out": counts(skip=1), "misses": []}
    assert run(tmp_path, cases, "--scope", "out")[1]["own"] == {"out": counts(**{"pass": 1}), "misses": []}


@pytest.mark.parametrize("options", [("--scope", "core,poetry"), ("--backend", "cobol")])
def test_reports_wrong_usage(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert run(tmp_path, [], *options)[:2] == (2, None)
