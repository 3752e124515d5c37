"""Snapshots: the whole state of an emulator in one JSON file, to go on from later or elsewhere.

There is no key, no seed and no token in it. Keys and all values that the scenario does not give come from the seed, so a snapshot goes on as
the same machine only in an emulator with the same seed; tokens are signed again. The journal is not part of it.

What belongs here: the file and its outline. What stands in its parts is said where they are kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imdskit.clock import ManualClock, MovableClock
from imdskit.emulator import private_files
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.host import Host
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.errors import ScenarioError, UsageError

FORMAT = "imdskit-snapshot"
VERSION = 1
MEMBERS = ("format", "version", "clock", "scenario", "events", "faults", "tokens")
MAX_BYTES = 4 * 1024 * 1024
"""The largest snapshot that is read."""

_LATEST = 253_402_300_799


def take(host: Host) -> dict[str, Any]:
    """Return a snapshot of a host with one machine."""
    machine = host.machine()
    return {
        "format": FORMAT,
        "version": VERSION,
        "clock": {"now": host.clock.now()},
        "scenario": {"name": machine.scenario.name, "document": machine.state()},
        "events": machine.events.snapshot(),
        "faults": host.faults.snapshot(),
        "tokens": machine.app.tokens.snapshot(),
    }


def restore(host: Host, value: object) -> None:
    """Let a host with one machine resume from a snapshot; see :meth:`imdskit.emulator.Emulator.restore`."""
    parts = checked(value)
    events, place = host.machine().events, "/scenario/document"

    def prepare(app: App) -> None:
        nonlocal place
        place = "/tokens"
        app.tokens.restore(parts["tokens"], app.machine.identities)
        place = "/events"
        Events(host.clock, "", 0).restore(parts["events"])
        place = "/faults"
        Faults(host.clock).restore(parts["faults"])
        ahead = parts["clock"]["now"] - host.clock.now()  # everything is valid, and changes from here on
        if ahead > 0 and isinstance(host.clock, ManualClock | MovableClock):
            host.clock.advance(ahead)
        events.restore(parts["events"])
        host.faults.restore(parts["faults"])

    try:
        scenario = Scenario.of(parts["scenario"]["document"], parts["scenario"]["name"])
        host.change(0, lambda _: scenario, prepare)
    except (ScenarioError, UsageError) as error:
        raise wrong(error.message, place + error.location.rstrip("/"), error.hint) from None


def save(host: Host, path: str | Path | None = None) -> str:
    """Write a snapshot that only its owner may read, by default to the host's file, and return its path. Raises UsageError."""
    target = host.snapshot_file if path is None else path
    if target is None:
        raise UsageError("bad-argument", "There is no file for snapshots.", hint="Start the emulator with one: serve --snapshot FILE.")
    write(target, take(host))
    return str(target)


def checked(value: object) -> dict[str, Any]:
    """``value`` if its outline is that of a snapshot. Raises ScenarioError, ``bad-snapshot``, with a JSON pointer."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise wrong("This is no snapshot of an emulator.", "/format")
    if value.get("version") != VERSION:
        raise wrong(f"Snapshots of version {value.get('version')!r} are not known here; known is {VERSION}.", "/version")
    for member in MEMBERS:
        if member not in value:
            raise wrong(f"There is no member {member}.", "")
    if len(value) != len(MEMBERS):
        raise wrong("There are members that no snapshot has.", "")
    clock, scenario = value["clock"], value["scenario"]
    if not isinstance(clock, dict) or type(clock.get("now")) is not int or not 0 <= clock["now"] <= _LATEST:
        raise wrong("The time of a snapshot is Unix time in seconds.", "/clock/now")
    if not isinstance(scenario, dict) or scenario.keys() != {"name", "document"} or not isinstance(scenario["name"], str):
        raise wrong("A scenario of a snapshot has `name` and `document`.", "/scenario")
    return value


def read(path: str | Path) -> dict[str, Any]:
    """The snapshot in a file. Raises ScenarioError."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise wrong(f"The snapshot {path} cannot be read: {error}.") from None
    if len(data) > MAX_BYTES:
        raise wrong(f"The snapshot is larger than {MAX_BYTES} bytes.")
    try:
        return checked(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise wrong(f"The snapshot is not JSON: {error}.") from None


def write(path: str | Path, snapshot: dict[str, Any]) -> None:
    """Replace a file as a whole, readable by its owner only. Raises UsageError."""
    private_files.write(path, json.dumps(snapshot, indent=1, ensure_ascii=True).encode("ascii") + b"\n")


def wrong(message: str, place: str = "", hint: str = "The format is in docs/admin.md.") -> ScenarioError:
    """What is the matter with a snapshot."""
    return ScenarioError("bad-snapshot", message, location=place, hint=hint)
