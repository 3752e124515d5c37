"""Benchmarks of two operations that the emulator performs very often: looking up a node in the
instance document, and counting a request for a rate limit."""

from __future__ import annotations

from collections.abc import Callable

from imdskit.backends.contract import Backend
from imdskit.bench.rounds import measure
from imdskit.clock import SECOND, Clock
from imdskit.emulator.machine.expansion import expand
from imdskit.emulator.machine.instance import Instance
from imdskit.emulator.scenario import Scenario
from imdskit.versions import API_VERSIONS

TIMES = 1000
"""Number of repetitions between two readings of the clock. A single operation is too short to be
measured, because it takes less than a microsecond."""


def rates(backend: Backend, clock: Clock, *, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Measure how many operations per second the backend performs. ``rounds`` and ``seconds`` are
    as for :func:`imdskit.bench.rounds.measure`.

    Returns:
        Rates by name. ``index`` parses and indexes an instance document of the newest api-version.
        ``leaf`` looks up a leaf in this document, and ``whole`` looks up the whole document.
        ``take`` takes a token from the bucket of a rate limit.
    """
    data = Instance(expand(Scenario.load("linux"), 1), backend.document).select(API_VERSIONS[-1], (), "json")
    document = backend.document(data)
    bucket = backend.bucket(5, SECOND, 5)
    leaf = ("compute", "storageProfile", "osDisk", "name")

    def index() -> int:
        backend.document(data)
        return 1

    def select_leaf() -> int:
        for _ in range(TIMES):
            document.select(leaf, "text")
        return TIMES

    def select_whole() -> int:
        for _ in range(TIMES):
            document.select((), "json")
        return TIMES

    def take() -> int:
        for now in range(TIMES):
            bucket.take(now)
        return TIMES

    work: dict[str, Callable[[], int]] = {"index": index, "leaf": select_leaf, "whole": select_whole, "take": take}
    return {name: rate.to_json() for name, rate in measure(work, clock, rounds=rounds, seconds=seconds).items()}
