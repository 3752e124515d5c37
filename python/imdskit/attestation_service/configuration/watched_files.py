"""Values that are read from files, and reloaded when the files change. The process needs neither a restart nor a signal."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, TypeAlias, TypeVar

from imdskit.clock import SECOND, Clock
from imdskit.errors import ImdskitError

T = TypeVar("T")
_Fingerprint: TypeAlias = tuple[tuple[str, int, int, int] | None, ...]
_log = logging.getLogger("imdskit.attestation_service")


class Watched(Generic[T]):
    """Value that is read from files and reloaded when they change. The object is safe to share between threads.

    The files are checked when the value is used, at most once every few seconds. A file has changed if its inode, size or modification time
    differs, or if a symbolic link on its path leads to another target. If the new files are invalid, the previous value stays in use, the
    error is logged, and the next check tries to read them again.

    Args:
        name: name of the value in the log.
        paths: files to watch.
        read: function that returns the value, or raises ImdskitError.
        every: minimum number of seconds between two checks.
        clock: clock for the interval between checks.

    Attributes:
        failing: whether the files have changed and are invalid.

    Raises:
        ImdskitError: The first attempt to read the files failed.
    """

    def __init__(self, name: str, paths: Sequence[Path], read: Callable[[], T], every: int, clock: Clock) -> None:
        self.failing = False
        self._name = name
        self._paths = tuple(paths)
        self._read = read
        self._every_ns = every * SECOND
        self._clock = clock
        self._lock = Lock()
        self._next_check = clock.monotonic_ns() + self._every_ns
        # The fingerprint is taken before reading, so that the next check detects a change made during reading.
        self._seen = self._fingerprint()
        self._value = read()

    def current(self) -> T:
        """Return the value. Check the files first if the last check was long enough ago."""
        if self._clock.monotonic_ns() >= self._next_check and self._lock.acquire(blocking=False):
            # Threads that do not get the lock continue with the previous value.
            try:
                self._check()
            finally:
                self._lock.release()
        return self._value

    def _check(self) -> None:
        self._next_check = self._clock.monotonic_ns() + self._every_ns
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
