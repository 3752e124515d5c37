"""Cache of fetched certificates and of failed fetches. It also ensures that two threads never
request the same URL at the same time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from imdskit.clock import SECOND, Clock
from imdskit.errors import FetchError
from imdskit.fork import ForkAware
from imdskit.pki.x509.certificate import Certificate
from imdskit.single_flight import SingleFlight, copied

GOOD_NS = 24 * 60 * 60 * SECOND
BAD_NS = 5 * 60 * SECOND
"""Lifetimes of cache entries in nanoseconds: ``GOOD_NS`` for a successful fetch and ``BAD_NS`` for
a failed one. The Kubernetes tool kops uses the same lifetimes.

A certificate can be cached for long, because authorities replace their certificates only about once
a year. A failure must not be cached for long, because its cause may be temporary.
"""

CAPACITY = 128
"""Maximum number of cached certificates, and also of cached failures.

Certificates and failures are counted separately. An attacker can cause many failures, which must
not evict the certificates.
"""


_Outcome = Certificate | FetchError


class Outcomes(ForkAware):
    """Cache of certificates and failures by URL. It can be shared between threads."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._good: OrderedDict[str, tuple[int, _Outcome]] = OrderedDict()
        self._bad: OrderedDict[str, tuple[int, _Outcome]] = OrderedDict()
        self._single_flight: SingleFlight[_Outcome] = SingleFlight()
        self.watch_forks()

    def get(self, address: str, fetch: Callable[[], Certificate], wait_ns: int) -> Certificate:
        """Return the certificate at the URL ``address``. It comes from the cache, from the function
        ``fetch``, or from another thread that is fetching the same URL at present.

        Raises:
            FetchError: the fetch failed now, or in the last five minutes. The code is ``timed-out``
                if another thread took longer than ``wait_ns`` nanoseconds.
        """
        try:
            outcome = self._single_flight.run(address, lambda: self._known_or_fetched(address, fetch), wait_ns / SECOND)
        except TimeoutError:
            raise FetchError("timed-out", "Another thread is still fetching the certificate.") from None
        if isinstance(outcome, FetchError):
            raise copied(outcome)
        return outcome

    def _known_or_fetched(self, address: str, fetch: Callable[[], Certificate]) -> _Outcome:
        with self._lock:
            known = self._cached(address)
        if known is not None:
            return known
        outcome: _Outcome = FetchError("unreachable", "The fetch was aborted.", location=address)
        try:
            outcome = fetch()
        except FetchError as error:
            outcome = copied(error)
        finally:
            with self._lock:
                self._keep(address, outcome)
        return outcome

    def _cached(self, address: str) -> _Outcome | None:
        for outcomes in (self._good, self._bad):
            until, outcome = outcomes.get(address, (0, None))
            if outcome is not None:
                if self._clock.monotonic_ns() < until:
                    return outcome
                del outcomes[address]
        return None

    def _keep(self, address: str, outcome: _Outcome) -> None:
        if isinstance(outcome, FetchError) and outcome.code == "fetch-budget":
            return  # there was no request, so nothing is known about the URL
        outcomes, life = (self._bad, BAD_NS) if isinstance(outcome, FetchError) else (self._good, GOOD_NS)
        outcomes[address] = (self._clock.monotonic_ns() + life, outcome)
        if len(outcomes) > CAPACITY:
            outcomes.popitem(last=False)
