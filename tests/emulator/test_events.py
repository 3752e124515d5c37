"""Scheduled events from announcement to removal, on a clock that the tests move."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator.events.event import REBALANCE
from imdskit.emulator.events.timeline import DISABLED_AFTER, MOST, NOTICE, REMAINS, Events
from imdskit.errors import UsageError

NOON = 1_767_268_800
PATH = "/metadata/scheduledevents"
MEMBERS = (
    "EventId",
    "EventStatus",
    "EventType",
    "ResourceType",
    "Resources",
    "NotBefore",
    "Description",
    "EventSource",
    "DurationInSeconds",
)
BAD_REQUEST = b'{ "error": "Bad request" }'


class Poller:
    """A machine that polls its events. On each poll, it checks that ``DocumentIncarnation`` grows if and only if the events change."""

    def __init__(self, service: Callable[..., Any]) -> None:
        self.clock = ManualClock(NOON)
        self.machine = service(clock=self.clock)
        self.events: Events = self.machine.app.machine.events
        self.before: dict[str, Any] | None = None
        self.poll()

    def poll(self) -> list[Any]:
        document = self.machine.get(PATH, "2020-07-01").json
        assert list(document) == ["DocumentIncarnation", "Events"]
        if self.before is not None:
            grown = document["DocumentIncarnation"] - self.before["DocumentIncarnation"]
            assert grown >= 0
            assert (grown == 0) == (document["Events"] == self.before["Events"])
        self.before = document
        return list(document["Events"])

    def states(self) -> list[tuple[str, str]]:
        return [(event["EventType"], event["EventStatus"]) for event in self.poll()]

    def approve(self, *ids: str) -> Any:
        body = json.dumps({"StartRequests": [{"EventId": each} for each in ids]}).encode()
        return self.machine.ask(f"{PATH}?api-version=2020-07-01", "POST", body=body)


@pytest.fixture
def poller(service: Callable[..., Any]) -> Poller:
    return Poller(service)


@pytest.mark.parametrize("approved", [True, False], ids=["approved", "not-approved"])
@pytest.mark.parametrize("kind", [kind for kind in NOTICE if kind != REBALANCE])
def test_an_event_passes_through_its_states(kind: str, approved: bool, poller: Poller) -> None:
    name = poller.events.schedule(kind)
    [scheduled] = poller.poll()
    assert tuple(scheduled) == MEMBERS
    assert (scheduled["EventId"], scheduled["EventStatus"], scheduled["EventType"]) == (name, "Scheduled", kind)
    assert name == name.upper()
    poller.clock.advance(NOTICE[kind] - 1)
    assert poller.poll() == [scheduled]
    if approved:
        response = poller.approve(name)
        assert (response.status, response.body) == (200, b"")
    else:
        poller.clock.advance(1)
    started = {**scheduled, "EventStatus": "Started", "NotBefore": ""}
    assert poller.poll() == [started]
    poller.clock.advance(REMAINS - 1)
    assert poller.poll() == [started]
    assert poller.approve(name).status == 200
    assert poller.poll() == [started]
    poller.clock.advance(1)
    assert poller.poll() == []
    assert poller.before is not None
    assert poller.before["DocumentIncarnation"] == 4
    assert poller.approve(name).status == 400


def test_a_rebalance_recommendation_is_advisory_and_needs_a_newer_version(service: Callable[..., Any]) -> None:
    machine = service(clock=ManualClock(NOON))
    events = machine.app.machine.events
    event_id = events.schedule("SpotRebalanceRecommendation")

    def shown(version: str) -> list[tuple[str, str]]:
        found = machine.get("/metadata/scheduledevents", version).json["Events"]
        return [(event["EventType"], event["EventStatus"]) for event in found]

    assert shown("2020-07-01") == []
    assert shown("2024-07-09") == [("SpotRebalanceRecommendation", "Scheduled")]
    body = json.dumps({"StartRequests": [{"EventId": event_id}]}).encode()
    assert machine.ask("/metadata/scheduledevents?api-version=2024-07-09", "POST", body=body).status == 200
    assert shown("2024-07-09") == [("SpotRebalanceRecommendation", "Scheduled")]
    events.announce([{"EventType": "SpotRebalanceRecommendation", "EventStatus": "Started"}, {"EventType": "Preempt"}])
    assert shown("2024-07-09") == [("SpotRebalanceRecommendation", "Started"), ("Preempt", "Scheduled")]
    assert shown("2020-07-01") == [("Preempt", "Scheduled")]


def test_not_before_is_the_end_of_the_notice_as_an_http_date(poller: Poller) -> None:
    poller.events.schedule("Preempt")
    assert poller.poll()[0]["NotBefore"] == "Thu, 01 Jan 2026 12:00:30 GMT"


def test_two_events_can_overlap(poller: Poller) -> None:
    first = poller.events.schedule("Freeze", remains=60)
    poller.poll()
    poller.clock.advance(300)
    second = poller.events.schedule("Redeploy", remains=60)
    assert first != second
    assert poller.states() == [("Freeze", "Scheduled"), ("Redeploy", "Scheduled")]
    assert poller.approve(second).status == 200
    assert poller.states() == [("Freeze", "Scheduled"), ("Redeploy", "Started")]
    poller.clock.advance(60)
    assert poller.states() == [("Freeze", "Scheduled")]
    poller.clock.advance(540)
    assert poller.states() == [("Freeze", "Started")]
    poller.clock.advance(60)
    assert poller.states() == []


def test_one_request_can_approve_several_events(poller: Poller) -> None:
    ids = [poller.events.schedule(kind) for kind in ("Freeze", "Reboot")]
    poller.poll()
    assert poller.approve(*(each.lower() for each in ids)).status == 200
    assert poller.states() == [("Freeze", "Started"), ("Reboot", "Started")]


def test_an_unknown_id_starts_nothing(poller: Poller) -> None:
    known = poller.events.schedule("Freeze")
    before = poller.poll()
    response = poller.approve(known, "00000000-0000-4000-8000-000000000000")
    assert (response.status, response.body) == (400, BAD_REQUEST)
    assert poller.poll() == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"StartRequests":{}}',
        b'{"StartRequests":[]}',
        b'{"StartRequests":[1]}',
        b'{"StartRequests":[{}]}',
        b'{"StartRequests":[{"EventId":1}]}',
        b"[" * 100_000,
        b"\xff",
    ],
    ids=range(11),
)
def test_a_malformed_approval_is_refused(body: bytes, poller: Poller) -> None:
    response = poller.machine.ask(f"{PATH}?api-version=2020-07-01", "POST", body=body)
    assert (response.status, response.body) == (400, BAD_REQUEST)


@pytest.mark.parametrize("approved", [True, False])
def test_a_cancelled_event_disappears(approved: bool, poller: Poller) -> None:
    name = poller.events.schedule("Reboot")
    poller.poll()
    if approved:
        poller.approve(name)
        poller.poll()
    assert poller.events.cancel(name.lower())
    assert poller.poll() == []
    assert not poller.events.cancel(name)
    assert poller.poll() == []


def test_a_failing_host_reboots_without_notice(poller: Poller) -> None:
    poller.events.fail()
    [event] = poller.poll()
    assert (event["EventType"], event["EventStatus"], event["NotBefore"]) == ("Reboot", "Started", "")
    poller.clock.advance(REMAINS)
    assert poller.poll() == []


def test_a_returning_poller_sees_the_number_of_missed_steps(poller: Poller) -> None:
    poller.events.schedule("Freeze", remains=60)
    poller.poll()
    poller.clock.advance(NOTICE["Freeze"] + 60)
    assert poller.poll() == []
    assert poller.before is not None
    assert poller.before["DocumentIncarnation"] == 4


def test_an_event_starts_on_time_even_if_nobody_polls(poller: Poller) -> None:
    poller.events.schedule("Freeze", remains=60)
    poller.clock.advance(NOTICE["Freeze"] + 59)
    assert poller.states() == [("Freeze", "Started")]
    poller.clock.advance(1)
    assert poller.states() == []


def test_events_are_shown_some_time_after_the_first_request() -> None:
    clock = ManualClock(NOON)
    events = Events(clock, "vm", 1, enabling=120)
    events.schedule("Freeze")
    assert json.loads(events.document("2020-07-01")) == {"DocumentIncarnation": 1, "Events": []}
    clock.advance(119)
    assert json.loads(events.document("2020-07-01")) == {"DocumentIncarnation": 1, "Events": []}
    clock.advance(1)
    document = json.loads(events.document("2020-07-01"))
    assert (document["DocumentIncarnation"], len(document["Events"])) == (2, 1)


def test_a_day_without_requests_disables_events() -> None:
    clock = ManualClock(NOON)
    events = Events(clock, "vm", 1, enabling=120)
    events.document("2020-07-01")
    clock.advance(120)
    events.document("2020-07-01")
    clock.advance(DISABLED_AFTER - 1)
    events.schedule("Freeze")
    assert len(json.loads(events.document("2020-07-01"))["Events"]) == 1
    clock.advance(DISABLED_AFTER)
    events.schedule("Freeze")
    assert json.loads(events.document("2020-07-01"))["Events"] == []
    clock.advance(120)
    assert len(json.loads(events.document("2020-07-01"))["Events"]) == 1


@pytest.mark.parametrize(
    ("version", "missing", "types"),
    [
        ("2017-03-01", 3, 3),
        ("2017-08-01", 3, 3),
        ("2017-11-01", 3, 4),
        ("2019-01-01", 3, 5),
        ("2019-04-01", 2, 5),
        ("2019-08-01", 1, 5),
        ("2020-07-01", 0, 5),
    ],
)
def test_a_version_shows_its_own_members_and_types(version: str, missing: int, types: int, poller: Poller) -> None:
    for kind in NOTICE:
        poller.events.schedule(kind)
    shown = poller.machine.get(PATH, version).json["Events"]
    assert len(shown) == types
    for event in shown:
        assert tuple(event) == MEMBERS[: len(MEMBERS) - missing]
        assert event["Resources"] == ["_linux-vm" if version == "2017-03-01" else "linux-vm"]


@pytest.mark.parametrize("header", ["If-None-Match", "If-Modified-Since"])
def test_the_list_of_events_has_no_validator(header: str, service: Callable[..., Any]) -> None:
    machine = service()
    first = machine.get(PATH, "2020-07-01")
    again = machine.ask(f"{PATH}?api-version=2020-07-01", headers={"Metadata": "true", header: "*"})
    for response in (first, again):
        assert response.status == 200
        assert (response.header("ETag"), response.header("Last-Modified")) == (None, None)
    assert again.body == first.body


def test_the_same_seed_gives_the_same_ids() -> None:
    first, second = (Events(ManualClock(NOON), "vm", 7) for _ in range(2))
    assert [first.schedule("Freeze") for _ in range(3)] == [second.schedule("Freeze") for _ in range(3)]


@pytest.mark.parametrize(
    "given",
    [{"notice": -1}, {"duration": -2}, {"remains": 1.5}, {"notice": True}, {"resources": []}, {"resources": "vm"}, {"source": "Nobody"}],
    ids=str,
)
def test_rejects_invalid_events(given: dict[str, Any], poller: Poller) -> None:
    with pytest.raises(UsageError):
        poller.events.schedule("Freeze", **given)
    with pytest.raises(UsageError):
        poller.events.schedule("Flood")
    assert poller.poll() == []


def test_limits_the_number_of_events(poller: Poller) -> None:
    for _ in range(MOST):
        poller.events.schedule("Freeze")
    with pytest.raises(UsageError):
        poller.events.schedule("Freeze")
    assert len(poller.poll()) == MOST
