"""Fixtures for all tests: both backends, and the shared data.

If the shared data or the Rust extension is missing, the tests that need it are skipped, and the
summary counts them. With ``--require-shared`` and ``--require-native``, which continuous
integration passes, these tests fail.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from imdskit import backends
from imdskit.backends.contract import Backend
from imdskit.errors import BackendError

NO_SHARED = "the shared data is not at ../shared nor where IMDSKIT_SHARED points"
NO_NATIVE = "the Rust extension is not built"

# An example must not fail because the machine is busy, so Hypothesis gets no deadline.
settings.register_profile("imdskit", settings.default, deadline=None)
settings.load_profile("imdskit")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-native", action="store_true", help="fail, do not skip, where the Rust extension is absent")
    parser.addoption("--require-shared", action="store_true", help="fail, do not skip, where the shared data is absent")
    parser.addoption("--require-programs", action="store_true", help="fail, do not skip, where a program of the system is absent")


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Path:
    """Return the folder of specifications, recordings and third-party vectors."""
    folder = Path(os.environ.get("IMDSKIT_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "README.md").is_file():
        (pytest.fail if request.config.getoption("--require-shared") else pytest.skip)(NO_SHARED)
    return folder


@pytest.fixture(scope="session", params=["python", "rust"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return each backend in turn."""
    return _backend(request.param, request)


@pytest.fixture(scope="session")
def both_backends(request: pytest.FixtureRequest) -> tuple[Backend, Backend]:
    """Return both backends, for tests that compare them."""
    return _backend("python", request), _backend("rust", request)


def _backend(name: str, request: pytest.FixtureRequest) -> Backend:
    try:
        return backends.get(name)
    except BackendError as error:
        if error.code != "backend-absent" or request.config.getoption("--require-native"):
            pytest.fail(str(error))
        pytest.skip(NO_NATIVE)


@pytest.fixture(scope="session")
def native(request: pytest.FixtureRequest) -> Backend:
    """Return the Rust backend."""
    try:
        return backends.get("rust")
    except BackendError as error:
        if request.config.getoption("--require-native"):
            pytest.fail(str(error))
        pytest.skip(NO_NATIVE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for why in (NO_SHARED, NO_NATIVE):
        count = sum(why in reason for reason in reasons)
        if count:
            terminalreporter.write_line(f"{count} tests skipped: {why}")
