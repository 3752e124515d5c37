"""Tests of the response cache: cached responses equal the responses of the rules, whatever requests and changes came before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator.http.messages import Delivery, Request, Response
from imdskit.emulator.machine.expansion import expand
from imdskit.emulator.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.emulator.service.rate_limits import RateLimits
from imdskit.emulator.service.request_context import RequestContext
from imdskit.emulator.service.response_cache import LONGEST, ResponseCache

from .conftest import ISSUER, NOON, _downloads, _signed

SCENARIO = Scenario.load("linux")
METADATA = (("Host", "127.0.0.1"), ("Metadata", "true"))
INSTANCE = "/metadata/instance?api-version=2021-02-01"


def app(backend: Backend, clock: ManualClock, *, limited: bool = False, cached: int = 256) -> App:
    throttle = RateLimits(backend.bucket, clock) if limited else None
    return App(
        expand(SCENARIO, 1),
        backend,
        clock,
        _signed,
        ISSUER,
        throttle=throttle,
        downloads=_downloads,
        cached_responses=cached,
    )


TARGETS = [
    INSTANCE,
    "/metadata/instance?api-version=2021-02-01&format=text",
    "/metadata/instance/compute/name?api-version=2021-02-01&format=text",
    "/metadata/instance/compute/name?api-version=2021-02-01",
    "/metadata/instance/nosuch?api-version=2021-02-01",
    "/metadata/instance?api-version=2021-08-01&extended=true",
    "/metadata/instance?api-version=1999-01-01",
    "/metadata/instance?api-version=2021-02-01&API-version=2021-02-01",
    "/METADATA/Instance?api-version=2021-02-01",
    "/metadata/versions",
    "/metadata/attested/document?api-version=2021-02-01&nonce=1",
    "/metadata/scheduledevents?api-version=2020-07-01",
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net",
    "/metadata/identity/info?api-version=2018-02-01",
    "/metadata/loadbalancer?api-version=2020-10-01",
    "/metadata",
    "/pki/one.crt",
    "/",
]
HEADERS: list[tuple[tuple[str, str], ...]] = [
    METADATA,
    (("metadata", "True"), ("Host", "127.0.0.1")),
    (("Host", "127.0.0.1"),),
    (*METADATA, ("X-Forwarded-For", "1.2.3.4")),
    (*METADATA, ("Metadata", "false")),
]
FAULTS: list[list[Any]] = [
    [{"match": {"category": "instance"}, "times": 2, "fault": {"status": 500}}],
    [{"fault": {"delay": 1}}],
]

REQUESTS = st.builds(
    Request,
    st.sampled_from(["GET", "GET", "GET", "GET", "POST", "HEAD", "PUT"]),
    st.sampled_from(TARGETS),
    st.sampled_from(HEADERS),
    st.sampled_from([b"", b"", b"", b"{}"]),
    st.sampled_from(["127.0.0.1", "10.0.0.1"]),
)
STEPS = st.one_of(
    REQUESTS,
    REQUESTS,
    REQUESTS,
    st.sampled_from([1, 3600]),
    st.sampled_from(["event", "fault", "delay", "no faults"]),
)


def change(one: App, step: str) -> None:
    match step:
        case "event":
            one.machine.events.schedule("Reboot")
        case "fault":
            one.faults.load(FAULTS[0])
        case "delay":
            one.faults.load(FAULTS[1])
        case _:
            one.faults.clear()


def comparable(response: Response) -> Response:
    """Return a response without its delivery callback, which is a different function each time."""
    return response if response.delivery is None else response._replace(delivery=replace(response.delivery, left=None))


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=40), st.booleans())
def test_responses_are_the_same_with_and_without_cache(backend: Backend, steps: list[Any], limited: bool) -> None:
    clocks = ManualClock(NOON), ManualClock(NOON)
    cached = app(backend, clocks[0], limited=limited, cached=3)
    plain = app(backend, clocks[1], limited=limited, cached=0)
    assert plain.responses is None
    for step in steps:
        if isinstance(step, Request):
            # The second response may come from the cache.
            for _ in range(2):
                assert comparable(cached.handle(step)) == comparable(plain.handle(step))
        elif isinstance(step, int):
            for clock in clocks:
                clock.advance(step)
        else:
            for one in (cached, plain):
                change(one, step)
    assert cached.responses is not None
    assert len(cached.responses) <= 3


def test_cached_responses_get_new_request_ids(backend: Backend) -> None:
    one = app(backend, ManualClock(NOON))
    responses = [one.handle(Request("GET", INSTANCE, METADATA)) for _ in range(5)]
    assert one.responses is not None
    assert len(one.responses) == 1
    assert len({response.header_values("x-ms-request-id") for response in responses}) == 5
    assert len({response.body for response in responses}) == 1


def test_rate_limits_apply_to_cached_responses(backend: Backend) -> None:
    clock = ManualClock(NOON)
    one = app(backend, clock, limited=True)
    for _ in range(3):
        assert [one.handle(Request("GET", INSTANCE, METADATA)).status for _ in range(7)] == [200] * 5 + [429] * 2
        clock.advance(1)


FORGETFUL: dict[str, Request] = {
    "an attested document": Request("GET", "/metadata/attested/document?api-version=2021-02-01", METADATA),
    "events": Request("GET", "/metadata/scheduledevents?api-version=2020-07-01", METADATA),
    "a token": Request("GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=x", METADATA),
    "a request with a body": Request("GET", INSTANCE, METADATA, b"x"),
    "a very long request": Request("GET", INSTANCE, (*METADATA, ("A", "x" * LONGEST))),
    "a path outside of the service": Request("GET", "/", METADATA),
}


@pytest.mark.parametrize("request_", FORGETFUL.values(), ids=FORGETFUL)
def test_some_responses_are_never_cached(request_: Request, backend: Backend) -> None:
    one = app(backend, ManualClock(NOON))
    one.handle(request_)
    assert one.responses is not None
    assert len(one.responses) == 0


def test_response_with_delivery_fault_is_not_cached(backend: Backend) -> None:
    one = app(backend, ManualClock(NOON))
    cache = ResponseCache(lambda: "id")
    cache.add(RequestContext(one.machine, Request("GET", INSTANCE)), Response(200, delivery=Delivery(delay_ns=1)))
    assert len(cache) == 0


def test_full_cache_drops_the_oldest_response(backend: Backend) -> None:
    machine = app(backend, ManualClock(NOON)).machine
    cache = ResponseCache(lambda: "id", most=2)
    requests = [Request("GET", f"/metadata/instance?x={number}") for number in range(3)]
    for request in requests:
        cache.add(RequestContext(machine, request), Response(200))
    assert [cache.find(request) is not None for request in requests] == [False, True, True]
