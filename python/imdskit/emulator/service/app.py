"""The emulated service of one machine: a request in, a response out, without sockets and on the given clock.

This module combines faults, cache, limits, rules and routes. :mod:`imdskit.emulator.service.rules` says why a request is refused,
:mod:`imdskit.emulator.service.routes` what the others get.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial

from imdskit.backends.contract import Backend
from imdskit.clock import Clock
from imdskit.emulator.authority.tokens import Issuer, TokenCache
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.faults.types import Fault, left
from imdskit.emulator.machine import load_balancer
from imdskit.emulator.machine.expansion import ExpandedMachine
from imdskit.emulator.machine.identity import holder_id, identities
from imdskit.emulator.machine.instance import Instance
from imdskit.emulator.machine.seeded_values import Seeded
from imdskit.emulator.public_addresses import OIDC, PKI
from imdskit.emulator.service import profiles
from imdskit.emulator.service.profiles import Profile
from imdskit.emulator.service.rate_limits import RateLimits
from imdskit.emulator.service.request_context import RequestContext, ServedMachine
from imdskit.emulator.service.response_cache import MOST, ResponseCache
from imdskit.emulator.service.routes import Attestor, Routes
from imdskit.emulator.service.rules import refusal
from imdskit.protocol.messages import Request, Response
from imdskit.protocol.requests import parse_target
from imdskit.protocol.responses import OUTSIDE, SERVER, Answer, entra_time, unknown_resource

Downloads = Callable[[str], tuple[str, bytes] | None]
"""What the emulator's authority and issuer publish at a path: (media type, octets), or None."""

PUBLISHED = (PKI, OIDC)
"""Below these lies what the real world has at other addresses."""

QUICK = ("/metadata/instance", "/metadata/versions")


