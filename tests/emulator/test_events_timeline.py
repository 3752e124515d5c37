"""Whole lives of scheduled events as a polling client sees them, compared with a model that knows
only when each step happens. The steps of an event are its announcement, its start and its removal.

Every poll checks ``DocumentIncarnation``. It must have grown by exactly the number of steps since the previous poll, so that a client
notices steps that it missed, and it must not change if nothing happened.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdskit.clock import ManualClock
from imdskit.emulator.events.event import NOTICE, REBALANCE, REMAINS

NOON = 1_767_268_800
PATH = "/metadata/scheduledevents?api-version=2020-07-01"
APPROVABLE = [kind for kind in NOTICE if kind != REBALANCE]
"""Event types that can be approved. test_events.py tests the other type, which is only advisory."""
RHYTHM = 10
"""Seconds between two polls. It must divide every notice."""


@dataclass
class Life:
    """The expected life of one event. Times are those of the emulator's clock. None means that a time is unknown or never comes."""

    id: str
    kind: str
    starts: int
    remains: int
    started: int | None = None
    gone: int | None = None


class Machine:
    """A machine and the model of its events."""

    def __init__(self, service: Callable[..., Any]) -> None:
        self.clock = ManualClock(NOON)
        self.service = service(clock=self.clock)
        self.events = self.service.app.machine.events
        self.lives: list[Life] = []
        self.steps = 0

    def announce(self, kind: str, **details: int) -> Life:
        name = self.events.schedule(kind, **details)
        life = Life(name, kind, self.now + details.get("notice", NOTICE[kind]), details.get("remains", REMAINS))
        self.lives.append(life)
        self.steps += 1
        return life

    def fail(self) -> Life:
        life = Life(self.events.fail(), "Reboot", self.now, REMAINS, started=self.now)
        self.lives.append(life)
        self.steps += 1
        return life

    def cancel(self, life: Life) -> None:
        exists = life.gone is None
        assert self.events.cancel(life.id) == exists
        if exists:
            life.gone = self.now
            self.steps += 1

    def approve(self, *lives: Life) -> None:
        """Approve events in one request. The request has no effect if one of the events no longer
        exists. It does not change events that have started."""
        body = json.dumps({"StartRequests": [{"EventId": each.id} for each in lives]}).encode()
        good = all(each.gone is None for each in lives)
        assert self.service.ask(PATH, "POST", body=body).status == (200 if good else 400)
        for each in lives:
            if good and each.started is None:
                each.started = self.now
                self.steps += 1

    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)
        for each in self.lives:
            if each.gone is None and each.started is None and each.starts <= self.now:
                each.started = each.starts
                self.steps += 1
            if each.gone is None and each.started is not None and each.started + each.remains <= self.now:
                each.gone = each.started + each.remains
                self.steps += 1

    def poll(self) -> tuple[int, list[tuple[str, str]]]:
        """Compare what a client sees with the model. Return the incarnation, and (type, status) of each event in order of announcement."""
        document = self.service.ask(PATH).json
        shown = [(event["EventId"], event["EventType"], event["EventStatus"], event["NotBefore"] == "") for event in document["Events"]]
        existing = [each for each in self.lives if each.gone is None]
        assert shown == [
            (each.id, each.kind, "Scheduled" if each.started is None else "Started", each.started is not None) for each in existing
        ]
        assert document["DocumentIncarnation"] == 1 + self.steps
        assert self.service.ask(PATH).json == document, "polling must not change anything"
        return document["DocumentIncarnation"], [(kind, status) for _, kind, status, _ in shown]

    @property
    def now(self) -> int:
        return self.clock.now()


@pytest.fixture
def machine(service: Callable[..., Any]) -> Machine:
    machine = Machine(service)
    assert machine.poll() == (1, []), "the first request enables the events"
    return machine


def changes(machine: Machine, seconds: int, meanwhile: dict[int, Callable[[], None]]) -> list[tuple[int, int, list[tuple[str, str]]]]:
    """Poll every :data:`RHYTHM` seconds. Return (seconds, incarnation, events) for the first
    poll, and for each poll that found another incarnation or other events than the poll before."""
    seen: list[tuple[int, int, list[tuple[str, str]]]] = []
    for second in range(0, seconds + 1, RHYTHM):
        if second:
            machine.advance(RHYTHM)
        if second in meanwhile:
            meanwhile[second]()
        incarnation, events = machine.poll()
        if not seen or seen[-1][1:] != (incarnation, events):
            seen.append((second, incarnation, events))
    return seen


