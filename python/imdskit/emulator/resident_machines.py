"""Machines that an emulator or fleet keeps in memory, and the state that it keeps of evicted
machines.

A machine is created when the first request for it arrives. When too many machines are in memory,
the least recently requested one is evicted. The scheduled events of an evicted machine are kept if
an event was ever announced, or if a client ever requested the events. Its rate limits are kept for
one second, because the token buckets are full again after that time. Its cached tokens and attested
documents are lost.
When the machine is created again, it has the same instance document as before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakValueDictionary

from imdskit.clock import Clock, ticks
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.service.app import App
from imdskit.emulator.service.rate_limits import SECOND, RateLimits

Create = Callable[[int, Events | None, RateLimits | None], App]
"""Function that creates the service of a machine from its number and from the events and rate
limits that were kept, if any."""


class ResidentMachines:
    """Services of the machines in memory. The object is safe to share between threads.

    Args:
        create: function that creates the service of a machine.
        most: maximum number of machines in memory. If there are more, the least recently requested
            machine is evicted.
        clock: clock of the emulator. The token buckets of the rate limits are full again after one
            second on this clock.
    """

    def __init__(self, create: Create, most: int, clock: Clock) -> None:
        self._create = create
        self._most = most
        self._now_ns = ticks(clock)
        self._lock = threading.RLock()
        self._resident: OrderedDict[int, tuple[int, App]] = OrderedDict()
        self._in_use: WeakValueDictionary[int, App] = WeakValueDictionary()
        """Resident machines, and machines that were evicted while a request to them was in
        progress."""
        self._events: dict[int, Events] = {}
        self._limits: OrderedDict[int, tuple[int, RateLimits]] = OrderedDict()
        self._latest: tuple[int, App] | None = None
        """The most recently requested machine.

        No lock is needed to read it, because all other machines are evicted before this one.
        """

    def __len__(self) -> int:
        """Return the number of machines in memory."""
        return len(self._resident)

    def __contains__(self, index: int) -> bool:
        """Return whether a machine is in memory."""
        return index in self._resident

    def get(self, index: int) -> App:
        """Return the service of a machine. Create it if it is not in memory.

        Raises:
            ScenarioError: The scenario of the machine is invalid.
        """
        latest = self._latest
        if latest is not None and latest[0] == index:
            return latest[1]
        with self._lock:
            now = self._now_ns()
            if self._latest is not None:
                # Repeated requests to the latest machine skip this code, so its time of use has to
                # be updated now.
                self._resident[self._latest[0]] = now, self._latest[1]
            found = self._resident.get(index)
            app = self._in_use.get(index) if found is None else found[1]
            if app is None:
                app = self._in_use[index] = self._created(index, now)
            self._resident[index] = now, app
            if found is not None:
                self._resident.move_to_end(index)
            elif len(self._resident) > self._most:
                self._evict(now)
            self._latest = index, app
            return app

    def replace(self, index: int, successor: Callable[[App], App]) -> None:
        """Replace the service of a machine by the one that ``successor`` returns.

        Other threads wait until this is done.
        """
        with self._lock:
            app = self._in_use[index] = successor(self.get(index))
            self._resident[index] = self._now_ns(), app
            self._latest = index, app

    def events(self, index: int) -> Events:
        """Return the events of a machine.

        Keep them even if the machine is evicted, because the caller may announce events at any
        time.
        """
        with self._lock:
            events = self._events.get(index)
            if events is None:
                events = self._events[index] = self.get(index).machine.events
            return events

    def _created(self, index: int, now: int) -> App:
        while self._limits and next(iter(self._limits.values()))[0] + SECOND <= now:
            self._limits.popitem(last=False)
        return self._create(index, self._events.get(index), self._limits.pop(index, (0, None))[1])

    def _evict(self, now: int) -> None:
        index, (used, app) = self._resident.popitem(last=False)
        if not app.machine.events.untouched:
            self._events[index] = app.machine.events
        if app.throttle is not None and used + SECOND > now:
            self._limits[index] = used, app.throttle
