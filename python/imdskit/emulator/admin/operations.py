"""The operations of the admin API: one table of operations, each with its method, path, parameters
and function.

``openapi.json`` describes the same table for people and programs. Tests keep ``openapi.json``
consistent with the table, and check the response of every operation against its schema. The
functions only convert between JSON and Python. :mod:`imdskit.emulator.host` does the work. A test
in the same process as the emulator can call the host without the admin API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import Any, Literal
from urllib.parse import quote

from imdskit.clock import ManualClock, MovableClock
from imdskit.emulator.admin.responses import AdminError
from imdskit.emulator.host import Host, HostedMachine
from imdskit.emulator.http.messages import Request
from imdskit.emulator.http.request_target import Target, parse_target
from imdskit.emulator.json_input import Format, strict_json
from imdskit.emulator.snapshot import restore, save, take

OPENAPI = "openapi.json"
BODY = Format("The body", partial(AdminError, 422, "bad-argument"), "GET /v1/openapi.json describes it.", unknown_at_object=True)
JSON_TYPES = ("application/json", "application/merge-patch+json")

MAX_WAIT = 60
"""Maximum number of seconds for which ``waitJournal`` waits."""
MAX_LISTED = 1000
"""Maximum number of journal entries or machines in one response."""
MAX_ADVANCE = 10 * 366 * 24 * 3600
MAX_RATE = 1_000_000

SOURCE = "127.0.0.1"
"""Source address of requests that the admin API sends to the service."""

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of an operation, taken from a request.

    Attributes:
        parameters: the query parameters.
        event: the event's id in the path, or ``""``.
        body: the parsed JSON of the body, or None if the operation takes no body.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    event: str = ""
    body: Any = None

    def number(self, name: str, usual: int, most: int | None = None) -> int:
        """Return a parameter that is a whole number from 0 to ``most``, or ``usual`` if it is
        absent. Raise AdminError if it is invalid."""
        text = self.parameters.get(name)
        if text is None:
            return usual
        if not _NUMBER.fullmatch(text) or (most is not None and int(text) > most):
            raise _bad_parameter(name, f"`{name}` must be a whole number{'' if most is None else f' from 0 to {most}'}; got {text[:64]!r}.")
        return int(text)

    def seconds(self, name: str, usual: float, most: int) -> float:
        """Return a parameter that is a number of seconds, or ``usual`` if it is absent.

        Raise AdminError if it is invalid.
        """
        text = self.parameters.get(name)
        if text is None:
            return usual
        if not _SECONDS.fullmatch(text) or float(text) > most:
            raise _bad_parameter(name, f"`{name}` must be a number of seconds from 0 to {most}; got {text[:64]!r}.")
        return float(text)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the admin API.

    Attributes:
        name: the ``operationId`` in ``openapi.json``.
        method: method of the request.
        path: path of the request, with ``{id}`` for the id of an event.
        run: function that executes the operation. Its result becomes the JSON of the response.
        parameters: names of the query parameters. All are optional, with one exception: if ``about``
            is ``machine``, a request to a fleet must have the parameter ``machine``.
        takes_body: whether the request must have a JSON body.
        about: the object that ``run`` gets. ``all`` is the :class:`Host`, which is the whole
            emulator or fleet. ``machine`` is one machine; a request to a fleet selects it with the
            parameter ``machine``. ``either`` is that machine if the request has the parameter, and
            otherwise the host. ``alone`` is the host, too, but a fleet refuses the operation.
    """

    name: str
    method: str
    path: str
    run: Callable[[Any, Arguments], Any]
    parameters: tuple[str, ...] = ()
    takes_body: bool = False
    about: Literal["machine", "either", "all", "alone"] = "all"

    def __call__(self, host: Host, arguments: Arguments) -> Any:
        """Run the operation and return its result. Raise ImdskitError if the request is invalid."""
        return self.run(self._subject(host, arguments), arguments)

    def _subject(self, host: Host, arguments: Arguments) -> Host | HostedMachine:
        """Return the subject of the request: the host, or the machine that the parameter
        ``machine`` selects."""
        fleet = host.addressing.select is not None
        if self.about == "alone" and fleet:
            hint = "Start a fleet with the same seed to get the same machines again."
            raise AdminError(409, "conflict", "A fleet has no snapshots.", hint=hint)
        if self.about in ("all", "alone") or (self.about == "either" and "machine" not in arguments.parameters):
            return host
        if fleet and "machine" not in arguments.parameters:
            raise _bad_parameter(
                "machine", "`machine` is missing. In a fleet, the request must give the number of a machine, such as `machine=0`."
            )
        return host.machine(arguments.number("machine", 0, len(host) - 1))


