"""Tests that the entries of reverted fixes fit the code, and that the program notices a test which
cannot fail."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from .run import ROOT, Exempt, Fix, Report, Result, load, read, verdict

FIXES, EXEMPT = load()
CASES = {
    *(f"E{number}" for number in range(1, 17)),
    *(f"C{number}" for number in range(1, 7)),
    *(f"V{number}" for number in range(1, 18)),
    *("D4", "D5", "D9"),
}


def name(entry: Fix | Exempt) -> str:
    return f"{entry.case}-{(entry.fault if isinstance(entry, Fix) else entry.reason)[:50]}"


def functions(node_id: str) -> set[str]:
    """Return the names of the test functions in the file of a node id."""
    tree = ast.parse((ROOT / node_id.partition("::")[0]).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("fix", FIXES, ids=name)
def test_entry_fits_the_code(fix: Fix) -> None:
    text = (ROOT / fix.file).read_text("utf-8")
    assert text.count(fix.today) == 1
    assert fix.reverted(text) != text
    if fix.file.endswith(".py"):
        compile(fix.reverted(text), fix.file, "exec")


@pytest.mark.parametrize("entry", [*FIXES, *EXEMPT], ids=name)
def test_entry_is_described_and_its_test_exists(entry: Fix | Exempt) -> None:
    sentence = entry.fault if isinstance(entry, Fix) else entry.reason
    assert sentence.endswith(".")
    assert sentence.isascii()
    if entry.test:
        assert entry.test.partition("::")[2].partition("[")[0] in functions(entry.test)
    if isinstance(entry, Exempt):
        assert (ROOT / entry.record).is_file()


def test_every_case_has_an_entry() -> None:
    found = {entry.case for entry in FIXES} | {entry.case for entry in EXEMPT}
    assert sorted(CASES - found) == []
    assert len({(fix.case, fix.fault) for fix in FIXES}) == len(FIXES)
    assert len({(fix.file, fix.today, fix.before) for fix in FIXES}) == len(FIXES)


FIX = Fix("E0", "It was wrong.", "a.py", "right", "wrong", "a.py::test_it")


@pytest.mark.parametrize("text", ["", "right right"])
def test_text_that_does_not_occur_exactly_once_is_an_error(text: str) -> None:
    assert FIX.reverted("It is right.") == "It is wrong."
    with pytest.raises(ValueError, match="E0"):
        FIX.reverted(text)


@pytest.mark.parametrize(
    ("status", "result", "message", "words"),
    [
        (1, "failed", "AssertionError: assert 1 == 2", "noticed"),
        (1, "failed", "imdskit.errors.UsageError: bad-argument", "noticed"),
        (1, "failed", "NameError: name 'x' is not defined", "broken"),
        (1, "error", "", "without a failed test"),
        (2, None, "", "without a failed test"),
        (0, "passed", "", "STILL PASSES"),
        (0, "skipped", "", "skipped"),
        (None, None, "", "no result"),
    ],
)
def test_only_a_failure_of_the_test_itself_counts(status: int | None, result: Result | None, message: str, words: str) -> None:
    report = Report(status, {} if result is None else {"a.py::test_it": result}, [message])
    assert words in verdict(report)


PROGRAM = """
import pytest

def test_good(): pass

@pytest.mark.parametrize("value", [1, 2])
def test_bad(value): assert value == 1, "a message"

@pytest.mark.parametrize("value", [1, 2])
def test_some(value):
    if value == 1:
        pytest.skip("why")

@pytest.fixture
def broken(): raise ValueError

def test_error(broken): pass
"""


def test_results_are_read_from_the_report_of_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider", "--junitxml=report.xml"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False).returncode == 1
    results, messages = read(tmp_path / "report.xml")
    assert results["test_it.py::test_bad[1]"] == "passed"
    assert results["test_it.py::test_bad[2]"] == "failed"
    assert results["test_it.py::test_error"] == "error"
    assert messages[0] == "AssertionError: a message"
    assert len(messages) == 2
    report = Report(1, results, messages)
    assert [each for each in ("good", "bad", "some", "error", "absent") if report.passed(f"test_it.py::test_{each}")] == ["good", "some"]
