"""What came of the fetches: each address is asked by one thread at a time, and what it answered is remembered for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from imdskit.clock import Clock
from imdskit.errors import FetchError
from imdskit.fork import ForkAware
from imdskit.pki.x509.certificate import Certificate

SECOND = 1_000_000_000
GOOD_NS = 24 * 60 * 60 * SECOND
BAD_NS = 5 * 60 * SECOND
"""Lives of good and bad outcomes, as kops has them: authorities change yearly; a failure may be over soon."""

CAPACITY = 128
"""Outcomes of either kind. Strangers can fill that of the bad ones, but not push out a good one."""


class _Failure(NamedTuple):
    code: str
    message: str
    location: str


_Outcome = Certificate | _Failure


class Outcomes(ForkAware):
    """Certificates by address. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._good: OrderedDict[str, tuple[int, _Outcome]] = OrderedDict()
        self._bad: OrderedDict[str, tuple[int, _Outcome]] = OrderedDict()
        self._flights: dict[str, Future[_Outcome]] = {}
        self.watch_forks()

    def renew_in_child(self, prepared: bool) -> None:
        """See :class:`imdskit.fork.ForkAware`."""
        self._lock = threading.Lock()
        self._flights = {}  # the threads that would end them do not exist here

    def get(self, address: str, fetch: Callable[[], Certificate], wait_ns: int) -> Certificate:
        """The certificate at ``address``: remembered, or fetched, or that of another thread which is fetching it.

        Raises:
            FetchError: of ``fetch``, now or within the last minutes; ``timed-out`` if another thread took longer than ``wait_ns``.
        """
        with self._lock:
            known = self._recall(address)
            flight = self._flights.get(address)
            leads = known is None and flight is None
            if leads:
                self._flights[address] = flight = Future()
        if known is None:
            assert flight is not None
            known = self._lead(address, fetch, flight) if leads else _follow(flight, wait_ns)
        if isinstance(known, _Failure):
            raise FetchError(known.code, known.message, location=known.location)
        return known

    def _recall(self, address: str) -> _Outcome | None:
        for outcomes in (self._good, self._bad):
            until, outcome = outcomes.get(address, (0, None))
            if outcome is not None:
                if self._clock.monotonic_ns() < until:
                    return outcome
                del outcomes[address]
        return None

    def _lead(self, address: str, fetch: Callable[[], Certificate], flight: Future[_Outcome]) -> _Outcome:
        outcome: _Outcome = _Failure("unreachable", "The fetch was broken off.", address)
        try:
            outcome = fetch()
        except FetchError as error:
            outcome = _Failure(error.code, error.message, error.location)
        finally:
            with self._lock:
                self._remember(address, outcome)
                self._flights.pop(address, None)  # absent in a child that was forked by this fetch
            flight.set_result(outcome)
        return outcome

    def _remember(self, address: str, outcome: _Outcome) -> None:
        if isinstance(outcome, _Failure) and outcome.code == "fetch-budget":
            return  # it was never asked
        outcomes, life = (self._bad, BAD_NS) if isinstance(outcome, _Failure) else (self._good, GOOD_NS)
        outcomes[address] = (self._clock.monotonic_ns() + life, outcome)
        if len(outcomes) > CAPACITY:
            outcomes.popitem(last=False)


def _follow(flight: Future[_Outcome], wait_ns: int) -> _Outcome:
    try:
        return flight.result(wait_ns / SECOND)
    except TimeoutError:
        raise FetchError("timed-out", "Another thread is still fetching it.") from None
