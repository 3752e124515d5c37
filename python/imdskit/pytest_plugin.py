"""Pytest fixtures that start one or more emulators for a test.

    def test_it(imds):
        ...  # run the program: environment variables tell it the emulator's address, imds.url
        assert_requested(imds, category="identity")

If imdskit is installed, pytest imports this module even for projects that do not use it. Therefore
the module imports the rest of imdskit only when a test uses a fixture. See :mod:`imdskit.testing`
and ``docs/testing.md``.
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
    """Return a function that starts emulators for the test:
    ``imds_factory(scenario="windows", seed=7, ...)``; see :func:`imdskit.testing.emulator`.

    The options of the marker ``imds`` apply to all emulators. The arguments of a call take
    precedence over the marker. By default, the first emulator has the seed 1, the second one the
    seed 2, and so on. Therefore the emulators have different machines and authorities, which are
    the same in every run.
    """
    marked = _marked(request)
    with ExitStack() as stack:
        made = 0

        def factory(scenario: Any = None, **options: Any) -> Emulator:
            nonlocal made
            made += 1
            settings = {"seed": made, **marked, **({} if scenario is None else {"scenario": scenario}), **options}
            return stack.enter_context(_emulator(settings))

        yield factory


@pytest.fixture
def imds(imds_factory: Callable[..., Emulator], monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Return a running emulator with the options of the marker ``imds``. During the test,
    environment variables tell programs the address of this emulator (see
    :func:`imdskit.testing.environment`)."""
    started = imds_factory()
    for name, value in imdskit.testing.environment(started.url, os.environ).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return started


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("imds"))):
        if mark.args:
            pytest.fail("The marker `imds` accepts only keyword arguments, such as imds(scenario='windows').", pytrace=False)
        settings.update(mark.kwargs)
    return settings


def _emulator(settings: dict[str, Any]) -> Emulator:
    import imdskit.testing  # a global import would slow down test runs that do not use imdskit by 100 ms

    known = [name for name in inspect.signature(imdskit.Emulator).parameters if name != "keys"] + ["events"]
    unknown = [name for name in settings if name not in known]
    if unknown:
        pytest.fail(f"Unknown option {unknown[0]!r}. The options are: {', '.join(sorted(known))}.", pytrace=False)
    try:
        return imdskit.testing.emulator(**settings)
    except imdskit.ImdskitError as error:
        hint = f"\n{error.hint}" if error.hint else ""
        return pytest.fail(f"The emulator cannot be created. {error}{hint}", pytrace=False)