class App:
    """The service of one machine. Safe to share between threads.

    Args:
        machine: the machine.
        backend: finds nodes in documents.
        clock: says what time it is.
        attestor: signs the content of attested documents.
        issuer: signs access tokens.
        throttle: the limits, or None for none.
        downloads: what lies below :data:`PUBLISHED`; the real service has no such paths.
        events_enabling: seconds from the first request for events until they are shown.
        profile: which known behaviour of the service the rules show; None: the scenario's.
        rules_off: names of rules that are switched off, besides the scenario's.
        faults: injected faults; None: none, until some are loaded.
        events: of an earlier object for the same machine; None: new ones.
        numbers: of requests, for their ids; None: from 0.
        cached_responses: most responses in the cache; 0: every request goes through the rules.
        published_below: paths for which ``downloads`` is asked.

    Attributes:
        responses: the response cache, or None.
        faults: injected faults.
        throttle: the limits, or None.
        machine: what rules and routes know of the machine.
        tokens: of its identities.

    Raises:
        ScenarioError: the scenario names no such profile or rule, or one that cannot be switched off.
        UsageError: ``rules_off`` does.
    """

    def __init__(
        self,
        machine: ExpandedMachine,
        backend: Backend,
        clock: Clock,
        attestor: Attestor,
        issuer: Issuer,
        *,
        throttle: RateLimits | None = None,
        downloads: Downloads | None = None,
        events_enabling: int = 0,
        profile: Profile | None = None,
        rules_off: Iterable[str] = (),
        faults: Faults | None = None,
        events: Events | None = None,
        numbers: Iterator[int] | None = None,
        cached_responses: int = MOST,
        published_below: tuple[str, ...] = PUBLISHED,
    ) -> None:
        scenario, seed = machine.scenario, machine.seed
        self.faults = faults or Faults(clock)
        asked = profiles.of(scenario)
        profile = profile or asked
        self._rules = profile.rules((*scenario.rules_off, *rules_off))
        given = scenario.given.get("identity") or {}
        request_ids, numbers = Seeded(seed).uuid("requests")[:-12], numbers or itertools.count()

        def request_id() -> str:
            return f"{request_ids}{next(numbers):012x}"

        # No part holds a reference to its App. A fleet discards thousands of them and relies on reference counting to free them immediately.
        unknown = frozenset(resource.lower().rstrip("/") for resource in given.get("unknownResources") or ())
        tenant_name = given.get("tenantName") or "imdskit"
        self.machine = ServedMachine(
            machine,
            Instance(machine, backend.document),
            profile.versions(scenario.api_versions),
            identities(machine),
            partial(_unknown_resource, unknown, tenant_name, clock, request_id, machine.text("location")),
            load_balancer.document(machine),
            events or Events(clock, machine.text("name"), seed, enabling=events_enabling),
            profile.version_error,
        )
        self.throttle = throttle
        self.responses: ResponseCache | None = ResponseCache(request_id, cached_responses) if cached_responses else None
        self._downloads = downloads
        self._published_below = published_below
        self.tokens = TokenCache(issuer, clock, holder_id(machine), seed)
        self._routes = Routes(clock, attestor, self.tokens, request_id)

    def handle(self, request: Request) -> Response:
        """Return the response to one request. No request raises an exception."""
        if self.faults.on:
            context = RequestContext(self.machine, request)
            taken = self.faults.take(context)
            if taken is not None:
                response = self._faulty(context, taken.fault)
                if not response.rule:
                    return response._replace(fault=taken.fault.kind)
                taken.give_back()
                return response
        kept = None if self.responses is None else self.responses.find(request, self.machine)
        if kept is not None and self.responses is not None:
            if self.throttle is None or self.throttle.general():
                return self.responses.answer(kept)
            return self._answer(RequestContext(self.machine, request, admitted=False))
        published = self._published(request)
        if published is not None:
            return published
        context = RequestContext(self.machine, request)
        response = self._limited(context)
        if self.responses is not None and context.admitted:
            self.responses.remember(context, response)
        return response

    def _faulty(self, context: RequestContext, fault: Fault) -> Response:
        """Return the response with the fault. A request that a rule or a limit refuses gets the refusal, to which no fault applies."""
        instead = fault.instead(context)
        if instead is not None:
            return instead
        fault.before(context)
        published = self._published(context.request)
        if published is not None:
            return fault.after(published)
        if not (fault.slow and context.category == "identity" and self.throttle is not None):
            response = self._limited(context)
            return response if response.rule else fault.after(response)
        with ExitStack() as under_way:
            context.admitted = under_way.enter_context(self.throttle.identity())
            response = self._answer(context)
            if response.rule:
                return response
            response = fault.after(response)
            return left(response, under_way.pop_all().close)

    def _limited(self, context: RequestContext) -> Response:
        if self.throttle is None or context.category is None:
            return self._answer(context)
        if context.category == "identity":
            with self.throttle.identity() as context.admitted:
                return self._answer(context)
        context.admitted = self.throttle.general()
        return self._answer(context)

    def _answer(self, context: RequestContext) -> Response:
        refused = refusal(context, self._rules)
        return self._routes.answer(context) if refused is None else refused[1].response()._replace(rule=refused[0].name)

    def _published(self, request: Request) -> Response | None:
        """Certificates and keys need no ``Metadata`` header, and white space after the address is forgiven: a known sample asks for ``...%0A``."""
        if self._downloads is None or not request.target.startswith(self._published_below) or request.method not in ("GET", "HEAD"):
            return None
        found = self._downloads(parse_target(request.target).path.rstrip())
        if found is None:
            return OUTSIDE.response() if request.target.startswith(PUBLISHED) else None
        media_type, octets = found
        return Response(200, (("Content-Type", media_type), ("Server", SERVER)), octets)


def _unknown_resource(
    unknown: frozenset[str], tenant_name: str, clock: Clock, request_id: Callable[[], str], location: str, resource: str
) -> Answer | None:
    if resource.lower().rstrip("/") not in unknown:
        return None
    return unknown_resource(resource, tenant_name, entra_time(clock.now()), request_id(), request_id(), location)
