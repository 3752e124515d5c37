"""Measurement of several operations in rounds. In each round, every operation is measured once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from imdskit.clock import Clock

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Operations per second: the median of all rounds, the slowest round and the fastest round."""

    median: float
    slowest: float
    fastest: float

    def to_json(self) -> dict[str, float]:
        """Return the rates as a JSON object, rounded to one decimal place."""
        return {"median": round(self.median, 1), "slowest": round(self.slowest, 1), "fastest": round(self.fastest, 1)}


def measure(work: Mapping[str, Callable[[], int]], clock: Clock, *, rounds: int, seconds: float) -> dict[str, Rate]:
    """Measure the rates of several operations.

    Args:
        work: functions by name. A call of a function runs its operation once or more, and returns
            the number of these runs.
        rounds: number of measured rounds. Before the first round, each function is called once
            without being measured.
        seconds: approximate duration of the measurement of one operation in a round.
    """
    once = {name: _timed(do, clock, 0.0)[1] for name, do in work.items()}  # The first call is slower, so it is not measured.
    found: dict[str, list[float]] = {name: [] for name in once}
    for _ in range(rounds):
        for name, do in work.items():
            done, elapsed = _timed(do, clock, seconds)
            found[name].append(done * SECOND / elapsed)
    return {name: Rate(median(rates), min(rates), max(rates)) for name, rates in found.items()}


def _timed(do: Callable[[], int], clock: Clock, seconds: float) -> tuple[int, int]:
    """Call the function repeatedly for about ``seconds`` seconds, but at least once. Return the
    number of operations and the elapsed nanoseconds."""
    start = clock.monotonic_ns()
    stop = start + int(seconds * SECOND)
    done = do()
    while (now := clock.monotonic_ns()) < stop:
        done += do()
    return done, max(now - start, 1)
