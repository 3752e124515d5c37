"""The operations of the admin API: one table of operations, each with its method, path, parameters and function.

``openapi.json`` describes the same table for people and programs; tests hold the two equal and every operation against its schema. The functions
only translate: what they do is offered by :mod:`imdskit.emulator.host`, so a test in the same process can do it too.
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
from imdskit.emulator.json_input import Format, strict_json
from imdskit.emulator.snapshot import restore, save, take
from imdskit.protocol.messages import Request
from imdskit.protocol.requests import Target, parse_target

OPENAPI = "openapi.json"
BODY = Format("The body", partial(AdminError, 422, "bad-argument"), "GET /v1/openapi.json describes it.", unknown_at_object=True)
JSON_TYPES = ("application/json", "application/merge-patch+json")

MAX_WAIT = 60
"""Seconds for which a request may wait for others."""
MAX_LISTED = 1000
"""Entries of the journal in one answer."""
MAX_ADVANCE = 10 * 366 * 24 * 3600
MAX_RATE = 1_000_000

SOURCE = "127.0.0.1"
"""Source address of requests to the service that are made through the admin API."""

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request says.

    Attributes:
        parameters: of the query, as they were given.
        event: id in the path, or ``""``.
        body: parsed JSON, or None where the operation takes none.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    event: str = ""
    body: Any = None

    def number(self, name: str, usual: int, most: int | None = None) -> int:
        """A parameter that is a whole number not below 0. Raises AdminError."""
        text = self.parameters.get(name)
        if text is None:
            return usual
        if not _NUMBER.fullmatch(text) or (most is not None and int(text) > most):
            raise _bad_parameter(name, f"`{name}` must be a whole number{'' if most is None else f' from 0 to {most}'}; got {text[:64]!r}.")
        return int(text)

    def seconds(self, name: str, usual: float, most: int) -> float:
        """A parameter that is a number of seconds. Raises AdminError."""
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
        name: ``operationId``.
        method: of the request.
        path: with ``{id}`` for the id of an event.
        run: does it; the result is written as JSON.
        parameters: of the query, all of which may be absent, but for ``machine`` where it is needed.
        takes_body: whether there must be JSON in the body.
        about: ``machine``: one machine, which ``machine`` says where there are several; ``either``: one, or all together; ``all``: the whole;
            ``alone``: the whole where there is one machine only.
    """

    name: str
    method: str
    path: str
    run: Callable[[Any, Ask], Any]
    parameters: tuple[str, ...] = ()
    takes_body: bool = False
    about: Literal["machine", "either", "all", "alone"] = "all"

    def __call__(self, host: Host, ask: Ask) -> Any:
        """Run the operation. Raises ImdskitError."""
        return self.run(self._subject(host, ask), ask)

    def _subject(self, host: Host, ask: Ask) -> Host | HostedMachine:
        """Return what the request is about: the host, or the machine that the parameter ``machine`` names."""
        fleet = host.addressing.select is not None
        if self.about == "alone" and fleet:
            hint = "The same seed creates the same machines again."
            raise AdminError(409, "conflict", "A fleet has no snapshots.", hint=hint)
        if self.about in ("all", "alone") or (self.about == "either" and "machine" not in ask.parameters):
            return host
        if fleet and "machine" not in ask.parameters:
            raise _bad_parameter("machine", "`machine` is missing: this is a fleet, so the request must say which machine it means.")
        return host.machine(ask.number("machine", 0, len(host) - 1))


def find(request: Request) -> tuple[Operation, Ask]:
    """The operation that a request means, and what it says. Raises AdminError."""
    target = parse_target(request.target)
    at_path = {operation.method: operation for operation in OPERATIONS if _fits(operation, target)}
    if not at_path:
        raise AdminError(
            404, "no-such-path", "The admin API does not have this path.", hint="GET /v1/openapi.json describes the admin API."
        )
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
            raise _bad_parameter(name[:64], f"Unknown parameter {name[:64]!r}. Known: {known}.")
    event = target.segments[2] if "{id}" in operation.path else ""
    return operation, Ask(dict(target.parameters), event, _body(request) if operation.takes_body else None)


def _fits(operation: Operation, target: Target) -> bool:
    wanted = operation.path.strip("/").split("/")
    return len(wanted) == len(target.segments) and all(one in ("{id}", two) for one, two in zip(wanted, target.segments, strict=True))


def _body(request: Request) -> Any:
    types = request.header_values("Content-Type")
    if types and types[0].partition(";")[0].strip().lower() not in JSON_TYPES:
        hint = "Send `Content-Type: application/json`."
        raise AdminError(415, "unsupported-media-type", "The body must be JSON.", location="Content-Type", hint=hint)
    try:
        return strict_json(request.body)
    except ValueError as error:
        raise AdminError(400, "not-json", f"The body is not JSON: {str(error)[:200]}.") from None


def _bad_parameter(name: str, message: str) -> AdminError:
    return AdminError(400, "bad-parameter", message, location=name)


