"""Scheduled events from outside: in the service's own form, as a test announces them, and as a snapshot keeps them.

What belongs here: JSON in, checked events out, every mistake with its place. What becomes of them is :mod:`imdskit.emulator.events`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_tz
from typing import Any

from imdskit.emulator.events.event import LONGEST, NOTICE, REMAINS, USUAL, Event, wrong

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

LONGEST_TEXT = 1024
"""Characters in one text of an event."""
LONGEST_LIST = 1000
"""Events or resources in one list, before they are looked at."""
_LATEST = 253_402_300_799
"""9999-12-31, the last day that a date can say."""


def announced_events(value: object, now: int, name: str, new_id: Callable[[], str]) -> list[Event]:
    """Events in the service's own form.

    Args:
        value: parsed JSON: a list, or the service's answer, an object with a list ``Events``.
        now: Unix time.
        name: of the machine, which events without ``Resources`` are about.
        new_id: makes an id for an event without ``EventId``; called only after everything was found right.

    Raises:
        UsageError: with the place of the mistake as a JSON pointer.
    """
    place = ""
    if isinstance(value, dict):
        if not value.keys() <= {"DocumentIncarnation", "Events"} or "Events" not in value:
            raise wrong("This is a list of events, or an object with the list `Events`.", location="/")
        value, place = value["Events"], "/Events"
    if not isinstance(value, list) or len(value) > LONGEST_LIST:
        raise wrong(f"This is a list of at most {LONGEST_LIST} events.", location=place or "/")
    events = [_announced(one, f"{place}/{index}", now, name) for index, one in enumerate(value)]
    ids: set[str] = set()
    for index, event in enumerate(events):
        if event.id.upper() in ids:
            raise wrong("This EventId stands there twice.", location=f"{place}/{index}/EventId")
        ids.update({event.id.upper()} - {""})
    return [event if event.id else _with_id(event, new_id()) for event in events]


def snapshot_events(value: object) -> tuple[dict[str, Any], tuple[Event, ...]]:
    """The members of a snapshot of events that are no events, and the events. Raises UsageError with a JSON pointer."""
    members = _object(value, "", SNAPSHOT)
    for member in SNAPSHOT:
        if member not in members:
            raise wrong(f"A snapshot of events has a member {member}.", location="/")
    for member, least in (("incarnation", 1), ("made", 0), ("lastCall", 0)):
        _number(members[member], f"/{member}", least)
    if members["visibleFrom"] is not None:
        _number(members["visibleFrom"], "/visibleFrom", 0)
    if not isinstance(members["shown"], bool):
        raise wrong("This is true or false.", location="/shown")
    events = members["events"]
    if not isinstance(events, list) or len(events) > LONGEST_LIST:
        raise wrong("This is a list of events.", location="/events")
    return members, tuple(_kept(one, f"/events/{index}") for index, one in enumerate(events))


def _announced(value: object, place: str, now: int, name: str) -> Event:
    given = _object(value, place, MEMBERS)
    kind = given.get("EventType")
    if not isinstance(kind, str) or kind not in NOTICE:
        raise wrong("There is no such type of event.", "Known: " + ", ".join(NOTICE) + ".", f"{place}/EventType")
    if given.get("ResourceType", "VirtualMachine") != "VirtualMachine":
        raise wrong("The service knows events of a VirtualMachine only.", location=f"{place}/ResourceType")
    status = given.get("EventStatus", "Scheduled")
    if status not in ("Scheduled", "Started"):
        raise wrong("An event is Scheduled or Started.", "One that is over is not in the list any more.", f"{place}/EventStatus")
    usual = USUAL[kind]
    duration = _number(given.get("DurationInSeconds", usual[2]), f"{place}/DurationInSeconds", -1, LONGEST)
    remains = max(REMAINS, duration)
    started = status == "Started"
    not_before = _time(given.get("NotBefore") or "", f"{place}/NotBefore")
    soonest = now + NOTICE[kind]
    if not_before is None:
        not_before = now if started else soonest
    return Event(
        _text(given.get("EventId", ""), f"{place}/EventId", 128),
        kind,
        _names(given.get("Resources", [name]), f"{place}/Resources"),
        not_before,
        now + remains if started else None,
        remains,
        _text(given.get("Description", usual[0]), f"{place}/Description"),
        _source(given.get("EventSource", usual[1]), f"{place}/EventSource"),
        duration,
        soonest if not_before <= now and not started else None,
    )


def _kept(value: object, place: str) -> Event:
    given = _object(value, place, EVENT)
    for member in EVENT:
        if member not in given:
            raise wrong(f"An event of a snapshot has a member {member}.", location=place)
    if _text(given["type"], f"{place}/type") not in NOTICE:
        raise wrong("There is no such type of event.", location=f"{place}/type")
    if not _text(given["id"], f"{place}/id", 128):
        raise wrong("An event has an id.", location=f"{place}/id")
    ends, begins = (None if given[name] is None else _number(given[name], f"{place}/{name}", 0, _LATEST) for name in ("ends", "begins"))
    return Event(
        given["id"],
        given["type"],
        _names(given["resources"], f"{place}/resources"),
        _number(given["not_before"], f"{place}/not_before", 0, _LATEST),
        ends,
        _number(given["remains"], f"{place}/remains", 0, LONGEST),
        _text(given["description"], f"{place}/description"),
        _source(given["source"], f"{place}/source"),
        _number(given["duration"], f"{place}/duration", -1, LONGEST),
        begins,
    )


def _with_id(event: Event, event_id: str) -> Event:
    return replace(event, id=event_id)


def _object(value: object, place: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong("This is an object.", location=place or "/")
    for member in value:
        if member not in known:
            raise wrong(f"There is no member {member[:64]!r} here.", "Known: " + ", ".join(known) + ".", place or "/")
    return value


def _number(value: object, place: str, least: int, most: int = 2**63 - 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise wrong(f"This is a whole number from {least} to {most}.", location=place)
    return value


def _text(value: object, place: str, most: int = LONGEST_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise wrong(f"This is text of at most {most} characters.", location=place)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong("The text is not valid Unicode.", location=place) from None
    return value


def _names(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > LONGEST_LIST:
        raise wrong("This is a list of names of machines.", location=place)
    return tuple(_text(one, f"{place}/{index}", 256) for index, one in enumerate(value))


def _source(value: object, place: str) -> str:
    if value not in ("Platform", "User"):
        raise wrong("The source of an event is Platform or User.", location=place)
    return str(value)


def _time(value: object, place: str) -> int | None:
    """Unix time of a date as the service writes it, or in ISO 8601 with a zone; None for ``""``."""
    text = _text(value, place, 64)
    if not text:
        return None
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
    if not 0 <= at <= _LATEST:
        hint = 'Write it as the service does: "Thu, 01 Jan 2026 12:15:00 GMT".'
        raise wrong("This is no time.", hint, place) from None
    return at
