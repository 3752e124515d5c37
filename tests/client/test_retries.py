"""Tests of the client against an emulator with scripted failures. Both use one clock, which each wait advances."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from imdskit import single_flight
from imdskit.client import Client
from imdskit.client.retry import DEFAULT, PATIENT, Policy
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.authority.keys import Keys
from imdskit.errors import ClientError

AT = 1767268800
STEADY = Policy(DEFAULT.deadline, DEFAULT.rules, jitter=0)
KEYS = Keys()


@contextmanager
def failing(*faults: dict[str, Any], **options: Any) -> Iterator[tuple[Emulator, Client, ManualClock]]:
    clock = ManualClock(AT)
    with Emulator("linux", seed=1, clock=clock, faults=list(faults), rate_limit=False, keys=KEYS) as imds:
        yield imds, Client(imds.url, retry=options.pop("retry", STEADY), clock=clock, timeout=60, **options), clock


def passed(clock: ManualClock) -> float:
    return (clock.monotonic_ns() - AT * 10**9) / 10**9


SCRIPTS: dict[str, tuple[dict[str, Any], int, float]] = {
    "410 for 70 seconds": ({"for": 70, "fault": {"status": 410}}, 11, 70),
    "410 for 20 seconds": ({"for": 20, "fault": {"status": 410}}, 6, 25),
    "429 three times": ({"times": 3, "fault": {"status": 429}}, 4, 7),
    "429 with Retry-After": ({"times": 2, "fault": {"status": 429, "retryAfter": 30}}, 3, 60),
    "500 of the service": ({"times": 2, "fault": {"status": 500}}, 3, 3),
    "500 of the host": ({"times": 1, "fault": {"status": 500, "from": "host"}}, 2, 1),
    "503 with Retry-After": ({"times": 1, "fault": {"status": 503, "retryAfter": 5}}, 2, 5),
    "408 twice": ({"times": 2, "fault": {"status": 408}}, 3, 3),
    "a gateway's status with JSON of the service": (
        {"times": 1, "fault": {"status": 502, "body": {"error": "Bad gateway"}}},
        2,
        1,
    ),
    "a reset": ({"times": 2, "fault": {"reset": True}}, 3, 3),
    "a truncated response": ({"times": 1, "fault": {"truncate": 10}}, 2, 1),
}


@pytest.mark.parametrize(("fault", "requests", "seconds"), SCRIPTS.values(), ids=SCRIPTS.keys())
def test_transient_failures_are_retried(fault: dict[str, Any], requests: int, seconds: float) -> None:
    with failing(fault) as (imds, client, clock):
        assert client.get("compute")["osType"] == "Linux"
        assert (imds.journal.count(), passed(clock)) == (requests, seconds)


FAILURES: dict[str, tuple[dict[str, Any], str, int, float]] = {
    "endless 410": ({"times": None, "fault": {"status": 410}}, "gone", 11, 70),
    "endless 429": ({"times": None, "fault": {"status": 429}}, "throttled", 8, 60),
    "a proxy's page": (
        {"times": None, "fault": {"status": 502, "body": "<html>squid</html>", "contentType": "text/html"}},
        "not-imds",
        1,
        0,
    ),
    "a Retry-After beyond the deadline": ({"times": None, "fault": {"status": 429, "retryAfter": 61}}, "throttled", 1, 0),
    "endless 500": ({"times": None, "fault": {"status": 500}}, "server-error", 8, 60),
    "endless resets": ({"times": None, "fault": {"reset": True}}, "unreachable", 5, 15),
    "404 outside of identity": ({"times": None, "fault": {"status": 404}}, "not-found", 1, 0),
    "a redirect": (
        {"times": None, "fault": {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}, "body": ""}},
        "redirected",
        1,
        0,
    ),
    "a foreign page": ({"times": None, "fault": {"foreign": True}}, "not-imds", 1, 0),
    "a foreign page as JSON": ({"times": None, "fault": {"foreign": "<html><title>Sign in</title>"}}, "not-imds", 1, 0),
}


@pytest.mark.parametrize(("fault", "code", "requests", "seconds"), FAILURES.values(), ids=FAILURES.keys())
def test_permanent_failures_are_reported(fault: dict[str, Any], code: str, requests: int, seconds: float) -> None:
    with failing(fault) as (imds, client, clock):
        with pytest.raises(ClientError) as error:
            client.get("compute")
        assert (error.value.code, error.value.attempts, passed(clock)) == (code, requests, seconds)
        assert imds.journal.count() == requests


def test_status_404_is_retried_only_below_identity() -> None:
    fault = {"match": {"category": "identity"}, "times": 2, "fault": {"status": 404}}
    with failing(fault) as (imds, client, clock):
        assert client.get("identity/oauth2/token", resource="https://vault.azure.net")["token_type"] == "Bearer"
        assert (imds.journal.count(), passed(clock)) == (3, 3)


def test_restart_is_tolerated_from_the_host_error_to_the_last_410() -> None:
    with failing({"for": 10, "fault": {"status": 500, "from": "host"}}, {"for": 60, "fault": {"status": 410}}) as (_, client, clock):
        assert client.instance()
        assert 70 <= passed(clock) < 90


def test_deadline_ends_all_attempts() -> None:
    with failing({"times": None, "fault": {"status": 410}}, retry=Policy(10, DEFAULT.rules, jitter=0)) as (_, client, clock):
        with pytest.raises(ClientError, match="gone"):
            client.get("compute")
        assert passed(clock) == 7


def test_only_the_patient_policy_waits_for_a_missing_service() -> None:
    for retry, seconds in ((STEADY, 0), (Policy(20, PATIENT.rules, jitter=0), 15)):
        clock = ManualClock(AT)
        with pytest.raises(ClientError) as error:
            Client("http://127.0.0.1:1", retry=retry, clock=clock).get("compute")
        assert (error.value.code, error.value.connected, passed(clock)) == ("unreachable", False, seconds)


def test_no_retry_policy_sends_one_request() -> None:
    with failing({"times": None, "fault": {"status": 410}}, retry=None) as (imds, client, clock):
        with pytest.raises(ClientError):
            client.get("compute")
        assert (imds.journal.count(), passed(clock)) == (1, 0)


def test_slow_response_ends_at_the_timeout() -> None:
    drip = {"times": None, "fault": {"drip": {"bytes": 1, "every": 0.02}}}
    with Emulator("linux", seed=1, faults=[drip], keys=KEYS, rate_limit=False) as imds:
        started = time.monotonic()
        with pytest.raises(ClientError) as error:
            Client(imds.url, timeout=0.3, retry=Policy(0.5, DEFAULT.rules)).get("compute")
        assert time.monotonic() - started < 2
        assert (error.value.code, error.value.connected) == ("timed-out", True)


def test_deadline_ends_a_running_exchange(listen: Callable[..., Any]) -> None:
    listener = listen(lambda connection: connection.recv(1))
    started = time.monotonic()
    with pytest.raises(ClientError, match="timed-out"):
        Client(listener.url, timeout=600, retry=Policy(0.2, DEFAULT.rules)).get("compute")
    assert time.monotonic() - started < 5


class Gathering(ManualClock):
    """Clock whose first ``sleep`` does not return before all other threads wait for the
    response."""

    def __init__(self, others: int) -> None:
        super().__init__(AT)
        self.others = others
        self.here = threading.Semaphore(0)

    def sleep(self, seconds: float) -> None:
        for _ in range(self.others):
            assert self.here.acquire(timeout=30)
        self.others = 0
        super().sleep(seconds)


def report_waiting(monkeypatch: pytest.MonkeyPatch, clock: Gathering) -> None:
    """Tell the clock about each thread that waits for the response to another thread's request."""
    wait = single_flight._Call.wait

    def reported(call: Any, timeout: float | None) -> None:
        clock.here.release()
        wait(call, timeout)

    monkeypatch.setattr(single_flight._Call, "wait", reported)


