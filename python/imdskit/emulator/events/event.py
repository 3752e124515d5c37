"""One scheduled event in one state, and the default values of each event type.

:mod:`imdskit.emulator.events.timeline` changes the states of events.

Source: Azure documentation, "Scheduled Events for Linux VMs"; recorded responses of 2018 to 2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from imdskit.errors import UsageError

REBALANCE = "SpotRebalanceRecommendation"
"""Event type that tells a spot machine early that Azure may evict it.

The event is only advisory: approving it has no effect (Azure documentation of spot eviction risk
notifications).
"""

NOTICE = {"Freeze": 900, "Reboot": 900, "Redeploy": 600, "Preempt": 30, "Terminate": 300, REBALANCE: 30}
"""Minimum notice in seconds, by event type.

The owner of a machine configures the notice of Terminate, from 5 to 15 minutes. The notice of the
rebalance recommendation is not documented; the value here is *inferred* from Preempt.
"""

SINCE = {"Preempt": "2017-11-01", "Terminate": "2019-01-01", REBALANCE: "2024-07-09"}
"""First api-version that shows an event type. Older versions omit such events (inferred)."""

MEMBERS_SINCE = {"Description": "2019-04-01", "EventSource": "2019-08-01", "DurationInSeconds": "2020-07-01"}
"""First api-version that shows a member of an event."""

REMAINS = 600
"""Default number of seconds for which the service shows an event as started.

In the documentation, a started event is shown for ten minutes although the interruption takes only
seconds.
"""

_FREEZE = "Virtual machine is being paused because of a memory-preserving Live Migration operation."
USUAL: dict[str, tuple[str, str, int]] = {
    "Freeze": (_FREEZE, "Platform", 5),
    "Reboot": ("Host server is undergoing maintenance.", "Platform", -1),
    "Redeploy": ("Host Server infrastructure is undergoing maintenance.", "Platform", -1),
    "Preempt": ("", "Platform", -1),
    "Terminate": ("", "User", -1),
    REBALANCE: ("", "Platform", -1),
}
"""Default description, source and duration in seconds, by event type."""
FAILURE = "Host server is undergoing an emergency repair."
"""Description of the event that reports a failed host."""
LONGEST = 10 * 366 * 24 * 3600
"""Maximum of every duration in an event, in seconds."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event in one state.

    Attributes:
        id: UUID in upper case. It does not change while the event exists.
        type: event type, a key of :data:`NOTICE`.
        resources: names of the affected machines.
        not_before: Unix time before which the event does not start, unless it is approved.
        ends: Unix time at which the event disappears. None until the event has started.
        remains: seconds for which the event is shown as started.
        description: text for people.
        source: ``Platform`` or ``User``.
        duration: expected interruption in seconds, or -1 if it is unknown.
        begins: Unix time at which the event starts without approval. It is set if the event was
            announced with a ``not_before`` in the past. None means that the event starts at
            ``not_before``.
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
    begins: int | None = None

    @property
    def started(self) -> bool:
        """Whether the event has started."""
        return self.ends is not None

    @property
    def due(self) -> int:
        """Unix time at which the event starts or, if it has started, disappears."""
        if self.ends is not None:
            return self.ends
        return self.not_before if self.begins is None else self.begins

    def shown(self, version: str = "9999") -> dict[str, Any]:
        """Return the event as an api-version shows it: the members that the version has, in the
        service's order."""
        prefix = "_" if version == "2017-03-01" else ""
        members = {
            "EventId": self.id,
            "EventStatus": "Started" if self.started else "Scheduled",
            "EventType": self.type,
            "ResourceType": "VirtualMachine",
            "Resources": [prefix + name for name in self.resources],
            "NotBefore": "" if self.started else formatdate(self.not_before, usegmt=True),
            "Description": self.description,
            "EventSource": self.source,
            "DurationInSeconds": self.duration,
        }
        return {name: value for name, value in members.items() if MEMBERS_SINCE.get(name, "") <= version}


def seconds(name: str, value: object, least: int = 0) -> int:
    """Return ``value`` if it is a whole number of seconds from ``least`` to :data:`LONGEST`.

    Raise UsageError otherwise.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LONGEST:
        raise wrong(f"`{name}` of an event must be a whole number of seconds from {least} to {LONGEST}; got {value!r:.60}.")
    return value


def text_or(value: object, usual: str) -> str:
    """Return ``value`` if it is a string, or ``usual`` if it is None. Raise UsageError otherwise."""
    if value is None:
        return usual
    if not isinstance(value, str):
        raise wrong(f"`description` and `source` of an event must be strings; got {value!r:.60}.")
    return value


def wrong(message: str, hint: str = "docs/events.md describes the members of an event.", location: str = "event") -> UsageError:
    """Return the error for an invalid event."""
    return UsageError("bad-argument", message, location=location, hint=hint)
