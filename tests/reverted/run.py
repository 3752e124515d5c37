"""Take out one fix at a time, and check that a test notices. Run by ``make reverted-fixes``.

    python3 tests/reverted/run.py [--verbose] [CASE ...]

The files ``*.toml`` beside this program list faults that were found and fixed, by the number of
their case. Each entry has the text that fixes the fault, the text that brings the fault back, and
the test that has to fail then. ``README.md`` describes the format.

The program copies the checkout to a temporary folder and runs the tests there. First, every test
must pass. Then the program applies one entry after the other. The entry's test must fail by itself:
an error in a fixture, in an import or in the entry does not count.

The exit status is 0 if every fix has a test that notices, and 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

FOLDERS = ("changelog.d", "docs", "examples", "python", "tests")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".hypothesis", "node_modules")
AT_ONCE = 2
"""Number of tests that run at the same time, each in its own copy of the checkout."""
SECONDS = 180
"""Maximum duration of one test in seconds. A fault may cause a test to wait for its own timeout."""
NOT_THE_FAULT = ("NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError")
"""Exceptions that show that the entry is broken, and not that the test notices the fault."""

Result = Literal["passed", "failed", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Fix:
    """One fix, and how to take it out.

    Attributes:
        case: number of the case, such as ``E1``.
        fault: sentence that says what was wrong.
        file: path of the fixed file, relative to the root of the checkout.
        today: text that occurs exactly once in this file.
        before: text that brings the fault back if it replaces ``today``.
        test: pytest node id of a test that fails then.
    """

    case: str
    fault: str
    file: str
    today: str
    before: str
    test: str

    def reverted(self, text: str) -> str:
        """Return the content of the file without the fix. Raise ValueError unless the content has
        ``today`` exactly once."""
        found = text.count(self.today)
        if found != 1:
            raise ValueError(f"{self.file} has the text of {self.case} {found} times: {self.today!r:.120}")
        return text.replace(self.today, self.before)


@dataclass(frozen=True, slots=True)
class Exempt:
    """A case that has no fix, or whose fix this program cannot take out.

    Attributes:
        case: number of the case.
        reason: sentences that say why there is no fix, or why it cannot be taken out.
        record: path of a decision record that explains this, or of a test that this program cannot
            run.
        test: pytest node id of a test that checks today's behaviour, or ``""``.
    """

    case: str
    reason: str
    record: str
    test: str = ""


def load(folder: Path = HERE) -> tuple[list[Fix], list[Exempt]]:
    """Return the entries of all files in a folder. Raise TypeError if an entry lacks a member or
    has an unknown one."""
    tables: list[Mapping[str, Any]] = [tomllib.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.toml"))]
    return [Fix(**each) for one in tables for each in one.get("fix", ())], [
        Exempt(**each) for one in tables for each in one.get("exempt", ())
    ]


@dataclass(slots=True)
class Report:
    """Results of one run of pytest.

    Attributes:
        status: exit status, or None if the run took too long.
        results: result of each test, by node id.
        messages: first lines of the failures and errors.
    """

    status: int | None
    results: dict[str, Result] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def passed(self, test: str) -> bool:
        """Return whether a test has passed. Some of its parameters may have been skipped, but not
        all of them."""
        found = {result for name, result in self.results.items() if name == test or name.startswith(test + "[")}
        return "passed" in found and found <= {"passed", "skipped"}


def verdict(report: Report) -> str:
    """Return ``noticed`` if the test failed by itself without the fix. Otherwise return what
    happened."""
    found = set(report.results.values())
    if report.status is None:
        return f"no result within {SECONDS} s"
    if report.status == 0:
        return "THE TEST STILL PASSES" if "passed" in found else "the test was skipped"
    if report.status != 1 or "failed" not in found:
        return f"pytest ended with status {report.status} without a failed test"
    broken = [message for message in report.messages if message.startswith(NOT_THE_FAULT)]
    return f"the entry is broken: {broken[0]:.100}" if broken else "noticed"


def read(file: Path) -> tuple[dict[str, Result], list[str]]:
    """Return the results by node id, and the first lines of failures and errors, from a report in
    pytest's JUnit format."""
    results: dict[str, Result] = {}
    messages = []
    for case in ElementTree.parse(file).iter("testcase"):
        name = f"{(case.get('classname') or '').replace('.', '/')}.py::{case.get('name')}"
        result: Result = "passed"
        for child in case:
            if child.tag in ("failure", "error"):
                result = "failed" if child.tag == "failure" else "error"
                messages.append((child.get("message") or "").partition("\n")[0])
            elif child.tag == "skipped" and result == "passed":
                result = "skipped"
        results[name] = result
    return results, messages


