"""Store of used documents and nonces in the memory of one process."""

from __future__ import annotations

import heapq

from imdskit import arguments
from imdskit.clock import Clock, SystemClock
from imdskit.errors import StoreError
from imdskit.fork import ForkAware
from imdskit.verify.stores.store import check_arguments, forked, now_before, refuse_forgotten


class MemoryStore(ForkAware):
    """Store of the keys of used documents and nonces, for a service that runs in one process. Its
    content is lost when the process ends.

    A child process that inherits the store by ``fork()`` cannot use it, because parent and child
    would each admit the same document once. Every call in the child raises ``store-forked``, even
    if the store was empty at the fork (decision 0021).

    Args:
        capacity: maximum number of keys, 1 to 1,000,000,000. A key takes about 250 bytes. If the
            store is full, ``consume`` raises ``store-full``. The store never removes a key that has
            not expired, because this would allow a replay.
        clock: the source of the current time; the system clock by default.

    Raises:
        UsageError: an argument is of the wrong type or out of range.
    """

    def __init__(self, capacity: int = 1_000_000, *, clock: Clock | None = None) -> None:
        super().__init__()
        self._capacity = arguments.whole(capacity, "capacity", 1, 1_000_000_000)
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "now")
        self._used: set[bytes] = set()
        self._expiries: list[tuple[int, bytes]] = []
        self._purged_at = 0
        self._forked = False
        self.watch_forks()

    def __len__(self) -> int:
        return len(self._used)

    def consume(self, key: bytes, expires_at: int) -> bool:
        """See :meth:`imdskit.verify.stores.NonceStore.consume`."""
        check_arguments(key, expires_at)
        if self._forked:
            raise forked("memory")
        with self._lock:
            now = now_before(expires_at, self._clock)
            while self._expiries and self._expiries[0][0] < now:
                self._used.discard(heapq.heappop(self._expiries)[1])
                self._purged_at = max(self._purged_at, now)
            refuse_forgotten(expires_at, self._purged_at)
            if key in self._used:
                return False
            if len(self._used) >= self._capacity:
                hint = "Increase `capacity`. A document is stored until 70 minutes after its expiresOn, and a nonce for at least 13 hours."
                raise StoreError(
                    "store-full",
                    f"The store already contains {self._capacity} documents and nonces, which is its capacity.",
                    location="memory",
                    hint=hint,
                )
            self._used.add(key)
            heapq.heappush(self._expiries, (expires_at, key))
            return True

    def renew_in_child(self, prepared: bool) -> None:
        """See :class:`imdskit.fork.ForkAware`."""
        super().renew_in_child(prepared)
        self._forked = True
