"""Tests that ``docs/verification.md`` and ``docs/threat-model.md`` agree with the code, and name existing vectors and tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from attested_vectors import CASES

from imdskit.backends.python.checker import CHECKS
from imdskit.reasons import Reason

ROOT = Path(__file__).parent.parent
VERIFICATION = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
THREATS = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """Return the cells of all table rows, including heads and rules."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def names_of_tests() -> set[str]:
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    return found


def vectors() -> dict[str, str]:
    return {case["id"]: case["expected"] for case in CASES}


def test_table_of_checks_agrees_with_the_code() -> None:
    table = rows(VERIFICATION.split("| check | stage | source |")[1].split("\n\n")[0])
    assert table[1:] == [[row.name, row.stage.value, row.source] for row in CHECKS]


def test_every_check_is_explained_in_order() -> None:
    section = VERIFICATION.split("## What each check demands")[1].split("\n## ")[0]
    assert re.findall(r"^- \*\*([^*]+)\*\*", section, re.MULTILINE) == [row.name for row in CHECKS]


def test_chain_steps_name_every_reason_of_the_stage() -> None:
    section = VERIFICATION.split("## The chain, by the steps")[1].split("\n## ")[0]
    named = {word for row in rows(section) for word in re.findall(r"`([^`]+)`", row[-1])}
    assert named - {"bad-certificate"} == {reason.value for reason in Reason if reason.stage == "chain"}


def test_every_test_named_by_a_page_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", VERIFICATION + THREATS))
    assert len(named) > 15
    assert sorted(named - names_of_tests()) == []


def test_threat_model_vectors_exist_and_attacks_are_refused() -> None:
    known = vectors()
    named = [name for row in rows(THREATS) for name in re.findall(r"`([\w-]+/[^`]+)`", row[-1])]
    assert len(named) > 50
    assert sorted(set(named) - set(known)) == []
    # These vectors must be accepted, because they show that a rule is not too strict.
    assert {name for name in named if known[name] == "accept"} == {"path/twins", "constraints/excluded-part"}


def test_every_document_row_names_its_evidence() -> None:
    section = THREATS.split("## Documents")[1].split("\n## The emulator")[0]
    assert [row[0] for row in rows(section) if row[0] not in ("Attack", "---") and "`" not in row[-1]] == []
