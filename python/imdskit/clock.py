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


class WaitingClock(Clock, Protocol):
    """A clock that can be waited on."""

    def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed on this clock."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> int:
        return int(time.time())

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


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

    def sleep(self, seconds: float) -> None:
        """Move forward by that, at once: who waits on this clock is who moves it."""
        self.advance(ns=max(round(seconds * 1_000_000_000), 0))


class MovableClock:
    """A clock that runs at a rate of its own, and can be moved forward besides. Safe to share between threads.

    Args:
        start: Unix time in seconds.
        rate: seconds that pass in one second of ``source``; 0: it stands still until it is moved.
        source: that it runs by; None: the machine's.
    """

    def __init__(self, start: int, rate: int = 0, source: Clock | None = None) -> None:
        self._source = source or SystemClock()
        self._lock = threading.Lock()
        self._set(start * 1_000_000_000, rate)

    @property
    def rate(self) -> int:
        """Seconds that pass in one of the source's."""
        return self._base[2]

    def now(self) -> int:
        return self.monotonic_ns() // 1_000_000_000

    def monotonic_ns(self) -> int:
        ns, since, rate = self._base
        return ns + (self._source.monotonic_ns() - since) * rate if rate else ns

    def advance(self, seconds: int = 0, *, ns: int = 0) -> None:
        """Move forward. Raises ValueError for a step back."""
        step = seconds * 1_000_000_000 + ns
        if step < 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._set(self.monotonic_ns() + step, self.rate)

    def run(self, rate: int) -> None:
        """Run at another rate from now on. Raises ValueError for a rate below 0."""
        if rate < 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._set(self.monotonic_ns(), rate)

    def _set(self, ns: int, rate: int) -> None:
        self._base = ns, self._source.monotonic_ns(), rate


__all__ = ["Clock", "ManualClock", "MovableClock", "SystemClock", "WaitingClock"]
