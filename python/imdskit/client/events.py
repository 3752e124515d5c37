"""Scheduled events for threads: a blocking iterator, and events that can be acknowledged.

:mod:`imdskit.client.event_follower` decides when to send requests and which events are new.
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
    """An :class:`imdskit.client.event_follower.Event` of a client."""

    approve: Callable[[str], None] = field(repr=False, compare=False)

    def acknowledge(self) -> None:
        """Approve the event, so that it starts at once. Azure may still wait for other machines of the event.

        Raises:
            ClientError: ``bad-request``: the event is over; or like :meth:`imdskit.client.Client.get`.
        """
        self.approve(self.id)


class Events:
    """Blocking iterator over events that are announced or start. It ends only with an error.

    Create one iterator per thread. The requests of all iterators are shared.

    Args:
        follower: finds new events.
        run: runs an operation.
        approve: acknowledges an event.
    """

    def __init__(
        self, follower: EventFollower, run: Callable[[Operation[list[Event]]], list[Event]], approve: Callable[[str], None]
    ) -> None:
        self._follower = follower
        self._run = run
        self._approve = approve
        self._waiting: deque[Event] = deque()

    @property
    def seen(self) -> Mapping[str, str]:
        """Id of each event that was returned -> its status. Save it and pass it to the next iterator."""
        kept = dict(self._follower.seen)
        for event in self._waiting:
            kept.pop(event.id, None)
        return kept

    @property
    def incarnation(self) -> int | None:
        """``DocumentIncarnation`` of the last list."""
        return self._follower.incarnation

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ScheduledEvent:
        if not self._waiting:
            self._waiting.extend(self._run(self._follower.changes()))
        return ScheduledEvent(**members(self._waiting.popleft()), approve=self._approve)


def members(event: Event) -> dict[str, Any]:
    """Return the attributes of an event by name."""
    return {each.name: getattr(event, each.name) for each in fields(Event)}
