"""Check that code releases the interpreter's lock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Lock, Thread


def advances_during(work: Callable[[], object], other: Thread | None = None) -> bool:
    """Return True if another thread gets the interpreter's lock during ``work``. As soon as that
    thread has the lock, it executes the function of ``other``, a thread that was not started.

    During ``work``, the switch interval is so long that the interpreter does not switch threads by
    itself. Only ``work`` can therefore release the lock. The result may also be False because the
    system did not run the other thread in time.
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
            thread.start()  # returns when the thread waits at the gate
        work()
        return bool(advanced)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
