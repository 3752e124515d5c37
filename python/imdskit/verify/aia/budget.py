"""Limit on the number of fetches per period. The limit is the same, however many documents have an
unknown issuer."""

from __future__ import annotations

from collections import deque

from imdskit import arguments
from imdskit.clock import SECOND, Clock, SystemClock
from imdskit.fork import ForkAware


class FetchBudget(ForkAware):
    """Limit on the number of fetches in any period of a given length. It can be shared between
    threads and between fetchers.

    An attacker who sends documents with unknown issuers can use up the budget. In this case, no
    further issuer can be fetched until some of the earlier fetches are at least one period old.
    Documents with known issuers are not affected.

    Args:
        fetches: the largest number of fetches in a period, 0 to 1,000,000.
        seconds: the length of a period in seconds, 1 to 86,400 (one day).
        clock: the source of the current time; the system clock by default.

    Raises:
        UsageError: an argument is of the wrong type or out of range.
    """

    def __init__(self, fetches: int = 30, seconds: int = 600, *, clock: Clock | None = None) -> None:
        super().__init__()
        self._fetches = arguments.whole(fetches, "fetches", 0, 1_000_000)
        self._window = arguments.whole(seconds, "seconds", 1, 86_400) * SECOND
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "monotonic_ns")
        self._times: deque[int] = deque()
        self.watch_forks()

    def take(self) -> bool:
        """Count one fetch and return True, or return False if the budget is used up."""
        with self._lock:
            now = self._clock.monotonic_ns()
            while self._times and self._times[0] <= now - self._window:
                self._times.popleft()
            if len(self._times) >= self._fetches:
                return False
            self._times.append(now)
            return True


PROCESS_BUDGET = FetchBudget()
"""Default budget, shared by all fetchers of the process that are created without a budget."""
