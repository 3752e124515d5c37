"""Handling of ``fork()``, so that the child process does not hang. This module is internal.

``fork()`` copies only the calling thread. If another thread holds a lock at that moment, the lock
stays locked in the child for ever: the thread that would release the lock does not exist there.
Classes whose objects have locks or connections are therefore subclasses of :class:`ForkAware`. They
recreate these locks and connections in the child.

A comparison of process ids could not detect a fork reliably. The system reuses process ids, so a
grandchild may have the id of the process that opened a connection.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from weakref import WeakSet


class ForkAware:
    """Base class of objects with a lock, which is recreated in a child process.

    A subclass calls :meth:`watch_forks` at the end of its constructor, which registers the object.
    Registered objects can be garbage-collected, because the registry has only weak references. At
    each fork, Python calls :meth:`prepare_fork`, and afterwards :meth:`resume_in_parent` or
    :meth:`renew_in_child`. This includes forks by ``os.fork``, ``multiprocessing``, and
    ``subprocess`` with a ``preexec_fn``, but not a ``fork()`` by C code that does not inform
    Python.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def watch_forks(self) -> None:
        """Register this object, so that its other methods are called at each fork."""
        _watched.add(self)

    def prepare_fork(self) -> bool:
        """Prepare the object for the fork, in the parent. Return True if the object is ready for
        the fork.

        If the result is False, :meth:`resume_in_parent` is not called after the fork.
        """
        return True

    def resume_in_parent(self) -> None:
        """Resume in the parent after the fork."""

    def renew_in_child(self, prepared: bool) -> None:
        """Recreate the lock, in the child. At this time the child has only one thread, and nothing
        else has used the object yet.

        Args:
            prepared: the result of :meth:`prepare_fork`. It is also False if another thread created
                the object after the preparations for the fork.
        """
        self._lock = threading.Lock()


_watched: WeakSet[ForkAware] = WeakSet()
_this_thread = threading.local()
"""Storage of the list of objects that are ready for a fork. Each thread has a separate list,
because two threads may fork at the same time. The child process has the list of the thread that
called ``fork()``."""


def _before() -> None:
    prepared = _this_thread.prepared = []
    prepared.extend(owner for owner in list(_watched) if owner.prepare_fork())


def _after_in_parent() -> None:
    for owner in _this_thread.__dict__.pop("prepared", ()):
        owner.resume_in_parent()


def _after_in_child() -> None:
    prepared = {id(owner) for owner in _this_thread.__dict__.pop("prepared", ())}
    for owner in list(_watched):
        owner.renew_in_child(id(owner) in prepared)


def call_in_child(call: Callable[[], object]) -> None:
    """Call a function in every child process that is forked from now on. This is for code that
    cannot use a subclass of :class:`ForkAware`."""
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=call)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
