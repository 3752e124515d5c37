"""Request context: properties of a request that rules and endpoints share, each computed once, and
the machine that the request is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from imdskit import versions
from imdskit.backends.contract import Form
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.error_responses import BAD_VERSION, ErrorResponse, bad_version
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.http.messages import Request
from imdskit.emulator.http.request_target import parse_target
from imdskit.emulator.machine.expansion import ExpandedMachine
from imdskit.emulator.machine.identity import SELECTORS, Identities, Identity
from imdskit.emulator.machine.instance import Instance
from imdskit.errors import SelectionError


@dataclass(frozen=True, slots=True)
class ServedMachine:
    """Data about a machine for rules and endpoints.

    Attributes:
        expanded: the expanded machine, from which the other attributes are derived.
        instance: instance document of the machine.
        api_versions: enabled api-versions in ascending order.
        identities: managed identities of the machine.
        unknown_resource: function that returns Entra ID's error for a resource that it does not
            know, or None for a known resource.
        load_balancer: body of the load balancer response, or None if the machine has no load
            balancer.
        events: scheduled events of the machine.
        version_error: error for an unknown api-version, with dots in place of the api-versions that
            it lists.
        bad_version: the same error with the newest enabled api-versions.
        known_versions: enabled api-versions as a set.
    """

    expanded: ExpandedMachine
    instance: Instance
    api_versions: tuple[str, ...]
    identities: Identities
    unknown_resource: Callable[[str], ErrorResponse | None]
    load_balancer: bytes | None
    events: Events
    version_error: ErrorResponse = BAD_VERSION
    bad_version: ErrorResponse = field(init=False)
    known_versions: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bad_version", bad_version(self.api_versions, self.version_error))
        object.__setattr__(self, "known_versions", frozenset(self.api_versions))


class RequestContext:
    """Request with the properties that rules and endpoints need.

    Attributes:
        machine: machine that the request is for.
        fault: document fault to inject into the attested document, or None.
        cached: whether a fault makes the service return an earlier attested document.
        request: request as received.
        target: decoded path and query parameters.
        category: path segment after ``/metadata``, in lower case. It is ``""`` for ``/metadata``
            itself, and None for other paths.
        version: value of the parameter ``api-version``, or None if it is absent.
        extended: whether the request is for the undocumented, extended part of the instance
            document.
        form: requested format: ``json`` if the parameter is absent or empty, and None if it is
            neither ``json`` nor ``text``.
        admitted: whether the request is within the rate limits.
        node: result of :meth:`look_up`: the node of the instance document that the path selects, or
            the error if there is none.
    """

    fault: DocumentFault | None = None
    cached = False
    node: bytes | SelectionError = b""

    def __init__(self, machine: ServedMachine, request: Request, admitted: bool = True) -> None:
        self.machine = machine
        self.request = request
        self.target = parse_target(request.target)
        self.category = self.target.category
        parameters = self.target.first
        self.version = parameters.get("api-version")
        self.extended = parameters.get("extended", "").lower() == "true"
        self.form = _FORMS.get((parameters.get("format") or "json").lower())
        self.admitted = admitted

    @cached_property
    def served_version(self) -> str:
        """api-version of the response, which is normally the requested one.

        While a rule is switched off, a request with an unknown version can pass. The response then
        has the newest known version before the requested one. If no known version is older, or if
        the request has no version, the response has the newest known version.
        """
        requested = self.version or ""
        known = versions.SCHEDULED_EVENTS_VERSIONS if self.category == "scheduledevents" else self.machine.api_versions
        if requested in self.machine.known_versions and known is self.machine.api_versions:
            return requested
        return max((one for one in known if one <= requested), default=known[-1])

    @cached_property
    def selectors(self) -> tuple[tuple[str, str], ...]:
        """(name, value) pairs of the parameters that select an identity.

        Parameters with an empty value are ignored (inferred).
        """
        found = ((name, self.target.parameter(name)) for name in SELECTORS)
        return tuple((name, value) for name, value in found if value)

    @cached_property
    def identity(self) -> Identity | None:
        """Identity that the request selects, or the default identity of the machine if the request
        selects none.

        None if the machine does not have this identity.
        """
        identities = self.machine.identities
        return identities.find(*self.selectors[0]) if self.selectors else identities.default

    @cached_property
    def approved(self) -> tuple[str, ...] | None:
        """Ids of the events that the body approves, or None if the body is malformed or names an
        unknown event."""
        return self.machine.events.approvable(self.request.body)

    @property
    def wants_text(self) -> bool:
        """Whether the response is text. Only ``/metadata/instance`` supports that format."""
        return self.category == "instance" and self.form == "text"

    def look_up(self) -> None:
        """Look up the node of the instance document that the path selects."""
        form = self.form or "json"
        try:
            self.node = self.machine.instance.select(self.served_version, self.target.rest, form, extended=self.extended)
        except SelectionError as error:
            self.node = error


_FORMS: dict[str, Form] = {"json": "json", "text": "text"}
