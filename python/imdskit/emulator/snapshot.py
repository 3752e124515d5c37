"""Snapshots: the whole state of an emulator in one JSON file, from which it can resume later or elsewhere.

A snapshot contains no key, no seed and no token. It contains the public identifiers that the emulator made for the machine (vmId, MAC addresses,
client ids and so on), so the machine keeps them whatever the seed of the emulator that resumes. Keys come from the seed: with another seed, or
without one, documents and tokens are signed by new keys. The journal is not part of a snapshot.

This module handles the file and its outline. The modules that own the parts (events, faults, tokens) define them.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

from imdskit.clock import ManualClock, MovableClock
from imdskit.emulator import private_files
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.host import Host
from imdskit.emulator.json_input import LATEST, Format
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.errors import ScenarioError, UsageError

FORMAT_NAME = "imdskit-snapshot"
VERSION = 1
MEMBERS = ("format", "version", "clock", "scenario", "identifiers", "events", "faults", "tokens")
_HEX = re.compile(r"(?:[0-9a-f]{2}){1,64}", re.ASCII)
MAX_BYTES = 4 * 1024 * 1024
"""The largest snapshot that is read."""

FORMAT = Format(
    "The snapshot", partial(ScenarioError, "bad-snapshot"), "The format is in docs/admin.md.", MAX_BYTES, unknown_at_object=True
)


def take(host: Host) -> dict[str, Any]:
    """Return a snapshot of a host with one machine."""
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
        host.change(0, lambda _: scenario, prepare, parts.get("identifiers"))
    except (ScenarioError, UsageError) as error:
        raise FORMAT.wrong(error.message, place + error.location.rstrip("/"), error.hint) from None


def save(host: Host, path: str | Path | None = None) -> str:
    """Write a snapshot that only its owner may read, by default to the host's file, and return its path. Raises UsageError."""
    target = host.snapshot_file if path is None else path
    if target is None:
        raise UsageError(
            "bad-argument", "The emulator has no file for snapshots.", hint="Start the emulator with one: serve --snapshot FILE."
        )
    write(target, take(host))
    return str(target)


def checked(value: object) -> dict[str, Any]:
    """Return ``value`` if its outline is that of a snapshot. Raises ScenarioError, ``bad-snapshot``, with a JSON pointer."""
    whole = FORMAT.of(value)
    if not isinstance(value, dict) or value.get("format") != FORMAT_NAME:
        raise FORMAT.wrong("This is not a snapshot of an emulator.", "/format")
    if value.get("version") != VERSION:
        raise FORMAT.wrong(f"`version` must be {VERSION}; got {value.get('version')!r:.60}.", "/version")
    members = whole.members(MEMBERS, required=[name for name in MEMBERS if name != "identifiers"])
    members["clock"].members(required=("now",))["now"].integer(0, LATEST)
    if "identifiers" in members:  # snapshots of older releases have none
        for made in members["identifiers"].members().values():
            if not _HEX.fullmatch(made.text(128)):
                made.must_be("bytes in lower-case hexadecimal")
    members["scenario"].members(("name", "document"), required=("name", "document"))["name"].text()
    return value


def read(path: str | Path) -> dict[str, Any]:
    """Return the snapshot in a file. Raises ScenarioError."""
    return checked(FORMAT.read(path).value)


def write(path: str | Path, snapshot: dict[str, Any]) -> None:
    """Replace a file as a whole, readable by its owner only. Raises UsageError."""
    private_files.write(path, json.dumps(snapshot, indent=1, ensure_ascii=True).encode("ascii") + b"\n")
