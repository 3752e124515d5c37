"""Fault scripts: the parser reports the location of every mistake, and accepts all correct scripts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.emulator.faults import script as fault_script
from imdskit.errors import ScenarioError

GOOD = {"status": 500}

MISTAKES: list[tuple[object, str]] = [
    ({}, ""),
    ("[]", ""),
    ([{"fault": GOOD}] * 1001, ""),
    ([1], "/0"),
    ([{"fault": GOOD}, {}], "/1"),
    ([{"fault": GOOD, "mach": {}}], "/0/mach"),
    ([{"fault": GOOD, "times": 0}], "/0/times"),
    ([{"fault": GOOD, "times": True}], "/0/times"),
    ([{"fault": GOOD, "times": 1.0}], "/0/times"),
    ([{"fault": GOOD, "times": 1, "for": 1}], "/0/for"),
    ([{"fault": GOOD, "for": 0}], "/0/for"),
    ([{"fault": GOOD, "for": None}], "/0/for"),
    ([{"fault": GOOD, "after": -1}], "/0/after"),
    ([{"fault": GOOD, "match": []}], "/0/match"),
    ([{"fault": GOOD, "match": {"host": "x"}}], "/0/match/host"),
    ([{"fault": GOOD, "match": {"method": "G ET"}}], "/0/match/method"),
    ([{"fault": GOOD, "match": {"method": [1]}}], "/0/match/method"),
    ([{"fault": GOOD, "match": {"category": "instances"}}], "/0/match/category"),
    ([{"fault": GOOD, "match": {"category": ["instance"]}}], "/0/match/category"),
    ([{"fault": GOOD, "match": {"path": 1}}], "/0/match/path"),
    ([{"fault": GOOD, "match": {"query": ["x"]}}], "/0/match/query"),
    ([{"fault": GOOD, "match": {"query": {"a/b": 1}}}], "/0/match/query/a~1b"),
    ([{"fault": GOOD, "match": {"headers": {"Metadata": True}}}], "/0/match/headers/Metadata"),
    ([{"fault": GOOD, "match": {"source": "here"}}], "/0/match/source"),
    ([{"fault": GOOD, "match": {"source": 167772164}}], "/0/match/source"),
    ([{"fault": GOOD, "match": {"source": "10.0.0.1/8"}}], "/0/match/source"),
    ([{"fault": None}], "/0/fault"),
    ([{"fault": {}}], "/0/fault"),
    ([{"fault": {"delay": 1, "reset": True}}], "/0/fault"),
    ([{"fault": {"explode": True}}], "/0/fault/explode"),
    ([{"fault": {"status": 500, "delay": 1}}], "/0/fault/delay"),
    ([{"fault": {"status": "500"}}], "/0/fault/status"),
    ([{"fault": {"status": 600}}], "/0/fault/status"),
    ([{"fault": {"status": 200}}], "/0/fault/status"),
    ([{"fault": {"status": 500, "from": "proxy"}}], "/0/fault/from"),
    ([{"fault": {"status": 500, "retryAfter": -1}}], "/0/fault/retryAfter"),
    ([{"fault": {"status": 500, "contentType": "a\r\nb"}}], "/0/fault/contentType"),
    ([{"fault": {"status": 500, "headers": {"X": "a\nb"}}}], "/0/fault/headers/X"),
    ([{"fault": {"status": 500, "headers": {"content-length": "1"}}}], "/0/fault/headers/content-length"),
    ([{"fault": {"status": 500, "headers": {"a b": "1"}}}], "/0/fault/headers/a b"),
    ([{"fault": {"delay": 0}}], "/0/fault/delay"),
    ([{"fault": {"delay": 3601}}], "/0/fault/delay"),
    ([{"fault": {"delay": "1"}}], "/0/fault/delay"),
    ([{"fault": {"drip": 1}}], "/0/fault/drip"),
    ([{"fault": {"drip": {"bytes": 1}}}], "/0/fault/drip"),
    ([{"fault": {"drip": {"bytes": 0, "every": 1}}}], "/0/fault/drip/bytes"),
    ([{"fault": {"reset": False}}], "/0/fault/reset"),
    ([{"fault": {"truncate": -1}}], "/0/fault/truncate"),
    ([{"fault": {"foreign": 1}}], "/0/fault/foreign"),
    ([{"fault": {"missing": []}}], "/0/fault/missing"),
    ([{"fault": {"missing": ["/a", "b"]}}], "/0/fault/missing/1"),
    ([{"fault": {"missing": ["/a~2"]}}], "/0/fault/missing/0"),
    ([{"fault": {"replace": {}}}], "/0/fault/replace"),
    ([{"fault": {"replace": {"a": 1}}}], "/0/fault/replace/a"),
    ([{"fault": {"contentType": ""}}], "/0/fault/contentType"),
    ([{"fault": {"document": "forged"}}], "/0/fault/document"),
    ([{"fault": {"document": ["expired-leaf"]}}], "/0/fault/document"),
]


@pytest.mark.parametrize(("script", "location"), MISTAKES, ids=[json.dumps(row[0])[:70] for row in MISTAKES])
def test_reports_the_location_of_a_mistake(script: object, location: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        fault_script.of(script)
    assert (caught.value.code, caught.value.location) == ("bad-faults", location)
    assert caught.value.hint


@pytest.mark.parametrize(
    "script",
    [float("nan"), [{"fault": {"delay": float("inf")}}], [{"fault": {"foreign": "\ud800"}}], [{"fault": {b"x": 1}}], {1}],
    ids=repr,
)
def test_rejects_values_that_are_not_json(script: object) -> None:
    with pytest.raises(ScenarioError, match="is not JSON"):
        fault_script.of(script)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b'[{"fault": {"delay": 1, "delay": 2}}]', "occurs twice"),
        (b"[" * 100_000, "is not JSON"),
        (b'[{"fault": {"delay": NaN}}]', "is not JSON"),
        (b" " * (1024 * 1024 + 1), "is larger than"),
    ],
    ids=["cut", "octets", "twice", "deep", "NaN", "large"],
)
def test_rejects_bytes_that_are_not_a_script(data: bytes, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        fault_script.parse(data)


def test_rejects_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        fault_script.read(tmp_path / "nosuch.json")
    with pytest.raises(ScenarioError, match="cannot be read"):
        fault_script.read("\0")


def test_suggests_a_correction_for_a_misspelt_member() -> None:
    with pytest.raises(ScenarioError) as caught:
        fault_script.of([{"fault": {"trunkate": 1}}])
    assert caught.value.hint == "Did you mean truncate?"


def test_accepts_an_empty_script() -> None:
    assert fault_script.of([]) == ()


WORDS = st.sampled_from(
    ["match", "fault", "status", "times", "for", "delay", "drip", "bytes", "every", "missing", "/a", "path", "*", "headers"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 600) | st.floats() | WORDS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


@given(
    st.lists(st.fixed_dictionaries({"fault": JSON}, optional={"match": JSON, "times": JSON, "for": JSON, "after": JSON}), max_size=2) | JSON
)
def test_any_json_is_either_accepted_or_rejected(script: Any) -> None:
    try:
        fault_script.of(script)
    except ScenarioError as error:
        assert error.code == "bad-faults"


PAGE = (Path(__file__).parent.parent.parent / "docs" / "faults.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
def test_accepts_every_example_in_the_documentation(example: str) -> None:
    assert fault_script.parse(example.encode())


def test_the_tables_in_the_documentation_have_exactly_the_known_faults() -> None:
    shown = [json.loads(cell) for cell in re.findall(r"^\| `(\{.*?\})` \|", PAGE, re.MULTILINE)]
    assert fault_script.of([{"fault": fault} for fault in shown])
    assert {fault["document"] for fault in shown if "document" in fault} == set(fault_script.DOCUMENTS)
    assert {next(iter(fault)) for fault in shown} == {
        "status", "foreign", "delay", "drip", "truncate", "reset", "missing", "replace", "contentType", "document",
    }  # fmt: skip
    assert all(f"`{category}`" in PAGE for category in fault_script.CATEGORIES)
