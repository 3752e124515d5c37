"""Values that are read from files, and read again when the files change. Nothing has to be restarted or signalled."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, TypeAlias, TypeVar

from imdskit.clock import Clock
from imdskit.errors import ImdskitError

T = TypeVar("T")
_Fingerprint: TypeAlias = tuple[tuple[str, int, int, int] | None, ...]
_log = logging.getLogger("imdskit.attestation_service")


class Watched(Generic[T]):
    """A value that is read from files. Safe to share between threads.

    The files are looked at when the value is used, at most once in a number of seconds. A change is a different target of a symbolic link on the
    way, or a file with another inode, size or time of modification. If the new files cannot be read, the previous value stays in use, the
    error is logged, and reading is tried again at the next look.

    Args:
        name: for the log.
        paths: files that are watched.
        read: returns the value; raises ImdskitError.
        every: seconds between two looks.
        clock: for these seconds.

    Attributes:
        failing: whether the files changed and could not be read.

    Raises:
        ImdskitError: the files cannot be read the first time.
    """

    def __init__(self, name: str, paths: Sequence[Path], read: Callable[[], T], every: int, clock: Clock) -> None:
        self.failing = False
        self._name = name
        self._paths = tuple(paths)
        self._read = read
        self._every_ns = every * 1_000_000_000
        self._clock = clock
        self._lock = Lock()
        self._next_look = clock.monotonic_ns() + self._every_ns
        self._seen = self._fingerprint()  # before reading, so that a change in between is noticed at the next look
        self._value = read()

    def current(self) -> T:
        """Return the value of the files as they were at the last look."""
        if self._clock.monotonic_ns() >= self._next_look and self._lock.acquire(blocking=False):
            # The threads that do not get the lock go on with the previous value.
            try:
                self._look()
            finally:
                self._lock.release()
        return self._value

    def _look(self) -> None:
        self._next_look = self._clock.monotonic_ns() + self._every_ns
        found = self._fingerprint()
        if found == self._seen and not self.failing:
            return
        try:
            self._value = self._read()
        except ImdskitError as error:
            self.failing = True
            _log.error("The %s changed and cannot be used, so the previous one stays in use. %r", self._name, str(error))
            return
        self._seen, self.failing = found, False
        _log.warning("The %s was read again.", self._name)

    def _fingerprint(self) -> _Fingerprint:
        return tuple(_file(path) for path in self._paths)


def _file(path: Path) -> tuple[str, int, int, int] | None:
    try:
        state = path.stat()
        return os.path.realpath(path), state.st_ino, state.st_size, state.st_mtime_ns
    except OSError:
        return None
