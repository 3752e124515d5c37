"""Clocks. Other modules get a clock as an argument. This is the only module that reads the clock of
the machine."""

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
        """Return the nanoseconds since an arbitrary start. The number never decreases."""


class WaitingClock(Clock, Protocol):
    """Clock on which a program can wait."""

    def sleep(self, seconds: float) -> None:
        """Wait until ``seconds`` seconds have passed on this clock."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> int:
        return int(time.time())

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """Clock that stands still until it is moved. It is safe to share between threads.

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
        """Move the clock forward by ``seconds`` and ``ns`` nanoseconds. Raise ValueError if the sum
        is negative."""
        step = seconds * SECOND + ns
        if step < 0:
            raise ValueError("the clock cannot be moved back")
        with self._lock:
            self._ns += step

    def sleep(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``, without waiting."""
        self.advance(ns=max(round(seconds * SECOND), 0))


class MovableClock:
    """Clock that runs at a given rate, and can also be moved forward. It is safe to share between
    threads.

    Args:
        start: Unix time in seconds.
        rate: number of seconds that pass in one second of ``source``. With 0 the clock stands still
            until it is moved.
        source: clock that drives this one. The default is the machine's clock.
    """

    def __init__(self, start: int, rate: int = 0, source: Clock | None = None) -> None:
        self._source = source or SystemClock()
        self._lock = threading.Lock()
        # Four values: the time of this clock at its last change, the time of the source at that
        # moment, the rate, and how long this clock has stood still in total, as measured by the
        # source. Each change replaces the whole tuple, so that readers need no lock.
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
        """Return the nanoseconds since an arbitrary start. The number never decreases.

        In contrast to :meth:`monotonic_ns`, the number also increases while the clock stands still.
        It then increases at the rate of the source.
        """
        ns, since, rate, stood = self._base
        return ns + stood + (self._source.monotonic_ns() - since) * (rate or 1)

    def advance(self, seconds: int = 0, *, ns: int = 0) -> None:
        """Move the clock forward by ``seconds`` and ``ns`` nanoseconds. Raise ValueError if the sum
        is negative."""
        step = seconds * SECOND + ns
        if step < 0:
            raise ValueError("the clock cannot be moved back")
        with self._lock:
            self._change(self.rate, step)

    def run(self, rate: int) -> None:
        """Let the clock run at another rate from now on. Raise ValueError if the rate is
        negative."""
        if rate < 0:
            raise ValueError("the clock cannot be moved back")
        with self._lock:
            self._change(rate)

    def _change(self, rate: int, step: int = 0) -> None:
        ns, since, before, stood = self._base
        at = self._source.monotonic_ns()
        self._base = ns + (at - since) * before + step, at, rate, stood + (0 if before else at - since)


def ticks(clock: Clock) -> Callable[[], int]:
    """Return a function that returns monotonic nanoseconds, for timers that must run even if
    ``clock`` stands still.

    If ``clock`` is a :class:`MovableClock`, the function is its method
    :meth:`MovableClock.ticks_ns`.
    """
    return clock.ticks_ns if isinstance(clock, MovableClock) else clock.monotonic_ns


__all__ = ["Clock", "ManualClock", "MovableClock", "SystemClock", "WaitingClock"]
