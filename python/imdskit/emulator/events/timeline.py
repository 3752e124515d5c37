"""The scheduled events of a machine: announced, approved, started, completed or cancelled.

    Scheduled -- approved, or NotBefore is reached --> Started -- over --> gone
    Scheduled -- cancelled --> gone                    (none) -- the host fails --> Started

This is a state machine on the emulator's clock, without threads: whatever is due happens on the next access, in order, as of its own time.
Each of these steps increases ``DocumentIncarnation`` by one, and nothing else does. Source: Azure documentation, "Scheduled Events for Linux
VMs"; recordings of 2018 to 2023.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from imdskit.clock import Clock
from imdskit.emulator.events.event import FAILURE, NOTICE, REBALANCE, REMAINS, SINCE, USUAL, Event, seconds, text_or, wrong
from imdskit.emulator.events.event_formats import announced_events, snapshot_events
from imdskit.emulator.machine.seeded_values import Seeded
from imdskit.protocol.attested import compact

DISABLED_AFTER = 24 * 3600
"""Seconds without a call after which the machine is no longer told of events."""

MOST = 100
"""Events at once."""


class Events:
    """The scheduled events of one machine. Safe to share between threads.

    Args:
        clock: the emulator's.
        name: of the machine, which events are about unless told otherwise.
        seed: of the ids.
        enabling: seconds from the first call until events are shown; the real service takes up to 300. What happens meanwhile happens unseen,
            and all that is there then appears in one step (inferred).

    Attributes:
        name: as given; what was announced for it stays as it is when it changes.
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
        """Whether nothing was announced or requested, so that a new object with the same seed would behave the same."""
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
            raise wrong(f"Unknown type of event {kind!r:.60}.", "Known: " + ", ".join(NOTICE) + ".")
        usual = USUAL[kind]
        duration = usual[2] if duration is None else seconds("duration", duration, -1)
        start = seconds("notice", NOTICE[kind] if notice is None else notice)
        shown = seconds("remains", max(REMAINS, duration) if remains is None else remains)
        return self._add(kind, resources, start, False, shown, text_or(description, usual[0]), text_or(source, usual[1]), duration)

    def fail(self, *, resources: Sequence[str] | None = None, remains: int = REMAINS) -> str:
        """The host fails: a Reboot that has started already, without notice. Returns its id; raises UsageError like :meth:`schedule`."""
        return self._add("Reboot", resources, 0, True, seconds("remains", remains), FAILURE, "Platform", -1)

    def cancel(self, event_id: str) -> bool:
        """Take an event away, whatever its state. False if there is none of this id."""
        with self._lock:
            self._settle()
            event = self._find(event_id)
            if event is not None:
                self._replace(event, None)
            return event is not None

    def complete(self, event_id: str) -> bool:
        """A started event is over. False if there is no started one of this id."""
        with self._lock:
            self._settle()
            event = self._find(event_id)
            if event is None or not event.started:
                return False
            self._replace(event, None)
            return True

    def start(self, event_id: str) -> bool:
        """Start an event as an approval does, without a call that would enable events. False if there is no scheduled one of this id."""
        with self._lock:
            self._settle()
            event = self._find(event_id)
            if event is None or event.started:
                return False
            self._replace(event, replace(event, ends=self._clock.now() + event.remains))
            return True

    def announce(self, events: object, *, keep: bool = False) -> tuple[str, ...]:
        """Let there be events in the service's own form, in one step: what a caller can see changes once, or not at all.

        Args:
            events: a list of objects with the service's members, as ``json.loads`` gives it; all but ``EventType`` may be absent. Also
                the service's whole answer. One whose ``EventId`` is there already takes its place.
            keep: the others stay; otherwise they are taken away.

        Returns:
            their ids.

        Raises:
            UsageError: with the place of the mistake as a JSON pointer; nothing has changed.
        """
        with self._lock:
            self._settle()

            def new_id() -> str:
                self._made += 1
                return self._seeded.uuid(f"event {self._made - 1}").upper()

            announced = announced_events(events, self._clock.now(), self.name, new_id)
            by_id = {event.id.upper(): event for event in announced}
            together = [by_id.pop(event.id.upper(), event if keep else None) for event in self._events]
            after = [event for event in (*together, *by_id.values()) if event is not None]
            if len(after) > MOST:
                raise wrong(f"There can be at most {MOST} events.")
            if [event.shown() for event in after] != [event.shown() for event in self._events]:
                self._become(after)
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
        """Resume from a snapshot; what became due meanwhile happens on the next access. Raises UsageError if it is not one; then nothing has changed."""
        members, events = snapshot_events(snapshot)
        with self._lock:
            self._incarnation, self._made = members["incarnation"], members["made"]
            self._visible_from, self._last_call, self._shown = members["visibleFrom"], members["lastCall"], members["shown"]
            self._events = events

    @property
    def incarnation(self) -> int:
        """``DocumentIncarnation`` as the next caller would see it. Asking here enables nothing."""
        with self._lock:
            self._settle()
            return self._incarnation

    def list(self) -> tuple[Event, ...]:
        """The events that there are now, shown or not, in the order in which they were announced."""
        with self._lock:
            self._settle()
            return self._events

    def document(self, version: str) -> bytes:
        """Return the response to GET, which enables the events."""
        with self._lock:
            self._call()
            shown = [event.shown(version) for event in self._events if SINCE.get(event.type, "") <= version] if self._shown else []
            return compact({"DocumentIncarnation": self._incarnation, "Events": shown})

    def approvable(self, body: bytes) -> tuple[str, ...] | None:
        """The ids that the body of a POST approves, or None if it is malformed or names an event that is not there (the latter inferred)."""
        ids = start_requests(body)
        with self._lock:
            self._settle()
            known = {event.id.upper() for event in self._events}
        return ids if ids is not None and known.issuperset(ids) else None

    def approve(self, ids: Sequence[str]) -> None:
        """Start these events now. One that has started already stays as it is, and so does a recommendation, which is only advisory."""
        with self._lock:
            self._call()
            now = self._clock.now()
            for wanted in dict.fromkeys(ids):
                for event in self._events:
                    if event.id.upper() == wanted.upper() and not event.started and event.type != REBALANCE:
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
        names = (self.name,) if resources is None else tuple(resources)
        if isinstance(resources, str) or not names or not all(isinstance(name, str) and name for name in names):
            raise wrong("Resources must be a list of names of machines.")
        if source not in ("Platform", "User"):
            raise wrong(f"The source of an event must be Platform or User; got {source!r:.60}.")
        with self._lock:
            self._settle()
            if len(self._events) >= MOST:
                raise wrong(f"The machine already has {MOST} events, the maximum.")
            now = self._clock.now()
            event_id = self._seeded.uuid(f"event {self._made}").upper()
            self._made += 1
            ends = now + remains if started else None
            self._become([*self._events, Event(event_id, kind, names, now + notice, ends, remains, description, source, duration)])
            return event_id

    def _find(self, event_id: str) -> Event | None:
        """Ids are compared without letter case: the service's are in upper case, those that a test gives need not be."""
        return next((event for event in self._events if event.id.upper() == event_id.upper()), None)

    def _call(self) -> None:
        """Note a request of the machine: process what is due, and enable events from now on."""
        self._settle()
        now = self._last_call = self._clock.now()
        if self._visible_from is None:
            self._visible_from = now + self.enabling
            self._settle()

    def _settle(self) -> None:
        """Process everything that is due, each as of its own time."""
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
        self._replace(event, None if event.started else replace(event, ends=event.due + event.remains))

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