class Tree:
    """Copy of the checkout in which tests run.

    Args:
        folder: folder for the copy.
    """

    _times = count(2_000_000_000)
    """Modification times of changed files. They are unique, because Python finds a stale ``.pyc``
    file only by time and size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=NOT_COPIED)
        for path in (*ROOT.glob("*.md"), ROOT / "pyproject.toml"):
            shutil.copy2(path, folder)
        shared = os.environ.get("IMDSKIT_SHARED") or str(ROOT.parent / "shared")
        self._environment = {**os.environ, "PYTHONPATH": str(folder / "python"), "IMDSKIT_SHARED": shared}

    def imported(self) -> Path:
        """Return the path of the package that Python imports in this tree."""
        done = self._python("-c", "import imdskit; print(imdskit.__file__)")
        return Path(done.stdout.strip())

    def pytest(self, tests: Iterable[str], seconds: float = SECONDS, *options: str) -> Report:
        """Run tests in this tree, with further options for pytest."""
        file = self.folder / "report.xml"
        file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={file}", *options, *tests]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Report(status, *read(file)) if file.exists() else Report(status)

    @contextmanager
    def without(self, fix: Fix) -> Iterator[None]:
        """Take out a fix for the duration of the context. Raise ValueError if that cannot be
        done."""
        path = self.folder / fix.file
        text = path.read_text("utf-8")
        self._write(path, fix.reverted(text))
        try:
            if path.suffix == ".py":
                module = ".".join(path.relative_to(self.folder / "python").with_suffix("").parts).removesuffix(".__init__")
                done = self._python("-c", f"import {module}")
                if done.returncode:
                    raise ValueError(f"{module} cannot be imported: {done.stderr.strip().splitlines()[-1]}")
            yield
        finally:
            self._write(path, text)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, "utf-8")
        at = next(self._times)
        os.utime(path, (at, at))

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )


class Row(NamedTuple):
    """Row of the table.

    Attributes:
        fix: the entry.
        result: ``noticed``, or what happened instead.
        seconds: duration of the test without the fix.
        message: first line of the failure, or ``""``.
    """

    fix: Fix
    result: str
    seconds: float
    message: str


def check(fix: Fix, tree: Tree) -> Row:
    """Run the test of one entry without the fix."""
    start, message = time.monotonic(), ""
    try:
        with tree.without(fix):
            report = tree.pytest([fix.test], SECONDS, "--maxfail=1")
        result, message = verdict(report), "".join(report.messages[:1])
    except ValueError as error:
        result = f"the entry is broken: {error}"
    return Row(fix, result, time.monotonic() - start, message)


def run(fixes: Sequence[Fix], exempt: Sequence[Exempt], *, verbose: bool = False) -> int:
    """Check all entries, print the table, and return the exit status."""
    tests = list(dict.fromkeys(test for test in (*(each.test for each in fixes), *(each.test for each in exempt)) if test))
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="imdskit-reverted-") as name, ThreadPoolExecutor(AT_ONCE) as pool:
        trees = list(pool.map(Tree, (Path(name).resolve() / f"tree-{number}" for number in range(AT_ONCE))))
        for tree in trees:
            found = tree.imported()
            if not found.is_relative_to(tree.folder):
                print(f"The tests would import {found}, which is not in the copy of the checkout.", file=sys.stderr)
                return 1
        shares = [tests[number::AT_ONCE] for number in range(AT_ONCE)]
        whole = list(pool.map(lambda tree, share: tree.pytest(share, SECONDS * max(len(share), 1) / 4 + SECONDS), trees, shares))
        for report, share in zip(whole, shares, strict=True):
            for test in share:
                if not report.passed(test):
                    wrong += 1
                    why = report.messages[0] if report.messages else f"pytest ended with status {report.status}"
                    print(f"{test} does not pass with all fixes: {why:.200}", flush=True)
        free: SimpleQueue[Tree] = SimpleQueue()
        for tree in trees:
            free.put(tree)

        def checked(fix: Fix) -> Row:
            tree = free.get()
            try:
                return check(fix, tree)
            finally:
                free.put(tree)

        for row in pool.map(checked, fixes):
            wrong += row.result != "noticed"
            print(f"{row.fix.case:4} {row.result:10} {row.seconds:5.1f} s  {row.fix.test}", flush=True)
            if verbose or row.result != "noticed":
                print(f"     {row.fix.fault}\n     {row.message:.150}", flush=True)
    for one in exempt:
        print(f"{one.case:4} no fix here        {one.record}")
    print(f"{len(fixes)} fixes of {len({fix.case for fix in fixes})} cases; {wrong} without a test that notices.")
    return 1 if wrong else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", metavar="CASE", nargs="*", help="number of a case, such as E1; by default all")
    parser.add_argument("--verbose", action="store_true", help="show the fault and the first line of the failure for every entry")
    options = parser.parse_args(arguments)
    chosen = {name.upper() for name in options.case}
    fixes, exempt = load()
    unknown = chosen - {each.case for each in fixes} - {each.case for each in exempt}
    if unknown:
        parser.error(f"unknown cases: {', '.join(sorted(unknown))}")
    if chosen:
        fixes, exempt = [each for each in fixes if each.case in chosen], [each for each in exempt if each.case in chosen]
    return run(fixes, exempt, verbose=options.verbose)


if __name__ == "__main__":
    sys.exit(main())
