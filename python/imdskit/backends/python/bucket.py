"""Token bucket that computes with integers. It uses the algorithm of RFC 2697 section 3, but it
does not mark packets.

The bucket is full at first. It gains ``rate`` tokens per ``per_ns`` nanoseconds, up to a maximum of
``burst`` tokens. The unit of all computations is 1/``per_ns`` of a token. In this unit, the bucket
gains exactly ``rate`` units per nanosecond, so no rounding errors accumulate.
"""

from __future__ import annotations

from imdskit.errors import UsageError
from imdskit.fork import ForkAware


class Bucket(ForkAware):
    """See :class:`imdskit.backends.contract.Bucket`.

    Args:
        rate: number of tokens that are added in ``per_ns`` nanoseconds, at least 1.
        per_ns: length of the period in which ``rate`` tokens are added, in nanoseconds, at least 1.
        burst: capacity in tokens, at least 1.

    Raises:
        UsageError: an argument is below 1; ``rate`` is 2**63 or more; or the product of ``burst``
            and ``per_ns`` is 2**63 or more.
    """

    __slots__ = ("_capacity", "_last", "_level", "_per_ns", "_rate")

    def __init__(self, rate: int, per_ns: int, burst: int) -> None:
        super().__init__()
        if min(rate, per_ns, burst) < 1 or burst * per_ns >= 1 << 63 or rate >= 1 << 63:
            message = "Rate, period and burst must be at least 1. Rate must be less than 2**63, and so must burst times period."
            raise UsageError("bad-argument", message)
        self._rate = rate
        self._per_ns = per_ns
        self._capacity = burst * per_ns
        self._level = self._capacity
        self._last: int | None = None
        self.watch_forks()

    def take(self, now_ns: int) -> int:
        """See :meth:`imdskit.backends.contract.Bucket.take`. If ``now_ns`` is earlier than in an
        earlier call, no tokens are added."""
        with self._lock:
            level, last = self._level, self._last
            if last is None:
                self._last = now_ns
            elif now_ns > last:
                self._last = now_ns
                level += (now_ns - last) * self._rate
                if level > self._capacity:  # noqa: PLR1730 # a call of min() would take a fifth of the time of this method
                    level = self._capacity
            taken = level >= self._per_ns
            self._level = level - self._per_ns if taken else level
            return 0 if taken else -((level - self._per_ns) // self._rate)
