"""Cache of whole responses.

The cache saves time because clients repeat their requests. Without it, the evaluation of the rules
takes most of the time of a response.

A response is cached only if it depends on nothing but the request's method, target and headers, the
machine's instance document and the rules. It must not depend on the clock, the request body or the
scheduled events. This is true for all responses below ``/metadata/instance`` and
``/metadata/versions``, including refusals. The rate limits are checked before the cache. Each
response gets a new request id.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from imdskit.emulator.http.messages import Request, Response
from imdskit.emulator.service.request_context import RequestContext

MOST = 256
"""Default maximum number of responses in a cache."""
LONGEST = 4096
"""Maximum number of characters in target and headers of a request whose response is cached."""

STATIC = frozenset(("instance", "versions"))
"""Categories whose responses are cached. They are also immediate, because nothing has to be signed."""
REQUEST_ID = "x-ms-request-id"

_Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """Cached response.

    Attributes:
        response: the response.
        before_id: headers of the response without the last one, which is the request id. None if
            the response has no request id.
    """

    response: Response
    before_id: tuple[tuple[str, str], ...] | None


class ResponseCache:
    """Cache of responses of one machine. It is safe to share between threads.

    Args:
        request_id: function that returns a new value for the header ``x-ms-request-id``.
        most: maximum number of responses in the cache. When the cache is full, the oldest response
            is dropped.
    """

    def __init__(self, request_id: Callable[[], str], most: int = MOST) -> None:
        self._request_id = request_id
        self._most = most
        self._lock = threading.Lock()
        self._known: dict[_Key, CachedResponse] = {}

    def __len__(self) -> int:
        """Return the number of cached responses."""
        return len(self._known)

    def find(self, request: Request) -> CachedResponse | None:
        """Return the cached response to a request, or None if it is not cached."""
        return None if request.body else self._known.get((request.method, request.target, request.headers))

    def answer(self, cached: CachedResponse) -> Response:
        """Return a cached response with a new request id."""
        before = cached.before_id
        if before is None:
            return cached.response
        return Response(cached.response.status, (*before, (REQUEST_ID, self._request_id())), cached.response.body)

    def add(self, context: RequestContext, response: Response) -> None:
        """Cache a response if it is cacheable. The rate limits must have admitted its request."""
        request = context.request
        if context.category not in STATIC or request.body or response.delivery is not None:
            return
        if len(request.target) + sum(len(name) + len(value) for name, value in request.headers) > LONGEST:
            return
        headers = response.headers
        cached = CachedResponse(response, headers[:-1] if headers and headers[-1][0] == REQUEST_ID else None)
        with self._lock:
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[request.method, request.target, request.headers] = cached
