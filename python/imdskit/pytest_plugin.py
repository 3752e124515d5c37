"""Fixtures of pytest: an Instance Metadata Service for a test, and as many as it wants.

def test_it(imds):
    ...run the program; it finds the service by its environment, or is told imds.url...
    assert_requested(imds, category="identity")

What belongs here: fixtures and the marker. pytest imports this module in every project of the environment in which imdskit is installed, so nothing of
imdskit is imported before a test wants it. All else is in :mod:`imdskit.testing`; the page is ``docs/testing.md``.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

import imdskit

if TYPE_CHECKING:
    import imdskit.testing
    from imdskit.emulator import Emulator

MARKER = (
    "imds(scenario=..., seed=..., profile=..., faults=[...], events=[...], **options): "
    "options for the fixture `imds`; the closest marker takes precedence (docs/testing.md of imdskit)"
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def imds_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., Emulator]]:
    """Makes emulators that answer until the test is over: ``imds_factory(scenario="windows", seed=7, ...)``, as :func:`imdskit.testing.emulator`.

    What the marker ``imds`` says holds for all of them, but for what a call says itself. The first one has the seed 1, the second one 2, and so on: so
    their machines and authorities differ from one another, and are the same in every run.
    """
    marked = _marked(request)
    with ExitStack() as stack:
        made = 0

        def factory(scenario: Any = None, **options: Any) -> Emulator:
            nonlocal made
            made += 1
            said = {"seed": made, **marked, **({} if scenario is None else {"scenario": scenario}), **options}
            return stack.enter_context(_emulator(said))

        yield factory


@pytest.fixture
def imds(imds_factory: Callable[..., Emulator], monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """An Instance Metadata Service on a free port of loopback, as the marker ``imds`` says, and the environment by which programs find it."""
    started = imds_factory()
    for name, value in imdskit.testing.environment(started.url, os.environ).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return started


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("imds"))):
        if mark.args:
            pytest.fail("The marker `imds` accepts only keyword arguments, such as imds(scenario='windows').", pytrace=False)
        said.update(mark.kwargs)
    return said


def _emulator(said: dict[str, Any]) -> Emulator:
    import imdskit.testing  # 100 ms, which no other test run of the environment shall pay

    known = [name for name in inspect.signature(imdskit.Emulator).parameters if name != "keys"] + ["events"]
    unknown = [name for name in said if name not in known]
    if unknown:
        pytest.fail(f"Unknown option {unknown[0]!r}. The options are: {', '.join(sorted(known))}.", pytrace=False)
    try:
        return imdskit.testing.emulator(**said)
    except imdskit.ImdskitError as error:
        hint = f"\n{error.hint}" if error.hint else ""
        return pytest.fail(f"The emulator cannot be created. {error}{hint}", pytrace=False)
