"""Tests of the retry rules, as data and as attempts on a clock that the tests advance."""

from __future__ import annotations

import itertools

import pytest

from imdskit.client.effects import RetrySettings, Send, Wait, send_with_retries
from imdskit.client.retry import DEFAULT, NO_RETRY, PATIENT, Kind, Policy, Rule, kind_of, next_delay, seconds_of
from imdskit.clock import ManualClock
from imdskit.errors import ClientError, UsageError

AT = 1767268800


def waits(policy: Policy, kind: Kind, chance: float = 0.0) -> list[float]:
    """Return the delays for a failure that does not end, if attempts take no time."""
    made: list[float] = []
    for attempt in itertools.count(1):
        wait = next_delay(policy, kind, attempt, sum(made), lasting=sum(made), chance=chance)
        if wait is None:
            return made
        made.append(wait)
    raise AssertionError


WAITS: dict[Kind, list[float]] = {
    "updating": [1, 2, 4, 8, 16, 16, 13],
    "gone": [1, 2, 4, 8, 10, 10, 10, 10, 10, 5],
    "throttled": [1, 2, 4, 8, 16, 16, 13],
    "failed": [1, 2, 4, 8, 16, 16, 13],
    "silent": [1, 2, 4, 8],
    "absent": [],
}


@pytest.mark.parametrize(("kind", "expected"), WAITS.items(), ids=WAITS.keys())
def test_delays_of_each_kind_of_failure(kind: Kind, expected: list[float]) -> None:
    assert waits(DEFAULT, kind) == expected
    assert waits(NO_RETRY, kind) == []
    assert sum(waits(PATIENT, kind)) < 300


def test_status_410_is_retried_for_seventy_seconds() -> None:
    assert sum(waits(DEFAULT, "gone")) == 70
    for chance in (0.1, 0.5, 0.9, 1.0):
        assert 70 <= sum(waits(DEFAULT, "gone", chance)) <= 71


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_jitter_only_lengthens_delays_and_5xx_waits_a_second(chance: float) -> None:
    plain, made = waits(DEFAULT, "failed"), waits(DEFAULT, "failed", chance)
    assert all(before <= wait <= before * 1.5 for before, wait in zip(plain[:4], made, strict=False))
    assert min(made) >= 1


def test_deadline_limits_all_delays() -> None:
    short = Policy(5, DEFAULT.rules)
    assert waits(short, "gone") == [1, 2]
    assert next_delay(DEFAULT, "gone", 1, 99.5) is None
    assert next_delay(DEFAULT, "gone", 1, 98.5) == 1


def test_last_delay_is_at_least_a_second() -> None:
    assert next_delay(DEFAULT, "failed", 6, 59.5, lasting=59.5) == 1
    assert next_delay(DEFAULT, "failed", 6, 60.5, lasting=60.5) is None


def test_exchange_timeout_is_limited_by_the_deadline() -> None:
    clock = ManualClock(AT)
    requested = send_with_retries("/x", "instance", RetrySettings(DEFAULT, 5, clock, lambda: 0.0))
    assert next(requested) == Send("/x", 5)
    clock.advance(40)
    assert requested.throw(failure("gone")) == Wait(1)
    clock.advance(57)  # the attempt took longer than the remaining time
    assert next(requested) == Send("/x", 3)
    clock.advance(3)
    with pytest.raises(ClientError, match="throttled") as error:
        requested.throw(failure("throttled"))
    assert error.value.attempts == 2


RETRY_AFTER = {
    "shorter than the rule": (5, 0.0, 2.0, 2.0),
    "longer than the rule": (1, 0.0, 40.0, 40.0),
    "at once": (3, 0.0, 0.0, 0.0),
    "exactly until the deadline": (1, 20.0, 40.0, 40.0),
    "after the deadline": (1, 20.0, 41.0, None),
}


@pytest.mark.parametrize(("attempt", "lasting", "requested", "expected"), RETRY_AFTER.values(), ids=RETRY_AFTER.keys())
def test_retry_after_is_respected(attempt: int, lasting: float, requested: float, expected: float | None) -> None:
    assert next_delay(DEFAULT, "throttled", attempt, lasting, lasting=lasting, retry_after=requested) == expected
    later = next_delay(DEFAULT, "throttled", attempt, lasting, lasting=lasting, retry_after=requested, chance=1.0)
    assert later is None if expected is None else later == expected + 0.5


def failure(code: str, connected: bool = True) -> ClientError:
    return ClientError(code, "", connected=connected)


KINDS = {
    "404 of an identity": ("identity", failure("not-found"), "updating"),
    "404 of anything else": ("instance", failure("not-found"), None),
    "410": ("instance", failure("gone"), "gone"),
    "429": ("identity", failure("throttled"), "throttled"),
    "5xx": ("attested", failure("server-error"), "failed"),
    "a slow response": ("instance", failure("timed-out"), "silent"),
    "a truncated response": ("instance", failure("unreachable"), "silent"),
    "a refused connection": ("instance", failure("unreachable", connected=False), "absent"),
    "a connection timeout": ("instance", failure("timed-out", connected=False), "absent"),
    "a bad request": ("identity", failure("bad-request"), None),
    "a foreign page": ("instance", failure("not-imds"), None),
    "a redirect": ("instance", failure("redirected"), None),
    "an unknown version": ("identity", failure("unsupported-version"), None),
    "an unexpected status": ("identity", failure("unexpected-status"), None),
    "a response that is too large": ("instance", failure("too-large"), None),
}


@pytest.mark.parametrize(("category", "error", "kind"), KINDS.values(), ids=KINDS.keys())
def test_only_transient_failures_have_a_retry_rule(category: str, error: ClientError, kind: Kind | None) -> None:
    assert kind_of(category, error) == kind
    if kind is None:
        assert next_delay(PATIENT, kind, 1, 0) is None


FIELDS = {
    "seconds": ("120", 120.0),
    "zero": ("0", 0.0),
    "white space": (" 7 ", 7.0),
    "a date": ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
    "a past date": ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
    "a fraction": ("1.5", None),
    "negative seconds": ("-1", None),
    "other digits": ("\u0661", None),
    "too many digits": ("1" * 5000, None),
    "a word": ("soon", None),
    "nothing": ("", None),
    "an impossible year": ("Thu, 01 Jan 99999 12:00:30 GMT", None),
}


@pytest.mark.parametrize(("field", "seconds"), FIELDS.values(), ids=FIELDS.keys())
def test_parses_retry_after_as_seconds_or_date(field: str, seconds: float | None) -> None:
    assert seconds_of(field, AT) == seconds


WRONG = {
    "a first delay of zero": lambda: Rule(0, 2, 10, 70),
    "a factor below one": lambda: Rule(1, 0.5, 10, 70),
    "a maximum below the first delay": lambda: Rule(2, 2, 1, 70),
    "a negative duration": lambda: Rule(1, 2, 10, -1),
    "a deadline of zero": lambda: Policy(0, {}),
    "a deadline of NaN": lambda: Policy(float("nan"), {}),
    "a deadline of more than a day": lambda: Policy(100_000, {}),
    "an unknown kind of failure": lambda: Policy(10, {"tired": Rule(1, 2, 10, 70)}),  # type: ignore[dict-item]
    "negative jitter": lambda: Policy(10, {}, jitter=-1),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG.keys())
def test_rejects_invalid_policies(make: object) -> None:
    with pytest.raises(UsageError):
        make()  # type: ignore[operator]
