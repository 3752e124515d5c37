"""Events in the service's own format, announced with an id, a time and a state that the test chooses; and snapshots of events."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.clock import ManualClock
from imdskit.emulator.events.event import MEMBERS_SINCE
from imdskit.emulator.events.event_input import EVENT, MEMBERS
from imdskit.emulator.events.timeline import MOST, NOTICE, REMAINS, Events
from imdskit.errors import UsageError

NOON = 1_767_268_800
FREEZE = {
    "EventId": "C7061BAC-AFDC-4513-B24B-AA5F13A16123",
    "EventStatus": "Scheduled",
    "EventType": "Freeze",
    "ResourceType": "VirtualMachine",
    "Resources": ["WestNO_0", "WestNO_1"],
    "NotBefore": "Thu, 01 Jan 2026 13:00:00 GMT",
    "Description": "Virtual machine is being paused.",
    "EventSource": "Platform",
    "DurationInSeconds": 5,
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def events(clock: ManualClock) -> Events:
    events = Events(clock, "linux-vm", 1)
    document(events)
    return events


def document(events: Events, version: str = "2024-07-09") -> dict[str, Any]:
    return dict(json.loads(events.document(version)))


def shown(events: Events) -> list[tuple[str, str]]:
    return [(event["EventId"], event["EventStatus"]) for event in document(events)["Events"]]


def test_an_event_is_shown_as_it_was_announced(events: Events) -> None:
    assert events.announce([FREEZE]) == (FREEZE["EventId"],)
    assert document(events) == {"DocumentIncarnation": 2, "Events": [FREEZE]}
    assert set(MEMBERS_SINCE) < set(MEMBERS) == set(FREEZE)


@pytest.mark.parametrize("kind", NOTICE)
def test_the_event_type_alone_is_sufficient(kind: str, events: Events, clock: ManualClock) -> None:
    (event_id,) = events.announce([{"EventType": kind}])
    event = document(events)["Events"][0]
    assert (event["EventId"], event["EventType"], event["EventStatus"], event["Resources"]) == (event_id, kind, "Scheduled", ["linux-vm"])
    clock.advance(NOTICE[kind])
    assert shown(events) == [(event_id, "Started")]
    clock.advance(REMAINS)
    assert shown(events) == []


def test_accepts_the_whole_response_of_the_service(events: Events) -> None:
    events.announce({"DocumentIncarnation": 17, "Events": [FREEZE]})
    assert document(events) == {"DocumentIncarnation": 2, "Events": [FREEZE]}


def test_an_announcement_replaces_existing_events_unless_they_are_kept(events: Events) -> None:
    events.announce([FREEZE, {"EventId": "second", "EventType": "Reboot"}])
    events.announce([{"EventId": "third", "EventType": "Redeploy"}], keep=True)
    assert [name for name, _ in shown(events)] == [FREEZE["EventId"], "second", "third"]
    events.announce([{"EventId": "SECOND", "EventType": "Reboot", "EventStatus": "Started"}])
    assert shown(events) == [("SECOND", "Started")]
    events.announce([])
    assert document(events) == {"DocumentIncarnation": 5, "Events": []}


def test_an_announcement_increases_the_incarnation_once_and_a_repetition_never(events: Events) -> None:
    events.announce([FREEZE, {"EventId": "second", "EventType": "Reboot", "NotBefore": FREEZE["NotBefore"]}])
    assert document(events)["DocumentIncarnation"] == 2
    events.announce(document(events))
    assert document(events)["DocumentIncarnation"] == 2


def test_a_started_event_ends_like_any_other(events: Events, clock: ManualClock) -> None:
    events.announce([{**FREEZE, "EventStatus": "Started", "NotBefore": ""}])
    assert document(events)["Events"] == [{**FREEZE, "EventStatus": "Started", "NotBefore": ""}]
    clock.advance(REMAINS)
    assert document(events)["Events"] == []


def test_a_past_not_before_is_shown_but_the_minimum_notice_applies(events: Events, clock: ManualClock) -> None:
    events.announce([{**FREEZE, "NotBefore": "Mon, 19 Sep 2016 18:29:47 GMT"}])
    assert document(events)["Events"][0]["NotBefore"] == "Mon, 19 Sep 2016 18:29:47 GMT"
    clock.advance(NOTICE["Freeze"] - 1)
    assert shown(events) == [(FREEZE["EventId"], "Scheduled")]
    clock.advance(1)
    assert shown(events) == [(FREEZE["EventId"], "Started")]
    clock.advance(REMAINS)
    assert shown(events) == []


@pytest.mark.parametrize(
    "written", ["Thu, 01 Jan 2026 13:00:00 GMT", "2026-01-01T13:00:00Z", "2026-01-01T14:00:00+01:00", "Thu, 1 Jan 2026 15:00:00 +0200"]
)
def test_accepts_several_date_formats(written: str, events: Events) -> None:
    events.announce([{**FREEZE, "NotBefore": written}])
    assert document(events)["Events"] == [FREEZE]


def test_a_machine_can_approve_an_event_whose_id_a_test_chose(service: Callable[..., Any]) -> None:
    machine = service(clock=ManualClock(NOON))
    machine.app.machine.events.announce([{"EventId": "f020ba2e-3bc0", "EventType": "Reboot"}])
    body = json.dumps({"StartRequests": [{"EventId": "f020ba2e-3bc0"}]}).encode()
    assert machine.ask("/metadata/scheduledevents?api-version=2020-07-01", "POST", body=body).status == 200
    event = machine.get("/metadata/scheduledevents", "2020-07-01").json["Events"][0]
    assert (event["EventId"], event["EventStatus"], event["NotBefore"]) == ("f020ba2e-3bc0", "Started", "")


def test_start_and_complete_report_whether_the_event_existed(events: Events) -> None:
    events.announce([FREEZE])
    assert not events.complete(FREEZE["EventId"])
    assert events.start(FREEZE["EventId"])
    assert not events.start(FREEZE["EventId"])
    assert not events.start("nosuch")
    assert shown(events) == [(FREEZE["EventId"], "Started")]
    assert events.complete(FREEZE["EventId"].lower())
    assert not events.complete(FREEZE["EventId"])
    assert document(events) == {"DocumentIncarnation": 4, "Events": []}


WRONG: dict[str, tuple[Any, str]] = {
    "text instead of a list": ("text", "/"),
    "an object without Events": ({"events": []}, "/"),
    "an element that is not an object": ([FREEZE, 1], "/1"),
    "an unknown member": ([{**FREEZE, "Colour": "red"}], "/0"),
    "no type": ([{"EventId": "1"}], "/0/EventType"),
    "an unknown type": ([{"EventType": "Vanish"}], "/0/EventType"),
    "a type that is not text": ([{"EventType": ["Freeze"]}], "/0/EventType"),
    "a completed event": ([{**FREEZE, "EventStatus": "Completed"}], "/0/EventStatus"),
    "another resource": ([{**FREEZE, "ResourceType": "Disk"}], "/0/ResourceType"),
    "resources that are text": ([{**FREEZE, "Resources": "vm"}], "/0/Resources"),
    "a resource that is a number": ([{**FREEZE, "Resources": ["vm", 1]}], "/0/Resources/1"),
    "an invalid time": ([{**FREEZE, "NotBefore": "tomorrow"}], "/0/NotBefore"),
    "a time without a zone": ([{**FREEZE, "NotBefore": "2026-01-01T13:00:00"}], "/0/NotBefore"),
    "a time before 1970": ([{**FREEZE, "NotBefore": "1969-01-01T13:00:00Z"}], "/0/NotBefore"),
    "no such day": ([{**FREEZE, "NotBefore": "Thu, 99 Jan 2026 13:00:00 GMT"}], "/0/NotBefore"),
    "a time that is a number": ([{**FREEZE, "NotBefore": 1}], "/0/NotBefore"),
    "a lone surrogate": ([{**FREEZE, "Description": "\ud800"}], "/0/Description"),
    "another source": ([{**FREEZE, "EventSource": "Me"}], "/0/EventSource"),
    "a duration that is text": ([{**FREEZE, "DurationInSeconds": "5"}], "/0/DurationInSeconds"),
    "a duration that is a boolean": ([{**FREEZE, "DurationInSeconds": True}], "/0/DurationInSeconds"),
    "the same id twice": ([FREEZE, {**FREEZE, "EventId": FREEZE["EventId"].lower()}], "/1/EventId"),
    "in the form of the service's response": ({"Events": [{"EventType": "Vanish"}]}, "/Events/0/EventType"),
    "too many": ([{"EventType": "Freeze"}] * (MOST + 1), "event"),
}


@pytest.mark.parametrize(("given_events", "location"), WRONG.values(), ids=WRONG)
def test_reports_the_location_of_a_mistake_and_changes_nothing(given_events: Any, location: str, events: Events) -> None:
    events.announce([FREEZE])
    with pytest.raises(UsageError) as caught:
        events.announce(given_events)
    assert caught.value.location == location
    assert document(events) == {"DocumentIncarnation": 2, "Events": [FREEZE]}


def test_a_snapshot_contains_the_whole_state(events: Events, clock: ManualClock) -> None:
    events.announce([FREEZE, {"EventType": "Preempt"}, {"EventType": "Reboot", "NotBefore": "Mon, 19 Sep 2016 18:29:47 GMT"}])
    events.start(FREEZE["EventId"])
    other = Events(clock, "linux-vm", 1)
    other.restore(json.loads(json.dumps(events.snapshot())))
    for _ in range(4):
        assert document(other) == document(events)
        assert other.schedule("Reboot") == events.schedule("Reboot")
        clock.advance(300)
    assert other.snapshot() == events.snapshot()
    assert other.incarnation == events.incarnation > 5


def broken_snapshots() -> dict[str, tuple[Any, str]]:
    events = Events(ManualClock(NOON), "vm", 1)
    events.announce([FREEZE])
    whole = events.snapshot()
    event = whole["events"][0]
    wrong: dict[str, tuple[Any, str]] = {"not an object": ([], "/"), "an unknown member": ({**whole, "x": 1}, "/")}
    for member in whole:
        wrong[f"no {member}"] = ({name: value for name, value in whole.items() if name != member}, "/")
        wrong[f"{member} is text"] = ({**whole, member: "1"}, f"/{member}")
    for member in EVENT:
        wrong[f"no {member} of an event"] = ({**whole, "events": [{k: v for k, v in event.items() if k != member}]}, "/events/0")
        wrong[f"{member} of an event is an object"] = ({**whole, "events": [{**event, member: {}}]}, f"/events/0/{member}")
    return wrong


BROKEN = broken_snapshots()


@pytest.mark.parametrize(("snapshot", "location"), BROKEN.values(), ids=BROKEN)
def test_rejects_invalid_snapshots_and_changes_nothing(snapshot: Any, location: str, events: Events) -> None:
    events.announce([FREEZE])
    before = events.snapshot()
    with pytest.raises(UsageError) as caught:
        events.restore(snapshot)
    assert caught.value.location == location
    assert events.snapshot() == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([*NOTICE, "Started", "2026-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*MEMBERS, "Events"]), inner, max_size=4),
    max_leaves=12,
)


@given(
    JSON
    | st.lists(
        st.fixed_dictionaries(
            {"EventType": st.sampled_from(list(NOTICE))}, optional={name: JSON for name in MEMBERS if name != "EventType"}
        )
    )
)
def test_any_json_is_either_accepted_or_rejected(value: Any) -> None:
    events = Events(ManualClock(NOON), "vm", 1)
    try:
        ids = events.announce(value)
    except UsageError:
        assert events.list() == ()
    else:
        assert [event["EventId"] for event in document(events)["Events"]] == list(ids)
