"""The request context: facts about one request, found once and shared by rules and routes, and what these know of the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from imdskit import versions
from imdskit.backends.contract import Form
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.machine.expansion import ExpandedMachine
from imdskit.emulator.machine.identity import SELECTORS, Identities, Identity
from imdskit.emulator.machine.instance import Instance
from imdskit.errors import SelectionError
from imdskit.protocol.messages import Request
from imdskit.protocol.requests import Target, parse_target
from imdskit.protocol.responses import BAD_VERSION, Answer, bad_version


@dataclass(frozen=True, slots=True)
class ServedMachine:
    """What rules and routes know of a machine.

    Attributes:
        expanded: the machine; the rest are views of it.
        instance: the instance document.
        api_versions: enabled ones, ascending.
        identities: managed identities.
        unknown_resource: returns the response of Entra ID for a resource that it does not know, or None for one that it knows.
        load_balancer: the whole answer about load balancers, or None if there is none.
        events: that are scheduled.
        version_error: how the version error is worded.
        bad_version: the version error that names the newest of them.
        known_versions: the enabled ones, to look them up.
    """

    expanded: ExpandedMachine
    instance: Instance
    api_versions: tuple[str, ...]
    identities: Identities
    unknown_resource: Callable[[str], Answer | None]
    load_balancer: bytes | None
    events: Events
    version_error: Answer = BAD_VERSION
    bad_version: Answer = field(init=False)
    known_versions: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bad_version", bad_version(self.api_versions, self.version_error))
        object.__setattr__(self, "known_versions", frozenset(self.api_versions))


class RequestContext:
    """A request, and the facts about it that rules and routes need.

    Attributes:
        machine: that the request means.
        fault: what shall be wrong with the requested document.
        cached: whether the response is an earlier document.
        request: as it came.
        target: its path and parameters, decoded.
        category: the second segment of the path in lower case; ``""`` for ``/metadata`` alone, None outside of it.
        rest: the segments below the category, as they were written.
        admitted: False if a limit on requests was exceeded.
    """

    fault: DocumentFault | None = None
    cached = False

    def __init__(self, machine: ServedMachine, request: Request, admitted: bool = True) -> None:
        self.machine = machine
        self.request = request
        self.target: Target = parse_target(request.target)
        segments = self.target.segments
        inside = bool(segments) and segments[0].lower() == "metadata"
        self.category: str | None = (segments[1].lower() if len(segments) > 1 else "") if inside else None
        self.rest: tuple[str, ...] = segments[2:] if inside else segments
        self.admitted = admitted

    @cached_property
    def route(self) -> tuple[str, ...]:
        """The segments below the category, in lower case."""
        return tuple(segment.lower() for segment in self.rest)

    @cached_property
    def version(self) -> str | None:
        """Value of ``api-version``, or None."""
        return self.target.parameter("api-version")

    @cached_property
    def served_version(self) -> str:
        """The api-version of the response: the requested one.

        Where a switched-off rule lets an unknown one pass, it is the newest before it; without one, or before all, the newest of all.
        """
        asked = self.version or ""
        known = versions.SCHEDULED_EVENTS_VERSIONS if self.category == "scheduledevents" else self.machine.api_versions
        if asked in self.machine.known_versions and known is self.machine.api_versions:
            return asked
        return max((one for one in known if one <= asked), default=known[-1])

    @cached_property
    def extended(self) -> bool:
        """Whether the undocumented part of the instance document is requested."""
        return (self.target.parameter("extended") or "").lower() == "true"

    @cached_property
    def form(self) -> Form | None:
        """The requested format; ``json`` if it is absent or empty, None if it is neither ``json`` nor ``text``."""
        return _FORMS.get((self.target.parameter("format") or "json").lower())

    @cached_property
    def selectors(self) -> tuple[tuple[str, str], ...]:
        """(name, value) of the parameters that say which identity is meant; one without a value says nothing (inferred)."""
        found = ((name, self.target.parameter(name)) for name in SELECTORS)
        return tuple((name, value) for name, value in found if value)

    @cached_property
    def identity(self) -> Identity | None:
        """The identity that is meant, or None if there is no such, or none that is meant without being named."""
        identities = self.machine.identities
        return identities.find(*self.selectors[0]) if self.selectors else identities.default

    @cached_property
    def approved(self) -> tuple[str, ...] | None:
        """The ids of events that the body approves, or None if it is malformed or names one that is not there."""
        return self.machine.events.approvable(self.request.body)

    @property
    def wants_text(self) -> bool:
        """Whether text is requested where that is possible: below ``/instance``."""
        return self.category == "instance" and self.form == "text"

    @cached_property
    def selection(self) -> bytes | SelectionError:
        """The node of the instance document that the path names, or why there is none."""
        form = self.form or "json"
        try:
            return self.machine.instance.select(self.served_version, self.rest, form, extended=self.extended)
        except SelectionError as error:
            return error


_FORMS: dict[str, Form] = {"json": "json", "text": "text"}
