"""Whole answers, remembered: clients ask for the same again and again, and most of an answer's cost is going through the rules.

An answer is remembered only if nothing decides it but the request's method, target and headers, the machine's document and the rules: not
the clock, not the body, not the events. That is so of every answer below ``/instance`` and ``/versions``, whatever rule refuses it, but for
the limits, which are counted before and apart. Only the id of the request is a new one each time.

What belongs here: what may be remembered, and forgetting it when the machine is another. Asking is the App's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from imdskit.emulator.service.request_context import RequestContext, ServedMachine
from imdskit.protocol.messages import Request, Response

MOST = 256
"""Answers that are remembered."""
LONGEST = 4096
"""Characters in target and headers of a request that is remembered."""

CATEGORIES = ("instance", "versions")
REQUEST_ID = "x-ms-request-id"

_Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, and the headers of it before the id of the request, which is the last one; None: it has none."""

    response: Response
    before_id: tuple[tuple[str, str], ...] | None


class ResponseCache:
    """Answers of one machine. Safe to share between threads.

    Args:
        request_id: makes a new value of ``x-ms-request-id``.
        most: answers that are remembered; the oldest is forgotten.
    """

    def __init__(self, request_id: Callable[[], str], most: int = MOST) -> None:
        self._request_id = request_id
        self._most = most
        self._lock = threading.Lock()
        self._known: tuple[ServedMachine | None, dict[_Key, Kept]] = None, {}
        """Replaced as one, so that nobody sees answers of one machine under the name of another."""

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known[1])

    def find(self, request: Request, machine: ServedMachine) -> Kept | None:
        """The answer of ``machine`` to ``request``, or None if it is not known. Another machine than the last one has no answers yet."""
        known_of, known = self._known
        if known_of is not machine or request.body:
            return None
        return known.get((request.method, request.target, request.headers))

    def answer(self, kept: Kept) -> Response:
        """The answer, with an id of its own."""
        before = kept.before_id
        if before is None:
            return kept.response
        return Response(kept.response.status, (*before, (REQUEST_ID, self._request_id())), kept.response.body)

    def remember(self, context: RequestContext, response: Response) -> None:
        """Keep the answer to a request that the limits admitted, if it may be kept."""
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
        """All of them."""
        with self._lock:
            self._known = None, {}
