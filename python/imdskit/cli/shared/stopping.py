"""Signals that stop a long-running command cleanly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_active: list[threading.Event] = []


@contextmanager
def on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM, SIGINT and SIGHUP set. A nested context yields the same event.

    SIGINT is handled although a shell makes its background jobs ignore it. SIGHUP stays ignored if the caller ignores it, as ``nohup``
    does.
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
    numbers.append(signal.SIGTERM)  # the last one: once its handler is installed, all are
    _active.append(stop)
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _active.clear()