def find(request: Request) -> tuple[Operation, Arguments]:
    """Return the operation that a request selects, and its arguments.

    Raise AdminError if no operation matches the request, or if an argument is invalid.
    """
    target = parse_target(request.target)
    at_path = {operation.method: operation for operation in OPERATIONS if _fits(operation, target)}
    if not at_path:
        raise AdminError(404, "no-such-path", "The admin API does not have this path.", hint="GET /v1/openapi.json lists all paths.")
    operation = at_path.get(request.method)
    if operation is None:
        allow = (("Allow", ", ".join(sorted(at_path))),)
        raise AdminError(
            405, "method-not-allowed", "This path does not support the method.", hint=f"Allowed: {allow[0][1]}.", headers=allow
        )
    if target.repeated is not None:
        raise _bad_parameter(target.repeated, f"The parameter {target.repeated[:64]!r} occurs twice.")
    for name, _ in target.parameters:
        if name not in operation.parameters:
            known = ", ".join(operation.parameters) or "none"
            raise _bad_parameter(name[:64], f"Unknown parameter {name[:64]!r}. Parameters of this operation: {known}.")
    event = target.segments[2] if "{id}" in operation.path else ""
    return operation, Arguments(dict(target.parameters), event, _body(request) if operation.takes_body else None)


def _fits(operation: Operation, target: Target) -> bool:
    template = operation.path.strip("/").split("/")
    return len(template) == len(target.segments) and all(one in ("{id}", two) for one, two in zip(template, target.segments, strict=True))


def _body(request: Request) -> Any:
    types = request.header_values("Content-Type")
    if types and types[0].partition(";")[0].strip().lower() not in JSON_TYPES:
        hint = "Send `Content-Type: application/json`."
        raise AdminError(415, "unsupported-media-type", "The Content-Type must be `application/json`.", location="Content-Type", hint=hint)
    try:
        return strict_json(request.body)
    except ValueError as error:
        raise AdminError(400, "not-json", f"The body is not JSON: {str(error)[:200]}.") from None


def _bad_parameter(name: str, message: str) -> AdminError:
    return AdminError(400, "bad-parameter", message, location=name)


def _patch_state(machine: HostedMachine, arguments: Arguments) -> Any:
    machine.patch(arguments.body)
    return machine.state()


def _put_state(machine: HostedMachine, arguments: Arguments) -> Any:
    machine.become(arguments.body)
    return machine.state()


def _events(machine: HostedMachine, _: Arguments) -> Any:
    events = machine.events.list()
    due = {event.id: event.due for event in events}
    incarnation = machine.events.incarnation
    return {"documentIncarnation": incarnation, "now": machine.clock.now(), "events": [event.shown() for event in events], "due": due}


def _add_events(machine: HostedMachine, arguments: Arguments) -> Any:
    return {"announced": machine.events.announce(arguments.body, keep=True)}


def _put_events(machine: HostedMachine, arguments: Arguments) -> Any:
    return {"announced": machine.events.announce(arguments.body)}


def _clear_events(machine: HostedMachine, _: Arguments) -> Any:
    cancelled = machine.events.list()
    machine.events.announce([])
    return {"cancelled": [event.id for event in cancelled]}


def _cancel_event(machine: HostedMachine, arguments: Arguments) -> Any:
    if not machine.events.cancel(arguments.event):
        raise _no_event()
    return {"cancelled": [arguments.event]}


def _approve_event(machine: HostedMachine, arguments: Arguments) -> Any:
    if not machine.events.start(arguments.event):
        raise _wrong_state(machine, arguments, "The event has already started.")
    return {"started": arguments.event}


def _complete_event(machine: HostedMachine, arguments: Arguments) -> Any:
    if not machine.events.complete(arguments.event):
        raise _wrong_state(machine, arguments, "The event has not started yet.")
    return {"completed": arguments.event}


def _no_event() -> AdminError:
    return AdminError(404, "no-such-event", "No event has this id.", location="id", hint="GET /v1/events lists the events.")


