"""Supervision of a child process: waiting for its end, and forwarding signals to it.

Signals from the terminal (Ctrl-C, a closed window) reach the whole process group, which includes
the command. This module forwards only signals that a process sends. If it also forwarded signals
from the terminal, the command would receive them twice.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from imdskit.emulator.namespace.system_calls import wait_for_signal

_SIGNALS = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGALRM", "SIGCONT")
FORWARDED = frozenset(signal.Signals[name] for name in _SIGNALS)


def block() -> set[signal.Signals]:
    """Block the signals that :func:`wait` reads, for this thread and all threads that it starts.

    Return the previous signal mask.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})
    return {signal.Signals(number) for number in before if number in signal.Signals._value2member_map_}


def restore(mask: set[signal.Signals]) -> None:
    """Restore the signal state that a program expects after exec: the given mask, and default
    actions for signals that Python ignores."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def wait(child: int, *, reap_all: bool = False) -> int:
    """Wait for the end of a child and forward signals to it until then.

    The signals must be blocked.

    Args:
        child: process id of the child.
        reap_all: whether to reap every process that ends, as the first process of a PID namespace
            must.

    Returns:
        The exit status of the child, or 128 + N if signal N killed it.
    """
    while True:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1 if reap_all else child, os.WNOHANG)) != (0, 0):
                if ended[0] == child:
                    return status(ended[1])
        number, from_kernel = wait_for_signal(FORWARDED | {signal.SIGCHLD})
        if number != signal.SIGCHLD and not from_kernel:
            with suppress(ProcessLookupError):
                os.kill(child, number)


def status(waited: int) -> int:
    """Return the exit status that a shell would report for a status of ``waitpid``."""
    code = os.waitstatus_to_exitcode(waited)
    return code if code >= 0 else 128 - code
