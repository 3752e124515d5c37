"""Host: one or many machines behind one server, one authority, one journal and one admin API.

:class:`imdskit.emulator.Emulator` is a host with one machine, and :class:`imdskit.emulator.Fleet`
is a host with many. The code that watches or changes a running emulator (admin API, journal,
snapshots, command line) uses only the interface of :class:`Host`.
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

from imdskit.backends import best
from imdskit.clock import Clock, ManualClock, MovableClock, SystemClock
from imdskit.emulator.authority import signed_document
from imdskit.emulator.authority.authority import Authority
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.authority.tokens import Issuer
from imdskit.emulator.error_responses import NOT_FOUND, OUTSIDE, SERVER_ERROR
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.http.host_header import Hosts
from imdskit.emulator.http.messages import Request, Response
from imdskit.emulator.http.request_target import parse_target
from imdskit.emulator.http.server import Server, wrong_host
from imdskit.emulator.journal import Journal
from imdskit.emulator.machine.expansion import expand
from imdskit.emulator.machine.numbering import Numbering
from imdskit.emulator.machine_selection import Addressing
from imdskit.emulator.options import Options
from imdskit.emulator.published_urls import OIDC
from imdskit.emulator.resident_machines import ResidentMachines
from imdskit.emulator.scenario import merge_patch
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service import profiles
from imdskit.emulator.service.app import PUBLISHED, App
from imdskit.emulator.service.endpoints import json_response
from imdskit.emulator.service.rate_limits import RateLimits
from imdskit.emulator.service.response_cache import STATIC
from imdskit.errors import ImdskitError, ScenarioError, UsageError

Explain = Callable[[bytes, str | None], dict[str, Any]]
"""Function that inspects an attested document and returns a JSON object. Its second argument is the
nonce that the document must contain, or None. Users of the emulator provide this function, because
the emulator contains no verifier."""


HEALTH = "/healthz"
"""Path for health probes.

