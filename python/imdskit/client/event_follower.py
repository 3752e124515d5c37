"""Scheduled events: their data, the changes between two responses, and the operation that watches
the list of events for changes.

Source: Azure's documentation of scheduled events. It says that ``DocumentIncarnation`` changes if,
and only if, the list of events changes. The service removes an event from the list when the event
is over. Clients should poll once per second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imdskit.client import responses
from imdskit.client.effects import Operation, Wait
from imdskit.client.operations import Operations, text
from imdskit.client.responses import Response
from imdskit.client.retry import kind_of
from imdskit.clock import SECOND
from imdskit.errors import ClientError, UsageError

POLL = 1.0
"""Default number of seconds between two requests."""

PATIENCE = 5 * 60.0
"""Default number of seconds for which failures of the service are tolerated.

After that time an error is raised.
"""


@dataclass(frozen=True, slots=True)
class Event:
    """Scheduled event.

    If the api-version does not have a member, the attribute for it is ``""``, ``()`` or None.

    Attributes:
        id: id of the event.
        status: ``Scheduled`` or ``Started``.
        type: ``Freeze``, ``Reboot``, ``Redeploy``, ``Preempt``, ``Terminate`` or, from 2024-07-09,
            ``SpotRebalanceRecommendation``. Later versions may add types.
        not_before: earliest start in the service's format, such as ``Mon, 19 Sep 2016 18:29:47
            GMT``. It is ``""`` for an event that has started.
        resources: names of the machines that the event affects.
        resource_type: ``VirtualMachine``.
        description: description of the event for people.
        source: initiator of the event, ``Platform`` or ``User``.
        duration: duration of the interruption in seconds. -1 means that the service does not know
            it. None means that the response does not state it.
        raw: JSON object of the event as received.
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
    """List of events in one response.

    Attributes:
        incarnation: ``DocumentIncarnation``, a number that changes whenever the list changes. None
            if the response has no such number.
        events: events in the order of the response.
    """

    incarnation: int | None
    events: tuple[Event, ...]


def schedule(response: Response) -> Schedule:
    """Return the list of events in a response.

    An empty body counts as an empty list, because on some machines the service sends an empty body
    (observed). A response without a list of events raises ClientError ``not-imds``.
    """
    if not response.body.strip():
        return Schedule(None, ())
    value = responses.parsed(response)
    members = value if isinstance(value, dict) else {}
    incarnation, listed = members.get("DocumentIncarnation"), members.get("Events")
    if not isinstance(listed, list) or not all(isinstance(one, dict) and isinstance(one.get("EventId"), str) for one in listed):
        raise responses.foreign(response, "The response contains no list of events.")
    return Schedule(incarnation if isinstance(incarnation, int) else None, tuple(map(_event, listed)))


def _event(raw: Mapping[str, Any]) -> Event:
    def string(name: str) -> str:
        value = raw.get(name)
        return value if isinstance(value, str) else ""

    resources, duration = raw.get("Resources"), raw.get("DurationInSeconds")
    return Event(
        string("EventId"),
        string("EventStatus"),
        string("EventType"),
        string("NotBefore"),
        tuple(one for one in resources if isinstance(one, str)) if isinstance(resources, list) else (),
        string("ResourceType"),
        string("Description"),
        string("EventSource"),
        duration if isinstance(duration, int) and not isinstance(duration, bool) else None,
        raw,
    )


class EventFollower:
    """Object that watches the scheduled events of one service for changes.

    Do not share it between threads.

    Args:
        operations: operations of the client.
        poll: number of seconds between two requests.
        patience: number of seconds for which failures of the service are tolerated. After that time
            an error is raised.
        seen: mapping from the id to the status of each event that an earlier follower has returned.
        api_version: api-version of scheduled events. None selects a version that every Azure host
            supports.

    Attributes:
        seen: mapping from the id to the status of each event that was returned and is still listed.
        incarnation: ``DocumentIncarnation`` of the last list, or None.

    Raises:
        UsageError: an argument is invalid.
    """

    def __init__(
        self, operations: Operations, poll: float, patience: float, seen: Mapping[str, str], api_version: str | None = None
    ) -> None:
        for name, number, most in (("poll", poll, 3600), ("patience", patience, 86400)):
            if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= most:
                raise UsageError(
                    "bad-argument", f"`{name}` must be a number of seconds from 0 to {most}; got {number!r:.40}.", location=name
                )
        self._operations = operations
        self._api_version = None if api_version is None else text(api_version, "api_version")
        self._poll = max(poll, 0.2)  # the service accepts five requests per second
        self._patience = patience
        self._failing: int | None = None
        self._requested = False
        self._responded = False
        self.seen = dict(seen)
        self.incarnation: int | None = None

    def changes(self) -> Operation[list[Event]]:
        """Wait for the next change, and return all events that are new or have a new status.

        The returned list is never empty.

        The follower tolerates a restart of the service. During a restart, the service may send
        errors. Afterwards, ``DocumentIncarnation`` may differ although the events are the same. In
        this case, the follower does not return the same events again.

        Raises:
            ClientError: the service failed for longer than ``patience``, it never responded, or
                another program responds at its address.
        """
        while True:
            if self._requested:
                yield Wait(self._poll)
            self._requested = True
            try:
                now = schedule((yield from self._operations.request("/metadata/scheduledevents", "json", self._api_version, {})))
            except ClientError as error:
                self._failed(error)
                continue
            self._failing, self._responded = None, True
            if now.incarnation is not None and now.incarnation == self.incarnation:
                continue
            self.incarnation = now.incarnation
            new = [event for event in now.events if self.seen.get(event.id) != event.status]
            self.seen = {event.id: event.status for event in now.events}
            if new:
                return new

    def _failed(self, error: ClientError) -> None:
        """Raise ``error``, unless the follower tolerates it."""
        now = self._operations.clock.monotonic_ns()
        if self._failing is None:
            self._failing = now
        # If the service has never responded and accepts no connection, this is probably no Azure
        # machine, so waiting is useless.
        if (not self._responded and not error.connected) or kind_of("scheduledevents", error) is None:
            raise error
        if now - self._failing >= self._patience * SECOND:
            raise error
        self.incarnation = None  # incarnations before and after a restart cannot be compared