def _wrong_state(machine: HostedMachine, arguments: Arguments, why: str) -> AdminError:
    exists = any(event.id.upper() == arguments.event.upper() for event in machine.events.list())
    return AdminError(409, "conflict", why, location="id") if exists else _no_event()


def _put_faults(host: Host | HostedMachine, arguments: Arguments) -> Any:
    if not isinstance(arguments.body, list):  # `load` would open a file if the body were a string.
        raise AdminError(422, "bad-faults", "The body must be a list of rules.", hint="docs/faults.md describes the format.")
    host.faults.load(arguments.body)
    return {"faults": host.faults.list()}


def _clear_faults(host: Host | HostedMachine, _: Arguments) -> Any:
    cleared = len(host.faults.list())
    host.faults.clear()
    return {"cleared": cleared}


def _journal_filter(arguments: Arguments) -> dict[str, Any]:
    """Return the filter parameters of a journal request as keyword arguments for the journal."""
    criteria: dict[str, Any] = {
        name: arguments.parameters[name] for name in ("path", "category", "method", "rule", "fault") if name in arguments.parameters
    }
    if "status" in arguments.parameters:
        criteria["status"] = arguments.number("status", 0, 999)
    if "machine" in arguments.parameters:
        criteria["machine"] = arguments.number("machine", 0)
    return {**criteria, "since": arguments.number("since", 0)}


def _machines(host: Host, arguments: Arguments) -> Any:
    """Return at most ``limit`` machines, starting with number ``first``."""
    first, limit = arguments.number("first", 0), arguments.number("limit", MAX_LISTED, MAX_LISTED)
    listed = [host.machine(index) for index in range(first, min(first + limit, len(host)))]
    return {
        "machines": [{"index": one.index, "url": one.url, "source": one.source, "resident": one.resident} for one in listed],
        "total": len(host),
    }


def _journal(host: Host, arguments: Arguments) -> Any:
    entries = host.journal.list(arguments.number("limit", MAX_LISTED, MAX_LISTED), **_journal_filter(arguments))
    return {"entries": [entry.json() for entry in entries], **host.journal.tally()._asdict()}


def _count_journal(host: Host, arguments: Arguments) -> Any:
    return {"count": host.journal.count(**_journal_filter(arguments)), **host.journal.tally()._asdict()}


def _wait_journal(host: Host, arguments: Arguments) -> Any:
    count, timeout = arguments.number("count", 1), arguments.seconds("timeout", 10.0, MAX_WAIT)
    reached = host.journal.wait_for(count, timeout, **_journal_filter(arguments))
    return {"reached": reached, **_count_journal(host, arguments)}


def _clock(host: Host, _: Arguments) -> Any:
    clock = host.clock
    rate = clock.rate if isinstance(clock, MovableClock) else 0 if isinstance(clock, ManualClock) else 1
    return {"now": clock.now(), "movable": isinstance(clock, ManualClock | MovableClock), "rate": rate}


def _move_clock(host: Host, arguments: Arguments) -> Any:
    clock = host.clock
    given = BODY.of(arguments.body).members(("advance", "rate"))
    if not given:
        raise BODY.wrong("The body must have the member `advance`, `rate`, or both.")
    advance = given["advance"].integer(0, MAX_ADVANCE) if "advance" in given else 0
    rate = given["rate"].integer(0, MAX_RATE) if "rate" in given else None
    if not isinstance(clock, ManualClock | MovableClock) or (rate is not None and not isinstance(clock, MovableClock)):
        raise AdminError(
            409, "conflict", "This emulator's clock does not support the change.", hint="Start the emulator with `serve --clock manual`."
        )
    clock.advance(advance)
    if rate is not None and isinstance(clock, MovableClock):
        clock.run(rate)
    return _clock(host, arguments)


def _put_snapshot(host: Host, arguments: Arguments) -> Any:
    restore(host, arguments.body)
    return {"restored": host.scenario.name}


def _save_snapshot(host: Host, _: Arguments) -> Any:
    if host.snapshot_file is None:
        raise AdminError(
            409, "conflict", "The emulator has no file for snapshots.", hint="Start the emulator with `serve --snapshot FILE`."
        )
    return {"file": save(host)}