The admin API always has this path. The service has it only with the option ``health``. The journal,
the rate limits and the faults ignore these requests.
"""

_FAILED = SERVER_ERROR.response()
"""Response that the server sends, and that the journal records, if the service raises an error."""


class AdminApi(Protocol):
    """Interface of the admin API that the host uses.

    Attributes:
        token: token that clients of the admin API must send.
    """

    token: str

    @property
    def url(self) -> str:
        """Base address of the admin API."""

    def start(self) -> None:
        """Accept requests."""

    def stop(self) -> None:
        """Stop accepting requests. Calling it twice is safe."""


class Host:
    """Machines and the objects that they share.

    As a context manager, a host starts on entry and stops on exit.

    Args:
        scenario: scenario of the only machine, or template of all machines.
        options: options of the emulator or fleet.
        numbering: class that derives a machine's scenario and seed from its number.
        addressing: object that finds the machine that a request is for.
        resident: maximum number of machines in memory.
        connections: maximum number of open connections.
        cached_responses: maximum number of responses that each machine caches.

    Raises:
        ScenarioError: The scenario or the fault script is invalid.
        UsageError: The host cannot listen on an address, or the options name an unknown
            profile or rule.
    """

    def __init__(
        self,
        scenario: Scenario,
        options: Options,
        numbering: type[Numbering] = Numbering,
        addressing: Addressing | None = None,
        *,
        resident: int = 1,
        connections: int,
        cached_responses: int,
    ) -> None:
        seed = options.seed
        self.addressing = addressing or Addressing()
        self.clock: Clock = options.clock or SystemClock()
        self.explain: Explain | None = None
        self.admin: AdminApi | None = None
        self.snapshot_file = options.snapshot_file
        self._options = options
        self._backend = options.backend or best()
        self._template = scenario
        self._profile = None if options.profile is None else profiles.find(options.profile)
        self._cached_responses = cached_responses
        self._request_numbers = itertools.count()
        self._changed: dict[int, Scenario] = {}
        """Scenarios that were changed after the start, by machine number."""
        self._identifiers: dict[int, Mapping[str, str]] = {}
        """Identifiers that machines keep from an earlier emulator, by machine number and purpose."""
        self._own_faults: dict[int | None, Faults] = {}
        """Faults that apply to a single machine of a fleet, by machine number."""
        self.faults = Faults(self.clock, options.faults)
        self.journal = Journal(self.clock, options.journal)
        self._addresses = options.addresses()
        self._published_below = self._addresses.below() or PUBLISHED
        self.issuer = Issuer(lambda: self.url, seed, options.keys, issuer=self._addresses.issuer)
        self._numbering = numbering(scenario, secrets.randbits(128) if seed is None else seed)
        profiles.of(scenario).rules(options.rules_off)  # Reports an invalid option now rather than when a machine is created.
        # The last machine has the largest number and the highest address. If the template has no
        # address for it, the error is raised here rather than when the machine is created.
        self._numbering.scenario(len(self) - 1)
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
        """Base address for clients: ``public_url``, or the listening address if it was not given."""
        return self._addresses.public or self._server.url

    @property
    def local_url(self) -> str:
        """Base address that the server listens on, with loopback in place of 0.0.0.0 and ::."""
        return self._server.url

    @property
    def trust_pem(self) -> str:
        """Root and issuing certificate in PEM, which a verifier of this emulator must trust."""
        return self.authority.trust_pem()

    @property
    def root_pem(self) -> str:
        """Root certificate alone in PEM, for programs that read a single certificate."""
        return self.authority.root_pem

    @property
    def scenario(self) -> Scenario:
        """Scenario of the only machine, or template of all machines."""
        return self._template

    def machine(self, index: int = 0) -> HostedMachine:
        """Return the machine with a number.

        Raises:
            UsageError: There is no machine with this number.
        """
        if not 0 <= index < len(self):
            raise UsageError("bad-argument", f"There is no machine {index}; the numbers are 0 to {len(self) - 1}.", location="index")
        return HostedMachine(index, self.addressing.url(self.url, index), self.addressing.source(index), self)

    def handle(self, request: Request) -> Response:
        """Return the response of the selected machine. Record request and response in the journal."""
        if request.target == HEALTH and self._options.health and request.method in ("GET", "HEAD"):
            return json_response(b'{"status":"ok"}')
        index, target = self.addressing.find(request)
        if target is not request.target:
            request = replace(request, target=target)
        if index is not None:
            return self.answer(index, request)
        # Certificates and keys do not belong to a machine, so any machine can serve them.
        if target.startswith(PUBLISHED) or self._published_elsewhere(target):
            return self._recorded(self.machines.get(0).handle, request)
        error = OUTSIDE if parse_target(target).category is None else NOT_FOUND
        return self._recorded(lambda _: error.response(), request)

    def answer(self, index: int, request: Request) -> Response:
        """Return a machine's response to a request. Record request and response in the journal."""
        return self._recorded(self.machines.get(index).handle, request, None if self.addressing.select is None else index)

    def misdirected(self, request: Request) -> Response:
        """Record a request whose Host header is not allowed, and return its response.

        Apply no rules, limits or faults.
        """
        return self._recorded(wrong_host, request)

    def quick(self, request: Request) -> bool:
        """Return whether a request gets an immediate response: nothing is signed, and no fault can
        delay the response."""
        if request.method != "GET":
            return False
        index, target = self.addressing.find(request)
        return parse_target(target).category in STATIC and not self._own_faults.get(index, self.faults).on

    def scenario_of(self, index: int) -> Scenario:
        """Return the scenario of a machine."""
        return self._changed.get(index) or self._numbering.scenario(index)

    def faults_of(self, index: int) -> Faults:
        """Return the faults of one machine.

        In a fleet, a machine's own faults are tried before the faults of all machines. The host
        keeps the returned object, so the caller can load faults into it at any time.
        """
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
        """Replace the scenario of a machine.

        Events, rate limits and faults stay. Cached tokens stay unless ``prepare`` is given.

        Args:
            index: number of the machine.
            other: function that returns the new scenario, given the present one.
            prepare: function that is called with the new service before it replaces the present
                one, for example to load other tokens.
            identifiers: identifiers of an earlier emulator. The machine uses them from now on. None
                keeps the present ones.

        Raises:
            ScenarioError: The new scenario is invalid, or this host does not support it. The
                machine is unchanged.
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
        """Return the configuration in effect as a JSON object, without the seed and the admin
        token.

        In a fleet, it describes the template. It does not show later changes of single machines.
        """
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
        """Start accepting requests, and return this host."""
        self._server.start()
        self.addressing.start()
        if self.admin is not None:
            self.admin.start()
        return self

    def stop(self) -> None:
        """Stop accepting requests. Calling it twice is safe. A stopped host cannot start again."""
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
        """Close all sockets if the body of the ``with`` statement raises an error."""
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
            faults=self._own_faults.get(index, self.faults),
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
        """Raise ScenarioError if this host does not support a scenario.

        The keys and certificates of a host belong to one cloud, so its scenarios must be in the
        same cloud.
        """
        cloud = self.scenario.cloud
        if scenario.cloud is not cloud:
            message = f"This emulator has certificates of the cloud {cloud.name}, so the scenario must be in this cloud; got {scenario.cloud.name}."
            raise ScenarioError("bad-scenario", message, location="/cloud", hint="Start another emulator for the other cloud.")
        try:
            self.authority.signer(region=app.machine.expanded.region)
        except UsageError as error:
            raise _bad_location(error) from None
        if app.machine.identities:
            self.issuer.prepare()

    def _sign(self, region: str, content: bytes, fault: DocumentFault | None) -> bytes:
        return signed_document.message(self.authority.signer(region=region, fault=fault), content, fault)

    def _download(self, path: str) -> tuple[str, bytes] | None:
        sources = ((self.issuer if own.startswith(OIDC) else self.authority, own) for own in self._addresses.published(path))
        return next((found for source, own in sources if (found := source.download(own)) is not None), None)

    def _published_elsewhere(self, target: str) -> bool:
        """Return whether a target selects a published file that is below an address chosen by the
        operator."""
        return self._published_below is not PUBLISHED and self._download(parse_target(target).path.rstrip()) is not None


@dataclass(frozen=True, slots=True)
class HostedMachine:
    """View of one machine of a host, through which callers watch and change the machine.

    Attributes:
        index: number of the machine, counted from 0.
        url: base address of the machine; append ``/metadata/...`` to it.
        source: address that requests must come from to reach the machine, or ``""`` if every
            address reaches it.
    """

    index: int
    url: str
    source: str
    _host: Host

    @property
    def app(self) -> App:
        """Service of the machine, without the server. It is recreated if the machine was evicted."""
        return self._host.machines.get(self.index)

    @property
    def resident(self) -> bool:
        """Whether the machine is in memory."""
        return self.index in self._host.machines

    @property
    def events(self) -> Events:
        """Scheduled events of the machine, which can be announced and cancelled."""
        return self._host.machines.events(self.index)

    @property
    def faults(self) -> Faults:
        """Faults of the machine; see :meth:`Host.faults_of`."""
        return self._host.faults_of(self.index)

    @property
    def clock(self) -> Clock:
        """Clock of the host."""
        return self._host.clock

    @property
    def scenario(self) -> Scenario:
        """Scenario of the machine."""
        return self._host.scenario_of(self.index)

    @property
    def explain(self) -> Explain | None:
        """Function of the host that inspects documents, or None."""
        return self._host.explain

    def handle(self, request: Request) -> Response:
        """Return the machine's response to a request. Record request and response in the journal."""
        return self._host.answer(self.index, request)

    def state(self) -> dict[str, Any]:
        """Return the whole scenario of the machine as a JSON object."""
        return merge_patch.to_json(self.scenario)

    def patch(self, patch: object) -> None:
        """Change the machine like :meth:`imdskit.emulator.Emulator.patch`."""
        self._host.change(self.index, lambda scenario: merge_patch.patched(scenario, patch))

    def become(self, value: object) -> None:
        """Replace the machine's scenario like :meth:`imdskit.emulator.Emulator.become`."""
        self._host.change(self.index, lambda scenario: Scenario.of(value, scenario.name))


def _bad_location(error: UsageError) -> ScenarioError:
    return ScenarioError("bad-scenario", error.message, location="/compute/location", hint=error.hint)


def _clock_kind(clock: Clock) -> str:
    return "movable" if isinstance(clock, ManualClock | MovableClock) else "system" if isinstance(clock, SystemClock) else "other"
