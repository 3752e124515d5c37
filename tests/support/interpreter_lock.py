"""Whether the interpreter's lock is free while something runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Lock, Thread


def advances_during(work: Callable[[], object], other: Thread | None = None) -> bool:
    """Whether another thread gets the interpreter's lock during ``work``; it then runs ``other``, which is not started yet, to its end.

    The interpreter takes the lock from no thread meanwhile, so only ``work`` itself can release it. False may also mean that the system did not
    schedule the thread in time.
    """
    gate, advanced = Lock(), []
    run = other.run if other else None

    def step() -> None:
        with gate:
            if run:
                run()
            advanced.append(True)

    thread, interval = Thread(target=step), sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        with gate:
            thread.start()  # returns once the thread waits at the gate
        work()
        return bool(advanced)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
