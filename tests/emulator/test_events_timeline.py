"""Whole lives of scheduled events as a client sees them, look by look, against a model that knows only when each step happens.

The rule of the incarnation is checked at every look: it has grown by exactly the number of steps since the last one, so that who missed some
can tell, and it stays as it is when nothing happened.
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
"""Of the other one, which is only advisory, tells test_events.py."""
RHYTHM = 10
"""Seconds between two looks; a divisor of every notice."""


@dataclass
class Life:
    """What is to become of one event; times are those of the emulator's clock, None: not known yet or never."""

    id: str
    kind: str
    starts: int
    remains: int
    started: int | None = None
    gone: int | None = None


class Machine:
    """A machine and the model of its events. A client of it has no memory but what it is given."""

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
        there = life.gone is None
        assert self.events.cancel(life.id) == there
        if there:
            life.gone = self.now
            self.steps += 1

    def approve(self, *lives: Life) -> None:
        """All or none; who is gone spoils it for the others, who has started is not touched."""
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

    def look(self) -> tuple[int, list[tuple[str, str]]]:
        """What a client sees, held to the model: the incarnation, and (type, status) of each event in the order of their announcement."""
        document = self.service.ask(PATH).json
        shown = [(event["EventId"], event["EventType"], event["EventStatus"], event["NotBefore"] == "") for event in document["Events"]]
        there = [each for each in self.lives if each.gone is None]
        assert shown == [
            (each.id, each.kind, "Scheduled" if each.started is None else "Started", each.started is not None) for each in there
        ]
        assert document["DocumentIncarnation"] == 1 + self.steps
        assert self.service.ask(PATH).json == document, "looking changes nothing"
        return document["DocumentIncarnation"], [(kind, status) for _, kind, status, _ in shown]

    @property
    def now(self) -> int:
        return self.clock.now()


@pytest.fixture
def machine(service: Callable[..., Any]) -> Machine:
    made = Machine(service)
    assert made.look() == (1, []), "the first question enables the events"
    return made


def changes(machine: Machine, seconds: int, meanwhile: dict[int, Callable[[], None]]) -> list[tuple[int, int, list[tuple[str, str]]]]:
    """(seconds, incarnation, events) whenever they are others than at the look before, looking every :data:`RHYTHM` seconds."""
    seen: list[tuple[int, int, list[tuple[str, str]]]] = []
    for second in range(0, seconds + 1, RHYTHM):
        if second:
            machine.advance(RHYTHM)
        if second in meanwhile:
            meanwhile[second]()
        incarnation, events = machine.look()
        if not seen or seen[-1][1:] != (incarnation, events):
            seen.append((second, incarnation, events))
    return seen


@pytest.mark.parametrize("kind", APPROVABLE)
def test_an_event_that_nobody_approves_starts_when_its_notice_ends(kind: str, machine: Machine) -> None:
    machine.announce(kind)
    assert changes(machine, NOTICE[kind] + REMAINS + RHYTHM, {}) == [
        (0, 2, [(kind, "Scheduled")]),
        (NOTICE[kind], 3, [(kind, "Started")]),
        (NOTICE[kind] + REMAINS, 4, []),
    ]


@pytest.mark.parametrize("kind", APPROVABLE)
def test_an_event_that_is_approved_starts_at_once_and_is_over_sooner(kind: str, machine: Machine) -> None:
    life = machine.announce(kind)
    assert changes(machine, NOTICE[kind] + REMAINS, {20: lambda: machine.approve(life)}) == [
        (0, 2, [(kind, "Scheduled")]),
        (20, 3, [(kind, "Started")]),
        (20 + REMAINS, 4, []),
    ]


@pytest.mark.parametrize(("kind", "approved"), list(product(APPROVABLE, (False, True))))
def test_an_event_that_is_cancelled_is_gone_and_never_starts(kind: str, approved: bool, machine: Machine) -> None:
    life = machine.announce(kind)
    meanwhile = {20: lambda: machine.cancel(life), **({10: lambda: machine.approve(life)} if approved else {})}
    expected = [(0, 2, [(kind, "Scheduled")]), *([(10, 3, [(kind, "Started")])] if approved else [])]
    assert changes(machine, NOTICE[kind] + REMAINS, meanwhile) == [*expected, (20, 3 + approved, [])]


@pytest.mark.parametrize(("first", "second"), list(product(APPROVABLE, APPROVABLE)))
def test_two_events_that_overlap_go_their_own_ways(first: str, second: str, machine: Machine) -> None:
    """The first by itself, the second announced 20 seconds later and approved 20 seconds after that: every look is held to the model."""
    machine.announce(first)
    later: list[Life] = []
    meanwhile = {20: lambda: later.append(machine.announce(second)), 40: lambda: machine.approve(*later)}
    seen = changes(machine, NOTICE[first] + REMAINS + RHYTHM, meanwhile)
    together = [[status for _, status in events] for _, _, events in seen if [kind for kind, _ in events] == [first, second]]
    assert together[0][1] == "Scheduled"
    assert together[-1][1] == "Started"
    assert [incarnation for _, incarnation, _ in seen][-1] == 7, "announced, started and gone: three steps of each"
    assert seen[-1][2] == []


@pytest.mark.parametrize("kind", APPROVABLE)
@pytest.mark.parametrize("away", ["Scheduled", "Started"])
def test_a_poller_that_was_restarted_may_approve_again(kind: str, away: str, machine: Machine) -> None:
    """It has forgotten what it approved; the ids are the same as before, and a second approval changes nothing."""
    life = machine.announce(kind, notice=600, remains=600)
    machine.look()
    if away == "Started":
        machine.approve(life)
    machine.advance(300)
    incarnation, _ = machine.look()
    machine.approve(life)
    assert machine.look() == (incarnation + (away == "Scheduled"), [(kind, "Started")])
    machine.approve(life)
    machine.approve(life, life)
    assert machine.look() == (incarnation + (away == "Scheduled"), [(kind, "Started")])


def test_a_poller_that_was_away_for_whole_lives_sees_in_the_incarnation_how_much_it_missed(machine: Machine) -> None:
    machine.look()
    for kind in APPROVABLE:
        machine.announce(kind, notice=30, remains=30)
        machine.advance(60)
    assert machine.look() == (1 + 3 * len(APPROVABLE), [])


COMMANDS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["announce", "announce", "approve", "approve", "cancel", "fail", "look", "look"]),
        st.sampled_from(APPROVABLE),
        st.integers(0, 900),
        st.integers(0, 7),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(commands=COMMANDS)
def test_any_order_of_things_is_as_the_model_says(commands: list[tuple[int, str, str, int, int]], service: Callable[..., Any]) -> None:
    """Also where the poller is away while several steps happen."""
    machine = Machine(service)
    machine.look()
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
            case "look":
                machine.look()
    machine.look()
    machine.advance(3600)
    assert machine.look()[1] == []
