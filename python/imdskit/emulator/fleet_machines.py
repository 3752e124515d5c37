"""The machines of a fleet: made when they are first asked, forgotten when they have not been for long, and remembered in what matters.

An untouched machine is nothing but its number. One that was forgotten keeps its scheduled events, unless there never were any and nobody
asked, and its limits until they are full again, which is after a second. Made anew are the document, which comes out the same, and the
cached tokens and attested documents, which do not.

What belongs here: which machine a number is, and how long it stays. Whom a request means is in :mod:`imdskit.emulator.fleet`.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from imdskit.clock import Clock
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.machine import expansion
from imdskit.emulator.machine.expansion import Seeded
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.emulator.service.rate_limits import SECOND, Throttle

Makes = Callable[[int, Events | None, Throttle | None], App]
"""Makes a machine of its number and what was kept of it."""

_DEFAULT_PREFIX = 12
"""Addresses that a template does not give are of 10.0.0.0/12 for the first interface, 10.16.0.0/12 for the second, and so on."""


class Machines:
    """The machines that are awake, and what is kept of the others. Safe to share between threads.

    Args:
        make: makes one.
        most: that are awake at once; the one that was asked least recently falls asleep.
        clock: the emulator's; limits are full again after a second of it.
    """

    def __init__(self, make: Makes, most: int, clock: Clock) -> None:
        self._make = make
        self._most = most
        self._clock = clock
        self._lock = threading.RLock()
        self._awake: OrderedDict[int, tuple[int, App]] = OrderedDict()
        self._in_use: WeakValueDictionary[int, App] = WeakValueDictionary()
        """Awake ones, and those that fell asleep while a request to them was under way."""
        self._events: dict[int, Events] = {}
        self._limits: OrderedDict[int, tuple[int, Throttle]] = OrderedDict()

    def __len__(self) -> int:
        """How many are awake."""
        return len(self._awake)

    def wake(self, index: int) -> App:
        """The machine, made if it must be. Raises ScenarioError if it cannot be."""
        with self._lock:
            now = self._clock.monotonic_ns()
            found = self._awake.get(index)
            app = self._in_use.get(index) if found is None else found[1]
            if app is None:
                app = self._in_use[index] = self._made(index, now)
            self._awake[index] = now, app
            if found is not None:
                self._awake.move_to_end(index)
            elif len(self._awake) > self._most:
                self._sleep(now)
            return app

    def replace(self, index: int, become: Callable[[App], App]) -> None:
        """A machine is another from now on, which ``become`` makes of what it was; nobody is woken meanwhile."""
        with self._lock:
            app = self._in_use[index] = become(self.wake(index))
            self._awake[index] = self._clock.monotonic_ns(), app

    def awake(self, index: int) -> bool:
        """Whether a machine is awake."""
        return index in self._awake

    def events(self, index: int) -> Events:
        """The events of a machine, kept from now on: whoever has them may announce one at any time."""
        with self._lock:
            events = self._events.get(index)
            if events is None:
                events = self._events[index] = self.wake(index).machine.events
            return events

    def _made(self, index: int, now: int) -> App:
        while self._limits and next(iter(self._limits.values()))[0] + SECOND <= now:
            self._limits.popitem(last=False)
        return self._make(index, self._events.get(index), self._limits.pop(index, (0, None))[1])

    def _sleep(self, now: int) -> None:
        index, (used, app) = self._awake.popitem(last=False)
        if not app.machine.events.untouched:
            self._events[index] = app.machine.events
        if app.throttle is not None and used + SECOND > now:
            self._limits[index] = used, app.throttle


class Numbering:
    """Which machine a number is: the same template, seed and number give the same machine, whatever the size of the fleet.

    Args:
        template: any scenario. What it gives is every machine's, filled in where it is a template; the rest is different for each, but for the
            subscription, which is one.
        seed: of the fleet.
    """

    def __init__(self, template: Scenario, seed: int) -> None:
        self._template = template
        self._seed = seed
        self._subscription = Seeded(seed).uuid("subscription")
        name = expansion.compute(template, seed).get("name", "")
        self._name = name if isinstance(name, str) else ""

    def seed(self, index: int) -> int:
        """Of all values of a machine that its scenario does not give."""
        return int.from_bytes(hashlib.sha256(f"imdskit fleet {self._seed} {index}".encode()).digest()[:16])

    def scenario(self, index: int) -> Scenario:
        """What machine it is. Raises ScenarioError if a network of the template has no address for it."""
        scenario = self._template.machine(index)
        given = dict(scenario.given)
        compute, network = given.get("compute", {}), given.get("network", {})
        if compute is not None:
            given["compute"] = {"subscriptionId": self._subscription, **compute, **self._named(compute, index)}
        if network is not None and network.get("interface", []) is not None:
            interfaces = [_addressed(each, position, index) for position, each in enumerate(network.get("interface", [{}]))]
            given["network"] = {**network, "interface": interfaces}
        return replace(scenario, given=given)

    def _named(self, compute: dict[str, Any], index: int) -> dict[str, str]:
        if not self._name or ("name" in compute and self._template.template is not None):
            return {}
        scale_set, _, number = self._name.rpartition("_")
        uniform = number.isdecimal() and scale_set == compute.get("vmScaleSetName")
        return {"name": f"{scale_set}_{index}" if uniform else f"{self._name}-{index}"}


def _addressed(interface: dict[str, Any], position: int, index: int) -> dict[str, Any]:
    """``interface`` with an address of this machine's where the template gives none."""
    ipv4 = interface.get("ipv4", {})
    if ipv4 is None or "ipAddress" in ipv4:
        return interface
    network = (10 << 24) + (position % 16 << 20)
    defaults = {
        "ipAddress": [{"privateIpAddress": _dotted(network + 4 + index)}],
        "subnet": [{"address": _dotted(network), "prefix": str(_DEFAULT_PREFIX)}],
    }
    return {**interface, "ipv4": {**defaults, **ipv4}}


def _dotted(address: int) -> str:
    return ".".join(str(octet) for octet in address.to_bytes(4))
