"""Parsers of scheduled events in two formats: the service's own JSON, in which tests announce
events, and snapshots.

This module turns JSON into validated events. :mod:`imdskit.emulator.events.timeline` changes their
states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_tz
from functools import partial
from typing import Any

from imdskit.clock import LAST_SECOND
from imdskit.emulator.events.event import LONGEST, NOTICE, REMAINS, USUAL, Event
from imdskit.emulator.json_input import Format, Input
from imdskit.errors import UsageError

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
SNAPSHOT = ("incarnation", "made", "visibleFrom", "lastCall", "shown", "events")
EVENT = ("id", "type", "resources", "not_before", "ends", "remains", "description", "source", "duration", "begins")
STATES = ("Scheduled", "Started")
SOURCES = ("Platform", "User")

FORMAT = Format(
    "The value", partial(UsageError, "bad-argument"), "docs/events.md describes the members of an event.", root="/", unknown_at_object=True
)

LONGEST_TEXT = 1024
"""Maximum number of characters in a string of an event."""
LONGEST_LIST = 1000
"""Maximum number of elements in a list of events or resources.

The parser checks this limit before it looks at the elements.
"""


def announced_events(value: object, now: int, name: str, new_id: Callable[[], str]) -> list[Event]:
    """Return the events that a value in the service's own format describes.

    Args:
        value: parsed JSON, either a list of events or the service's whole response, an object with
            the list ``Events``.
        now: current Unix time.
        name: name of the machine, for events without ``Resources``.
        new_id: function that returns an id for an event without ``EventId``. It is called only if
            the whole value is valid.

    Raises:
        UsageError: the value is invalid. The location is a JSON pointer.
    """
    given = FORMAT.of(value)
    if isinstance(value, dict):
        given = given.members(("DocumentIncarnation", "Events"), required=("Events",))["Events"]
    elements = given.elements(LONGEST_LIST, "a list of events, or an object with the list `Events`")
    events = [_announced(each, now, name) for each in elements]
    ids: set[str] = set()
    for event, each in zip(events, elements, strict=True):
        if event.id.upper() in ids:
            each.members()["EventId"].fail("Another event in the list has the same EventId.")
        ids.update({event.id.upper()} - {""})
    return [event if event.id else replace(event, id=new_id()) for event in events]


def snapshot_events(value: object) -> tuple[dict[str, Any], tuple[Event, ...]]:
    """Return the parsed members of a snapshot, and its events.

    Raise UsageError with a JSON pointer if the snapshot is invalid.
    """
    members = FORMAT.of(value).members(SNAPSHOT, required=SNAPSHOT)
    for name, least in (("incarnation", 1), ("made", 0), ("lastCall", 0)):
        members[name].integer(least, LAST_SECOND)
    if members["visibleFrom"].value is not None:
        members["visibleFrom"].integer(0, LAST_SECOND)
    members["shown"].boolean()
    events = tuple(_snapshot_event(each) for each in members["events"].elements(LONGEST_LIST))
    return {name: member.value for name, member in members.items()}, events


def _announced(given: Input, now: int, name: str) -> Event:
    members = given.members(MEMBERS)
    kind = members.get("EventType", Input(None, f"{given.location}/EventType", FORMAT)).one_of(NOTICE, "a type of event")
    description, source, duration = USUAL[kind]
    if "ResourceType" in members and members["ResourceType"].value != "VirtualMachine":
        members["ResourceType"].must_be('"VirtualMachine"')
    started = "EventStatus" in members and members["EventStatus"].one_of(STATES, "the state of an event that has not ended") == "Started"
    if "DurationInSeconds" in members:
        duration = members["DurationInSeconds"].integer(-1, LONGEST)
    remains = max(REMAINS, duration)
    not_before = _time(members["NotBefore"]) if "NotBefore" in members and members["NotBefore"].value else None
    soonest = now + NOTICE[kind]
    if not_before is None:
        not_before = now if started else soonest
    return Event(
        members["EventId"].text(128) if "EventId" in members else "",
        kind,
        _names(members["Resources"]) if "Resources" in members else (name,),
        not_before,
        now + remains if started else None,
        remains,
        members["Description"].text(LONGEST_TEXT) if "Description" in members else description,
        members["EventSource"].one_of(SOURCES, "a source of events") if "EventSource" in members else source,
        duration,
        soonest if not_before <= now and not started else None,
    )


def _snapshot_event(given: Input) -> Event:
    members = given.members(EVENT, required=EVENT)
    event_id = members["id"].text(128)
    if not event_id:
        members["id"].must_be("text that is not empty")
    ends, begins = (None if members[name].value is None else members[name].integer(0, LAST_SECOND) for name in ("ends", "begins"))
    return Event(
        event_id,
        members["type"].one_of(NOTICE, "a type of event"),
        _names(members["resources"]),
        members["not_before"].integer(0, LAST_SECOND),
        ends,
        members["remains"].integer(0, LONGEST),
        members["description"].text(LONGEST_TEXT),
        members["source"].one_of(SOURCES, "a source of events"),
        members["duration"].integer(-1, LONGEST),
        begins,
    )


def _names(given: Input) -> tuple[str, ...]:
    return tuple(one.text(256) for one in given.elements(LONGEST_LIST, "a list of machine names"))


def _time(given: Input) -> int:
    """Return the Unix time of a date in the service's format, or in ISO 8601 with a time zone."""
    text = given.text(64)
    parsed = parsedate_tz(text)
    try:
        if parsed is not None and parsed[9] is not None:
            at = int(datetime(*parsed[:6], tzinfo=UTC).timestamp()) - parsed[9]
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise ValueError
            at = int(moment.timestamp())
    except (ValueError, OverflowError):
        at = -1
    if not 0 <= at <= LAST_SECOND:
        given.must_be("a time with a time zone", 'Write it as the service does, for example "Thu, 01 Jan 2026 12:15:00 GMT".')
    return at
