"""A second process that cleans up when the first one ends, even if SIGKILL ended the first one.

The kernel sends the second process a signal when its parent dies. The second process has its own
session, so that signals to the parent's process group, or from the terminal, do not reach it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from imdskit.emulator.namespace import system_calls as system


class Task(Protocol):
    """A temporary change of the system. Both methods run in the second process. If that process is
    killed, ``end`` runs in the first one."""

    def begin(self) -> str:
        """Make the change. Return "", or the reason why it is impossible."""

    def end(self) -> None:
        """Undo the change."""


class CleanupProcess:
    """Context manager that begins a task on entry and ends it on exit, in a second process.

    The calling process must have only one thread on entry.

    Args:
        task: the change to make and undo.
        refused: function that returns the exception to raise if the task could not begin. Its
            argument is the text that :meth:`Task.begin` returned, or "" if the process died before
            that.

    Attributes:
        pid: id of the second process.
    """

    def __init__(self, task: Task, refused: Callable[[str], Exception]) -> None:
        self._task, self._refused = task, refused
        self.pid = 0

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        caller = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _guard(self._task, writing, caller)
        os.close(writing)
        with open(reading, "rb") as pipe:
            reply = pipe.read()
        if reply != b"begun":
            os.waitpid(self.pid, 0)
            raise self._refused(reply.decode("utf-8", "replace"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.kill(self.pid, signal.SIGTERM)
        _, status = os.waitpid(self.pid, 0)
        if status != 0:  # The second process was killed before it could undo the change.
            self._task.end()


def _guard(task: Task, writing: int, caller: int) -> None:
    """Run the task in the second process until the first one ends or sends SIGTERM.

    This function never returns.
    """
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.setsid()
        system.die_with_parent(signal.SIGTERM)
        refused = task.begin()
        # If this process kept the standard streams open, a program that reads the output of the
        # first process would wait until this process ends.
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.write(writing, refused.encode() or b"begun")
        os.close(writing)
        if not refused:
            if os.getppid() == caller:
                signal.sigwait({signal.SIGTERM})
            task.end()
        status = 0
    finally:
        os._exit(status)
