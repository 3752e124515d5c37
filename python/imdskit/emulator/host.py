"""The host: one or many machines behind one server, one authority, one journal and one admin API.

:class:`imdskit.emulator.Emulator` is a host with one machine, :class:`imdskit.emulator.Fleet` one with many. Everything that watches or changes a
running emulator (admin API, journal, snapshots, command line) knows only the host.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

from imdskit.clock import Clock, ManualClock, MovableClock, SystemClock
from imdskit.emulator.authority import signed_document
from imdskit.emulator.authority.authority import Authority
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.authority.tokens import Issuer
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.http.host_header import Hosts
from imdskit.emulator.http.server import Server, wrong_host
from imdskit.emulator.journal import Journal
from imdskit.emulator.machine.expansion import expand
from imdskit.emulator.machine.numbering import OneMachine
from imdskit.emulator.machine_selection import OnlyMachine
from imdskit.emulator.options import Options
from imdskit.emulator.public_addresses import OIDC
from imdskit.emulator.resident_machines import ResidentMachines
from imdskit.emulator.scenario import document
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service import profiles
from imdskit.emulator.service.app import PUBLISHED, QUICK, App
from imdskit.emulator.service.rate_limits import RateLimits
from imdskit.errors import ImdskitError, ScenarioError, UsageError
from imdskit.protocol.messages import Request, Response
from imdskit.protocol.requests import parse_target
from imdskit.protocol.responses import NOT_FOUND, OUTSIDE, SERVER_ERROR, json_response

Explain = Callable[[bytes, str | None], dict[str, Any]]
"""Inspects a document, and checks it against the nonce if there is one; the result is JSON. An emulator contains no verifier."""


HEALTH = "/healthz"
"""Path for probes: always on the admin API, and on the service's port if that is wanted. The journal, limits and faults do not see it."""

_FAILED = SERVER_ERROR.response()
"""What the server responds if the service raises an error."""


class AdminApi(Protocol):
    """What a host knows of its admin API.

    Attributes:
        token: that clients of the admin API must send.
    """

    token: str

    @property
    def url(self) -> str:
        """Base address."""

    def start(self) -> None:
        """Accept requests."""

    def stop(self) -> None:
        """Stop accepting requests. Safe to call twice."""


