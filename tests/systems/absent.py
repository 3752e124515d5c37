"""Pytest plugin that skips what cannot run on an interpreter.

It skips a test module if it needs a package that has no wheel for this interpreter, or a module
that only CPython has. On PyPy, it also skips the tests in ``ONLY_CPYTHON``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator
from importlib.util import find_spec

import pytest

ABSENT = [name for name in ("_tracemalloc", "cryptography", "jsonschema", "openapi_spec_validator", "yaml") if find_spec(name) is None]

ONLY_CPYTHON = {
    "test_a_background_job_still_ignores_interrupts": "PyPy handles SIGINT even if it was ignored before the start",
    "test_closes_every_connection": "counts descriptors, and PyPy closes those of earlier tests late",
    "test_import_of_the_verifier_loads_no_parser_and_no_patterns": "hashlib of PyPy imports pathlib",
    "test_many_clients_leak_no_memory_and_no_threads": "PyPy compiles code for minutes and collects garbage late, so its memory grows",
    "test_other_threads_do_not_advance_during_python_code": "threads of PyPy advance at other times",
    "test_signal_ignored_by_nohup_stays_ignored": "signal.getsignal of PyPy does not report signals that were ignored before the start",
    "test_verb_imports_only_the_modules_that_it_needs[verify]": "hashlib of PyPy imports socket",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.implementation.name == "pypy":
        for item in items:
            if item.name in ONLY_CPYTHON:
                item.add_marker(pytest.mark.skip(reason=ONLY_CPYTHON[item.name]))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    found = re.search(r"ModuleNotFoundError: No module named '(\w+)", str(report.longrepr))
    if report.failed and found and found[1] in ABSENT:
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: no {found[1]} for this interpreter")
    return report
