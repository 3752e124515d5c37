"""Scheduled events: maintenance that is announced, approved, begins and is over.

    Scheduled -- approved, or NotBefore is reached --> Started -- over --> gone
    Scheduled -- cancelled --> gone                    (none) -- the host fails --> Started

A state machine on the emulator's clock, without threads: what is due happens, in its order and at its own time, when somebody looks.
``DocumentIncarnation`` grows by one with each of these steps, and otherwise never. Source: Azure documentation, "Scheduled Events for Linux
VMs"; recordings of 2018 to 2023.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from typing import Any

from imdskit.clock import Clock
from imdskit.emulator.machine import Seeded
from imdskit.errors import UsageError
from imdskit.protocol.attested import compact

NOTICE = {"Freeze": 900, "Reboot": 900, "Redeploy": 600, "Preempt": 30, "Terminate": 300}
"""Type of event -> least notice in seconds. That of Terminate is set by the owner of the machine, from 5 to 15 minutes."""

SINCE = {"Preempt": "2017-11-01", "Terminate": "2019-01-01"}
"""Types that older api-versions do not have. That these leave the event out is inferred."""

MEMBERS_SINCE = {"Description": "2019-04-01", "EventSource": "2019-08-01", "DurationInSeconds": "2020-07-01"}

REMAINS = 600
"""Seconds in which an event is shown as started: the documentation tells of ten minutes after an interruption of seconds."""

DISABLED_AFTER = 24 * 3600
"""Seconds without a call after which the machine is no longer told of events."""

MOST = 100
"""Events at once."""

_FREEZE = "Virtual machine is being paused because of a memory-preserving Live Migration operation."
_USUAL: dict[str, tuple[str, str, int]] = {
    "Freeze": (_FREEZE, "Platform", 5),
    "Reboot": ("Host server is undergoing maintenance.", "Platform", -1),
    "Redeploy": ("Host Server infrastructure is undergoing maintenance.", "Platform", -1),
    "Preempt": ("", "Platform", -1),
    "Terminate": ("", "User", -1),
}
_FAILURE = "Host server is undergoing an emergency repair."
_LONGEST = 10 * 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Event:
    """One event in one state.

    Attributes:
        id: an upper-case UUID, the same as long as the event is there.
        type: one of :data:`NOTICE`.
        resources: names of the machines that are touched.
        not_before: Unix time at which it starts by itself.
        ends: Unix time at which it disappears, or None before it has started.
        remains: seconds in which it is shown as started.
        description: for people.
        source: ``Platform`` or ``User``.
        duration: of the interruption in seconds, -1 if that is not known.
    """

    id: str
    type: str
    resources: tuple[str, ...]
    not_before: int
    ends: int | None
    remains: int
    description: str
    source: str
    duration: int

    @property
    def started(self) -> bool:
        return self.ends is not None

    @property
    def due(self) -> int:
        """Unix time of the next step."""
        return self.not_before if self.ends is None else self.ends

    def shown(self, version: str = "9999") -> dict[str, Any]:
        """The members that ``version`` has, in the order of the wire."""
        mark = "_" if version == "2017-03-01" else ""
        members = {
            "EventId": self.id,
            "EventStatus": "Started" if self.started else "Scheduled",
            "EventType": self.type,
            "ResourceType": "VirtualMachine",
            "Resources": [mark + name for name in self.resources],
            "NotBefore": "" if self.started else formatdate(self.not_before, usegmt=True),
            "Description": self.description,
            "EventSource": self.source,
            "DurationInSeconds": self.duration,
        }
        return {name: value for name, value in members.items() if MEMBERS_SINCE.get(name, "") <= version}


class Events:
    """The scheduled events of one machine. Safe to share between threads.

    Args:
        clock: the emulator's.
        name: of the machine, which events are about unless told otherwise.
        seed: of the ids.
        enabling: seconds from the first call until events are shown; the real service takes up to 300. What happens meanwhile happens unseen,
            and all that is there then appears in one step (inferred).
    """

    def __init__(self, clock: Clock, name: str, seed: int, *, enabling: int = 0) -> None:
        self._clock = clock
        self._name = name
        self._seeded = Seeded(seed)
        self._enabling = enabling
        self._lock = threading.RLock()
        self._events: tuple[Event, ...] = ()
        self._made = 0
        self._incarnation = 1
        self._visible_from: int | None = None
        self._last_call = 0
        self._shown = False

    @property
    def untouched(self) -> bool:
        """Whether nothing was announced and nobody has asked: a new object of the same seed would answer alike."""
        with self._lock:
            self._settle()
            return self._made == 0 and self._incarnation == 1 and self._visible_from is None

    def schedule(
        self,
        kind: str,
        *,
        resources: Sequence[str] | None = None,
        notice: int | None = None,
        duration: int | None = None,
        remains: int | None = None,
        description: str | None = None,
        source: str | None = None,
    ) -> str:
        """Announce an event; a notice shorter than the service gives is taken as it is.

        Args:
            kind: one of :data:`NOTICE`.
            resources: names of machines; None for this one.
            notice: seconds from now until it starts by itself; None for the least that the service gives.
            duration: of the interruption in seconds, as told; -1 is unknown.
            remains: seconds in which it is shown as started; None for :data:`REMAINS`, or for ``duration`` where that is longer.
            description: for people.
            source: ``Platform`` or ``User``.

        Returns:
            its id.

        Raises:
            UsageError: a value is not possible, or there are :data:`MOST` events already.
        """
        if kind not in NOTICE:
            raise _wrong(f"There is no such type of event: {kind!r}.", "Known: " + ", ".join(NOTICE) + ".")
        usual = _USUAL[kind]
        duration = usual[2] if duration is None else _seconds("duration", duration, -1)
        start = _seconds("notice", NOTICE[kind] if notice is None else notice)
        shown = _seconds("remains", max(REMAINS, duration) if remains is None else remains)
        return self._add(kind, resources, start, False, shown, _text(description, usual[0]), _text(source, usual[1]), duration)

    def fail(self, *, resources: Sequence[str] | None = None, remains: int = REMAINS) -> str:
        """The host fails: a Reboot that has started already, without notice. Returns its id; raises UsageError like :meth:`schedule`."""
        return self._add("Reboot", resources, 0, True, _seconds("remains", remains), _FAILURE, "Platform", -1)

    def cancel(self, event_id: str) -> bool:
        """Take an event away, whatever its state. False if there is none of this id."""
        with self._lock:
            self._settle()
            left = [event for event in self._events if event.id != event_id.upper()]
            found = len(left) != len(self._events)
            if found:
                self._become(left)
            return found

    def list(self) -> tuple[Event, ...]:
        """The events that there are now, shown or not, in the order in which they were announced."""
        with self._lock:
            self._settle()
            return self._events

    def document(self, version: str) -> bytes:
        """The answer to GET. Whoever asks enables the events."""
        with self._lock:
            self._call()
            shown = [event.shown(version) for event in self._events if SINCE.get(event.type, "") <= version] if self._shown else []
            return compact({"DocumentIncarnation": self._incarnation, "Events": shown})

    def approvable(self, body: bytes) -> tuple[str, ...] | None:
        """The ids that the body of a POST approves, or None if it is malformed or names an event that is not there (the latter inferred)."""
        ids = start_requests(body)
        with self._lock:
            self._settle()
            known = {event.id for event in self._events}
        return ids if ids is not None and known.issuperset(ids) else None

    def approve(self, ids: Sequence[str]) -> None:
        """Start these events now. One that has started already stays as it is."""
        with self._lock:
            self._call()
            now = self._clock.now()
            for wanted in dict.fromkeys(ids):
                for event in self._events:
                    if event.id == wanted and not event.started:
                        self._replace(event, replace(event, ends=now + event.remains))

    def _add(
        self,
        kind: str,
        resources: Sequence[str] | None,
        notice: int,
        started: bool,
        remains: int,
        description: str,
        source: str,
        duration: int,
    ) -> str:
        names = (self._name,) if resources is None else tuple(resources)
        if isinstance(resources, str) or not names or not all(isinstance(name, str) and name for name in names):
            raise _wrong("Resources are a list of names of machines.")
        if source not in ("Platform", "User"):
            raise _wrong("The source of an event is Platform or User.")
        with self._lock:
            self._settle()
            if len(self._events) >= MOST:
                raise _wrong(f"There are {MOST} events already.")
            now = self._clock.now()
            event_id = self._seeded.uuid(f"event {self._made}").upper()
            self._made += 1
            ends = now + remains if started else None
            self._become([*self._events, Event(event_id, kind, names, now + notice, ends, remains, description, source, duration)])
            return event_id

    def _call(self) -> None:
        """Somebody asks: what was due happens, and events are enabled from now on."""
        self._settle()
        now = self._last_call = self._clock.now()
        if self._visible_from is None:
            self._visible_from = now + self._enabling
            self._settle()

    def _settle(self) -> None:
        """Everything that was due until now, each at its own time."""
        now = self._clock.now()
        while True:
            steps: list[tuple[int, Callable[[], None]]] = [(event.due, partial(self._step, event)) for event in self._events]
            if self._visible_from is not None:
                steps.append((self._last_call + DISABLED_AFTER, self._disable))
                if not self._shown:
                    steps.append((self._visible_from, self._enable))
            at, step = min(steps, key=lambda each: each[0], default=(now + 1, self._disable))
            if at > now:
                return
            step()

    def _step(self, event: Event) -> None:
        self._replace(event, None if event.started else replace(event, ends=event.not_before + event.remains))

    def _enable(self) -> None:
        self._shown = True
        self._incarnation += bool(self._events)

    def _disable(self) -> None:
        self._incarnation += bool(self._events) and self._shown
        self._shown, self._visible_from = False, None

    def _replace(self, event: Event, other: Event | None) -> None:
        self._become([new for new in (other if each is event else each for each in self._events) if new is not None])

    def _become(self, events: Sequence[Event]) -> None:
        self._events = tuple(events)
        self._incarnation += self._shown


def start_requests(body: bytes) -> tuple[str, ...] | None:
    """The ids, in upper case, in ``{"StartRequests":[{"EventId":"..."}]}``, or None if the body is something else. Other members are overlooked."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    requests = value.get("StartRequests") if isinstance(value, dict) else None
    if not isinstance(requests, list) or not requests:
        return None
    ids = [each.get("EventId") if isinstance(each, dict) else None for each in requests]
    texts = tuple(each.upper() for each in ids if isinstance(each, str))
    return texts if len(texts) == len(ids) else None


def _seconds(name: str, value: object, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LONGEST:
        raise _wrong(f"The {name} of an event is a number of seconds from {least} to {_LONGEST}.")
    return value


def _text(value: object, usual: str) -> str:
    if value is None:
        return usual
    if not isinstance(value, str):
        raise _wrong("Description and source of an event are text.")
    return value


def _wrong(message: str, hint: str = "The members are in docs/events.md.") -> UsageError:
    return UsageError("bad-argument", message, location="event", hint=hint)
