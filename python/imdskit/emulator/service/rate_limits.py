"""Rate limits of the service.

A machine can send 5 requests per second. The identity endpoint has separate limits of 20 requests
per second and 5 concurrent requests.

The source is the IMDS documentation, "Rate limiting". No source says how the service counts. This
module uses a token bucket whose capacity is the number of requests per second, which is *inferred*.

The limits follow the emulator's clock. While a :class:`MovableClock` stands still, they follow the
system clock, because an emulator whose limits stand still would never serve more than five requests
(``docs/decisions/0057-limits-of-a-clock-that-stands-still.md``).
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
    """Rate limits of one machine. The object is safe to share between threads.

    Args:
        bucket: function of a backend that creates a token bucket from (rate, period in nanoseconds,
            capacity).
        clock: clock of the emulator.
    """

    def __init__(self, bucket: Callable[[int, int, int], Bucket], clock: Clock) -> None:
        self._now_ns = ticks(clock)
        self._general = bucket(GENERAL_PER_SECOND, SECOND, GENERAL_PER_SECOND)
        self._identity = bucket(IDENTITY_PER_SECOND, SECOND, IDENTITY_PER_SECOND)
        self._slots = threading.BoundedSemaphore(IDENTITY_CONCURRENT)

    def general(self) -> bool:
        """Count a request outside of ``/metadata/identity``, and return whether it is admitted."""
        return self._general.take(self._now_ns()) == 0

    @contextmanager
    def identity(self) -> Iterator[bool]:
        """Count a request to ``/metadata/identity``, and yield whether it is admitted.

        It counts as concurrent until the context ends.

        A request that is refused because too many are in flight takes no token from the bucket
        (*inferred*).
        """
        if not self._slots.acquire(blocking=False):
            yield False
            return
        try:
            yield self._identity.take(self._now_ns()) == 0
        finally:
            self._slots.release()