def _state(machine: HostedMachine, _: Ask) -> Any:
    return machine.state()


def _patch_state(machine: HostedMachine, ask: Ask) -> Any:
    machine.patch(ask.body)
    return machine.state()


def _put_state(machine: HostedMachine, ask: Ask) -> Any:
    machine.become(ask.body)
    return machine.state()


def _events(machine: HostedMachine, _: Ask) -> Any:
    events = machine.events.list()
    due = {event.id: event.due for event in events}
    incarnation = machine.events.incarnation
    return {"documentIncarnation": incarnation, "now": machine.clock.now(), "events": [event.shown() for event in events], "due": due}


def _add_events(machine: HostedMachine, ask: Ask) -> Any:
    return {"announced": machine.events.announce(ask.body, keep=True)}


def _put_events(machine: HostedMachine, ask: Ask) -> Any:
    return {"announced": machine.events.announce(ask.body)}


def _clear_events(machine: HostedMachine, _: Ask) -> Any:
    gone = machine.events.list()
    machine.events.announce([])
    return {"cancelled": [event.id for event in gone]}


def _cancel_event(machine: HostedMachine, ask: Ask) -> Any:
    if not machine.events.cancel(ask.event):
        raise _no_event()
    return {"cancelled": [ask.event]}


def _approve_event(machine: HostedMachine, ask: Ask) -> Any:
    if not machine.events.start(ask.event):
        raise _not_now(machine, ask, "The event has started already.")
    return {"started": ask.event}


def _complete_event(machine: HostedMachine, ask: Ask) -> Any:
    if not machine.events.complete(ask.event):
        raise _not_now(machine, ask, "The event has not started yet.")
    return {"completed": ask.event}


def _no_event() -> AdminError:
    return AdminError(404, "no-such-event", "No event has this id.", location="id", hint="GET /v1/events lists them.")


def _not_now(machine: HostedMachine, ask: Ask, why: str) -> AdminError:
    there = any(event.id.upper() == ask.event.upper() for event in machine.events.list())
    return AdminError(409, "conflict", why, location="id") if there else _no_event()


def _faults(host: Host | HostedMachine, _: Ask) -> Any:
    return {"faults": host.faults.list()}


def _put_faults(host: Host | HostedMachine, ask: Ask) -> Any:
    if not isinstance(ask.body, list):  # text would be the path of a file
        raise AdminError(422, "bad-faults", "The body must be a list of rules.", hint="The format is in docs/faults.md.")
    host.faults.load(ask.body)
    return {"faults": host.faults.list()}


def _clear_faults(host: Host | HostedMachine, _: Ask) -> Any:
    cleared = len(host.faults.list())
    host.faults.clear()
    return {"cleared": cleared}


def _meant(ask: Ask) -> dict[str, Any]:
    """Attributes of a filter of the journal."""
    meant: dict[str, Any] = {
        name: ask.parameters[name] for name in ("path", "category", "method", "rule", "fault") if name in ask.parameters
    }
    if "status" in ask.parameters:
        meant["status"] = ask.number("status", 0, 999)
    if "machine" in ask.parameters:
        meant["machine"] = ask.number("machine", 0)
    return {**meant, "since": ask.number("since", 0)}


def _machines(host: Host, ask: Ask) -> Any:
    """Those from ``first`` on, but not more than ``limit``."""
    first, limit = ask.number("first", 0), ask.number("limit", MAX_LISTED, MAX_LISTED)
    listed = [host.machine(index) for index in range(first, min(first + limit, len(host)))]
    return {
        "machines": [{"index": one.index, "url": one.url, "source": one.source, "resident": one.resident} for one in listed],
        "total": len(host),
    }


def _journal(host: Host, ask: Ask) -> Any:
    entries = host.journal.list(ask.number("limit", MAX_LISTED, MAX_LISTED), **_meant(ask))
    return {"entries": [entry.json() for entry in entries], **host.journal.tally()._asdict()}


def _count_journal(host: Host, ask: Ask) -> Any:
    return {"count": host.journal.count(**_meant(ask)), **host.journal.tally()._asdict()}


def _wait_journal(host: Host, ask: Ask) -> Any:
    wanted, timeout = ask.number("count", 1), ask.seconds("timeout", 10.0, MAX_WAIT)
    reached = host.journal.wait_for(wanted, timeout, **_meant(ask))
    return {"reached": reached, **_count_journal(host, ask)}


def _reset_journal(host: Host, _: Ask) -> Any:
    return {"forgotten": host.journal.reset()}


def _clock(host: Host, _: Ask) -> Any:
    clock = host.clock
    rate = clock.rate if isinstance(clock, MovableClock) else 0 if isinstance(clock, ManualClock) else 1
    return {"now": clock.now(), "movable": isinstance(clock, ManualClock | MovableClock), "rate": rate}


