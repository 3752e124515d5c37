"""Measurement of the cost of a call."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import process_time


def spent(work: Callable[[], object], runs: int = 5, *, least: bool = False) -> float:
    """Return the median, or with ``least`` the minimum, processor time of a call in milliseconds over a number of runs."""
    times = []
    for _ in range(runs):
        start = process_time()
        work()
        times.append(1000 * (process_time() - start))
    return min(times) if least else statistics.median(times)
