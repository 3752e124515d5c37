"""Rate limits: 5 requests a second; for identity 20 a second and 5 at the same time.

Source: IMDS documentation, "Rate limiting". That the limits are those of a token bucket which holds one second's worth is *inferred*: no
source says how the service counts.

The limits follow the emulator's clock. While a :class:`MovableClock` stands still, they follow the machine's clock, because otherwise five requests
would be all that such an emulator ever answers (``docs/decisions/0057-limits-of-a-clock-that-stands-still.md``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from imdskit.backends.contract import Bucket
from imdskit.clock import Clock, ticks

SECOND = 1_000_000_000

GENERAL_PER_SECOND = 5
IDENTITY_PER_SECOND = 20
IDENTITY_CONCURRENT = 5


class RateLimits:
    """The limits of one machine. Safe to share between threads.

    Args:
        bucket: of a backend: makes a bucket of (rate, per nanoseconds, burst).
        clock: the emulator's.
    """

    def __init__(self, bucket: Callable[[int, int, int], Bucket], clock: Clock) -> None:
        self._now_ns = ticks(clock)
        self._general = bucket(GENERAL_PER_SECOND, SECOND, GENERAL_PER_SECOND)
        self._identity = bucket(IDENTITY_PER_SECOND, SECOND, IDENTITY_PER_SECOND)
        self._slots = threading.BoundedSemaphore(IDENTITY_CONCURRENT)

    def general(self) -> bool:
        """Return whether one more request is admitted now, to anything but ``/metadata/identity``."""
        return self._general.take(self._now_ns()) == 0

    @contextmanager
    def identity(self) -> Iterator[bool]:
        """Return whether one more request to ``/metadata/identity`` is admitted now; it counts as concurrent until the context ends.

        A request that is refused because too many are under way takes no token (*inferred*).
        """
        if not self._slots.acquire(blocking=False):
            yield False
            return
        try:
            yield self._identity.take(self._now_ns()) == 0
        finally:
            self._slots.release()
