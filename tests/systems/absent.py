"""Pytest plugin that skips a test module if it needs a package that has no wheel for this
interpreter, or a module that only CPython has."""

from __future__ import annotations

import re
from collections.abc import Generator
from importlib.util import find_spec

import pytest

ABSENT = [name for name in ("_tracemalloc", "cryptography", "jsonschema", "openapi_spec_validator", "yaml") if find_spec(name) is None]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    found = re.search(r"ModuleNotFoundError: No module named '(\w+)", str(report.longrepr))
    if report.failed and found and found[1] in ABSENT:
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: no {found[1]} for this interpreter")
    return report
