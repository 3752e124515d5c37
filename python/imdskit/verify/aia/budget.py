"""Budget for fetches: a process fetches no more than this, however many documents need it."""

from __future__ import annotations

import threading
from collections import deque

from imdskit import arguments
from imdskit.clock import Clock, SystemClock
from imdskit.fork import ForkAware

SECOND = 1_000_000_000


class FetchBudget(ForkAware):
    """At most ``fetches`` in any ``seconds``. Safe to share between threads; one may be shared by many fetchers.

    Whoever sends documents with certificates of their own making can spend it. Then issuers that are not known yet stay unknown for a
    while; issuers that are known, and documents that need no fetch, are not concerned.

    Args:
        fetches: 0 to 1,000,000.
        seconds: 1 to a day.
        clock: where the time comes from.

    Raises:
        UsageError: an argument is of the wrong type or out of range.
    """

    def __init__(self, fetches: int = 30, seconds: int = 600, *, clock: Clock | None = None) -> None:
        self._fetches = arguments.whole(fetches, "fetches", 0, 1_000_000)
        self._window = arguments.whole(seconds, "seconds", 1, 86_400) * SECOND
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "monotonic_ns")
        self._lock = threading.Lock()
        self._times: deque[int] = deque()
        self.watch_forks()

    def renew_in_child(self, prepared: bool) -> None:
        """See :class:`imdskit.fork.ForkAware`."""
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more fetch may be made now; if so, it is counted."""
        with self._lock:
            now = self._clock.monotonic_ns()
            while self._times and self._times[0] <= now - self._window:
                self._times.popleft()
            if len(self._times) >= self._fetches:
                return False
            self._times.append(now)
            return True


PROCESS_BUDGET = FetchBudget()
"""Of every fetcher that is not given another."""
