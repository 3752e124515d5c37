"""Scheduled events for the blocking client: an iterator, and events that the caller can
acknowledge.

:mod:`imdskit.client.event_follower` decides when a request is sent and which events are new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from imdskit.client.effects import Operation
from imdskit.client.event_follower import Event, EventFollower


@dataclass(frozen=True, slots=True)
class ScheduledEvent(Event):
    """Scheduled event from the blocking client, with a method that acknowledges it."""

    approve: Callable[[str], None] = field(repr=False, compare=False)

    def acknowledge(self) -> None:
        """Approve the event, so that it starts at once.

        If the event affects several machines, Azure may wait until they approve it, too.

        Raises:
            ClientError: like :meth:`imdskit.client.Client.get`. The code is ``bad-request`` if the
                event is over.
        """
        self.approve(self.id)


class FollowedEvents:
    """Base class of the event iterators of both clients. A follower finds the events.

    Args:
        follower: object that finds new events.
        run: function that runs an operation of the client.
        approve: function that acknowledges the event with a given id.
    """

    def __init__(self, follower: EventFollower, run: Callable[[Operation[list[Event]]], Any], approve: Callable[[str], Any]) -> None:
        self._follower = follower
        self._run = run
        self._approve = approve
        self._waiting: deque[Event] = deque()

    @property
    def seen(self) -> Mapping[str, str]:
        """Mapping from the id to the status of each event that the iterator has returned and that
        the service still lists.

        If this mapping is passed to a later iterator, that iterator does not return the same events
        again.
        """
        waiting = {event.id for event in self._waiting}
        return {name: status for name, status in self._follower.seen.items() if name not in waiting}

    @property
    def incarnation(self) -> int | None:
        """Member ``DocumentIncarnation`` of the last list of events that the service sent."""
        return self._follower.incarnation


class Events(FollowedEvents):
    """Blocking iterator over scheduled events.

    It yields each event when it is announced, and again when it has started. It ends only with an
    error. Create one iterator per thread. If several iterators of a client need the list of events
    at the same time, the client sends one request for all of them.
    """

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ScheduledEvent:
        if not self._waiting:
            self._waiting.extend(self._run(self._follower.changes()))
        return ScheduledEvent(**members(self._waiting.popleft()), approve=self._approve)


def members(event: Event) -> dict[str, Any]:
    """Return the attributes of an event by name."""
    return {each.name: getattr(event, each.name) for each in fields(Event)}
