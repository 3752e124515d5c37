"""Progress line for a long command."""

from __future__ import annotations

import contextlib
import sys

from imdskit.clock import SECOND, Clock

INTERVAL_NS = 200_000_000
"""Minimum time between two updates of the line, in nanoseconds."""
_ERASE = "\r\x1b[K"


class Progress:
    """Progress line on standard error. It is written only if standard error is a terminal.

    Args:
        clock: clock for the number of documents per second.
        size: total size of the input, or None if it is unknown.
        done: number of documents that an earlier run has finished. They are not counted for the
            documents per second.
    """

    def __init__(self, clock: Clock, size: int | None, done: int) -> None:
        self._clock = clock
        self._size = size
        self._before = done
        self._on = sys.stderr is not None and sys.stderr.isatty()
        self._start = self._next = clock.monotonic_ns()

    def show(self, done: int, refused: int, position: int) -> None:
        """Update the line, unless the last update was too recent.

        Args:
            done: number of finished documents, including those of an earlier run.
            refused: number of refused documents among the finished ones.
            position: current position in the input, in the same unit as ``size``.
        """
        if not self._on or (now := self._clock.monotonic_ns()) < self._next:
            return
        self._next = now + INTERVAL_NS
        rate = (done - self._before) * SECOND // max(now - self._start, 1)
        part = f"{100 * position // self._size:3} %  " if self._size else ""
        self._write(f"{_ERASE}{part}{done} documents, {refused} refused, {rate} per second")

    def end(self) -> None:
        """Erase the line."""
        if self._on:
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