def test_fifty_simultaneous_threads_send_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Gathering(49)
    report_waiting(monkeypatch, clock)
    with Emulator("linux", seed=1, keys=KEYS, faults=[{"times": 3, "fault": {"status": 429}}]) as imds:
        client, seen = Client(imds.url, retry=STEADY, clock=clock), []
        threads = [threading.Thread(target=lambda: seen.append(client.get("compute"))) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert [entry.status for entry in imds.journal.list()] == [429, 429, 429, 200]
    assert len(seen) == 50
    assert all(one == seen[0] for one in seen)
    assert len({id(one) for one in seen}) == 50  # a change by one caller is invisible to the others


def test_permanent_failure_is_raised_in_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Gathering(9)
    errors: list[ClientError] = []

    def ask() -> None:
        try:
            client.get("compute")
        except ClientError as error:
            errors.append(error)

    report_waiting(monkeypatch, clock)
    with Emulator("linux", seed=1, keys=KEYS, faults=[{"times": None, "fault": {"status": 429}}]) as imds:
        client = Client(imds.url, retry=STEADY, clock=clock)
        threads = [threading.Thread(target=ask) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert imds.journal.count() == 8
    assert [(error.code, error.attempts) for error in errors] == [("throttled", 8)] * 10
    assert len({id(error) for error in errors}) == 10
