"""Limits on what callers can make a process do: requests per second and key, and requests at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import Lock

from imdskit import backends
from imdskit.attestation_service.configuration.settings import Settings
from imdskit.attestation_service.http.messages import Problem
from imdskit.backends.contract import Bucket
from imdskit.clock import Clock

SECOND = 1_000_000_000


class Limits:
    """The limits of one process. Safe to share between threads."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._bucket = backends.get(settings.backend).bucket
        self._buckets: dict[str, Bucket] = {}
        self._lock = Lock()
        self.in_progress = 0
        """Requests that are being worked on."""

    def take(self, key: str) -> None:
        """Count a request against the rate of a key. Names of keys are those of the key file, so there are few buckets.

        Raises:
            Problem: 429, with the time after which a request will be accepted.
        """
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = self._bucket(self._settings.rate_per_second, SECOND, self._settings.rate_burst)
        wait = bucket.take(self._clock.monotonic_ns())
        if wait:
            seconds = str(-(-wait // SECOND))
            detail = f"This key may make {self._settings.rate_per_second} requests per second."
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "rate-limit", detail, (("Retry-After", seconds),))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Be one of the requests that are worked on at the same time.

        Raises:
            Problem: 503: there are too many.
        """
        with self._lock:
            if self.in_progress >= self._settings.max_concurrent:
                detail = "The service is working on as many requests as it can. Try again."
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, (("Retry-After", "1"),))
            self.in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self.in_progress -= 1
