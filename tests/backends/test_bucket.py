"""Token buckets: each backend is compared with a model, and thereby with the other backend."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.backends.contract import Backend, Bucket
from imdskit.errors import UsageError

SECOND = 1_000_000_000


class Model:
    """A token bucket with exact fractions and no optimization."""

    def __init__(self, rate: int, per_ns: int, burst: int) -> None:
        self.speed, self.burst, self.tokens = Fraction(rate, per_ns), Fraction(burst), Fraction(burst)
        self.last: int | None = None

    def take(self, now: int) -> int:
        if self.last is None:
            self.last = now
        elif now > self.last:
            self.tokens, self.last = min(self.burst, self.tokens + (now - self.last) * self.speed), now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0
        return -int(-(1 - self.tokens) / self.speed // 1)


def compare(bucket: Bucket, model: Bucket, times: Iterable[int]) -> None:
    for now in times:
        assert bucket.take(now) == model.take(now), now


numbers = st.integers(1, 1 << 20) | st.integers(1, 5)


steps = st.lists(st.integers(-(10**6), 10**9) | st.integers(0, 50), max_size=40)


@given(rate=numbers, per_ns=numbers | st.just(SECOND), burst=numbers, steps=steps)
def test_bucket_behaves_like_the_model(rate: int, per_ns: int, burst: int, steps: list[int], backend: Backend) -> None:
    compare(backend.bucket(rate, per_ns, burst), Model(rate, per_ns, burst), accumulate(steps))


@pytest.mark.parametrize("arguments", [((1 << 63) - 1, 1, 1 << 62), (1, 1 << 61, 3)], ids=["fastest", "slowest"])
@given(times=st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=20))
def test_bucket_works_at_the_limits_of_its_time_range(arguments: tuple[int, int, int], times: list[int], backend: Backend) -> None:
    compare(backend.bucket(*arguments), Model(*arguments), times)


class Generous(Model):
    """A wrong bucket, whose wait is one nanosecond too short."""

    def take(self, now: int) -> int:
        return max(0, super().take(now) - 1)


class Backwards(Model):
    """A wrong bucket, which follows a clock that goes back."""

    def take(self, now: int) -> int:
        self.last = min(now, now if self.last is None else self.last)
        return super().take(now)


@pytest.mark.parametrize("wrong", [Generous, Backwards])
def test_detects_a_deliberately_wrong_bucket(wrong: type[Model], backend: Backend) -> None:
    with pytest.raises(AssertionError):
        compare(wrong(1, 10, 2), backend.bucket(1, 10, 2), [100, 100, 100, 50, 100, 101])


def test_token_is_available_exactly_after_the_returned_wait(backend: Backend) -> None:
    bucket = backend.bucket(3, 7, 2)
    now = 0
    for _ in range(50):
        wait = bucket.take(now)
        if wait:
            assert bucket.take(now + wait - 1) == 1
            assert bucket.take(now + wait) == 0
            now += wait


@pytest.mark.parametrize(
    "arguments",
    [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1), (1, 1 << 32, 1 << 31), (1 << 63, 1, 1), (1, 1, 1 << 200), (1, -(1 << 200), 1)],
    ids=str,
)
def test_rejects_impossible_buckets(arguments: tuple[int, int, int], backend: Backend) -> None:
    with pytest.raises(UsageError):
        backend.bucket(*arguments)


def test_threads_never_take_the_same_token(backend: Backend) -> None:
    bucket = backend.bucket(1, SECOND, 1000)
    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda _: sum(bucket.take(0) == 0 for _ in range(500)), range(8)))
    assert taken == 1000