def _move_clock(host: Host, ask: Ask) -> Any:
    clock = host.clock
    given = BODY.of(ask.body).members(("advance", "rate"))
    if not given:
        raise BODY.wrong("The body must have the member `advance`, `rate`, or both.")
    advance = given["advance"].integer(0, MAX_ADVANCE) if "advance" in given else 0
    rate = given["rate"].integer(0, MAX_RATE) if "rate" in given else None
    if not isinstance(clock, ManualClock | MovableClock) or (rate is not None and not isinstance(clock, MovableClock)):
        raise AdminError(409, "conflict", "The clock of this emulator cannot be moved.", hint="Start it with `serve --clock manual`.")
    clock.advance(advance)
    if rate is not None and isinstance(clock, MovableClock):
        clock.run(rate)
    return _clock(host, ask)


def _snapshot(host: Host, _: Ask) -> Any:
    return take(host)


def _put_snapshot(host: Host, ask: Ask) -> Any:
    restore(host, ask.body)
    return {"restored": host.scenario.name}


def _save_snapshot(host: Host, _: Ask) -> Any:
    if host.snapshot_file is None:
        raise AdminError(
            409, "conflict", "The emulator has no file for snapshots.", hint="Start the emulator with `serve --snapshot FILE`."
        )
    return {"file": save(host)}


def _inspect_document(machine: HostedMachine, ask: Ask) -> Any:
    members = BODY.of(ask.body).members(("document", "nonce"))
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
        # Faults of the wire are not applied here: the response is not sent.
        fault = "" if response.delivery else response.fault
        request = {"target": target, "status": response.status, "rule": response.rule, "fault": fault}
    shown = request is None or request["status"] == 200
    inspection = machine.explain(document.encode("utf-8", "replace"), nonce) if shown and machine.explain is not None else None
    return {"request": request, "document": document, "canExplain": machine.explain is not None, "inspection": inspection}


def _configuration(host: Host, _: Ask) -> Any:
    return host.configuration()


def openapi(_: Host | None = None, __: Ask | None = None) -> Any:
    """The description of all this (OpenAPI 3.1)."""
    return json.loads((resources.files(__package__) / OPENAPI).read_bytes())


_FILTER = ("path", "category", "method", "status", "rule", "fault", "since", "machine")
_OF = ("machine",)

OPERATIONS: tuple[Operation, ...] = (
    Operation("listMachines", "GET", "/v1/machines", _machines, ("first", "limit")),
    Operation("getState", "GET", "/v1/state", _state, _OF, about="machine"),
    Operation("patchState", "PATCH", "/v1/state", _patch_state, _OF, takes_body=True, about="machine"),
    Operation("putState", "PUT", "/v1/state", _put_state, _OF, takes_body=True, about="machine"),
    Operation("listEvents", "GET", "/v1/events", _events, _OF, about="machine"),
    Operation("addEvents", "POST", "/v1/events", _add_events, _OF, takes_body=True, about="machine"),
    Operation("putEvents", "PUT", "/v1/events", _put_events, _OF, takes_body=True, about="machine"),
    Operation("clearEvents", "DELETE", "/v1/events", _clear_events, _OF, about="machine"),
    Operation("cancelEvent", "DELETE", "/v1/events/{id}", _cancel_event, _OF, about="machine"),
    Operation("approveEvent", "POST", "/v1/events/{id}/approve", _approve_event, _OF, about="machine"),
    Operation("completeEvent", "POST", "/v1/events/{id}/complete", _complete_event, _OF, about="machine"),
    Operation("listFaults", "GET", "/v1/faults", _faults, _OF, about="either"),
    Operation("putFaults", "PUT", "/v1/faults", _put_faults, _OF, takes_body=True, about="either"),
    Operation("clearFaults", "DELETE", "/v1/faults", _clear_faults, _OF, about="either"),
    Operation("listJournal", "GET", "/v1/journal", _journal, (*_FILTER, "limit")),
    Operation("resetJournal", "DELETE", "/v1/journal", _reset_journal),
    Operation("countJournal", "GET", "/v1/journal/count", _count_journal, _FILTER),
    Operation("waitJournal", "GET", "/v1/journal/wait", _wait_journal, (*_FILTER, "count", "timeout")),
    Operation("getClock", "GET", "/v1/clock", _clock),
    Operation("moveClock", "POST", "/v1/clock", _move_clock, takes_body=True),
    Operation("getSnapshot", "GET", "/v1/snapshot", _snapshot, about="alone"),
    Operation("putSnapshot", "PUT", "/v1/snapshot", _put_snapshot, takes_body=True, about="alone"),
    Operation("saveSnapshot", "POST", "/v1/snapshot/save", _save_snapshot, about="alone"),
    Operation("inspectDocument", "POST", "/v1/attested", _inspect_document, _OF, takes_body=True, about="machine"),
    Operation("getConfiguration", "GET", "/v1/configuration", _configuration),
    Operation("getOpenapi", "GET", "/v1/openapi.json", openapi),
)
