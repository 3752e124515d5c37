"""Used keys in the memory of one process."""

from __future__ import annotations

import heapq
import threading

from imdskit import arguments
from imdskit.clock import Clock, SystemClock
from imdskit.errors import StoreError
from imdskit.verify.stores.store import check_arguments, now_before


class MemoryStore:
    """For a service of one process. Forgets everything when the process ends; every worker of a forking server has its own, which is
    not what you want: use SQLite there.

    Args:
        capacity: keys that are remembered at most, 1 to 1,000,000,000; one takes about 250 bytes. When it is full, nothing is admitted: forgetting
            an unexpired key would admit a replay.
        clock: where "now" comes from.

    Raises:
        UsageError: an argument is of the wrong type or out of range.
    """

    def __init__(self, capacity: int = 200_000, *, clock: Clock | None = None) -> None:
        self._capacity = arguments.whole(capacity, "capacity", 1, 1_000_000_000)
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "now")
        self._lock = threading.Lock()
        self._used: set[bytes] = set()
        self._expiries: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._used)

    def consume(self, key: bytes, expires_at: int) -> bool:
        """See :meth:`imdskit.verify.stores.NonceStore.consume`."""
        check_arguments(key, expires_at)
        with self._lock:
            now = now_before(expires_at, self._clock)
            while self._expiries and self._expiries[0][0] < now:
                self._used.discard(heapq.heappop(self._expiries)[1])
            if key in self._used:
                return False
            if len(self._used) >= self._capacity:
                hint = "Give it more room, or shorten the policy's max_age: keys are kept as long as their documents are accepted."
                raise StoreError("store-full", f"{self._capacity} keys are remembered already.", location="memory", hint=hint)
            self._used.add(key)
            heapq.heappush(self._expiries, (expires_at, key))
            return True
