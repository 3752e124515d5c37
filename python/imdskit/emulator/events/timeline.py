"""The scheduled events of a machine: announced, approved, started, completed or cancelled.

    Scheduled            -- approved, or NotBefore is reached  --> Started
    Started              -- completed, or its time has passed  --> removed
    Scheduled or Started -- cancelled                          --> removed
    no event             -- the host fails                     --> Started

This is a state machine on the emulator's clock, without threads. On each access, it first executes
all transitions that have become due. It executes them in order of time, each as if it had happened
exactly when it was due. Each change that clients can see increases ``DocumentIncarnation`` by one,
and nothing else does.

Source: Azure documentation, "Scheduled Events for Linux VMs"; recorded responses of 2018 to 2023.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from imdskit.clock import Clock
from imdskit.emulator.events.event import FAILURE, NOTICE, REBALANCE, REMAINS, SINCE, USUAL, Event, seconds, text_or, wrong
from imdskit.emulator.events.event_input import announced_events, snapshot_events
from imdskit.emulator.machine.seeded_values import Seeded
from imdskit.protocol.json_writer import compact

DISABLED_AFTER = 24 * 3600
"""Seconds without a request after which the service stops showing events to the machine."""

MOST = 100
"""Maximum number of events that exist at the same time."""


class Events:
    """The scheduled events of one machine. Safe to share between threads.

    As in Azure, scheduled events are enabled by the machine's first request for them. A machine
    that has never requested its events sees none.

    Args:
        clock: the emulator's clock.
        name: name of the machine. Events without explicit resources affect this machine.
        seed: seed of the event ids.
        enabling: seconds from the first request until responses show events. The real service takes
            up to two minutes. Until then, responses list no events. Then all existing events appear
            at once (inferred).

    Attributes:
        name: name of the machine. Changing it does not change events that were announced before.
        enabling: as given.
    """

    def __init__(self, clock: Clock, name: str, seed: int, *, enabling: int = 0) -> None:
        self._clock = clock
        self.name = name
        self._seeded = Seeded(seed)
        self.enabling = enabling
        self._lock = threading.RLock()
        self._events: tuple[Event, ...] = ()
        self._made = 0
        self._incarnation = 1
        self._visible_from: int | None = None
        self._last_call = 0
        self._shown = False

    @property
    def untouched(self) -> bool:
        """Whether the object is in its initial state, because no event was announced and no client
        requested the events."""
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
        """Announce an event.

        Args:
            kind: event type, a key of :data:`NOTICE`.
            resources: names of the affected machines. None means this machine.
            notice: seconds from now until the event starts without approval. None means the
                service's minimum notice; a shorter notice is accepted.
            duration: announced duration of the interruption in seconds. -1 means that it is
                unknown.
            remains: seconds for which the event is shown as started. None means :data:`REMAINS` or
                ``duration``, whichever is longer.
            description: text for people.
            source: ``Platform`` or ``User``.

        Returns:
            The id of the event.

        Raises:
            UsageError: an argument is invalid, or :data:`MOST` events exist already.
        """
        if kind not in NOTICE:
            raise wrong(f"Unknown event type {kind!r:.60}.", "Known: " + ", ".join(NOTICE) + ".")
        usual = USUAL[kind]
        duration = usual[2] if duration is None else seconds("duration", duration, -1)
        start = seconds("notice", NOTICE[kind] if notice is None else notice)
        shown = seconds("remains", max(REMAINS, duration) if remains is None else remains)
        event = Event("", kind, (), start, None, shown, text_or(description, usual[0]), text_or(source, usual[1]), duration)
        return self._add(event, resources)

    def fail(self, *, resources: Sequence[str] | None = None, remains: int = REMAINS) -> str:
        """Announce a failure of the host: a Reboot without notice that has already started.

        Return the event's id. Raise UsageError like :meth:`schedule`.
        """
        event = Event("", "Reboot", (), 0, None, seconds("remains", remains), FAILURE, "Platform", -1)
        return self._add(event, resources, started=True)

    def cancel(self, event_id: str) -> bool:
        """Remove an event in any state. Return False if no event has this id."""
        return self._change(event_id, (False, True), lambda _: None)

    def complete(self, event_id: str) -> bool:
        """End a started event. Return False if no started event has this id."""
        return self._change(event_id, (True,), lambda _: None)

    def start(self, event_id: str) -> bool:
        """Start a scheduled event, as an approval does.

        Return False if no scheduled event has this id.

        Unlike an approval, this is not a request of the machine, so it does not enable events.
        """
        return self._change(event_id, (False,), self._started)

    def announce(self, events: object, *, keep: bool = False) -> tuple[str, ...]:
        """Announce events in the service's own format.

        Clients see one change, or none if the events are the same as before.

        Args:
            events: a list of objects with the service's members, as ``json.loads`` returns it, or
                the service's whole response. Only ``EventType`` is required. An event with the
                ``EventId`` of an existing event replaces it.
            keep: whether existing events remain. Otherwise they are removed.

        Returns:
            The ids of the announced events.

        Raises:
            UsageError: the value is invalid. The location is a JSON pointer, and no event has
                changed.
        """
        with self._lock:
            self._settle()
            announced = announced_events(events, self._clock.now(), self.name, self._new_id)
            by_id = {event.id.upper(): event for event in announced}
            replaced = [by_id.pop(event.id.upper(), event if keep else None) for event in self._events]
            after = [event for event in (*replaced, *by_id.values()) if event is not None]
            if len(after) > MOST:
                raise wrong(f"A machine can have at most {MOST} events.")
            if [event.shown() for event in after] != [event.shown() for event in self._events]:
                self._set(after)
            else:
                self._events = tuple(after)
            return tuple(event.id for event in announced)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON for :meth:`restore`. Times are Unix seconds."""
        with self._lock:
            self._settle()
            return {
                "incarnation": self._incarnation,
                "made": self._made,
                "visibleFrom": self._visible_from,
                "lastCall": self._last_call,
                "shown": self._shown,
                "events": [{**asdict(event), "resources": list(event.resources)} for event in self._events],
            }

    def restore(self, snapshot: object) -> None:
        """Resume from a snapshot.

        Transitions that have become due since the snapshot was taken happen on the next access.

        Raises:
            UsageError: the value is not a snapshot. The events are then unchanged.
        """
        members, events = snapshot_events(snapshot)
        with self._lock:
            self._incarnation, self._made = members["incarnation"], members["made"]
            self._visible_from, self._last_call, self._shown = members["visibleFrom"], members["lastCall"], members["shown"]
            self._events = events

    @property
    def incarnation(self) -> int:
        """The ``DocumentIncarnation`` that a client would see now.

        Reading it does not enable events.
        """
        with self._lock:
            self._settle()
            return self._incarnation

    def list(self) -> tuple[Event, ...]:
        """Return all current events in the order in which they were announced, whether clients see
        them or not."""
        with self._lock:
            self._settle()
            return self._events

    def document(self, version: str) -> bytes:
        """Return the body of the response to a GET request of the machine.

        The method enables events, as every request of the machine does.
        """
        with self._lock:
            self._record_request()
            shown = [event.shown(version) for event in self._events if SINCE.get(event.type, "") <= version] if self._shown else []
            return compact({"DocumentIncarnation": self._incarnation, "Events": shown})

    def approvable(self, body: bytes) -> tuple[str, ...] | None:
        """Return the ids of the events that the body of a POST request approves.

        Return None if the body is malformed. Return None also if the body contains an unknown id
        (inferred).
        """
        ids = start_requests(body)
        with self._lock:
            self._settle()
            known = {event.id.upper() for event in self._events}
        return ids if ids is not None and known.issuperset(ids) else None

    def approve(self, ids: Sequence[str]) -> None:
        """Start events that the machine approves.

        Events that have already started and rebalance recommendations do not change.
        """
        with self._lock:
            self._record_request()
            for event_id in dict.fromkeys(ids):
                event = self._find(event_id)
                if event is not None and not event.started and event.type != REBALANCE:
                    self._replace(event, self._started(event))

    def _add(self, event: Event, resources: Sequence[str] | None, *, started: bool = False) -> str:
        """Announce an event, whose ``not_before`` counts from now, and return its id."""
        names = (self.name,) if resources is None else tuple(resources)
        if isinstance(resources, str) or not names or not all(isinstance(name, str) and name for name in names):
            raise wrong("`resources` must be a list of machine names.")
        if event.source not in ("Platform", "User"):
            raise wrong(f"`source` of an event must be Platform or User; got {event.source!r:.60}.")
        with self._lock:
            self._settle()
            if len(self._events) >= MOST:
                raise wrong(f"The machine already has {MOST} events, the maximum.")
            event = replace(event, id=self._new_id(), resources=names, not_before=self._clock.now() + event.not_before)
            self._set([*self._events, self._started(event) if started else event])
            return event.id

    def _new_id(self) -> str:
        self._made += 1
        return self._seeded.uuid(f"event {self._made - 1}").upper()

    def _change(self, event_id: str, started: Collection[bool], change: Callable[[Event], Event | None]) -> bool:
        """Replace an event by the result of ``change``.

        Return False if there is no such event, or its state is not in ``started``.
        """
        with self._lock:
            self._settle()
            event = self._find(event_id)
            if event is None or event.started not in started:
                return False
            self._replace(event, change(event))
            return True

    def _started(self, event: Event) -> Event:
        return replace(event, ends=self._clock.now() + event.remains)

    def _find(self, event_id: str) -> Event | None:
        """Return the event with an id, or None.

        Letter case is ignored, because ids that a test chooses need not be in upper case.
        """
        return next((event for event in self._events if event.id.upper() == event_id.upper()), None)

    def _record_request(self) -> None:
        """Execute due transitions and record a request of the machine, which enables events."""
        self._settle()
        now = self._last_call = self._clock.now()
        if self._visible_from is None:
            self._visible_from = now + self.enabling
            self._settle()

    def _settle(self) -> None:
        """Execute all due transitions in order of time, each as if it had happened when it was due."""
        now = self._clock.now()
        while True:
            transitions: list[tuple[int, Callable[[], None]]] = [(event.due, partial(self._advance, event)) for event in self._events]
            if self._visible_from is not None:
                transitions.append((self._last_call + DISABLED_AFTER, self._disable))
                if not self._shown:
                    transitions.append((self._visible_from, self._enable))
            due, transition = min(transitions, key=lambda each: each[0], default=(now + 1, self._disable))
            if due > now:
                return
            transition()

    def _advance(self, event: Event) -> None:
        self._replace(event, None if event.started else replace(event, ends=event.due + event.remains))

    def _enable(self) -> None:
        self._shown = True
        self._incarnation += bool(self._events)

    def _disable(self) -> None:
        self._incarnation += bool(self._events) and self._shown
        self._shown, self._visible_from = False, None

    def _replace(self, event: Event, other: Event | None) -> None:
        self._set([new for new in (other if each is event else each for each in self._events) if new is not None])

    def _set(self, events: Sequence[Event]) -> None:
        self._events = tuple(events)
        self._incarnation += self._shown


def start_requests(body: bytes) -> tuple[str, ...] | None:
    """Return the ids, in upper case, in a body of the form
    ``{"StartRequests":[{"EventId":"..."}]}``.

    Return None if the body has another form. Other members are ignored.
    """
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
