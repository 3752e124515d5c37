"""Emulator of thousands of machines in one process.

All machines are created from one template and one seed. Their numbers begin with 0.

with Fleet("fleet", 5000, seed=1) as fleet:
    ...send requests to fleet.machine(17).url, verify documents with fleet.trust_pem...
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from imdskit.arguments import mistake, whole
from imdskit.backends.contract import Backend
from imdskit.clock import Clock
from imdskit.emulator.admin import open_admin
from imdskit.emulator.faults.engine import Script
from imdskit.emulator.host import Host
from imdskit.emulator.journal import KEPT
from imdskit.emulator.machine.numbering import FleetNumbering
from imdskit.emulator.machine_selection import Addressing, ByPath, ByPort, BySource
from imdskit.emulator.options import Options, scenario_of
from imdskit.emulator.scenario.scenario import Scenario

Select: TypeAlias = Literal["path", "port", "source"]
SELECT: tuple[Select, ...] = ("path", "port", "source")

MOST = 1_000_000
"""Maximum number of machines in a fleet."""
RESIDENT = 512
"""Default maximum number of machines in memory.

When there are more, the fleet evicts the least recently requested machine. It creates an evicted
machine again when a request for it arrives.
"""
CACHED_RESPONSES = 8
"""Maximum number of responses that each machine caches while it is in memory."""
CONNECTIONS = 1024
"""Default maximum number of open connections, counted over all machines."""
NETWORK = "127.1.0.0/16"
"""Default network of the source addresses that select a machine."""


class Fleet(Host):
    """Many machines that share one authority.

    As a context manager, a fleet starts on entry and stops on exit.

    Args:
        template: name of a built-in scenario, path of a file, or a Scenario.
        count: number of machines.
        seed: source of the machines' identifiers and of the keys. The same seed gives the same
            identifiers and keys, and None gives random ones.
        select: how a request selects its machine: ``path`` uses a prefix ``/m/N`` before
            ``/metadata``, ``port`` gives each machine its own port, and ``source`` uses the address
            of the client.
        port: TCP port; 0 selects a free one. With ``select="port"``, machine N listens on this port
            plus N. If the port is 0, each machine listens on a free port.
        network: with ``select="source"``, requests to machine N come from address N + 1 of this
            network.
        resident: maximum number of machines in memory.
        connections: maximum number of open connections.

    The other arguments are those of :class:`imdskit.emulator.Emulator`. Faults apply to all
    machines. A machine can also have separate faults, which are tried first. Each machine has its
    own rate limits and events. A fleet has no snapshots.

    Attributes:
        clock: source of the current time for all machines.
        scenario: the checked template.
        addressing: object that finds the machine that a request is for.
        authority: authority that signs documents, with one leaf certificate for each region.
        issuer: issuer that signs access tokens.
        faults: faults that apply to all machines.
        journal: the most recent requests and responses, with the numbers of their machines.
        machines: the machines in memory.
        admin: the admin API with its ``url`` and ``token``, or None if it is disabled.
        explain: function that inspects documents, as in :class:`imdskit.emulator.Emulator`.

    Raises:
        ScenarioError: The template or the fault script is invalid, or the template does not allow
            so many machines.
        UsageError: An argument has the wrong type or is out of range, or the fleet cannot listen on
            an address.
    """

    def __init__(
        self,
        template: str | Path | Scenario = "fleet",
        count: int = 100,
        seed: int | None = None,
        select: Select = "path",
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        network: str = NETWORK,
        rate_limit: bool = True,
        clock: Clock | None = None,
        backend: Backend | None = None,
        events_enabling: int = 0,
        profile: str | None = None,
        rules_off: Iterable[str] = (),
        faults: Script | None = None,
        allow_hosts: Iterable[str] = (),
        resident: int = RESIDENT,
        connections: int = CONNECTIONS,
        journal: int = KEPT,
        admin_port: int | None = None,
        admin_token: str | None = None,
        public_url: str | None = None,
        pki_url: str | None = None,
        issuer: str | None = None,
        health: bool = False,
        admin_host: str = "127.0.0.1",
        admin_allow_hosts: Iterable[str] = (),
    ) -> None:
        options = Options.among(locals())
        super().__init__(
            scenario_of("template", template),
            options,
            FleetNumbering,
            _addressing(select, whole(count, "count", 1, MOST), options, network),
            resident=whole(resident, "resident", 1),
            connections=whole(connections, "connections", 1),
            cached_responses=CACHED_RESPONSES,
        )
        with self.closed_on_error():
            self.admin = open_admin(self, options)

    @property
    def select(self) -> str | None:
        """Name of the way in which a request selects its machine: ``path``, ``port`` or ``source``."""
        return self.addressing.select

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports of the machines, ordered by machine number. Empty if all machines share one port."""
        return self.addressing.ports


def _addressing(select: str, count: int, options: Options, network: str) -> Addressing:
    if select == "path":
        return ByPath(count)
    if select == "port":
        return ByPort(count, options.host, consecutive=options.port != 0)
    if select == "source":
        if not isinstance(network, str):
            raise mistake("network", "an IP network", network)
        return BySource(count, network)
    raise mistake("select", "one of " + ", ".join(SELECT), select)
