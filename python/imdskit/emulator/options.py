"""Options that :class:`Emulator` and :class:`Fleet` share. The constructor of :class:`Options`
validates them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from imdskit.arguments import LARGEST, instance, methods, mistake, whole
from imdskit.backends.contract import Backend
from imdskit.clock import Clock
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.faults.engine import Script
from imdskit.emulator.http.host_header import loopback
from imdskit.emulator.journal import KEPT
from imdskit.emulator.published_urls import Addresses
from imdskit.emulator.scenario.scenario import Scenario

_KINDS: tuple[tuple[str, Any, str], ...] = (
    ("host", str, "an address"),
    ("rate_limit", bool, "True or False"),
    ("backend", Backend | None, "a Backend or None"),
    ("profile", str | None, "the name of a profile or None"),
    ("faults", str | Path | list | None, "a path, a list of rules or None"),
    ("admin_token", str | None, "text or None"),
    ("admin_host", str, "an address"),
    ("public_url", str | None, "an address or None"),
    ("pki_url", str | None, "an address or None"),
    ("issuer", str | None, "an address or None"),
    ("health", bool, "True or False"),
    ("snapshot_file", str | Path | None, "a path or None"),
    ("keys", Keys | None, "a Keys object or None"),
    ("listener", socket.socket | None, "a bound TCP socket or None"),
)
_RANGES = (
    ("seed", -LARGEST, LARGEST),
    ("port", 0, 65535),
    ("events_enabling", 0, LARGEST),
    ("journal", 0, 10_000_000),
    ("admin_port", 0, 65535),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Validated options of an emulator or fleet. :class:`imdskit.emulator.Emulator` describes the
    attributes.

    Raises:
        UsageError: An option has the wrong type or is out of range. The location is the name of the
            option.
    """

    seed: int | None = None
    port: int = 0
    host: str = "127.0.0.1"
    rate_limit: bool = True
    clock: Clock | None = None
    backend: Backend | None = None
    events_enabling: int = 0
    profile: str | None = None
    rules_off: Iterable[str] = ()
    faults: Script | None = None
    allow_hosts: Iterable[str] = ()
    journal: int = KEPT
    admin_port: int | None = None
    admin_token: str | None = None
    snapshot_file: str | Path | None = None
    keys: Keys | None = None
    listener: socket.socket | None = None
    public_url: str | None = None
    pki_url: str | None = None
    issuer: str | None = None
    health: bool = False
    admin_host: str = "127.0.0.1"
    admin_allow_hosts: Iterable[str] = ()

    @classmethod
    def among(cls, given: Mapping[str, Any]) -> Options:
        """Return the options that are among the arguments of a constructor. Other arguments are
        ignored."""
        return cls(**{one.name: given[one.name] for one in fields(cls) if one.name in given})

    def __post_init__(self) -> None:
        for name, kind, expected in _KINDS:
            instance(getattr(self, name), name, kind, expected)
        for name in ("host", "admin_host"):
            if not getattr(self, name):
                raise mistake(name, "an address", getattr(self, name))
        if self.clock is not None:
            methods(self.clock, "clock", "now", "monotonic_ns")
        for name, least, most in _RANGES:
            if getattr(self, name) is not None or name not in ("seed", "admin_port"):
                whole(getattr(self, name), name, least, most)
        for name in ("rules_off", "allow_hosts", "admin_allow_hosts"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        self.addresses()
        if self.admin_port is not None and self.admin_token is None and not loopback(self.admin_host):
            hint = "Choose a token of 16 or more random characters. Anyone who has it can change the emulator."
            raise mistake("admin_host", "a loopback address unless `admin_token` is given, too", self.admin_host, hint=hint)

    def addresses(self) -> Addresses:
        """Return the addresses that the emulator publishes to its clients.

        Raise UsageError if one of them is invalid.
        """
        return Addresses(self.public_url, self.pki_url, self.issuer)


def scenario_of(name: str, value: str | Path | Scenario) -> Scenario:
    """Return a scenario. Load it if ``value`` is a name or a path.

    Raises:
        ScenarioError: The scenario cannot be loaded.
        UsageError: The value has another type. The location of the error is ``name``.
    """
    if isinstance(value, Scenario):
        return value
    if not isinstance(value, str | Path):
        raise mistake(name, "a name, a path or a Scenario", value)
    return Scenario.load(value)


def _names(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise mistake(name, "a list of names", value)
    names = tuple(value)
    for each in names:
        if not isinstance(each, str):
            raise mistake(name, "a list of names", each)
    return names
