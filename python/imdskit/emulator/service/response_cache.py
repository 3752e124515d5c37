"""Cache of whole responses: clients repeat their requests, and most of the cost of a response is going through the rules.

A response is cached only if nothing decides it except the request's method, target and headers, the machine's document and the rules: not the
clock, not the body, not the events. That holds for every response below ``/instance`` and ``/versions``, whichever rule refuses it, except for the
limits, which are counted before and separately. Only the request id is new each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from imdskit.emulator.service.request_context import RequestContext, ServedMachine
from imdskit.protocol.messages import Request, Response

MOST = 256
"""Responses in a cache."""
LONGEST = 4096
"""Characters in target and headers of a request whose response is cached."""

CATEGORIES = ("instance", "versions")
REQUEST_ID = "x-ms-request-id"

_Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A response, and its headers before the request id, which is the last one; None: it has none."""

    response: Response
    before_id: tuple[tuple[str, str], ...] | None


class ResponseCache:
    """Cached responses of one machine. Safe to share between threads.

    Args:
        request_id: makes a new value of ``x-ms-request-id``.
        most: responses in the cache; the oldest is dropped.
    """

    def __init__(self, request_id: Callable[[], str], most: int = MOST) -> None:
        self._request_id = request_id
        self._most = most
        self._lock = threading.Lock()
        self._known: tuple[ServedMachine | None, dict[_Key, Kept]] = None, {}
        """Replaced as one, so that nobody sees the responses of one machine as those of another."""

    def __len__(self) -> int:
        """Return the number of cached responses."""
        return len(self._known[1])

    def find(self, request: Request, machine: ServedMachine) -> Kept | None:
        """Return the response of ``machine`` to ``request``, or None if it is not cached. A new machine has no cached responses."""
        known_of, known = self._known
        if known_of is not machine or request.body:
            return None
        return known.get((request.method, request.target, request.headers))

    def answer(self, kept: Kept) -> Response:
        """Return the response with a new request id."""
        before = kept.before_id
        if before is None:
            return kept.response
        return Response(kept.response.status, (*before, (REQUEST_ID, self._request_id())), kept.response.body)

    def remember(self, context: RequestContext, response: Response) -> None:
        """Cache the response to a request that the limits admitted, if that is allowed."""
        request = context.request
        if context.category not in CATEGORIES or request.body or response.delivery is not None:
            return
        if len(request.target) + sum(len(name) + len(value) for name, value in request.headers) > LONGEST:
            return
        headers = response.headers
        kept = Kept(response, headers[:-1] if headers and headers[-1][0] == REQUEST_ID else None)
        with self._lock:
            known_of, known = self._known
            if known_of is not context.machine:
                self._known = context.machine, (known := {})
            elif len(known) >= self._most:
                del known[next(iter(known))]
            known[request.method, request.target, request.headers] = kept

    def forget(self) -> None:
        """Drop all responses."""
        with self._lock:
            self._known = None, {}
