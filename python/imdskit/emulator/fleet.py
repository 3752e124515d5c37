"""Thousands of machines in one process: one template, one seed, and a number for each.

with Fleet("fleet", 5000, seed=1) as fleet:
    ...ask fleet.machine(17).url, verify with fleet.trust_pem...

What belongs here: whom a request means, and starting and stopping. What the machines are is in :mod:`imdskit.emulator.fleet_machines`.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from imdskit.backends.contract import Backend
from imdskit.clock import Clock, SystemClock
from imdskit.emulator import state
from imdskit.emulator.authority import signed_document
from imdskit.emulator.authority.authority import Authority
from imdskit.emulator.authority.document_faults import Flaw
from imdskit.emulator.authority.tokens import Issuer
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults, Script
from imdskit.emulator.fleet_machines import Machines, Numbering
from imdskit.emulator.fleet_member import Member
from imdskit.emulator.http.hosts import Hosts
from imdskit.emulator.http.ports import Ports
from imdskit.emulator.http.server import Server, wrong_host
from imdskit.emulator.journal import KEPT, Journal
from imdskit.emulator.machine import expansion
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service import profiles
from imdskit.emulator.service.app import PUBLISHED, QUICK, App
from imdskit.emulator.service.rate_limits import Throttle
from imdskit.errors import ImdskitError, ScenarioError, UsageError
from imdskit.protocol.messages import Request, Response
from imdskit.protocol.responses import NOT_FOUND

if TYPE_CHECKING:
    from imdskit.emulator.admin import Admin
    from imdskit.emulator.emulator import Explain

Select: TypeAlias = Literal["path", "port", "source"]
SELECT: tuple[Select, ...] = ("path", "port", "source")

MOST = 1_000_000
"""Machines of a fleet."""
AWAKE = 512
"""Machines that are kept whole; others are made again when they are asked."""
REMEMBERED = 8
"""Answers that a machine remembers while it is awake."""
CONNECTIONS = 1024
"""Open connections to all machines together."""
NETWORK = "127.1.0.0/16"

_PREFIX = re.compile(r"/m/(0|[1-9][0-9]{0,6})(?=[/?]|$)", re.ASCII)


class Fleet:
    """Many machines that one authority signs for. A context manager: started on entry, stopped on exit.

    Args:
        template: a built-in name, a path to a file, or a Scenario.
        count: of machines.
        seed: the same seed gives the same machines and keys; None makes all anew.
        select: what says which machine is asked: ``path``, a prefix ``/m/N`` before ``/metadata``; ``port``, one for each; ``source``, the
            address that a request comes from.
        port: by ``port`` machine N has this one and N more, or any free ones for 0; otherwise the only one, or any free one.
        network: by ``source`` machine N is asked from address N + 1 of this network.
        awake: machines that are kept whole at once.
        connections: that may be open at once.

    The others are those of :class:`imdskit.emulator.Emulator`; faults are common to all machines, and each may have some
    of its own before them; limits and events are each one's own. There are no snapshots.

    Attributes:
        clock: says what time it is.
        scenario: the checked template.
        select: what says which machine is asked.
        authority: signs documents, with a leaf for each region.
        issuer: signs tokens.
        faults: what goes wrong with all machines.
        journal: what was asked and answered, with the number of the machine that was meant.
        machines: that are awake.
        admin: the admin side, with its ``url`` and ``token``, or None.
        explain: as of :class:`imdskit.emulator.Emulator`.

    Raises:
        ScenarioError: the template or the script of faults is not usable, or not for so many machines.
        UsageError: an argument is out of its range, or the address cannot be listened on.
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
        awake: int = AWAKE,
        connections: int = CONNECTIONS,
        journal: int = KEPT,
        admin_port: int | None = None,
        admin_token: str | None = None,
    ) -> None:
        if backend is None:
            from imdskit.backends import best  # loads the extension, which only who needs it should pay for

            backend = best()
        if select not in SELECT:
            raise UsageError("bad-argument", f"Machines cannot be chosen by {select!r}.", hint="Known: " + ", ".join(SELECT) + ".")
        if not 1 <= count <= MOST or awake < 1:
            raise UsageError("bad-argument", f"A fleet has 1 to {MOST} machines, and at least one of them is awake.")
        self._count = count
        self.select = select
        self._network = _network(network, count) if select == "source" else None
        self._backend = backend
        self.clock = clock = clock or SystemClock()
        self._rate_limit = rate_limit
        self._events_enabling = events_enabling
        self._profile = None if profile is None else profiles.find(profile)
        self._rules_off = tuple(rules_off)
        self._allow_hosts = tuple(allow_hosts)
        self._request_numbers = itertools.count()
        self._scenarios: dict[int, Scenario] = {}
        """Of machines that were changed."""
        self._faults: dict[int, Faults] = {}
        """Of machines that have some of their own."""
        self.scenario = template if isinstance(template, Scenario) else Scenario.load(template)
        profiles.of(self.scenario).rules(self._rules_off)  # a mistake is told now, not when a machine wakes
        self.faults = Faults(clock, faults)
        self.journal = Journal(clock, journal)
        self.admin: Admin | None = None
        self.explain: Explain | None = None
        self.issuer = Issuer(lambda: self.url, seed)
        self._numbering = Numbering(self.scenario, secrets.randbits(128) if seed is None else seed)
        self.machines = Machines(self._made, awake, clock)
        self._numbering.scenario(count - 1)  # the last one has the largest number and the highest address
        first = self.machines.wake(0)
        self._location = first.instance.location
        if first.machine.identities:
            self.issuer.prepare()
        hosts = Hosts((host, *self._allow_hosts))
        self._server = Server(
            self.handle, host, port, clock=clock, connections=connections, hosts=hosts, misdirected=self.misdirected, quick=self.quick
        )
        self._ports: Ports | None = None
        try:
            if select == "port":
                self._ports = Ports(self._server, host, count, consecutive=port != 0)
                self._by_port = {number: index for index, number in enumerate(self._ports.numbers)}
            self.authority = self._authority(self._location, seed)
            if admin_port is not None:
                from imdskit.emulator.admin import Admin  # most fleets have none

                self.admin = Admin(self, admin_port, admin_token)
        except ImdskitError:
            self._server.server_close()
            self._close_ports()
            raise

    def __len__(self) -> int:
        """How many machines there are."""
        return self._count

    @property
    def url(self) -> str:
        """Base address of the fleet, without a slash at its end."""
        return self._server.url

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of the machines in their order; empty where there is one for all."""
        return () if self._ports is None else self._ports.numbers

    @property
    def trust_pem(self) -> str:
        """Root and issuing authority of this fleet."""
        return self.authority.trust_pem()

    def machine(self, index: int) -> Member:
        """One of the machines. Raises UsageError if there is none of this number."""
        if not 0 <= index < self._count:
            raise UsageError("bad-argument", f"The fleet has no machine {index}; it has 0 to {self._count - 1}.")
        url, source = self.url, ""
        if self.select == "path":
            url = f"{url}/m/{index}"
        elif self._ports is not None:
            url = f"{url.rpartition(':')[0]}:{self._ports.numbers[index]}"
        elif self._network is not None:
            source = str(self._network[index + 1])
        return Member(index, url, source, self)

    def handle(self, request: Request) -> Response:
        """The answer to one request: that of the machine that it means; 404 if there is none."""
        index, target = self.index_of(request)
        if target is not request.target:
            request = replace(request, target=target)
        if target.startswith(PUBLISHED):  # by authority and issuer, and every machine's
            return self.journal.answered(self.machines.wake(0 if index is None else index).handle, request, index)
        if index is None:
            return self.journal.answered(lambda _: NOT_FOUND.response(), request)
        return self.journal.answered(self.machines.wake(index).handle, request, index)

    def misdirected(self, request: Request) -> Response:
        """The answer to a request whose Host may not be asked; it goes into the journal, whichever machine it meant."""
        return self.journal.answered(wrong_host, request)

    def quick(self, request: Request) -> bool:
        """Whether the answer takes no time worth speaking of."""
        if request.method != "GET":
            return False
        index, target = self.index_of(request)
        return target.startswith(QUICK) and not (self.faults if index is None else self._faults.get(index, self.faults)).on

    def index_of(self, request: Request) -> tuple[int | None, str]:
        """Number of the machine that a request means, or None; and its target without the prefix that says so."""
        target = request.target
        index: int | None = None
        if self._ports is not None:
            return self._by_port.get(request.port), target
        if self._network is not None:
            index = _offset(self._network, request.source)
        elif found := _PREFIX.match(target):
            index, rest = int(found[1]), target[found.end() :]
            target = rest if rest.startswith("/") else f"/{rest}"
        return index if index is not None and 0 <= index < self._count else None, target

    def scenario_of(self, index: int) -> Scenario:
        """What machine a number is."""
        return self._scenarios.get(index) or self._numbering.scenario(index)

    def faults_of(self, index: int) -> Faults:
        """The faults of a machine of its own, before those of all."""
        own = self._faults.setdefault(index, Faults(self.clock, common=self.faults))
        self.machines.wake(index).faults = own
        return own

    def become(self, index: int, other: Callable[[Scenario], Scenario]) -> None:
        """A machine is that of another scenario from now on, which ``other`` makes of its own. Raises ScenarioError; then nothing has changed."""

        def made(was: App) -> App:
            scenario = other(self.scenario_of(index))
            app = self._app(index, scenario, was.machine.events, was.throttle)
            state.fits(scenario, app, self.scenario.cloud, self.authority, self.issuer)
            app.tokens.restore(was.tokens.snapshot(), app.machine.identities)
            app.machine.events.name = str(expansion.compute(scenario, self._numbering.seed(index)).get("name", ""))
            self._scenarios[index] = scenario
            return app

        self.machines.replace(index, made)

    def configuration(self) -> dict[str, Any]:
        """What is in effect, in JSON, as of :class:`imdskit.emulator.Emulator`; machines may differ from it where they were changed."""
        app, profile = self.machines.wake(0), self._profile or profiles.of(self.scenario)
        return {
            "url": self.url,
            "admin": None if self.admin is None else self.admin.url,
            "scenario": self.scenario.name,
            "cloud": self.scenario.cloud.name,
            "apiVersions": list(app.machine.api_versions),
            "profile": profile.name,
            "rules": [rule.name for rule in profile.rules((*self.scenario.rules_off, *self._rules_off))],
            "rateLimit": self._rate_limit,
            "eventsEnabling": self._events_enabling,
            "faults": len(self.faults.list()),
            "allowHosts": list(self._allow_hosts),
            "journal": self.journal.most,
            "clock": state.kind(self.clock),
            "backend": self._backend.name,
            "snapshotFile": None,
            "fleet": {"machines": self._count, "by": self.select},
        }

    def start(self) -> Self:
        """Answer requests from now on."""
        self._server.start()
        if self._ports is not None:
            self._ports.start()
        if self.admin is not None:
            self.admin.start()
        return self

    def stop(self) -> None:
        """Answer no more requests. Safe to call twice; a fleet does not start again."""
        self.journal.close()
        if self.admin is not None:
            self.admin.stop()
        self._close_ports()
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _authority(self, region: str, seed: int | None) -> Authority:
        try:
            return Authority(self.clock, self.url, domain=self.scenario.cloud.domain, region=region, seed=seed)
        except UsageError as error:
            raise ScenarioError("bad-scenario", error.message, location="/compute/location", hint=error.hint) from None

    def _close_ports(self) -> None:
        if self._ports is not None:
            self._ports.close()

    def _made(self, index: int, events: Events | None, throttle: Throttle | None) -> App:
        if throttle is None and self._rate_limit:
            throttle = Throttle(self._backend.bucket, self.clock)
        return self._app(index, self.scenario_of(index), events, throttle)

    def _app(self, index: int, scenario: Scenario, events: Events | None, throttle: Throttle | None) -> App:

        def sign(content: bytes, flaw: Flaw | None = None, /) -> bytes:
            region = (scenario.given.get("compute") or {}).get("location") or self._location
            return signed_document.message(self.authority.signer(region=region, flaw=flaw), content, flaw)

        return App(
            scenario,
            self._backend,
            self.clock,
            sign,
            self.issuer,
            seed=self._numbering.seed(index),
            throttle=throttle,
            downloads=self._download,
            events_enabling=self._events_enabling,
            profile=self._profile,
            rules_off=self._rules_off,
            faults=self._faults.get(index, self.faults),
            events=events,
            numbers=self._request_numbers,
            remembered=REMEMBERED,
        )

    def _download(self, path: str) -> tuple[str, bytes] | None:
        return self.issuer.download(path) if path.startswith("/oidc/") else self.authority.download(path)


def _network(text: str, count: int) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise UsageError("bad-argument", f"{text!r} is no network: {error}.") from None
    if network.num_addresses < count + 1:
        raise UsageError("bad-argument", f"{network} has too few addresses for {count} machines.")
    return network


def _offset(network: IPv4Network | IPv6Network, source: str) -> int | None:
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return int(address) - int(network.network_address) - 1 if address in network else None
