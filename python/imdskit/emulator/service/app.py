"""Emulated service of one machine: it returns the response to a request, without sockets and on the
given clock.

This module combines faults, response cache, rate limits, rules and endpoints.
:mod:`imdskit.emulator.service.rules` refuses requests, and
:mod:`imdskit.emulator.service.endpoints` responds to the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

from imdskit.backends.contract import Backend
from imdskit.clock import Clock
from imdskit.emulator.authority.tokens import Issuer, TokenCache
from imdskit.emulator.error_responses import OUTSIDE, SERVER, ErrorResponse, entra_time, unknown_resource
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.faults.types import Fault, left
from imdskit.emulator.http.messages import Request, Response
from imdskit.emulator.http.request_target import parse_target
from imdskit.emulator.machine import load_balancer
from imdskit.emulator.machine.expansion import ExpandedMachine
from imdskit.emulator.machine.identity import holder_id, identities
from imdskit.emulator.machine.instance import Instance
from imdskit.emulator.machine.seeded_values import Seeded
from imdskit.emulator.published_urls import OIDC, PKI
from imdskit.emulator.service import profiles
from imdskit.emulator.service.endpoints import Attestor, Endpoints
from imdskit.emulator.service.profiles import Profile
from imdskit.emulator.service.rate_limits import RateLimits
from imdskit.emulator.service.request_context import RequestContext, ServedMachine
from imdskit.emulator.service.response_cache import MOST, ResponseCache
from imdskit.emulator.service.rules import refusal

Downloads = Callable[[str], tuple[str, bytes] | None]
"""Function that returns the file that the emulator's authority or token issuer publishes at a path,
as (media type, content), or None."""

PUBLISHED = (PKI, OIDC)
"""Path prefixes of certificates, revocation lists and token keys.

In Azure, other servers provide these files.
"""


class App:
    """Service of one machine. It is safe to share between threads.

    Args:
        machine: the machine.
        backend: implementation of the lookups in the instance document.
        clock: source of the current time.
        attestor: function that signs the content of attested documents.
        issuer: issuer that signs access tokens.
        throttle: rate limits; None disables them.
        downloads: function that returns the files below ``published_below``. Azure's service has no
            such paths.
        events_enabling: seconds between the machine's first request for scheduled events and the
            first response that lists events.
        profile: service profile, which selects one of the known behaviours of the service. None
            uses the scenario's profile.
        rules_off: names of rules to switch off, in addition to those that the scenario switches
            off.
        faults: injected faults; None begins without faults.
        events: events of an earlier object for the same machine; None creates new ones.
        numbers: iterator of request numbers, which become part of request ids; None counts from 0.
        cached_responses: maximum number of responses in the cache; 0 disables the cache.
        published_below: path prefixes of requests that ``downloads`` handles.

    Attributes:
        responses: the response cache, or None if there is none.
        faults: injected faults.
        throttle: rate limits, or None if there are none.
        machine: data about the machine for rules and endpoints. It never changes, so the cached
            responses stay valid.
        tokens: cache of access tokens for the machine's identities.

    Raises:
        ScenarioError: The scenario names an unknown profile or rule, or a rule that cannot be
            switched off.
        UsageError: ``rules_off`` names an unknown rule, or a rule that cannot be switched off.
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
        scenario_profile = profiles.of(scenario)
        profile = profile or scenario_profile
        rules = profile.rules((*scenario.rules_off, *rules_off))
        self._rules = tuple(rule for rule in rules if not rule.after_lookup)
        self._later_rules = tuple(rule for rule in rules if rule.after_lookup)
        given = scenario.given.get("identity") or {}
        id_form = Seeded(seed).uuid("requests")[:-12] + "{:012x}"
        request_id = map(id_form.format, numbers or itertools.count()).__next__
        unknown = frozenset(resource.lower().rstrip("/") for resource in given.get("unknownResources") or ())

        def refused(resource: str) -> ErrorResponse | None:
            if resource.lower().rstrip("/") not in unknown:
                return None
            tenant, location = given.get("tenantName") or "imdskit", machine.text("location")
            return unknown_resource(resource, tenant, entra_time(clock.now()), request_id(), request_id(), location)

        # None of the objects below refers to this App. A fleet discards thousands of Apps and
        # relies on reference counting to free them at once.
        self.machine = ServedMachine(
            machine,
            Instance(machine, backend.document),
            profile.versions(scenario.api_versions),
            identities(machine),
            refused,
            load_balancer.document(machine),
            events or Events(clock, machine.text("name"), seed, enabling=events_enabling),
            profile.version_error,
        )
        self.throttle = throttle
        self.responses: ResponseCache | None = ResponseCache(request_id, cached_responses) if cached_responses else None
        self._downloads = downloads
        self._published_below = published_below
        self.tokens = TokenCache(issuer, clock, holder_id(machine), seed)
        self._endpoints = Endpoints(clock, attestor, self.tokens, request_id)

    def handle(self, request: Request) -> Response:
        """Return the response to a request. No request raises an exception."""
        if self.faults.on:
            context = RequestContext(self.machine, request)
            taken = self.faults.take(context)
            if taken is not None:
                response = self._with_fault(context, taken.fault)
                if not response.rule:
                    return response._replace(fault=taken.fault.kind)
                taken.give_back()
                return response
        cached = None if self.responses is None else self.responses.find(request)
        if cached is not None and self.responses is not None:
            if self.throttle is None or self.throttle.general():
                return self.responses.answer(cached)
            return self._respond(RequestContext(self.machine, request, admitted=False))
        published = self._published(request)
        if published is not None:
            return published
        context = RequestContext(self.machine, request)
        response = self._limited(context)
        if self.responses is not None and context.admitted:
            self.responses.add(context, response)
        return response

    def _with_fault(self, context: RequestContext, fault: Fault) -> Response:
        """Return the response with a fault.

        If a rule or a rate limit refuses the request, return the refusal without the fault.
        """
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
        with ExitStack() as in_flight:
            context.admitted = in_flight.enter_context(self.throttle.identity())
            response = self._respond(context)
            if response.rule:
                return response
            response = fault.after(response)
            # The request counts as concurrent until the delayed response has been sent.
            return left(response, in_flight.pop_all().close)

    def _limited(self, context: RequestContext) -> Response:
        """Return the response to a request after the rate limits have counted it."""
        if self.throttle is None or context.category is None:
            return self._respond(context)
        if context.category == "identity":
            with self.throttle.identity() as context.admitted:
                return self._respond(context)
        context.admitted = self.throttle.general()
        return self._respond(context)

    def _respond(self, context: RequestContext) -> Response:
        """Return the refusal of the first rule that refuses the request, or else the response of
        its endpoint."""
        refused = refusal(context, self._rules)
        if refused is None and context.category == "instance":
            context.look_up()
            refused = refusal(context, self._later_rules)
        return self._endpoints.answer(context) if refused is None else refused[1].response()._replace(rule=refused[0].name)

    def _published(self, request: Request) -> Response | None:
        """Return a published certificate, revocation list or token key, or None if the request is
        for something else.

        Requests for these files need no ``Metadata`` header. White space at the end of the path is
        ignored, because a known sample program requests a path that ends in ``%0A``.
        """
        if self._downloads is None or not request.target.startswith(self._published_below) or request.method not in ("GET", "HEAD"):
            return None
        found = self._downloads(parse_target(request.target).path.rstrip())
        if found is None:
            return OUTSIDE.response() if request.target.startswith(PUBLISHED) else None
        media_type, content = found
        return Response(200, (("Content-Type", media_type), ("Server", SERVER)), content)
