"""Handling of signals that stop a long-running command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_active: list[threading.Event] = []


@contextmanager
def on_signals() -> Iterator[threading.Event]:
    """Yield an event that is set when the process receives SIGTERM, SIGINT or SIGHUP. Inside of
    such a context, a second context yields the same event.

    A shell script starts background jobs with SIGINT ignored. This function handles SIGINT
    nevertheless. SIGHUP stays ignored if it was ignored before, for example because of ``nohup``.
    """
    if _active:
        yield _active[0]
        return
    stop = threading.Event()

    def request(_: int, __: FrameType | None) -> None:
        stop.set()

    numbers = [signal.SIGINT]
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        numbers.append(hangup)
    numbers.append(signal.SIGTERM)  # SIGTERM comes last: when its handler is installed, all handlers are installed
    _active.append(stop)
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _active.clear()
