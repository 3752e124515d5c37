"""Single flight: what several threads want at the same time is fetched once, for all of them.

What belongs here: who leads and who waits. What is fetched is the caller's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from imdskit.errors import ImdskitError


class Flight:
    """One fetch under way."""

    def __init__(self) -> None:
        self._landed = threading.Event()
        self._error: ImdskitError | None = None
        self._value: Any = None
        self.lost = True

    def land(self, value: Any, error: ImdskitError | None) -> None:
        """It came to an end."""
        self._value, self._error, self.lost = value, error, False

    def release(self) -> None:
        """Those who wait may look, whether it landed or was lost."""
        self._landed.set()

    def join(self) -> None:
        """Wait for the end."""
        self._landed.wait()

    def outcome(self) -> Any:
        """What came of it. An error is each waiter's own: threads that raise the same object write into each other's traceback."""
        if self._error is not None:
            raise copied(self._error)
        return self._value


class Flights:
    """Fetches under way, by their key. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[Hashable, Flight] = {}

    def share(self, key: Hashable, fetch: Callable[[], Any]) -> Any:
        """What ``fetch`` returns or raises, of this call or of one under way with the same key."""
        while True:
            with self._lock:
                flight = self._flying.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flying[key] = Flight()
            if leads:
                return self._lead(key, flight, fetch)
            flight.join()
            if not flight.lost:
                return flight.outcome()

    def _lead(self, key: Hashable, flight: Flight, fetch: Callable[[], Any]) -> Any:
        try:
            value = fetch()
            flight.land(value, None)
            return value
        except ImdskitError as error:
            flight.land(None, copied(error))
            raise
        finally:  # an interrupt is the leader's alone: the flight is lost then, and one who waits leads the next
            with self._lock:
                del self._flying[key]
            flight.release()


def copied(error: ImdskitError) -> ImdskitError:
    """An equal error without a history."""
    import copy

    twin = copy.copy(error)
    twin.__traceback__ = twin.__context__ = twin.__cause__ = None
    return twin
