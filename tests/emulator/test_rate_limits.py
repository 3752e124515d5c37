"""Tests of the documented rate limits, with a test-only bucket and a clock that stands still."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock, MovableClock
from imdskit.emulator.service.rate_limits import SECOND, RateLimits


class CountingBucket:
    """Bucket with a fixed number of tokens, which are never refilled."""

    def __init__(self, rate: int, per_ns: int, burst: int) -> None:
        self.made = (rate, per_ns, burst)
        self.left = burst
        self.times: list[int] = []
        self._lock = threading.Lock()

    def take(self, now_ns: int) -> int:
        with self._lock:
            self.times.append(now_ns)
            self.left -= 1
            return 0 if self.left >= 0 else 1


class Buckets:
    """Factory that records the buckets that it creates."""

    def __init__(self) -> None:
        self.made: list[CountingBucket] = []

    def __call__(self, rate: int, per_ns: int, burst: int) -> CountingBucket:
        self.made.append(CountingBucket(rate, per_ns, burst))
        return self.made[-1]


@pytest.fixture
def buckets() -> Buckets:
    return Buckets()


@pytest.fixture
def throttle(buckets: Buckets) -> RateLimits:
    return RateLimits(buckets, ManualClock(1000))


def test_admits_five_requests_per_second(throttle: RateLimits) -> None:
    assert [throttle.general() for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize("rate", [0, 1, 60])
def test_limits_work_while_the_clock_jumps_or_stands_still(rate: int, backend: Backend) -> None:
    source = ManualClock(0)
    clock = MovableClock(1000, rate, source)
    throttle = RateLimits(backend.bucket, clock)
    for _ in range(3):
        assert [throttle.general() for _ in range(6)] == [True] * 5 + [False]
        source.advance(1)
    clock.advance(1)
    assert [throttle.general() for _ in range(6)] == [True] * 5 + [False]


def test_time_of_limits_never_goes_back() -> None:
    source = ManualClock(0)
    clock = MovableClock(1000, 0, source)
    seen = [clock.ticks_ns()]
    for rate, step in ((60, 0), (0, 5), (0, 0), (1, 3), (0, 0)):
        source.advance(2)
        seen.append(clock.ticks_ns())
        clock.run(rate)
        clock.advance(step)
        seen.append(clock.ticks_ns())
    assert seen == sorted(seen)
    assert clock.now() == 1000 + 120 + 5 + 3 + 2


def test_admits_twenty_identity_requests_per_second(throttle: RateLimits) -> None:
    admitted = []
    for _ in range(21):
        with throttle.identity() as one:
            admitted.append(one)
    assert admitted == [True] * 20 + [False]


def test_identity_has_separate_limits(throttle: RateLimits) -> None:
    for _ in range(6):
        throttle.general()
    with throttle.identity() as admitted:
        assert admitted


def test_admits_five_concurrent_identity_requests(throttle: RateLimits, buckets: Buckets) -> None:
    with ExitStack() as stack:
        running = [ExitStack() for _ in range(5)]
        assert all(each.enter_context(throttle.identity()) for each in running)
        for each in running:
            stack.push(each)
        with throttle.identity() as sixth:
            assert not sixth
        assert len(buckets.made[1].times) == 5, "a refused one takes no token"
        running[0].close()
        with throttle.identity() as next_one:
            assert next_one


def test_failing_request_releases_its_slot(throttle: RateLimits) -> None:
    for _ in range(8):
        with pytest.raises(ZeroDivisionError), throttle.identity():
            raise ZeroDivisionError
    with throttle.identity() as admitted:
        assert admitted


def test_buckets_have_the_documented_rates_and_use_the_given_clock(throttle: RateLimits, buckets: Buckets) -> None:
    throttle.general()
    assert [bucket.made for bucket in buckets.made] == [(5, SECOND, 5), (20, SECOND, 20)]
    assert buckets.made[0].times == [1000 * SECOND]
