"""Support for ``fork()``: objects recreate their locks in the child process, so that it does not hang.

``fork()`` copies the calling thread only. A lock that another thread holds at that moment stays locked in the child for ever, because the
thread that would release it does not exist there. Objects that own locks or connections derive from :class:`ForkAware` and recreate them
in the child.

Process ids are not compared anywhere: the system reuses them, so a grandchild may have the id of the process that opened a connection.

This module is internal.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from weakref import WeakSet


class ForkAware:
    """Base class of objects that recreate their locks in a child process.

    A subclass calls :meth:`watch_forks` at the end of its constructor. The registry holds weak references only. ``os.fork`` runs these
    methods, and so do ``multiprocessing`` and ``subprocess`` with a ``preexec_fn``. A ``fork()`` in C code that bypasses Python does not.
    """

    __slots__ = ("__weakref__",)

    def watch_forks(self) -> None:
        """Register this object for the methods below."""
        _watched.add(self)

    def prepare_fork(self) -> bool:
        """Run in the parent before the fork. Return whether the object is ready; only then :meth:`resume_in_parent` follows."""
        return True

    def resume_in_parent(self) -> None:
        """Run in the parent after the fork."""

    def renew_in_child(self, prepared: bool) -> None:
        """Run in the child, which has one thread, before anything else uses the object.

        Args:
            prepared: result of :meth:`prepare_fork`; False for an object that another thread created in the meantime.
        """


_watched: WeakSet[ForkAware] = WeakSet()
_this_thread = threading.local()
"""List of the objects that are ready for a fork, per thread, because two threads may fork at the same time. The child keeps its thread's
list."""


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
    """Run ``call`` in every child from now on. This is for code that cannot derive from :class:`ForkAware`."""
    if hasattr(os, "register_at_fork"):  # absent on Windows, which has no fork
        os.register_at_fork(after_in_child=call)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
