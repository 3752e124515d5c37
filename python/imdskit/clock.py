"""Clocks. Other modules get a clock as an argument, so only this module reads the clock of the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

SECOND = 1_000_000_000
"""Number of nanoseconds in a second."""

LAST_SECOND = 253_402_300_799
"""Last second of the year 9999 as Unix time. Certificates cannot contain a later time."""


class Clock(Protocol):
    """Source of the time."""

    def now(self) -> int:
        """Return the Unix time in whole seconds."""

    def monotonic_ns(self) -> int:
        """Return the nanoseconds since an arbitrary start. They never decrease."""


class WaitingClock(Clock, Protocol):
    """Clock on which a program can wait."""

    def sleep(self, seconds: float) -> None:
        """Wait until a number of seconds has passed on this clock."""


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
        self._ns = start * SECOND
        self._lock = threading.Lock()

    def now(self) -> int:
        return self._ns // SECOND

    def monotonic_ns(self) -> int:
        return self._ns

    def advance(self, seconds: int = 0, *, ns: int = 0) -> None:
        """Move the clock forward. Raise ValueError for a step back."""
        step = seconds * SECOND + ns
        if step < 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._ns += step

    def sleep(self, seconds: float) -> None:
        """Move the clock forward instead of waiting."""
        self.advance(ns=max(round(seconds * SECOND), 0))


class MovableClock:
    """Clock that runs at a given rate and can also be moved forward. Safe to share between threads.

    Args:
        start: Unix time in seconds.
        rate: number of seconds that pass in one second of ``source``. With 0 the clock stands still until it is moved.
        source: clock that drives this one. The default is the machine's clock.
    """

    def __init__(self, start: int, rate: int = 0, source: Clock | None = None) -> None:
        self._source = source or SystemClock()
        self._lock = threading.Lock()
        self._base = start * SECOND, self._source.monotonic_ns(), rate, 0

    @property
    def rate(self) -> int:
        """Number of seconds that pass in one second of the source."""
        return self._base[2]

    def now(self) -> int:
        return self.monotonic_ns() // SECOND

    def monotonic_ns(self) -> int:
        ns, since, rate, _ = self._base
        return ns + (self._source.monotonic_ns() - since) * rate if rate else ns

    def ticks_ns(self) -> int:
        """Return the nanoseconds since an arbitrary start.

        They never decrease. While the clock stands still, they increase at the rate of the source.
        """
        ns, since, rate, stood = self._base
        return ns + stood + (self._source.monotonic_ns() - since) * (rate or 1)

    def advance(self, seconds: int = 0, *, ns: int = 0) -> None:
        """Move the clock forward. Raise ValueError for a step back."""
        step = seconds * SECOND + ns
        if step < 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._change(self.rate, step)

    def run(self, rate: int) -> None:
        """Run at another rate from now on. Raise ValueError for a rate below 0."""
        if rate < 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._change(rate)

    def _change(self, rate: int, step: int = 0) -> None:
        ns, since, before, stood = self._base
        at = self._source.monotonic_ns()
        self._base = ns + (at - since) * before + step, at, rate, stood + (0 if before else at - since)


def ticks(clock: Clock) -> Callable[[], int]:
    """Return a function that returns monotonic nanoseconds for timers that must never stop.

    If ``clock`` is a :class:`MovableClock` that stands still, the nanoseconds increase at the rate of its source.
    """
    return clock.ticks_ns if isinstance(clock, MovableClock) else clock.monotonic_ns


__all__ = ["Clock", "ManualClock", "MovableClock", "SystemClock", "WaitingClock"]
