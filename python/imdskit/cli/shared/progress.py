"""A line on a terminal that says how far a long job is. Nothing anywhere else."""

from __future__ import annotations

import contextlib
import sys

from imdskit.clock import Clock

INTERVAL_NS = 200_000_000
"""Between two states of the line."""
SECOND_NS = 1_000_000_000
_ERASE = "\r\x1b[K"


class Progress:
    """The line, on standard error, if that is a terminal.

    Args:
        clock: for the rate.
        size: of all that there is to do, or None.
        done: things that were done before, which do not count for the rate.
    """

    def __init__(self, clock: Clock, size: int | None, done: int) -> None:
        self._clock = clock
        self._size = size
        self._before = done
        self._on = sys.stderr is not None and sys.stderr.isatty()
        self._start = self._next = clock.monotonic_ns()

    def show(self, done: int, refused: int, position: int) -> None:
        """Say so, if it is time.

        Args:
            done: things, those before included.
            refused: of them.
            position: in the unit of ``size``.
        """
        if not self._on or (now := self._clock.monotonic_ns()) < self._next:
            return
        self._next = now + INTERVAL_NS
        rate = (done - self._before) * SECOND_NS // max(now - self._start, 1)
        part = f"{100 * position // self._size:3} %  " if self._size else ""
        self._write(f"{_ERASE}{part}{done} documents, {refused} refused, {rate} a second")

    def end(self) -> None:
        """Take the line away."""
        if self._on:
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
