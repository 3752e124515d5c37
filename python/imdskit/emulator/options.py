"""The options that :class:`Emulator` and :class:`Fleet` share, validated when they are given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imdskit.backends.contract import Backend
from imdskit.clock import Clock, SystemClock
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.faults.engine import Script
from imdskit.emulator.journal import KEPT
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service import profiles
from imdskit.emulator.service.profiles import Profile
from imdskit.errors import UsageError

LARGEST = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every host accepts. The attributes are described at :class:`imdskit.emulator.Emulator`.

    Raises:
        UsageError: an option has the wrong type or is out of range; the location is its name.
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
    keys: Keys | None = None

    def __post_init__(self) -> None:
        if self.seed is not None:
            integer("seed", self.seed, -LARGEST)
        integer("port", self.port, 0, 65535)
        if not isinstance(self.host, str) or not self.host:
            raise wrong("host", "an address", self.host)
        if not isinstance(self.rate_limit, bool):
            raise wrong("rate_limit", "True or False", self.rate_limit)
        if self.clock is not None and not all(callable(getattr(self.clock, name, None)) for name in ("now", "monotonic_ns")):
            raise wrong("clock", "a Clock or None", self.clock)
        if self.backend is not None and not isinstance(self.backend, Backend):
            raise wrong("backend", "a Backend or None", self.backend)
        integer("events_enabling", self.events_enabling, 0)
        if self.profile is not None and not isinstance(self.profile, str):
            raise wrong("profile", "the name of a profile or None", self.profile)
        if self.faults is not None and not isinstance(self.faults, str | Path | list):
            raise wrong("faults", "a path, a list of rules or None", self.faults)
        integer("journal", self.journal, 0, 10_000_000)
        if self.admin_port is not None:
            integer("admin_port", self.admin_port, 0, 65535)
        if self.admin_token is not None and not isinstance(self.admin_token, str):
            raise wrong("admin_token", "text or None", self.admin_token)
        if self.keys is not None and not isinstance(self.keys, Keys):
            raise wrong("keys", "a Keys object or None", self.keys)
        object.__setattr__(self, "rules_off", _names("rules_off", self.rules_off))
        object.__setattr__(self, "allow_hosts", _names("allow_hosts", self.allow_hosts))

    def chosen_clock(self) -> Clock:
        """Return the clock, by default the machine's."""
        return self.clock or SystemClock()

    def chosen_backend(self) -> Backend:
        """Return the backend, by default the best available one."""
        if self.backend is not None:
            return self.backend
        from imdskit.backends import best  # loads the extension, which takes 3 ms that a caller with a backend saves

        return best()

    def chosen_profile(self) -> Profile | None:
        """Return the service profile, or None for the scenario's. Raises UsageError if the name is unknown."""
        return None if self.profile is None else profiles.find(self.profile)


def scenario_of(name: str, value: str | Path | Scenario) -> Scenario:
    """Return a scenario, loaded if ``value`` is a name or a path. Raises ScenarioError, or UsageError for another type."""
    if isinstance(value, Scenario):
        return value
    if not isinstance(value, str | Path):
        raise wrong(name, "a name, a path or a Scenario", value)
    return Scenario.load(value)


def integer(name: str, value: object, least: int, most: int = LARGEST) -> int:
    """Return ``value`` if it is an integer in the range. Raises UsageError; True and False are not integers here."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        expected = (
            f"an integer from {least} to {most}" if most < LARGEST else "an integer" if least < 0 else f"an integer of at least {least}"
        )
        raise wrong(name, expected, value)
    return value


def wrong(name: str, expected: str, found: object, hint: str = "") -> UsageError:
    """Return the error for an argument."""
    return UsageError("bad-argument", f"`{name}` must be {expected}; got {found!r:.80}.", location=name, hint=hint)


def _names(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise wrong(name, "a list of names", value)
    names = tuple(value)
    for each in names:
        if not isinstance(each, str):
            raise wrong(name, "a list of names", each)
    return names
