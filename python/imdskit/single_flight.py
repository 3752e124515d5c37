"""Single flight: if several threads call a function for the same key at the same time, the function
is executed only once, and all of them get its result. This module is internal.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from imdskit.errors import ImdskitError

T = TypeVar("T")
E = TypeVar("E", bound=ImdskitError)


class _Process:
    """Lock and identity of this process. The identity is an object that is replaced in a child
    process, so that the child recognises calls that its parent has registered. All instances of
    :class:`SingleFlight` share the lock. It is not a bottleneck, because a thread holds it only for
    one operation on a dict."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Replace the lock and the identity in a child process. At the fork, another thread of the
        parent may have held the lock, or may have been executing a call. This thread does not exist
        in the child, so it would never release the lock or finish the call there."""
        self.lock = threading.Lock()
        self.identity = object()


_PROCESS = _Process()

if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_PROCESS.renew)


class SingleFlight(Generic[T]):
    """Registry of calls in progress, by key. It is safe to share between threads, and it can be
    used in a child process after a fork."""

    def __init__(self) -> None:
        self._calls: dict[Hashable, _Call[T]] = {}

    def run(self, key: Hashable, function: Callable[[], T], timeout: float | None = None) -> T:
        """Call ``function`` and return its result. If another thread is already executing a call
        with the same key, wait for this other call, and return its result instead.

        If the call of the other thread is interrupted, for example by KeyboardInterrupt, one of the
        waiting threads calls ``function`` again.

        Args:
            key: key of the call. Functions that are called with the same key must have the same
                result.
            function: function to call. For each key, only one thread at a time calls it.
            timeout: maximum number of seconds to wait for another thread. With None, there is no
                limit.

        Raises:
            ImdskitError: ``function`` raised this error. Every waiting thread raises a separate
                copy of it.
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
            if call.process is _PROCESS.identity:  # this is False only in a child process that `function` has forked
                with _PROCESS.lock:
                    del self._calls[key]
                call.finished.set()


class _Call(Generic[T]):
    """One call in progress. If it has ended and has neither a result nor an error, it was
    interrupted."""

    def __init__(self) -> None:
        self.process = _PROCESS.identity
        self.finished = threading.Event()
        self.results: list[T] = []
        self.error: ImdskitError | None = None

    def wait(self, timeout: float | None) -> None:
        """Wait until the call ends. Raise TimeoutError if it does not end within ``timeout``
        seconds."""
        if not self.finished.wait(timeout):
            raise TimeoutError


def copied(error: E) -> E:
    """Return a copy of ``error`` without traceback and context. Each thread needs a separate copy,
    because raising an exception changes its traceback."""
    twin = copy.copy(error)
    twin.__traceback__ = twin.__context__ = twin.__cause__ = None
    return twin
