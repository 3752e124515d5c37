"""Token buckets: both backends against a model, and against each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit import backends
from imdskit.backends.contract import Backend
from imdskit.errors import BackendError, UsageError

SECOND = 1_000_000_000


class Model:
    """The same with fractions of a token, and no thought of speed."""

    def __init__(self, rate: int, per_ns: int, burst: int) -> None:
        self.speed, self.burst, self.tokens, self.last = Fraction(rate, per_ns), burst, Fraction(burst), None

    def take(self, now: int) -> int:
        if self.last is None:
            self.last = now
        elif now > self.last:
            self.tokens, self.last = min(Fraction(self.burst), self.tokens + (now - self.last) * self.speed), now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0
        return -int(-(1 - self.tokens) / self.speed // 1)


def every() -> list[Backend]:
    found = [backends.get("python")]
    try:
        found.append(backends.get("rust"))
    except BackendError as error:
        assert error.code == "backend-absent"
    return found


numbers = st.integers(1, 1 << 20) | st.integers(1, 5)


@given(
    rate=numbers,
    per_ns=numbers | st.just(SECOND),
    burst=numbers,
    steps=st.lists(st.integers(-(10**6), 10**9) | st.integers(0, 50), max_size=40),
)
def test_every_backend_does_what_the_model_does(rate: int, per_ns: int, burst: int, steps: list[int]) -> None:
    model = Model(rate, per_ns, burst)
    buckets = [backend.bucket(rate, per_ns, burst) for backend in every()]
    now = 0
    for step in steps:
        now += step
        expected = model.take(now)
        assert [bucket.take(now) for bucket in buckets] == [expected] * len(buckets)


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=20))
def test_times_at_the_ends_of_the_range_break_nothing(times: list[int]) -> None:
    buckets = [backend.bucket((1 << 63) - 1, 1, 1 << 62) for backend in every()] + [backend.bucket(1, 1 << 61, 3) for backend in every()]
    half = len(buckets) // 2
    for now in times:
        answers = [bucket.take(now) for bucket in buckets]
        assert len(set(answers[:half])) == len(set(answers[half:])) == 1


def test_after_the_wait_that_was_named_there_is_a_token_and_not_before(backend: Backend) -> None:
    bucket = backend.bucket(3, 7, 2)
    now = 0
    for _ in range(50):
        wait = bucket.take(now)
        if wait:
            assert bucket.take(now + wait - 1) == 1
            assert bucket.take(now + wait) == 0
            now += wait


@pytest.mark.parametrize("arguments", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1), (1, 1 << 32, 1 << 31), (1 << 63, 1, 1)], ids=str)
def test_impossible_buckets_are_refused(arguments: tuple[int, int, int], backend: Backend) -> None:
    with pytest.raises(UsageError):
        backend.bucket(*arguments)


def test_threads_take_no_token_twice(backend: Backend) -> None:
    bucket = backend.bucket(1, SECOND, 1000)
    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda _: sum(bucket.take(0) == 0 for _ in range(500)), range(8)))
    assert taken == 1000
