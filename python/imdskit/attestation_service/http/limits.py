"""Limits on the load of one process: requests per second for each key, and the number of concurrent
requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import Lock

from imdskit import backends
from imdskit.attestation_service.configuration.settings import Settings
from imdskit.attestation_service.http.messages import Problem
from imdskit.backends.contract import Bucket
from imdskit.clock import SECOND, Clock


class Limits:
    """Limits of one process. The object is safe to share between threads."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._bucket = backends.get(settings.backend).bucket
        self._buckets: dict[str, Bucket] = {}
        self._lock = Lock()
        self.in_progress = 0
        """Number of requests in progress."""

    def take(self, key: str) -> None:
        """Count a request for the rate limit of an API key. Each key has a separate token bucket.

        Args:
            key: name of the API key in the key file.

        Raises:
            Problem: The rate limit is exceeded (429). The header Retry-After says when another
                request is accepted.
        """
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = self._bucket(self._settings.rate_per_second, SECOND, self._settings.rate_burst)
        wait = bucket.take(self._clock.monotonic_ns())
        if wait:
            seconds = str(-(-wait // SECOND))
            detail = f"This key has exceeded its rate limit of {self._settings.rate_per_second} requests per second."
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "rate-limit", detail, (("Retry-After", seconds),))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Occupy one of the slots for concurrent requests until the context ends. The setting
        ``max_concurrent`` is the number of slots.

        Raises:
            Problem: All slots are occupied (503).
        """
        with self._lock:
            if self.in_progress >= self._settings.max_concurrent:
                detail = "The service is handling the maximum number of requests at present. Try again."
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, (("Retry-After", "1"),))
            self.in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                self.in_progress -= 1
