"""Journal of the most recent requests and responses.

with Emulator() as imds:
    ...
    imds.journal.wait_for(2, category="identity")
    assert imds.journal.last().status == 200

The journal contains only valid HTTP requests. Malformed messages, and connections that the server
refused because too many were open, do not appear in it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from imdskit.clock import Clock, SystemClock
from imdskit.emulator.http.messages import Request, Response
from imdskit.emulator.http.request_target import parse_target

KEPT = 10_000
"""Default maximum number of entries."""

SECRET = frozenset(("authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"))
"""Lower-case names of headers whose values the journal withholds.

It also withholds the values of headers whose names end in ``-token`` or ``-secret``.
"""
WITHHELD = "(withheld)"
"""Text that the journal shows in place of a withheld value."""
LONGEST = 2048
"""Maximum number of characters that an entry keeps of its target.

The same maximum applies to all headers of an entry together. These two limits bound the memory that
the journal uses.
"""

Headers = tuple[tuple[str, str], ...]


class Entry(NamedTuple):
    """One request and its response.

    Attributes:
        number: number of the entry, counted from 1 in the order of the responses. The count
            continues after a reset.
        time: time of the response in Unix seconds, on the emulator's clock.
        source: address of the client, or ``""`` if it is unknown.
        method: method as sent.
        target: request target as sent, without the prefix that selects a machine of a fleet.
        headers: (name, value) pairs as sent, without the values of secret headers.
        status: status code of the response.
        rule: name of the rule that refused the request, ``wrong-host`` if its Host header is not
            allowed, or ``""``.
        fault: type of the fault that applied, or ``""``.
        duration_ns: nanoseconds that the service took, on the system clock. Delays that a fault
            adds while sending are not included.
        body_bytes: length of the response body in bytes.
        machine: number of the fleet's machine that the request selected; None if it did not select
            a machine, or if there is no fleet.
    """

    number: int
    time: int
    source: str
    method: str
    target: str
    headers: Headers
    status: int
    rule: str
    fault: str
    duration_ns: int
    body_bytes: int
    machine: int | None = None

    @property
    def path(self) -> str:
        """Decoded path of the target in lower case, without double and trailing slashes."""
        return parse_target(self.target).folded

    @property
    def category(self) -> str | None:
        """Path segment after ``/metadata``, such as ``instance``; ``""`` if there is none.

        None if the path is outside of ``/metadata``.
        """
        return parse_target(self.target).category

    def parameter(self, name: str) -> str | None:
        """Return the decoded value of a query parameter, or None if it is absent."""
        return parse_target(self.target).parameter(name)

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None if it is absent.

        The name matches in any letter case.
        """
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> dict[str, Any]:
        """Return the entry as a JSON object. Its members have the names of the attributes."""
        return {**self._asdict(), "headers": [list(pair) for pair in self.headers]}


@dataclass(frozen=True, slots=True)
class Filter:
    """Criteria that an entry must meet. A criterion that is None matches every entry.

    Attributes:
        path: path that the entry's path must equal or lie below. Letter case and a trailing slash
            do not matter.
        category: category, as in :class:`Entry`.
        method: method, as sent.
        status: status code of the response.
        rule: name of the rule that refused the request.
        fault: type of the fault that applied.
        since: number that the entry's number must exceed.
        machine: number of the fleet's machine that the request selected.
    """

    path: str | None = None
    category: str | None = None
    method: str | None = None
    status: int | None = None
    rule: str | None = None
    fault: str | None = None
    since: int = 0
    machine: int | None = None

    def __call__(self, entry: Entry) -> bool:
        if entry.number <= self.since or self.status not in (None, entry.status) or self.method not in (None, entry.method):
            return False
        if self.rule not in (None, entry.rule) or self.fault not in (None, entry.fault) or self.machine not in (None, entry.machine):
            return False
        if self.category is not None and self.category.lower() != entry.category:
            return False
        path = "" if self.path is None else "/" + self.path.lower().strip("/")
        return path in ("", "/") or entry.path == path or entry.path.startswith(path + "/")


class Tally(NamedTuple):
    """Counts of entries since the last reset: ``total`` is ``kept`` plus ``dropped``.

    ``last`` is the number of the newest entry.
    """

    total: int
    kept: int
    dropped: int
    last: int


