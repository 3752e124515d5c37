"""A second process that cleans up when this one ends, also after SIGKILL.

The kernel wakes it when its parent dies. It has its own session, so that signals to the process group or from the terminal do not reach it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from imdskit.emulator.namespace import system_calls as system


class Task(Protocol):
    """What a guard does. Both methods run in its process."""

    def begin(self) -> str:
        """Do what has to be undone later. Return "", or why it cannot be done."""

    def end(self) -> None:
        """Undo it."""


class Guard:
    """Begins a task on entry and ends it on exit, in a process of its own. The process must have one thread on entry.

    Args:
        task: what it does.
        refused: returns the exception for the text that :meth:`Task.begin` returned, or for "" if it ended in another way.

    Attributes:
        pid: process id.
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
            answer = pipe.read()
        if answer != b"begun":
            os.waitpid(self.pid, 0)
            raise self._refused(answer.decode("utf-8", "replace"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.kill(self.pid, signal.SIGTERM)
        _, status = os.waitpid(self.pid, 0)
        if status != 0:  # somebody killed it
            self._task.end()


def _guard(task: Task, writing: int, caller: int) -> None:
    """Never return."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.setsid()
        system.die_with_parent(signal.SIGTERM)
        refused = task.begin()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):  # a reader of the caller's output must not have to wait for this process
            os.dup2(nowhere, number)
        os.write(writing, refused.encode() or b"begun")
        os.close(writing)
        if not refused:
            if os.getppid() == caller:
                signal.sigwait({signal.SIGTERM})
            task.end()
        status = 0
    finally:
        os._exit(status)