class Host:
    """Machines, and what they share. A context manager: started on entry, stopped on exit.

    Args:
        scenario: of the one machine, or template of all.
        options: that were given.
        numbering: the class that says what machine a number stands for.
        addressing: says which machine a request means.
        resident: most machines in memory at once.
        connections: most open connections.
        cached_responses: responses that each machine caches.

    Raises:
        ScenarioError: the scenario or the fault script is not usable.
        UsageError: the address cannot be listened on, or an option names something unknown.
    """

    def __init__(
        self,
        scenario: Scenario,
        options: Options,
        numbering: type[OneMachine] = OneMachine,
        addressing: OnlyMachine | None = None,
        *,
        resident: int = 1,
        connections: int,
        cached_responses: int,
    ) -> None:
        seed = options.seed
        self.addressing = addressing or OnlyMachine()
        self.clock: Clock = options.chosen_clock()
        self.explain: Explain | None = None
        self.admin: AdminApi | None = None
        self.snapshot_file = options.snapshot_file
        self._options = options
        self._backend = options.chosen_backend()
        self._template = scenario
        self._profile = options.chosen_profile()
        self._cached_responses = cached_responses
        self._request_numbers = itertools.count()
        self._changed: dict[int, Scenario] = {}
        """Scenarios of machines that were changed."""
        self._identifiers: dict[int, Mapping[str, str]] = {}
        """Identifiers that machines keep from an earlier emulator, by machine and purpose."""
        self._own_faults: dict[int, Faults] = {}
        """Faults of single machines of a fleet."""
        self.faults = Faults(self.clock, options.faults)
        self.journal = Journal(self.clock, options.journal)
        self._addresses = options.addresses()
        self._published_below = self._addresses.below() or PUBLISHED
        self.issuer = Issuer(lambda: self.url, seed, options.keys, issuer=self._addresses.issuer)
        self._numbering = numbering(scenario, secrets.randbits(128) if seed is None else seed)
        profiles.of(scenario).rules(options.rules_off)  # reports a mistake now, not when a machine is created
        self._numbering.scenario(len(self) - 1)  # the last machine has the largest number and the highest address
        self.machines = ResidentMachines(self._create, resident, self.clock)
        first = self.machines.get(0).machine
        if first.identities:
            self.issuer.prepare()
        hosts = Hosts((options.host, *options.allow_hosts, *self._addresses.hosts()))
        self._server = Server(
            self.handle,
            options.host,
            options.port,
            clock=self.clock,
            connections=connections,
            hosts=hosts,
            misdirected=self.misdirected,
            quick=self.quick,
            listener=options.listener,
        )
        with self.closed_on_error():
            self.addressing.open(self._server)
            self.authority = self._make_authority(first.expanded.region)

    def __len__(self) -> int:
        """Return the number of machines."""
        return self.addressing.count

    @property
    def url(self) -> str:
        """Base address for clients, without a slash at its end: ``public_url`` if it was given, otherwise the address that is listened on."""
        return self._addresses.public or self._server.url

    @property
    def local_url(self) -> str:
        """Base address that is listened on, with loopback in the place of 0.0.0.0 and ::."""
        return self._server.url

    @property
    def trust_pem(self) -> str:
        """Root and issuing certificate. A verifier that is to accept the documents of this emulator must trust them."""
        return self.authority.trust_pem()

    @property
    def root_pem(self) -> str:
        """The root certificate alone, for programs that read only one."""
        return self.authority.root_pem

    @property
    def scenario(self) -> Scenario:
        """The scenario, or the template of all machines."""
        return self._template

    def machine(self, index: int = 0) -> HostedMachine:
        """Return one of the machines. Raises UsageError if there is none with this number."""
        if not 0 <= index < len(self):
            raise UsageError("bad-argument", f"The fleet has no machine {index}; it has 0 to {len(self) - 1}.", location="index")
        return HostedMachine(index, self.addressing.url(self.url, index), self.addressing.source(index), self)

    def handle(self, request: Request) -> Response:
        """Answer a request: find the machine that it means, let that machine answer, record both in the journal."""
        if request.target == HEALTH and self._options.health and request.method in ("GET", "HEAD"):
            return json_response(b'{"status":"ok"}')
        index, target = self.addressing.find(request)
        if target is not request.target:
            request = replace(request, target=target)
        if index is not None:
            return self.answer(index, request)
        # Certificates and keys belong to no machine, so that any can serve them.
        if target.startswith(PUBLISHED) or self._published_elsewhere(target):
            return self._recorded(self.machines.get(0).handle, request)
        inside = [each.lower() for each in parse_target(target).segments[:1]] == ["metadata"]
        return self._recorded(lambda _: (NOT_FOUND if inside else OUTSIDE).response(), request)

    def answer(self, index: int, request: Request) -> Response:
        """Answer a request to a machine, and record both in the journal."""
        return self._recorded(self.machines.get(index).handle, request, None if self.addressing.select is None else index)

    def misdirected(self, request: Request) -> Response:
        """Refuse a request whose Host is not allowed. It is recorded in the journal; rules, limits and faults do not see it."""
        return self._recorded(wrong_host, request)

    def quick(self, request: Request) -> bool:
        """Return whether the response takes no noticeable time: nothing is signed, and no fault delays it."""
        if request.method != "GET":
            return False
        index, target = self.addressing.find(request)
        return target.startswith(QUICK) and not self._faults_for(index).on

    def scenario_of(self, index: int) -> Scenario:
        """Return the scenario of a machine."""
        return self._changed.get(index) or self._numbering.scenario(index)

    def faults_of(self, index: int) -> Faults:
        """Return the faults of one machine. In a fleet, a machine's own faults come before those of all; they are kept from now on."""
        if self.addressing.select is None:
            return self.faults
        own = self._own_faults.setdefault(index, Faults(self.clock, common=self.faults))
        self.machines.get(index).faults = own
        return own

    def change(
        self,
        index: int,
        other: Callable[[Scenario], Scenario],
        prepare: Callable[[App], None] | None = None,
        identifiers: Mapping[str, str] | None = None,
    ) -> None:
        """Give a machine another scenario. Events, limits, faults and tokens stay.

        Args:
            index: of the machine.
            other: returns the new scenario, given the present one.
            prepare: called with the new service before it takes over, instead of keeping the tokens.
            identifiers: that the machine had in an earlier emulator and has from now on; None keeps the present ones.

        Raises:
            ScenarioError: the new scenario is not valid, or this host cannot take it. Then nothing has changed.
        """

        def successor(present: App) -> App:
            scenario = other(self.scenario_of(index))
            kept = self._identifiers.get(index) if identifiers is None else identifiers
            app = self._app(index, scenario, present.machine.events, present.throttle, kept)
            self._check_fit(scenario, app)
            if prepare is None:
                app.tokens.restore(present.tokens.snapshot(), app.machine.identities)
            else:
                prepare(app)
            app.machine.events.name = app.machine.expanded.text("name")
            self._changed[index] = scenario
            if kept is not None:
                self._identifiers[index] = kept
            return app

        self.machines.replace(index, successor)

    def configuration(self) -> dict[str, Any]:
        """Return what is in effect, as JSON. Neither the seed nor the admin token is part of it. Machines of a fleet may have been changed."""
        scenario, options, select = self.scenario, self._options, self.addressing.select
        profile = self._profile or profiles.of(scenario)
        return {
            "url": self.url,
            "admin": None if self.admin is None else self.admin.url,
            "scenario": scenario.name,
            "cloud": scenario.cloud.name,
            "apiVersions": list(self.machines.get(0).machine.api_versions),
            "profile": profile.name,
            "rules": [rule.name for rule in profile.rules((*scenario.rules_off, *options.rules_off))],
            "rateLimit": options.rate_limit,
            "eventsEnabling": options.events_enabling,
            "faults": len(self.faults.list()),
            "allowHosts": list(options.allow_hosts),
            "journal": self.journal.most,
            "clock": _clock_kind(self.clock),
            "backend": self._backend.name,
            "snapshotFile": None if self.snapshot_file is None else str(self.snapshot_file),
            "fleet": None if select is None else {"machines": len(self), "by": select},
        }

    def start(self) -> Self:
        """Accept requests."""
        self._server.start()
        self.addressing.start()
        if self.admin is not None:
            self.admin.start()
        return self

    def stop(self) -> None:
        """Stop accepting requests. Safe to call twice; a host does not start again."""
        self.journal.close()
        if self.admin is not None:
            self.admin.stop()
        self.addressing.close()
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Close all sockets if the rest of the construction fails."""
        try:
            yield
        except ImdskitError:
            self.addressing.close()
            self._server.stop()
            raise

    def _recorded(self, service: Callable[[Request], Response], request: Request, machine: int | None = None) -> Response:
        start, response = self.journal.begin(), _FAILED
        try:
            response = service(request)
        finally:
            self.journal.record(request, response, start, machine)
        return response

    def _faults_for(self, index: int | None) -> Faults:
        return self.faults if index is None else self._own_faults.get(index, self.faults)

    def _create(self, index: int, events: Events | None, throttle: RateLimits | None) -> App:
        if throttle is None and self._options.rate_limit:
            throttle = RateLimits(self._backend.bucket, self.clock)
        return self._app(index, self.scenario_of(index), events, throttle, self._identifiers.get(index))

    def _app(
        self, index: int, scenario: Scenario, events: Events | None, throttle: RateLimits | None, kept: Mapping[str, str] | None
    ) -> App:
        machine = expand(scenario, self._numbering.seed(index), self._numbering.shared_seed, kept)
        return App(
            machine,
            self._backend,
            self.clock,
            partial(self._sign, machine.region),
            self.issuer,
            throttle=throttle,
            downloads=self._download,
            events_enabling=self._options.events_enabling,
            profile=self._profile,
            rules_off=self._options.rules_off,
            faults=self._faults_for(index),
            events=events,
            numbers=self._request_numbers,
            cached_responses=self._cached_responses,
            published_below=self._published_below,
        )

    def _make_authority(self, region: str) -> Authority:
        options, domain = self._options, self.scenario.cloud.domain
        try:
            return Authority(
                self.clock, self.url, pki_url=self._addresses.pki, domain=domain, region=region, seed=options.seed, keys=options.keys
            )
        except UsageError as error:
            raise _bad_location(error) from None

    def _check_fit(self, scenario: Scenario, app: App) -> None:
        """Raise ScenarioError if this host cannot take a scenario: its keys and certificates are those of one cloud."""
        cloud = self.scenario.cloud
        if scenario.cloud is not cloud:
            message = f"This emulator is of the cloud {cloud.name}, and so are its certificates."
            raise ScenarioError("bad-scenario", message, location="/cloud", hint="Start another emulator for the other cloud.")
        try:
            self.authority.signer(region=app.machine.expanded.region)
        except UsageError as error:
            raise _bad_location(error) from None
        if app.machine.identities:
            self.issuer.prepare()

    def _sign(self, region: str, content: bytes, fault: DocumentFault | None = None, /) -> bytes:
        return signed_document.message(self.authority.signer(region=region, fault=fault), content, fault)

    def _download(self, path: str) -> tuple[str, bytes] | None:
        sources = ((self.issuer if own.startswith(OIDC) else self.authority, own) for own in self._addresses.published(path))
        return next((found for source, own in sources if (found := source.download(own)) is not None), None)

    def _published_elsewhere(self, target: str) -> bool:
        """Return whether a certificate or key has been published at an address that the operator chose."""
        return self._published_below is not PUBLISHED and self._download(parse_target(target).path.rstrip()) is not None


@dataclass(frozen=True, slots=True)
class HostedMachine:
    """One machine of a host: a view, by which it is watched and changed.

    Attributes:
        index: its number, from 0.
        url: base address; put ``/metadata/...`` behind it.
        source: address that requests must come from to reach the machine, or ``""`` where that does not matter.
    """

    index: int
    url: str
    source: str
    _host: Host

    @property
    def app(self) -> App:
        """Its service, without the server; created if it is evicted."""
        return self._host.machines.get(self.index)

    @property
    def resident(self) -> bool:
        """Whether it is in memory."""
        return self.index in self._host.machines

    @property
    def events(self) -> Events:
        """Its scheduled events, to be announced and cancelled."""
        return self._host.machines.events(self.index)

    @property
    def faults(self) -> Faults:
        """Its faults. In a fleet these are its own, which come before those of all machines; they are kept from now on."""
        return self._host.faults_of(self.index)

    @property
    def clock(self) -> Clock:
        """The host's."""
        return self._host.clock

    @property
    def scenario(self) -> Scenario:
        """What machine it is."""
        return self._host.scenario_of(self.index)

    @property
    def explain(self) -> Explain | None:
        """The host's."""
        return self._host.explain

    def handle(self, request: Request) -> Response:
        """Answer a request to this machine, and record both in the journal."""
        return self._host.answer(self.index, request)

    def state(self) -> dict[str, Any]:
        """Return its whole scenario as a document."""
        return document.document(self.scenario)

    def patch(self, patch: object) -> None:
        """Change it by a JSON merge patch (RFC 7386) of :meth:`state`, from the next request on.

        Raises:
            ScenarioError: the result is not a valid scenario, or of another cloud; the location is a JSON pointer. Nothing has changed.
        """
        self._host.change(self.index, lambda scenario: document.patched(scenario, patch))

    def become(self, value: object) -> None:
        """Give it another scenario, parsed JSON. Events, limits and faults stay. Raises ScenarioError like :meth:`patch`."""
        self._host.change(self.index, lambda scenario: Scenario.of(value, scenario.name))


def _bad_location(error: UsageError) -> ScenarioError:
    return ScenarioError("bad-scenario", error.message, location="/compute/location", hint=error.hint)


def _clock_kind(clock: Clock) -> str:
    return "movable" if isinstance(clock, ManualClock | MovableClock) else "system" if isinstance(clock, SystemClock) else "other"