class Journal:
    """Journal of the most recent requests and responses of a host.

    It is safe to share between threads.

    Args:
        clock: clock of the emulator.
        kept: maximum number of entries. When the journal is full, it drops the oldest entry and
            counts it as dropped.
        watch: clock that measures durations; the system clock by default.

    Attributes:
        most: maximum number of entries.
        listener: function, such as an access log, that the recording thread calls with each new
            entry; None at first.
    """

    def __init__(self, clock: Clock, kept: int = KEPT, watch: Clock | None = None) -> None:
        self._clock = clock
        self._watch = watch or SystemClock()
        self.most = kept
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._last = 0
        self._before = 0
        self._closed = False
        self._headers: tuple[Headers, Headers] = (), ()
        """Headers of the last request: first as received, then without secrets.

        Entries with the same headers share one tuple.
        """
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self.listener: Callable[[Entry], None] | None = None

    def begin(self) -> int:
        """Return the present time, from which :meth:`record` computes the duration of a request."""
        return self._watch.monotonic_ns()

    def __len__(self) -> int:
        """Return the number of entries in the journal."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """Return an iterator over the entries in the journal, oldest first."""
        return iter(self.list())

    def list(self, limit: int | None = None, **wanted: Any) -> list[Entry]:
        """Return the entries that match, oldest first.

        Args:
            limit: maximum number of entries to return; None returns all of them.
            wanted: criteria, named like the attributes of :class:`Filter`.
        """
        meant = Filter(**wanted)
        with self._changed:
            entries = tuple(self._entries)
        return list(islice(filter(meant, entries), limit))

    def count(self, **wanted: Any) -> int:
        """Return how many entries match."""
        return len(self.list(**wanted))

    def last(self, **wanted: Any) -> Entry | None:
        """Return the newest entry that matches, or None."""
        found = self.list(**wanted)
        return found[-1] if found else None

    def paths(self, **wanted: Any) -> Sequence[str]:
        """Return method and path of each entry that matches, such as ``GET /metadata/instance``."""
        return [f"{entry.method} {entry.path}" for entry in self.list(**wanted)]

    def tally(self) -> Tally:
        """Return the counts of entries since the last reset."""
        with self._changed:
            total, kept = self._last - self._before, len(self._entries)
            return Tally(total, kept, total - kept, self._last)

    def wait_for(self, wanted: int | Callable[[Journal], bool] = 1, timeout: float = 10.0, **meant: Any) -> bool:
        """Wait until the journal has enough entries, and return whether it has.

        Args:
            wanted: number of matching entries to wait for, including those that exist already. It
                can also be a function that takes the journal and returns whether the wait is over.
            timeout: maximum wait in seconds, on the system clock.
            meant: criteria, named like the attributes of :class:`Filter`.

        Returns:
            True if there are enough entries; False if the time is up or the emulator has stopped.
        """

        def enough() -> bool:
            return self.count(**meant) >= wanted if isinstance(wanted, int) else wanted(self)

        def is_news() -> bool:
            return self._closed or seen != self._last

        end = self._watch.monotonic_ns() + int(timeout * 1e9)
        seen = -1
        while True:
            with self._changed:
                self._waiting += 1
                try:
                    in_time = self._changed.wait_for(is_news, (end - self._watch.monotonic_ns()) / 1e9)
                finally:
                    self._waiting -= 1
                seen = self._last
            if enough():
                return True
            if self._closed or not in_time:
                return False

    def reset(self) -> int:
        """Remove all entries, and return how many there were.

        The numbers of later entries continue the count.
        """
        with self._changed:
            kept = len(self._entries)
            self._entries.clear()
            self._before = self._last
            return kept

    def close(self) -> None:
        """End all calls of :meth:`wait_for`. The entries stay."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def record(self, request: Request, response: Response, start: int, machine: int | None = None) -> None:
        """Record a request and its response.

        Args:
            request: request without the prefix that selects a machine of a fleet.
            response: response to the request.
            start: time that :meth:`begin` returned before the service was called.
            machine: number of the fleet's machine, or None.
        """
        sent, headers = self._headers
        if request.headers is not sent:
            headers = _shown(request.headers)
            self._headers = request.headers, headers
        now, duration = self._clock.now(), self._watch.monotonic_ns() - start
        with self._lock:
            self._last = number = self._last + 1
            entry = Entry(
                number,
                now,
                request.source,
                request.method,
                request.target[:LONGEST],
                headers,
                response.status,
                response.rule,
                response.fault,
                duration,
                len(response.body),
                machine,
            )
            self._entries.append(entry)
            if self._waiting:
                self._changed.notify_all()
        if self.listener is not None:
            self.listener(entry)


def _shown(headers: Headers) -> Headers:
    """Return the headers for an entry, without secrets and cut to the maximum length."""
    if sum(len(name) + len(value) for name, value in headers) > LONGEST:
        headers = _cut(headers)
    if any(_secret(name) for name, _ in headers):
        return tuple((name, WITHHELD if _secret(name) else value) for name, value in headers)
    return headers


def _secret(name: str) -> bool:
    lower = name.lower()
    return lower in SECRET or lower.endswith(("-token", "-secret"))


def _cut(headers: Headers) -> Headers:
    """Return as many of the first headers as fit, followed by a note with their number and the
    number of all headers."""
    kept, left = [], LONGEST
    for name, value in headers:
        left -= len(name) + len(value)
        if left < 0:
            break
        kept.append((name, value))
    return (*kept, ("(cut)", f"{len(kept)} of {len(headers)} headers"))
