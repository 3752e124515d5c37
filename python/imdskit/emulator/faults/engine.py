"""Selection of the fault for each request.

A script is a list of rules. For each request, this module finds the first rule that applies, and
counts how often each rule was applied.

with Emulator(faults="restart.json") as imds:
    ...
    imds.faults.load([{"match": {"category": "identity"}, "times": 2, "fault": {"status": 500}}])

:mod:`imdskit.emulator.faults.types` defines what each fault does.
:mod:`imdskit.emulator.faults.script` and ``docs/faults.md`` define the format of a script.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from imdskit.clock import Clock
from imdskit.emulator.faults import script as scripts
from imdskit.emulator.faults.script import FaultRule
from imdskit.emulator.faults.types import Fault
from imdskit.emulator.service.request_context import RequestContext

Script = str | Path | list[Any]
"""Path of a script file, or the list of rules in parsed JSON."""


@dataclass(slots=True)
class _Active:
    """A rule and its counters.

    Attributes:
        rule: a rule of the script.
        matched: number of requests that the rule matched.
        applied: number of requests to which the rule was applied.
        since: monotonic time in nanoseconds at which the rule was first applied. The value has no
            meaning while ``applied`` is 0.
    """

    rule: FaultRule
    matched: int = 0
    applied: int = 0
    since: int = 0

    def over(self, now: int) -> bool:
        """Return whether the rule will never apply again."""
        rule = self.rule
        if rule.for_ns is not None:
            return self.applied > 0 and now - self.since >= rule.for_ns
        return rule.times is not None and self.applied >= rule.times

    def count(self, now: int) -> bool:
        """Count a request that the rule matches, and return whether the rule applies to it."""
        self.matched += 1
        if self.matched <= self.rule.after or self.over(now):
            return False
        if not self.applied:
            self.since = now
        self.applied += 1
        return True


class Taken(NamedTuple):
    """A fault that was selected for one request.

    Attributes:
        fault: the fault.
        give_back: function that undoes the count of the fault. The caller calls it if the service
            refused the request, because a refused request does not get the fault.
    """

    fault: Fault
    give_back: Callable[[], None]


class Faults:
    """The faults of a whole emulator or of one machine. Safe to share between threads, and between
    machines.

    Args:
        clock: the emulator's clock, for rules with a time limit.
        script: the first script. None means no faults.
        common: faults of all machines. They are tried if no rule of this object applies to a
            request.

    Raises:
        ScenarioError: The script is invalid. The code is ``bad-faults``, and the location is a JSON
            pointer to the mistake.
    """

    def __init__(self, clock: Clock, script: Script | None = None, common: Faults | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._active: tuple[_Active, ...] = ()
        self._common = common
        if script is not None:
            self.load(script)

    @property
    def on(self) -> bool:
        """Whether this object or ``common`` contains at least one rule."""
        return bool(self._active) or (self._common is not None and self._common.on)

    def load(self, script: Script) -> None:
        """Replace the script. All counters start from zero.

        Args:
            script: path of a file, or a list of rules as ``json.loads`` returns it. A string is
                always a path, so the caller must check that input from the network is a list.

        Raises:
            ScenarioError: The script is invalid. The code is ``bad-faults``, and the location is a
                JSON pointer to the mistake. The faults are unchanged.
        """
        rules = scripts.read(script) if isinstance(script, str | Path) else scripts.of(script)
        self._set(tuple(_Active(rule) for rule in rules))

    def clear(self) -> None:
        """Remove all faults."""
        self._set(())

    def list(self) -> list[dict[str, Any]]:
        """Return every rule as JSON: ``rule`` as given, the counters ``matched`` and ``applied``,
        and whether the rule is ``over``."""
        now = self._clock.monotonic_ns()
        with self._lock:
            return [
                {"rule": one.rule.written, "matched": one.matched, "applied": one.applied, "over": one.over(now)} for one in self._active
            ]

    def snapshot(self) -> Sequence[dict[str, Any]]:
        """Return the whole state as JSON for :meth:`restore`.

        ``age_ns`` is the time in nanoseconds since a rule was first applied.
        """
        now = self._clock.monotonic_ns()
        with self._lock:
            return [
                {"rule": one.rule.written, "matched": one.matched, "applied": one.applied, "age_ns": now - one.since if one.applied else 0}
                for one in self._active
            ]

    def restore(self, snapshot: object) -> None:
        """Resume from a snapshot. Raise ScenarioError if the value is not a snapshot."""
        now = self._clock.monotonic_ns()
        rules, counts = scripts.of_snapshot(snapshot)
        self._set(tuple(_Active(rule, matched, applied, now - age) for rule, (matched, applied, age) in zip(rules, counts, strict=True)))

    def take(self, context: RequestContext) -> Taken | None:
        """Return the fault for a request, or None.

        The fault counts as applied unless the caller calls ``give_back``.
        """
        now = self._clock.monotonic_ns()
        with self._lock:
            for one in self._active:
                if one.rule.matches(context) and one.count(now):
                    return Taken(one.rule.fault, partial(self._give_back, one))
        return None if self._common is None else self._common.take(context)

    def _give_back(self, active: _Active) -> None:
        with self._lock:
            active.applied -= 1

    def _set(self, active: tuple[_Active, ...]) -> None:
        with self._lock:
            self._active = active
