"""One scheduled event in one state, and the usual values of each type.

Source: Azure documentation, "Scheduled Events for Linux VMs"; recordings of 2018 to 2023. :mod:`imdskit.emulator.events.timeline` decides what
becomes of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from imdskit.errors import UsageError

REBALANCE = "SpotRebalanceRecommendation"
"""An early warning for a spot machine. It is only advisory: an approval of it has no effect (documentation of spot eviction risk notifications)."""

NOTICE = {"Freeze": 900, "Reboot": 900, "Redeploy": 600, "Preempt": 30, "Terminate": 300, REBALANCE: 30}
"""Type of event -> least notice in seconds. That of Terminate is set by the owner of the machine, from 5 to 15 minutes. That of the
recommendation is not documented; it is *inferred* from Preempt."""

SINCE = {"Preempt": "2017-11-01", "Terminate": "2019-01-01", REBALANCE: "2024-07-09"}
"""Types that older api-versions do not have. That these leave the event out is inferred."""

MEMBERS_SINCE = {"Description": "2019-04-01", "EventSource": "2019-08-01", "DurationInSeconds": "2020-07-01"}

REMAINS = 600
"""Seconds in which an event is shown as started: the documentation tells of ten minutes after an interruption of seconds."""

_FREEZE = "Virtual machine is being paused because of a memory-preserving Live Migration operation."
USUAL: dict[str, tuple[str, str, int]] = {
    "Freeze": (_FREEZE, "Platform", 5),
    "Reboot": ("Host server is undergoing maintenance.", "Platform", -1),
    "Redeploy": ("Host Server infrastructure is undergoing maintenance.", "Platform", -1),
    "Preempt": ("", "Platform", -1),
    "Terminate": ("", "User", -1),
    REBALANCE: ("", "Platform", -1),
}
FAILURE = "Host server is undergoing an emergency repair."
LONGEST = 10 * 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Event:
    """One event in one state.

    Attributes:
        id: an upper-case UUID, the same as long as the event is there.
        type: one of :data:`NOTICE`.
        resources: names of the machines that are touched.
        not_before: Unix time before which it does not start unless it is approved.
        ends: Unix time at which it disappears, or None before it has started.
        remains: seconds in which it is shown as started.
        description: for people.
        source: ``Platform`` or ``User``.
        duration: of the interruption in seconds, -1 if that is not known.
        begins: Unix time at which it starts by itself, where that is later than ``not_before``, which has passed; None: at ``not_before``.
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
        return self.ends is not None

    @property
    def due(self) -> int:
        """Unix time of the next step."""
        if self.ends is not None:
            return self.ends
        return self.not_before if self.begins is None else self.begins

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


def seconds(name: str, value: object, least: int = 0) -> int:
    """``value`` if it is a number of seconds of at least ``least``. Raises UsageError."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LONGEST:
        raise wrong(f"The {name} of an event must be a whole number of seconds from {least} to {LONGEST}; got {value!r:.60}.")
    return value


def text_or(value: object, usual: str) -> str:
    """``value`` if it is text, ``usual`` for None. Raises UsageError."""
    if value is None:
        return usual
    if not isinstance(value, str):
        raise wrong(f"Description and source of an event must be text; got {value!r:.60}.")
    return value


def wrong(message: str, hint: str = "The members are in docs/events.md.", location: str = "event") -> UsageError:
    """What is the matter with an event."""
    return UsageError("bad-argument", message, location=location, hint=hint)
