"""Tests of ``imdskit explain``: every code has an entry, and a mistyped code gets similar ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from imdskit.codes import FAMILIES
from imdskit.reasons import Reason

Run = Callable[..., Any]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained(run: Run, reason: Reason) -> None:
    status, out, err = run("explain", reason)
    assert (status, err) == (0, "")
    expected = f"{reason} (VerificationError) stage: {reason.stage} sentence: {reason.sentence} hint: {reason.hint} source: {reason.source}"
    assert expected in " ".join(out.split())


@pytest.mark.parametrize("code", sorted({code.value for codes in FAMILIES.values() for code in codes}))
def test_every_other_code_is_explained_with_all_meanings(run: Run, code: str) -> None:
    status, out, _ = run("explain", code, "--json")
    found = [(one["error"], one["sentence"]) for one in json.loads(out)]
    assert status == 0
    assert {(error, one.sentence) for error, codes in FAMILIES.items() for one in codes if one == code} <= set(found)
    assert (code in list(Reason)) == ("VerificationError" in dict(found))


def test_explanation_can_be_printed_as_json(run: Run) -> None:
    reason = Reason.EXPIRED
    assert json.loads(run("explain", "expired", "--json").out) == [
        {
            "code": "expired",
            "error": "VerificationError",
            "stage": "chain",
            "sentence": reason.sentence,
            "hint": reason.hint,
            "source": reason.source,
        }
    ]


@pytest.mark.parametrize("written", ["UNKNOWN_ISSUER", "unknown issuer", " Unknown-Issuer "])
def test_accepts_enumeration_names_as_codes(run: Run, written: str) -> None:
    assert run("explain", written).out == run("explain", "unknown-issuer").out


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("expird", "expired"),
        ("unknown-isuer", "unknown-issuer"),
        ("nonce", "nonce-mismatch"),
        ("trust", "no-trust"),
        ("throtled", "throttled"),
    ],
)
def test_mistyped_code_gets_similar_codes(run: Run, written: str, near: str) -> None:
    status, out, err = run("explain", written)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: bad-argument: The code {written!r} does not exist.")
    assert near in err.partition("hint: Similar codes: ")[2].rstrip(".\n").split(", ")


@pytest.mark.parametrize("written", ["zzzzzzzzz", "", "\x1b[31m", "a" * 10_000])
def test_unknown_code_without_similar_codes(run: Run, written: str) -> None:
    status, _, err = run("explain", written)
    assert (status, "\x1b" in err) == (2, False)
    assert "lists all codes" in err


def test_lists_all_codes(run: Run) -> None:
    status, out, _ = run("explain")
    listed = re.findall(r"^  (\S+)  ", out, re.MULTILINE)
    assert status == 0
    assert listed == [*Reason, *(code for codes in FAMILIES.values() for code in codes)]
    assert len(json.loads(run("explain", "--json").out)) == len(listed)