@pytest.mark.parametrize("kind", APPROVABLE)
def test_an_event_without_approval_starts_at_the_end_of_its_notice(kind: str, machine: Machine) -> None:
    machine.announce(kind)
    assert changes(machine, NOTICE[kind] + REMAINS + RHYTHM, {}) == [
        (0, 2, [(kind, "Scheduled")]),
        (NOTICE[kind], 3, [(kind, "Started")]),
        (NOTICE[kind] + REMAINS, 4, []),
    ]


@pytest.mark.parametrize("kind", APPROVABLE)
def test_an_approved_event_starts_immediately_and_ends_earlier(kind: str, machine: Machine) -> None:
    life = machine.announce(kind)
    assert changes(machine, NOTICE[kind] + REMAINS, {20: lambda: machine.approve(life)}) == [
        (0, 2, [(kind, "Scheduled")]),
        (20, 3, [(kind, "Started")]),
        (20 + REMAINS, 4, []),
    ]


@pytest.mark.parametrize(("kind", "approved"), list(product(APPROVABLE, (False, True))))
def test_a_cancelled_event_disappears_and_never_starts(kind: str, approved: bool, machine: Machine) -> None:
    life = machine.announce(kind)
    meanwhile = {20: lambda: machine.cancel(life), **({10: lambda: machine.approve(life)} if approved else {})}
    expected = [(0, 2, [(kind, "Scheduled")]), *([(10, 3, [(kind, "Started")])] if approved else [])]
    assert changes(machine, NOTICE[kind] + REMAINS, meanwhile) == [*expected, (20, 3 + approved, [])]


@pytest.mark.parametrize(("first", "second"), list(product(APPROVABLE, APPROVABLE)))
def test_overlapping_events_are_independent(first: str, second: str, machine: Machine) -> None:
    """The second event is announced after 20 seconds and approved 20 seconds later. Every poll is compared with the model."""
    machine.announce(first)
    later: list[Life] = []
    meanwhile = {20: lambda: later.append(machine.announce(second)), 40: lambda: machine.approve(*later)}
    seen = changes(machine, NOTICE[first] + REMAINS + RHYTHM, meanwhile)
    together = [[status for _, status in events] for _, _, events in seen if [kind for kind, _ in events] == [first, second]]
    assert together[0][1] == "Scheduled"
    assert together[-1][1] == "Started"
    assert [incarnation for _, incarnation, _ in seen][-1] == 7, "each event is announced, starts and disappears: three steps"
    assert seen[-1][2] == []


@pytest.mark.parametrize("kind", APPROVABLE)
@pytest.mark.parametrize("away", ["Scheduled", "Started"])
def test_a_restarted_poller_can_approve_again(kind: str, away: str, machine: Machine) -> None:
    """A restarted poller does not know what it approved. Event ids have not changed, and a second approval has no effect."""
    life = machine.announce(kind, notice=600, remains=600)
    machine.poll()
    if away == "Started":
        machine.approve(life)
    machine.advance(300)
    incarnation, _ = machine.poll()
    machine.approve(life)
    assert machine.poll() == (incarnation + (away == "Scheduled"), [(kind, "Started")])
    machine.approve(life)
    machine.approve(life, life)
    assert machine.poll() == (incarnation + (away == "Scheduled"), [(kind, "Started")])


def test_the_incarnation_counts_all_steps_that_a_poller_missed(machine: Machine) -> None:
    machine.poll()
    for kind in APPROVABLE:
        machine.announce(kind, notice=30, remains=30)
        machine.advance(60)
    assert machine.poll() == (1 + 3 * len(APPROVABLE), [])


COMMANDS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["announce", "announce", "approve", "approve", "cancel", "fail", "poll", "poll"]),
        st.sampled_from(APPROVABLE),
        st.integers(0, 900),
        st.integers(0, 7),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(commands=COMMANDS)
def test_any_sequence_of_commands_agrees_with_the_model(
    commands: list[tuple[int, str, str, int, int]], service: Callable[..., Any]
) -> None:
    """This includes sequences in which several steps happen between two polls."""
    machine = Machine(service)
    machine.poll()
    for seconds, command, kind, length, which in commands:
        machine.advance(seconds)
        match command:
            case "announce":
                machine.announce(kind, notice=length, remains=900 - length)
                machine.advance(0)
            case "fail":
                machine.fail()
            case "approve" | "cancel" if machine.lives:
                getattr(machine, command)(machine.lives[which % len(machine.lives)])
                machine.advance(0)
            case "poll":
                machine.poll()
    machine.poll()
    machine.advance(3600)
    assert machine.poll()[1] == []
