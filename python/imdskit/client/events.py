"""Scheduled events for threads: an iterator that waits, and events that can be acknowledged.

What belongs here: the iterator. What is new, and when to send requests, is :mod:`imdskit.client.event_follower`.
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
        """Let it begin at once: this machine is ready. Azure may still wait for other machines of the event.

        Raises:
            ClientError: ``bad-request``: the event is over; or like :meth:`imdskit.client.Client.get`.
        """
        self.approve(self.id)


class Events:
    """Iterates over events as they are announced and begin; waits between them, and ends only with an error.

    Not to be shared between threads: each follows for itself, and the requests of all of them are shared.

    Args:
        follower: what is new.
        run: does what an operation says.
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
        """Status of each event that is handed out, by its id: to be kept, and given to the next run."""
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
    """The attributes of an event, by their names."""
    return {each.name: getattr(event, each.name) for each in fields(Event)}