def _inspect_document(machine: HostedMachine, arguments: Arguments) -> Any:
    members = BODY.of(arguments.body).members(("document", "nonce"))
    for member in members.values():
        if not isinstance(member.value, str):
            member.must_be("text")
    given = {name: member.value for name, member in members.items()}
    if not given.get("nonce", "").isascii():
        members["nonce"].must_be("text in ASCII")
    nonce, request, document = given.get("nonce"), None, given.get("document", "")
    if "document" not in given:
        query = "" if nonce is None else f"&nonce={quote(nonce, safe='')}"
        target = f"/metadata/attested/document?api-version={machine.app.machine.api_versions[-1]}{query}"
        response = machine.handle(Request("GET", target, (("Metadata", "true"),), source=SOURCE))
        if response.delivery is not None and response.delivery.left is not None:
            response.delivery.left()
        document = response.body.decode("utf-8", "replace")
        # A fault that changes how a response is delivered has no effect here, because this response
        # is not sent.
        fault = "" if response.delivery else response.fault
        request = {"target": target, "status": response.status, "rule": response.rule, "fault": fault}
    has_document = request is None or request["status"] == 200
    inspection = machine.explain(document.encode("utf-8", "replace"), nonce) if has_document and machine.explain is not None else None
    return {"request": request, "document": document, "canExplain": machine.explain is not None, "inspection": inspection}


def openapi(_: Host | None = None, __: Arguments | None = None) -> Any:
    """Return the OpenAPI 3.1 description of the admin API."""
    return json.loads((resources.files(__package__) / OPENAPI).read_bytes())


_FILTER = ("path", "category", "method", "status", "rule", "fault", "since", "machine")
_MACHINE = ("machine",)

OPERATIONS: tuple[Operation, ...] = (
    Operation("listMachines", "GET", "/v1/machines", _machines, ("first", "limit")),
    Operation("getState", "GET", "/v1/state", lambda machine, _: machine.state(), _MACHINE, about="machine"),
    Operation("patchState", "PATCH", "/v1/state", _patch_state, _MACHINE, takes_body=True, about="machine"),
    Operation("putState", "PUT", "/v1/state", _put_state, _MACHINE, takes_body=True, about="machine"),
    Operation("listEvents", "GET", "/v1/events", _events, _MACHINE, about="machine"),
    Operation("addEvents", "POST", "/v1/events", _add_events, _MACHINE, takes_body=True, about="machine"),
    Operation("putEvents", "PUT", "/v1/events", _put_events, _MACHINE, takes_body=True, about="machine"),
    Operation("clearEvents", "DELETE", "/v1/events", _clear_events, _MACHINE, about="machine"),
    Operation("cancelEvent", "DELETE", "/v1/events/{id}", _cancel_event, _MACHINE, about="machine"),
    Operation("approveEvent", "POST", "/v1/events/{id}/approve", _approve_event, _MACHINE, about="machine"),
    Operation("completeEvent", "POST", "/v1/events/{id}/complete", _complete_event, _MACHINE, about="machine"),
    Operation("listFaults", "GET", "/v1/faults", lambda host, _: {"faults": host.faults.list()}, _MACHINE, about="either"),
    Operation("putFaults", "PUT", "/v1/faults", _put_faults, _MACHINE, takes_body=True, about="either"),
    Operation("clearFaults", "DELETE", "/v1/faults", _clear_faults, _MACHINE, about="either"),
    Operation("listJournal", "GET", "/v1/journal", _journal, (*_FILTER, "limit")),
    Operation("resetJournal", "DELETE", "/v1/journal", lambda host, _: {"forgotten": host.journal.reset()}),
    Operation("countJournal", "GET", "/v1/journal/count", _count_journal, _FILTER),
    Operation("waitJournal", "GET", "/v1/journal/wait", _wait_journal, (*_FILTER, "count", "timeout")),
    Operation("getClock", "GET", "/v1/clock", _clock),
    Operation("moveClock", "POST", "/v1/clock", _move_clock, takes_body=True),
    Operation("getSnapshot", "GET", "/v1/snapshot", lambda host, _: take(host), about="alone"),
    Operation("putSnapshot", "PUT", "/v1/snapshot", _put_snapshot, takes_body=True, about="alone"),
    Operation("saveSnapshot", "POST", "/v1/snapshot/save", _save_snapshot, about="alone"),
    Operation("inspectDocument", "POST", "/v1/attested", _inspect_document, _MACHINE, takes_body=True, about="machine"),
    Operation("getConfiguration", "GET", "/v1/configuration", lambda host, _: host.configuration()),
    Operation("getOpenapi", "GET", "/v1/openapi.json", openapi),
)
