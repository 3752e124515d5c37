"""Measuring: several things to do, a round of each in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from imdskit.clock import Clock

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a second something was done: the median of the rounds, and the slowest and the fastest of them."""

    median: float
    slowest: float
    fastest: float

    def to_json(self) -> dict[str, float]:
        return {"median": round(self.median, 1), "slowest": round(self.slowest, 1), "fastest": round(self.fastest, 1)}


def measure(work: Mapping[str, Callable[[], int]], clock: Clock, *, rounds: int, seconds: float) -> dict[str, Rate]:
    """Rates by name.

    Args:
        work: name -> something to do, which answers how many of the things that are counted it did.
        rounds: of each; before them one that does not count.
        seconds: that one round takes, about.
    """
    once = {name: _timed(do, clock, 0.0)[1] for name, do in work.items()}  # the first time is not like the others
    found: dict[str, list[float]] = {name: [] for name in once}
    for _ in range(rounds):
        for name, do in work.items():
            done, elapsed = _timed(do, clock, seconds)
            found[name].append(done * SECOND / elapsed)
    return {name: Rate(median(rates), min(rates), max(rates)) for name, rates in found.items()}


def _timed(do: Callable[[], int], clock: Clock, seconds: float) -> tuple[int, int]:
    """How many were done, and in how many nanoseconds; once at least."""
    start = clock.monotonic_ns()
    stop = start + int(seconds * SECOND)
    done = do()
    while (now := clock.monotonic_ns()) < stop:
        done += do()
    return done, max(now - start, 1)
