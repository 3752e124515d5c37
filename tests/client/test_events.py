"""Tests of following scheduled events across changes, failures and restarts, with a clock that the tests advance."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from imdskit.client import Client
from imdskit.client.event_follower import schedule
from imdskit.client.responses import Response
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.errors import ClientError, UsageError

from .conftest import AT


def test_event_is_returned_when_announced_and_when_started(imds: Emulator, clock: ManualClock) -> None:
    event_id = imds.events.schedule("Reboot")
    events = Client(imds.url, clock=clock).events()
    first, second = next(events), next(events)
    assert [(one.id, one.status, one.type) for one in (first, second)] == [
        (event_id, "Scheduled", "Reboot"),
        (event_id, "Started", "Reboot"),
    ]
    assert first.not_before.endswith("GMT")
    assert (second.not_before, first.resources, first.source, first.duration) == ("", ("linux-vm",), "Platform", -1)
    assert first.raw["EventId"] == event_id
    assert 15 * 60 <= clock.now() - AT <= 15 * 60 + 2


def test_acknowledged_event_starts_at_once(imds: Emulator, clock: ManualClock) -> None:
    imds.events.schedule("Redeploy")
    events = Client(imds.url, clock=clock).events()
    for event in itertools.islice(events, 2):
        if event.status == "Scheduled":
            event.acknowledge()
            event.acknowledge()  # a second approval is harmless
    assert event.status == "Started"
    assert clock.now() - AT <= 2


def test_several_events_are_acknowledged_together_or_not_at_all(imds: Emulator, clock: ManualClock) -> None:
    ids = [imds.events.schedule("Freeze") for _ in range(2)]
    client = Client(imds.url, clock=clock)
    with pytest.raises(ClientError) as error:
        client.acknowledge(*ids, "00000000-0000-0000-0000-000000000000")
    assert error.value.code == "bad-request"
    assert {one["EventStatus"] for one in client.get("scheduledevents")["Events"]} == {"Scheduled"}
    client.acknowledge(*ids)
    assert {one["EventStatus"] for one in client.get("scheduledevents")["Events"]} == {"Started"}


def test_get_returns_an_empty_list_for_an_empty_body(listen: Callable[..., Any]) -> None:
    url = listen(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n").url
    client = Client(url, retry=None)
    assert client.get("scheduledevents") == {"Events": []}
    assert client.get_bytes("/metadata/scheduledEvents") == b""
    with pytest.raises(ClientError) as error:
        client.get("versions")
    assert error.value.code == "not-imds"


def test_newer_version_returns_newer_types(imds: Emulator, clock: ManualClock) -> None:
    imds.events.schedule("SpotRebalanceRecommendation")
    imds.events.schedule("Freeze")
    client = Client(imds.url, clock=clock)
    assert next(client.events()).type == "Freeze"
    assert [event.type for event in itertools.islice(client.events(api_version="2024-07-09"), 2)] == [
        "SpotRebalanceRecommendation",
        "Freeze",
    ]


def test_events_seen_by_an_earlier_run_are_not_returned_again(imds: Emulator, clock: ManualClock) -> None:
    old = [imds.events.schedule("Reboot"), imds.events.schedule("Freeze")]
    client = Client(imds.url, clock=clock)
    earlier = client.events()
    assert next(earlier).id == old[0]
    assert json.loads(json.dumps(earlier.seen)) == {old[0]: "Scheduled"}  # the other event has not been returned yet
    assert [one.id for one in itertools.islice(client.events(seen=earlier.seen), 1)] == [old[1]]


RESTARTS: dict[str, list[dict[str, Any]]] = {
    "an update": [{"for": 200, "fault": {"status": 410}}],
    "the host's text, then 410": [{"for": 60, "fault": {"status": 500, "from": "host"}}, {"for": 60, "fault": {"status": 410}}],
    "resets": [{"for": 100, "fault": {"reset": True}}],
    "truncated responses": [{"times": 20, "fault": {"truncate": 5}}],
}


@pytest.mark.parametrize("faults", RESTARTS.values(), ids=RESTARTS.keys())
def test_restart_is_tolerated_without_repeated_events(imds: Emulator, clock: ManualClock, faults: list[dict[str, Any]]) -> None:
    first = imds.events.schedule("Terminate", notice=3600)
    events = Client(imds.url, clock=clock).events()
    assert next(events).id == first
    imds.faults.load(faults)
    second = imds.events.schedule("Freeze", notice=3600)
    assert next(events).id == second


def test_failure_longer_than_patience_is_raised(imds: Emulator, clock: ManualClock) -> None:
    imds.faults.load([{"times": None, "fault": {"status": 500}}])
    with pytest.raises(ClientError, match="server-error"):
        next(Client(imds.url, clock=clock).events(patience=200))
    assert 200 <= clock.now() - AT <= 200 + 2 * 100


def test_missing_service_is_reported_at_once(clock: ManualClock) -> None:
    with pytest.raises(ClientError, match="unreachable"):
        next(Client("http://127.0.0.1:1", clock=clock).events())
    assert clock.now() == AT


def lists(listen: Callable[..., Any], *replies: bytes) -> str:
    """Start a service that sends these bodies in turn, and repeats the last one. Return its URL."""
    left = list(replies)

    def response(connection: Any) -> None:
        body = left.pop(0) if len(left) > 1 else left[0]
        length = len(body) + (body == b'{"cut')
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (length, body))

    url: str = listen(response).url
    return url


def listing(incarnation: int, **events: str) -> bytes:
    members = [{"EventId": name, "EventStatus": status} for name, status in events.items()]
    return json.dumps({"DocumentIncarnation": incarnation, "Events": members}).encode()


def test_incarnation_may_decrease(listen: Callable[..., Any], clock: ManualClock) -> None:
    url = lists(listen, listing(9, a="Scheduled"), listing(1, a="Scheduled"), listing(2, a="Scheduled", b="Scheduled"))
    assert [one.id for one in itertools.islice(Client(url, clock=clock).events(), 2)] == ["a", "b"]


def test_equal_incarnation_means_equal_list(listen: Callable[..., Any], clock: ManualClock) -> None:
    url = lists(listen, listing(1, a="Scheduled"), listing(1, b="Scheduled"), listing(2, c="Scheduled"))
    assert [one.id for one in itertools.islice(Client(url, clock=clock).events(), 2)] == ["a", "c"]


def test_equal_incarnation_after_a_failure_is_ignored(listen: Callable[..., Any], clock: ManualClock) -> None:
    url = lists(listen, listing(1, a="Scheduled"), b'{"cut', listing(1, b="Scheduled"))
    assert [one.id for one in itertools.islice(Client(url, clock=clock, retry=None).events(), 2)] == ["a", "b"]


def test_empty_body_is_an_empty_list(listen: Callable[..., Any], clock: ManualClock) -> None:
    url = lists(listen, b"", listing(1, a="Scheduled"))
    event = next(Client(url, clock=clock).events())
    assert (event.id, event.type, event.resources, event.duration) == ("a", "", (), None)


OTHERS = [b"[]", b"{}", b'{"Events":{}}', b'{"Events":[1]}', b'{"Events":[{"EventId":1}]}', b"<html>"]


@pytest.mark.parametrize("body", OTHERS, ids=repr)
def test_response_without_event_list_is_not_imds(body: bytes) -> None:
    with pytest.raises(ClientError) as error:
        schedule(Response(200, "application/json", body, "http://x"))
    assert error.value.code == "not-imds"


CALLS: dict[str, Callable[[Client], object]] = {
    "no event": lambda client: client.acknowledge(),
    "an empty id": lambda client: client.acknowledge(""),
    "an id that is not text": lambda client: client.acknowledge(1),  # type: ignore[arg-type]
    "a negative poll interval": lambda client: client.events(poll=-1),
    "a poll interval of NaN": lambda client: client.events(poll=float("nan")),
    "infinite patience": lambda client: client.events(patience=float("inf")),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_invalid_arguments_send_no_request(call: Callable[[Client], object]) -> None:
    with pytest.raises(UsageError):
        call(Client("http://127.0.0.1:9"))
