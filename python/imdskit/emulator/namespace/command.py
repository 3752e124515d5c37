"""A command in its namespaces, as its caller sees it."""

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
    """A command whose namespaces exist, and which waits to be started. A context manager: killed on exit if it still runs.

    The process must have one thread when this is created. Signals are blocked from then on, and forwarded by :meth:`wait`.

    Args:
        plan: what to run.

    Attributes:
        pid: a process in the namespaces of the command.
        listener: bound to 169.254.169.254 port 80 in its network namespace; None if it has the caller's network.

    Raises:
        UsageError: the system refuses the namespaces. The hint says what to change.
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
        """Let the command begin. Raises UsageError if its namespaces are gone."""
        if os.waitpid(self.pid, os.WNOHANG) != (0, 0):
            self._ended = True
            raise UsageError("bad-argument", "The processes around the command were killed before it started.", location="COMMAND")
        self._channel.send(b"1")

    def stopped_early(self) -> int | None:
        """Return the exit status for a signal that came before the command was started and asks to stop; None if there was none."""
        waiting = _STOP & signal.sigpending()
        return 128 + min(waiting) if waiting else None

    def wait(self) -> int:
        """Wait for the end of the command and forward signals until then. Return its exit status, 128 and the signal if one killed it."""
        status = supervision.wait(self.pid)
        self._ended = True
        return status

    def close(self) -> None:
        """Kill the command if it still runs, and all processes that it started. Safe to call twice."""
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
