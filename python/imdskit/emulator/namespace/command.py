"""The caller's interface to a command in separate namespaces."""

from __future__ import annotations

import json
import os
import signal
import socket
from types import TracebackType
from typing import Self

from imdskit.emulator.namespace import inside, refusals, supervision
from imdskit.emulator.namespace.inside import Plan
from imdskit.errors import UsageError

_STOP = frozenset((signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM))


class Command:
    """A command that waits to be started in namespaces that already exist.

    The context manager kills a running command on exit.

    The calling process must have only one thread when it creates this object. From then on, signals
    are blocked, and :meth:`wait` forwards them to the command.

    Args:
        plan: the command and its environment.

    Attributes:
        pid: id of a process in the namespaces of the command.
        listener: socket that listens on 169.254.169.254 port 80 in the command's network namespace.
            None if the command uses the caller's network.

    Raises:
        UsageError: the system refuses to create the namespaces. The hint says what to change.
    """

    def __init__(self, plan: Plan) -> None:
        self.listener: socket.socket | None = None
        caller, mask = os.getpid(), supervision.block()
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.pid = os.fork()
        except OSError as error:
            raise refusals.explain("start", error.errno) from None
        if self.pid == 0:
            self._channel.close()
            inside.begin(plan, other, mask, caller)
        other.close()
        self._ended = False
        message, descriptors, _, _ = socket.recv_fds(self._channel, 4096, 1)
        if descriptors:
            self.listener = socket.socket(fileno=descriptors[0])
        report = json.loads(message or b'{"step": "start", "errno": 0}')
        if "step" in report:
            self.close()
            raise refusals.explain(report["step"], report["errno"])

    def start(self) -> None:
        """Start the command. Raise UsageError if its namespaces no longer exist."""
        if os.waitpid(self.pid, os.WNOHANG) != (0, 0):
            self._ended = True
            raise UsageError(
                "bad-argument", "The processes that prepare the namespaces were killed before the command started.", location="COMMAND"
            )
        self._channel.send(b"1")

    def stopped_early(self) -> int | None:
        """Return the exit status for a termination signal that arrived before the command was
        started, or None without such a signal."""
        waiting = _STOP & signal.sigpending()
        return 128 + min(waiting) if waiting else None

    def wait(self) -> int:
        """Wait for the end of the command and forward signals until then.

        Return its exit status, or 128 + N if signal N killed it.
        """
        status = supervision.wait(self.pid)
        self._ended = True
        return status

    def close(self) -> None:
        """Kill the command, if it still runs, and all processes that it started.

        It is safe to call this twice.
        """
        self._channel.close()
        if self.listener is not None:
            self.listener.close()
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
