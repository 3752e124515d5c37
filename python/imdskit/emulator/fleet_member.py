"""One machine of a fleet, as whoever watches and changes it sees it: with what :class:`imdskit.emulator.emulator.Emulator` offers for its one.

What belongs here: the view. What it shows and does is the fleet's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imdskit.clock import Clock
from imdskit.emulator import state
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.protocol.messages import Request, Response

if TYPE_CHECKING:
    from imdskit.emulator.emulator import Explain
    from imdskit.emulator.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Member:
    """One machine of a fleet.

    Attributes:
        index: its number, from 0.
        url: put ``/metadata/...`` behind it.
        source: address that requests must come from to reach it, or ``""`` where that does not matter.
    """

    index: int
    url: str
    source: str
    _fleet: Fleet

    @property
    def app(self) -> App:
        """Its service, without the server; made if it is asleep."""
        return self._fleet.machines.wake(self.index)

    @property
    def awake(self) -> bool:
        """Whether it is kept whole at the moment."""
        return self._fleet.machines.awake(self.index)

    @property
    def events(self) -> Events:
        """Its scheduled events, to be announced and cancelled."""
        return self._fleet.machines.events(self.index)

    @property
    def faults(self) -> Faults:
        """Its own faults, which come before those that are common to all machines; kept from now on."""
        return self._fleet.faults_of(self.index)

    @property
    def clock(self) -> Clock:
        """The fleet's."""
        return self._fleet.clock

    @property
    def scenario(self) -> Scenario:
        """What machine it is."""
        return self._fleet.scenario_of(self.index)

    @property
    def explain(self) -> Explain | None:
        """The fleet's."""
        return self._fleet.explain

    def handle(self, request: Request) -> Response:
        """The answer to a request that means this machine, which goes into the journal."""
        return self._fleet.journal.answered(self.app.handle, request, self.index)

    def state(self) -> dict[str, Any]:
        """Its scenario in full, as a document of its own."""
        return state.document(self.scenario)

    def patch(self, patch: object) -> None:
        """Change it by a JSON merge patch (RFC 7386) of :meth:`state`; it is kept from now on.

        Raises:
            ScenarioError: what comes out is no scenario, or of another cloud; with the place as a JSON pointer. Nothing has changed.
        """
        self._fleet.become(self.index, lambda scenario: state.patched(scenario, patch))

    def become(self, document: object) -> None:
        """Be the machine of another scenario, parsed JSON. Events, limits and faults stay. Raises ScenarioError as :meth:`patch`."""
        self._fleet.become(self.index, lambda scenario: Scenario.of(document, scenario.name))
