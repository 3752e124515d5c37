"""Time, as an argument. Nothing else in the package reads the clock of the machine."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> int:
        """Unix time in whole seconds, UTC."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never goes back."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> int:
        return int(time.time())

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that stands still until it is moved. Safe to share between threads.

    Args:
        start: Unix time in seconds.
    """

    def __init__(self, start: int) -> None:
        self._ns = start * 1_000_000_000
        self._lock = threading.Lock()

    def now(self) -> int:
        return self._ns // 1_000_000_000

    def monotonic_ns(self) -> int:
        return self._ns

    def advance(self, seconds: int = 0, *, ns: int = 0) -> None:
        """Move forward. Raises ValueError for a step back."""
        step = seconds * 1_000_000_000 + ns
        if step < 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._ns += step
