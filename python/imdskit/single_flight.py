"""Single flight: threads that request the same thing at the same time share one execution. This module is internal.

It imports nothing of the package except the errors, so every package may use it.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from imdskit.errors import ImdskitError

T = TypeVar("T")


class _Process:
    """Lock and identity of this process. All instances share the lock, because each thread holds it only for one dictionary operation."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Replace lock and identity in a forked child. Threads that do not exist there may have locked the lock or may be executing calls."""
        self.lock = threading.Lock()
        self.identity = object()


_PROCESS = _Process()

if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_PROCESS.renew)


class SingleFlight(Generic[T]):
    """Calls in progress, by key. Safe to share between threads, and usable in the child after a fork."""

    def __init__(self) -> None:
        self._calls: dict[Hashable, _Call[T]] = {}

    def run(self, key: Hashable, function: Callable[[], T], timeout: float | None = None) -> T:
        """Return the result of ``function``, or of a call with the same key that another thread has already started.

        If the other thread is interrupted (for example by KeyboardInterrupt), one of the waiting threads starts the call again.

        Args:
            key: identifies what is requested.
            function: the function to call. Only one thread at a time calls it for each key.
            timeout: maximum wait for another thread in seconds. None waits until the thread has finished.

        Raises:
            ImdskitError: raised by ``function``. Every waiting thread gets its own copy.
            TimeoutError: the other thread did not finish within ``timeout``.
        """
        while True:
            with _PROCESS.lock:
                call = self._calls.get(key)
                leads = call is None or call.process is not _PROCESS.identity
                if call is None or leads:
                    call = self._calls[key] = _Call()
            if leads:
                return self._lead(key, call, function)
            call.wait(timeout)
            if call.error is not None:
                raise copied(call.error)
            if call.results:
                return call.results[0]

    def _lead(self, key: Hashable, call: _Call[T], function: Callable[[], T]) -> T:
        try:
            result = function()
            call.results.append(result)
            return result
        except ImdskitError as error:
            call.error = copied(error)
            raise
        finally:
            if call.process is _PROCESS.identity:  # this is True except in a child that `function` has forked
                with _PROCESS.lock:
                    del self._calls[key]
                call.finished.set()


class _Call(Generic[T]):
    """One call in progress. If it ends with neither a result nor an error, it was interrupted."""

    def __init__(self) -> None:
        self.process = _PROCESS.identity
        self.finished = threading.Event()
        self.results: list[T] = []
        self.error: ImdskitError | None = None

    def wait(self, timeout: float | None) -> None:
        """Wait until the call ends. Raise TimeoutError if it does not end within ``timeout`` seconds."""
        if not self.finished.wait(timeout):
            raise TimeoutError


def copied(error: ImdskitError) -> ImdskitError:
    """Return an equal error without traceback and context. If several threads raised the same object, all of them would write to its
    traceback."""
    twin = copy.copy(error)
    twin.__traceback__ = twin.__context__ = twin.__cause__ = None
    return twin
