"""Thousands of machines in one process: one template, one seed, and a number for each.

with Fleet("fleet", 5000, seed=1) as fleet:
    ...request fleet.machine(17).url, verify with fleet.trust_pem...
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
from imdskit.emulator.machine.numbering import Numbering
from imdskit.emulator.machine_selection import ByPath, ByPort, BySource, OnlyMachine
from imdskit.emulator.options import Options, scenario_of
from imdskit.emulator.scenario.scenario import Scenario

Select: TypeAlias = Literal["path", "port", "source"]
SELECT: tuple[Select, ...] = ("path", "port", "source")

MOST = 1_000_000
"""Largest number of machines in a fleet."""
RESIDENT = 512
"""Machines that are kept in memory; others are evicted, and created again when they are requested."""
CACHED_RESPONSES = 8
"""Responses that a machine caches while it is in memory."""
CONNECTIONS = 1024
"""Open connections to all machines together."""
NETWORK = "127.1.0.0/16"


class Fleet(Host):
    """Many machines that share one authority. A context manager: started on entry, stopped on exit.

    Args:
        template: a built-in name, a path to a file, or a Scenario.
        count: number of machines.
        seed: the same seed gives the same machines and keys; None makes all anew.
        select: how a request says which machine it means: ``path``, a prefix ``/m/N`` before ``/metadata``; ``port``, one for each machine;
            ``source``, the address that a request comes from.
        port: with ``port``, machine N has this port plus N, or any free one for 0; otherwise the only port, or any free one for 0.
        network: with ``source``, machine N is requested from address N + 1 of this network.
        resident: most machines in memory at once.
        connections: most open connections.

    The other arguments are those of :class:`imdskit.emulator.Emulator`. Faults apply to all machines, and each machine may have some of its
    own, which come first. Each machine has its own limits and events. There are no snapshots.

    Attributes:
        clock: the clock of all machines.
        scenario: the checked template.
        addressing: says which machine a request means.
        authority: signs documents, with a leaf certificate for each region.
        issuer: signs tokens.
        faults: faults of all machines.
        journal: requests and responses, with the number of the machine.
        machines: the machines in memory.
        admin: the admin API, with its ``url`` and ``token``, or None.
        explain: as of :class:`imdskit.emulator.Emulator`.

    Raises:
        ScenarioError: the template or the fault script is not usable, or not for so many machines.
        UsageError: an argument has the wrong type or is out of range, or the address cannot be listened on.
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
            Numbering,
            _addressing(select, whole(count, "count", 1, MOST), options, network),
            resident=whole(resident, "resident", 1),
            connections=whole(connections, "connections", 1),
            cached_responses=CACHED_RESPONSES,
        )
        with self.closed_on_error():
            self.admin = open_admin(self, options)

    @property
    def select(self) -> str | None:
        """How a request says which machine it means."""
        return self.addressing.select

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of the machines in their order; empty where all machines share one."""
        return self.addressing.ports


def _addressing(select: str, count: int, options: Options, network: str) -> OnlyMachine:
    if select == "path":
        return ByPath(count)
    if select == "port":
        return ByPort(count, options.host, consecutive=options.port != 0)
    if select == "source":
        if not isinstance(network, str):
            raise mistake("network", "an IP network", network)
        return BySource(count, network)
    raise mistake("select", "one of " + ", ".join(SELECT), select)
