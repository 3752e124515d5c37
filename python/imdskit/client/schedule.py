"""Scheduled events: what is announced to the machine, followed as it changes, and approved.

What belongs here: the events as data, what is new between two responses, and the operations to follow and to approve.

Source: scheduled events documentation: ``DocumentIncarnation`` changes with the list and only with it; an event is gone when it is over;
one poll a second is recommended; ``StartRequests`` approves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imdskit import versions
from imdskit.client import responses
from imdskit.client.effects import SECOND, Operation, Wait, send_with_retries
from imdskit.client.operations import Operations, text
from imdskit.client.responses import Response
from imdskit.client.retry import kind_of
from imdskit.errors import ClientError, UsageError

POLL = 1.0
"""Seconds between two operations."""

PATIENCE = 5 * 60.0
"""Seconds. A service that fails for longer while it is followed is reported."""

MAX_EVENTS = 1000
"""In one request for approval; the service was never seen to have more than a few."""


@dataclass(frozen=True, slots=True)
class Event:
    """What Azure is about to do, or does. Members that an older version does not have are ``""``, ``()`` or None.

    Attributes:
        id: the same as long as the event exists.
        status: ``Scheduled`` or ``Started``.
        type: ``Freeze``, ``Reboot``, ``Redeploy``, ``Preempt``, ``Terminate`` or, from 2024-07-09, ``SpotRebalanceRecommendation``; or a newer
            one.
        not_before: when it begins at the earliest, as the service writes it: ``Mon, 19 Sep 2016 18:29:47 GMT``; ``""`` once it has begun.
        resources: names of the machines.
        resource_type: ``VirtualMachine``.
        description: of what is done.
        source: ``Platform`` or ``User``.
        duration: seconds of interruption; -1: unknown; None: not said.
        raw: the event as it came.
    """

    id: str
    status: str
    type: str
    not_before: str
    resources: tuple[str, ...]
    resource_type: str
    description: str
    source: str
    duration: int | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The list at one time.

    Attributes:
        incarnation: equal numbers of one service stand for equal lists; None where there is none.
        events: in the order of the service.
    """

    incarnation: int | None
    events: tuple[Event, ...]


def schedule(response: Response) -> Schedule:
    """Return the list in a response. An empty body, which was observed, is an empty list. Raises ClientError ``not-imds`` for anything else."""
    if not response.body.strip():
        return Schedule(None, ())
    value = responses.parsed(response)
    members = value if isinstance(value, dict) else {}
    incarnation, listed = members.get("DocumentIncarnation"), members.get("Events")
    if not isinstance(listed, list) or not all(isinstance(one, dict) and isinstance(one.get("EventId"), str) for one in listed):
        raise responses.foreign(response, "The response contains no list of events.")
    return Schedule(incarnation if isinstance(incarnation, int) else None, tuple(map(_event, listed)))


def _event(raw: Mapping[str, Any]) -> Event:
    def said(name: str) -> str:
        value = raw.get(name)
        return value if isinstance(value, str) else ""

    resources, duration = raw.get("Resources"), raw.get("DurationInSeconds")
    return Event(
        said("EventId"),
        said("EventStatus"),
        said("EventType"),
        said("NotBefore"),
        tuple(one for one in resources if isinstance(one, str)) if isinstance(resources, list) else (),
        said("ResourceType"),
        said("Description"),
        said("EventSource"),
        duration if isinstance(duration, int) and not isinstance(duration, bool) else None,
        raw,
    )


class EventFollower:
    """The events of one service, from one change to the next. Not to be shared between threads.

    Args:
        operations: of the client.
        poll: seconds between two operations.
        patience: seconds that the service may fail before it is reported.
        seen: status of each event that is known already, by its id, as an earlier run left it.
        api_version: of scheduled events; None for one that every host knows.

    Attributes:
        seen: the same, after what was handed out.
        incarnation: of the last list, or None.

    Raises:
        UsageError: an argument cannot mean anything.
    """

    def __init__(
        self, operations: Operations, poll: float, patience: float, seen: Mapping[str, str], api_version: str | None = None
    ) -> None:
        for name, number, most in (("poll", poll, 3600), ("patience", patience, 86400)):
            if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= most:
                raise UsageError("bad-argument", f"Not a number of seconds from 0 to {most}.", location=name)
        self._operations = operations
        self._api_version = None if api_version is None else text(api_version, "api_version")
        self._poll = max(poll, 0.2)  # five requests a second is what the service takes
        self._patience = patience
        self._failing: int | None = None
        self._asked = False
        self._met = False
        self.seen = dict(seen)
        self.incarnation: int | None = None

    def changes(self) -> Operation[list[Event]]:
        """Wait for the next change, and return the events that are new, or have another status: one at least.

        A service that restarts is waited for: it may send nothing, errors, or another incarnation, and what it still lists is not
        handed out a second time.

        Raises:
            ClientError: it failed for longer than ``patience``, never responded at all, or something else responds.
        """
        while True:
            if self._asked:
                yield Wait(self._poll)
            self._asked = True
            try:
                now = schedule((yield from self._request()))
            except ClientError as error:
                self._failed(error)
                continue
            self._failing, self._met = None, True
            if now.incarnation is not None and now.incarnation == self.incarnation:
                continue
            self.incarnation = now.incarnation
            new = [event for event in now.events if self.seen.get(event.id) != event.status]
            self.seen = {event.id: event.status for event in now.events}
            if new:
                return new

    def _request(self) -> Operation[Response]:
        return (yield from self._operations.request("/metadata/scheduledevents", "json", self._api_version, {}))

    def _failed(self, error: ClientError) -> None:
        """Put up with it, or raise it."""
        now = self._operations.clock.monotonic_ns()
        if self._failing is None:
            self._failing = now
        # No response yet, and no connection either: there is no service here.
        if (not self._met and not error.connected) or kind_of("scheduledevents", error) is None:
            raise error
        if now - self._failing >= self._patience * SECOND:
            raise error
        self.incarnation = None  # numbers of before a restart say nothing of those after it


def acknowledge(operations: Operations, ids: Sequence[str]) -> Operation[None]:
    """Approve events, so that they begin at once.

    Raises:
        ClientError: ``bad-request``: there is no such event (any more), and nothing was approved.
        UsageError: no id, or what is none.
    """
    if isinstance(ids, str) or not 0 < len(ids) <= MAX_EVENTS:
        raise UsageError("bad-argument", f"Not 1 to {MAX_EVENTS} events.", location="ids")
    body = json.dumps({"StartRequests": [{"EventId": text(one, "ids")} for one in ids]}).encode()
    target = f"/metadata/scheduledevents?api-version={versions.SCHEDULED_EVENTS_USUAL}"
    yield from send_with_retries(target, "scheduledevents", operations.settings(), body)
