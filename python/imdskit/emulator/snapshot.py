"""Snapshots: the whole state of an emulator in one JSON file, from which another emulator can
resume.

A snapshot contains no key, no seed and no token. It contains the public identifiers that the
emulator generated for the machine (vmId, MAC addresses, client ids and so on). The machine
therefore keeps them, even if the emulator that resumes has another seed. Keys are derived from the
seed. An emulator that resumes with another seed, or without one, signs documents and tokens with
other keys. The journal is not part of a snapshot.

This module handles the file and its top-level members. The modules of events, faults and tokens
define the content of the members ``events``, ``faults`` and ``tokens``.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

from imdskit.clock import LAST_SECOND, ManualClock, MovableClock
from imdskit.emulator import private_files
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.host import Host
from imdskit.emulator.json_input import Format
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.errors import ScenarioError, UsageError

FORMAT_NAME = "imdskit-snapshot"
VERSION = 1
MEMBERS = ("format", "version", "clock", "scenario", "identifiers", "events", "faults", "tokens")
_HEX = re.compile(r"(?:[0-9a-f]{2}){1,64}", re.ASCII)
MAX_BYTES = 4 * 1024 * 1024
"""Maximum size of a snapshot in bytes."""

FORMAT = Format(
    "The snapshot", partial(ScenarioError, "bad-snapshot"), "docs/admin.md describes the format.", MAX_BYTES, unknown_at_object=True
)


def take(host: Host) -> dict[str, Any]:
    """Return a snapshot of an emulator with one machine."""
    machine = host.machine()
    return {
        "format": FORMAT_NAME,
        "version": VERSION,
        "clock": {"now": host.clock.now()},
        "scenario": {"name": machine.scenario.name, "document": machine.state()},
        "identifiers": dict(sorted(machine.app.machine.expanded.seeded.made.items())),
        "events": machine.events.snapshot(),
        "faults": host.faults.snapshot(),
        "tokens": machine.app.tokens.snapshot(),
    }


def restore(host: Host, value: object) -> None:
    """Restore the state of an emulator with one machine from a snapshot; see
    :meth:`imdskit.emulator.Emulator.restore`."""
    parts = checked(value)
    events, location = host.machine().events, "/scenario/document"

    def prepare(app: App) -> None:
        nonlocal location
        location = "/tokens"
        app.tokens.restore(parts["tokens"], app.machine.identities)
        location = "/events"
        Events(host.clock, "", 0).restore(parts["events"])
        location = "/faults"
        Faults(host.clock).restore(parts["faults"])
        # The whole snapshot is valid. Nothing before this line has changed the state of the
        # emulator.
        ahead = parts["clock"]["now"] - host.clock.now()
        if ahead > 0 and isinstance(host.clock, ManualClock | MovableClock):
            host.clock.advance(ahead)
        events.restore(parts["events"])
        host.faults.restore(parts["faults"])

    try:
        scenario = Scenario.of(parts["scenario"]["document"], parts["scenario"]["name"])
        host.change(0, lambda _: scenario, prepare, parts.get("identifiers"))
    except (ScenarioError, UsageError) as error:
        raise FORMAT.wrong(error.message, location + error.location.rstrip("/"), error.hint) from None


def save(host: Host, path: str | Path | None = None) -> str:
    """Write a snapshot to ``path``, by default to the emulator's ``snapshot_file``, and return the
    path.

    Only the owner may read the file.

    Raises:
        UsageError: There is no path, or the file cannot be written.
    """
    target = host.snapshot_file if path is None else path
    if target is None:
        raise UsageError(
            "bad-argument",
            "The emulator has no file for snapshots.",
            hint="Start the emulator with `serve --snapshot FILE`, or pass a path.",
        )
    write(target, take(host))
    return str(target)


def checked(value: object) -> dict[str, Any]:
    """Return ``value`` if it has the top-level members of a snapshot.

    The content of ``events``, ``faults``, ``tokens`` and the scenario's ``document`` is not
    checked.

    Raises:
        ScenarioError: The value is not a snapshot. The code is ``bad-snapshot``, and the location
            is a JSON pointer.
    """
    whole = FORMAT.of(value)
    if not isinstance(value, dict) or value.get("format") != FORMAT_NAME:
        raise FORMAT.wrong(f"`format` must be {FORMAT_NAME!r}, as in every snapshot of an emulator.", "/format")
    if value.get("version") != VERSION:
        raise FORMAT.wrong(f"`version` must be {VERSION}; got {value.get('version')!r:.60}.", "/version")
    members = whole.members(MEMBERS, required=[name for name in MEMBERS if name != "identifiers"])
    members["clock"].members(required=("now",))["now"].integer(0, LAST_SECOND)
    if "identifiers" in members:  # Snapshots of older releases do not have this member.
        for made in members["identifiers"].members().values():
            if not _HEX.fullmatch(made.text(128)):
                made.must_be("bytes in lower-case hexadecimal")
    members["scenario"].members(("name", "document"), required=("name", "document"))["name"].text()
    return value


def read(path: str | Path) -> dict[str, Any]:
    """Return the snapshot in a file. Raise ScenarioError if the file does not contain a valid one."""
    return checked(FORMAT.read(path).value)


def write(path: str | Path, snapshot: dict[str, Any]) -> None:
    """Write a snapshot to a file that only its owner may read. Raise UsageError if that fails."""
    private_files.write(path, json.dumps(snapshot, indent=1, ensure_ascii=True).encode("ascii") + b"\n")
