"""Tests of the rate limits against an independent model, and with real clients that send bursts and concurrent token requests.

The model is the "virtual scheduling" form of the generic cell rate algorithm (ITU-T I.371 annex A), which is equivalent to a token bucket.
Each admitted request is scheduled one interval after the previous one. A request is admitted if its scheduled time is not further in the
future than the capacity of the bucket allows.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.service.rate_limits import GENERAL_PER_SECOND, IDENTITY_CONCURRENT, IDENTITY_PER_SECOND, SECOND, RateLimits

NOON = 1_767_268_800
INSTANCE = "/metadata/instance?api-version=2021-02-01"
TOKEN = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
STEPS = st.one_of(
    st.sampled_from([1, SECOND // 20 - 1, SECOND // 20, SECOND // 5 - 1, SECOND // 5, SECOND - 1, SECOND, 3600 * SECOND]),
    st.integers(1, 2 * SECOND),
)


class Bookings:
    """Model that admits at most ``rate`` requests per second, with a burst of the same number."""

    def __init__(self, rate: int) -> None:
        assert SECOND % rate == 0
        self.interval = SECOND // rate
        self.ahead = SECOND - self.interval
        self.next = 0
        self.admitted: list[int] = []

    def ask(self, now: int) -> bool:
        at = max(self.next, now)
        if at - now > self.ahead:
            return False
        self.next = at + self.interval
        self.admitted.append(now)
        return True


class Limits(RuleBasedStateMachine):
    """State machine that sends both types of requests in any order and at any time."""

    backend: Backend

    @initialize(start=st.integers(0, 1 << 32))
    def begin(self, start: int) -> None:
        self.clock = ManualClock(start)
        self.throttle = RateLimits(self.backend.bucket, self.clock)
        self.general, self.identity = Bookings(GENERAL_PER_SECOND), Bookings(IDENTITY_PER_SECOND)
        self.under_way: list[ExitStack] = []

    @rule(ns=STEPS)
    def time_passes(self, ns: int) -> None:
        self.clock.advance(ns=ns)

    @rule(count=st.integers(1, 8))
    def anything_is_asked(self, count: int) -> None:
        now = self.clock.monotonic_ns()
        assert [self.throttle.general() for _ in range(count)] == [self.general.ask(now) for _ in range(count)]

    @rule(count=st.integers(1, 25))
    def tokens_are_asked_for_one_after_the_other(self, count: int) -> None:
        for _ in range(count):
            with self.throttle.identity() as admitted:
                assert admitted == self._may_have_a_token()

    @rule()
    def a_token_is_asked_for_and_takes_its_time(self) -> None:
        stack = ExitStack()
        expected = self._may_have_a_token()
        holds_a_place = len(self.under_way) < IDENTITY_CONCURRENT
        assert stack.enter_context(self.throttle.identity()) == expected
        if holds_a_place:  # A request that exceeds the rate also occupies a slot until its refusal has been sent.
            self.under_way.append(stack)
        else:
            stack.close()

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, IDENTITY_CONCURRENT - 1))
    def a_token_is_handed_out(self, which: int) -> None:
        self.under_way.pop(which % len(self.under_way)).close()

    @invariant()
    def no_second_has_more_than_a_full_bucket_and_what_comes_back_in_it(self) -> None:
        for bookings, rate in ((self.general, GENERAL_PER_SECOND), (self.identity, IDENTITY_PER_SECOND)):
            times = bookings.admitted[-2 * rate - 1 :]
            assert len(times) <= 2 * rate or times[-1] - times[0] >= SECOND

    def teardown(self) -> None:
        for each in getattr(self, "under_way", ()):
            each.close()

    def _may_have_a_token(self) -> bool:
        return len(self.under_way) < IDENTITY_CONCURRENT and self.identity.ask(self.clock.monotonic_ns())


def test_limits_agree_with_the_model(backend: Backend) -> None:
    class OfThisBackend(Limits):
        pass

    OfThisBackend.backend = backend
    run_state_machine_as_test(OfThisBackend, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))


@pytest.mark.parametrize(
    ("target", "pause_ns", "admitted"),
    [
        (INSTANCE, 0, 5),
        (INSTANCE, SECOND // 50, 5 + 4),
        ("/metadata/versions", 0, 5),
        ("/metadata/scheduledevents?api-version=2020-07-01", 0, 5),
        ("/metadata/attested/document?api-version=2021-02-01", SECOND // 50, 5 + 4),
        (INSTANCE + "&format=wrong", 0, 5),
        (TOKEN + "https://management.azure.com/", 0, 20),
        (TOKEN + "https://management.azure.com/", SECOND // 50, 20 + 19),
    ],
    ids=[
        "instance-at-once",
        "instance-over-a-second",
        "versions-at-once",
        "events-at-once",
        "attested-over-a-second",
        "refusals-count-too",
        "tokens-at-once",
        "tokens-over-a-second",
    ],
)
def test_burst_of_fifty_requests_gets_exactly_the_admitted_number(
    target: str, pause_ns: int, admitted: int, service: Callable[..., Any]
) -> None:
    """The admitted number is a full bucket plus the tokens that return within 0.98 seconds, between the first and the last request."""
    clock = ManualClock(NOON)
    machine = service(clock=clock, limited=True)
    statuses: Counter[int] = Counter()
    for _ in range(50):
        statuses[machine.ask(target).status] += 1
        clock.advance(ns=pause_ns)
    assert statuses == {400 if "wrong" in target else 200: admitted, 429: 50 - admitted}
    clock.advance(1)
    assert machine.ask(target).status != 429


def test_the_two_limits_are_independent(service: Callable[..., Any]) -> None:
    machine = service(clock=ManualClock(NOON), limited=True)
    for target, admitted in ((INSTANCE, 5), (TOKEN + "https://vault.azure.net", 20)):
        assert Counter(machine.ask(target).status for _ in range(50)) == {200: admitted, 429: 50 - admitted}


def test_burst_over_separate_connections_gets_the_admitted_number(backend: Backend) -> None:
    """Eight threads send requests over sockets, while the clock of the emulator stands still."""
    with Emulator("linux", seed=1, clock=ManualClock(NOON), backend=backend) as imds, ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(lambda _: _get(imds, INSTANCE), range(50))) == {200: 5, 429: 45}


def test_refuses_exactly_one_of_six_concurrent_token_requests(backend: Backend) -> None:
    """The test does not depend on timing: tokens are signed only after the first response has arrived, which must be a refusal."""
    with Emulator("linux", seed=1, clock=ManualClock(NOON), backend=backend) as imds, ThreadPoolExecutor(6) as pool:
        refused = threading.Event()
        sign = imds.issuer.sign

        def sign_later(claims: dict[str, object]) -> str:
            assert refused.wait(60)
            return sign(claims)

        imds.issuer.sign = sign_later  # type: ignore[method-assign]
        requests = [pool.submit(_get, imds, TOKEN + quote(f"https://{number}.example")) for number in range(6)]
        first, _ = wait(requests, 60, FIRST_COMPLETED)
        refused.set()
        assert [each.result() for each in first] == [429]
        assert Counter(each.result() for each in requests) == {200: 5, 429: 1}
        assert [_get(imds, TOKEN + "https://again.example") for _ in range(6)] == [200] * 6, "every slot was released"


def _get(imds: Emulator, target: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(imds.url).netloc, timeout=60)
    try:
        connection.request("GET", target, headers={"Metadata": "true"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
