"""Values that are read from files, and read again when the files change. After a change, the
operator need neither restart the process nor send a signal to it."""

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
    """Value that is read from files, and read again when the files change. The object is safe to
    share between threads.

    Each call of :meth:`current` checks the files for changes, unless the last check was less than
    ``every`` seconds ago. A file counts as changed if its inode, size or modification time is
    different, or if its path leads to another file because of a symbolic link. If the changed files
    are invalid, the error is logged, and the previous value stays in use. The next check reads the
    files again.

    Args:
        name: name of the value in the log.
        paths: files to watch.
        read: function that returns the value, or raises ImdskitError.
        every: minimum number of seconds between two checks.
        clock: clock for the interval between checks.

    Attributes:
        failing: True while the files have changed and are invalid.

    Raises:
        ImdskitError: The files cannot be read, or are invalid, when the object is created.
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
        # The fingerprint is taken before the files are read. If a file changes while it is read,
        # the next check therefore detects the change.
        self._seen = self._fingerprint()
        self._value = read()

    def current(self) -> T:
        """Return the value. If the last check was at least ``every`` seconds ago, check the files
        for changes first."""
        if self._clock.monotonic_ns() >= self._next_check and self._lock.acquire(blocking=False):
            # Only one thread checks the files. All others use the previous value meanwhile.
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
            _log.error("The files of the %s changed and cannot be used. The previous state stays in use. %r", self._name, str(error))
            return
        self._seen, self.failing = found, False
        _log.warning("The files of the %s were read again.", self._name)

    def _fingerprint(self) -> _Fingerprint:
        return tuple(_file(path) for path in self._paths)


def _file(path: Path) -> tuple[str, int, int, int] | None:
    try:
        state = path.stat()
        return os.path.realpath(path), state.st_ino, state.st_size, state.st_mtime_ns
    except OSError:
        return None
