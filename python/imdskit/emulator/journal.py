"""The journal: the most recent requests and responses.

with Emulator() as imds:
    ...
    imds.journal.wait_for(2, category="identity")
    assert imds.journal.last().status == 200

This module stores, counts and waits. What never was a request (broken framing, too many
connections) is not in the journal.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from imdskit.clock import Clock, SystemClock
from imdskit.protocol.messages import Request, Response
from imdskit.protocol.requests import parse_target

KEPT = 10_000
"""Entries that are kept by default."""

SECRET = frozenset(("authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"))
"""Headers, in lower case, whose values are kept out; likewise any name that ends in ``-token`` or ``-secret``."""
WITHHELD = "(withheld)"
LONGEST = 2048
"""Characters of a target, and of all headers, beyond which they are cut, so that the memory of the journal is bounded."""

Headers = tuple[tuple[str, str], ...]


class Entry(NamedTuple):
    """One request and its response.

    Attributes:
        number: from 1, in the order of the responses. It continues after a reset.
        time: of the response, Unix seconds on the emulator's clock.
        source: address of the client, or ``""``.
        method: as it was sent.
        target: as it was sent, but for the prefix that says which machine of a fleet is meant.
        headers: (name, value) as they were sent, but for secret values.
        status: of the response.
        rule: name of the rule that refused it, ``wrong-host`` if its Host is not allowed, or ``""``.
        fault: kind of the fault that applied, or ``""``.
        duration_ns: that the service took, by the machine's clock, without what a fault adds on the wire.
        body_bytes: length of the response body.
        machine: number of the machine of a fleet that was meant; None: none, or there is no fleet.
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
        """Of the target, decoded, in lower case, without double and trailing slashes."""
        return "/" + "/".join(parse_target(self.target).segments).lower()

    @property
    def category(self) -> str | None:
        """What stands below ``/metadata`` in the path, ``""`` for nothing; None outside of it."""
        segments = self.path[1:].split("/")
        if segments[0] != "metadata":
            return None
        return segments[1] if len(segments) > 1 else ""

    def parameter(self, name: str) -> str | None:
        """Value of a parameter of the query, decoded, or None."""
        return parse_target(self.target).parameter(name)

    def header(self, name: str) -> str | None:
        """The first value of a header, in any letter case, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> dict[str, Any]:
        """For programs elsewhere."""
        return {**self._asdict(), "headers": [list(pair) for pair in self.headers]}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries match; criteria that are None match all.

    Attributes:
        path: that the path of the entry equals or lies below; letter case and a trailing slash do not matter.
        category: as in :class:`Entry`.
        method: as it was sent.
        status: of the response.
        rule: that refused.
        fault: that applied.
        since: only entries with a greater number.
        machine: that was meant.
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
        wanted = "" if self.path is None else "/" + self.path.lower().strip("/")
        return wanted in ("", "/") or entry.path == wanted or entry.path.startswith(wanted + "/")


class Tally(NamedTuple):
    """How many entries there were since the last reset: ``total`` is ``kept`` and ``dropped`` together; ``last`` is the newest number ever."""

    total: int
    kept: int
    dropped: int
    last: int


class Journal:
    """The most recent requests and responses of a host. Safe to share between threads.

    Args:
        clock: the emulator's.
        kept: entries; the oldest is dropped, and counted.
        watch: for durations; by default the machine's clock.

    Attributes:
        most: entries that are kept.
        listener: called with each new entry, by the thread that records it, such as an access log; None at first.
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
        """The last headers as received and as shown: clients that repeat themselves share one tuple."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self.listener: Callable[[Entry], None] | None = None

    def begin(self) -> int:
        """Return the present time, from which :meth:`record` computes the duration of a request."""
        return self._watch.monotonic_ns()

    def __len__(self) -> int:
        """How many entries are kept."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """The entries that are kept now, the oldest first."""
        return iter(self.list())

    def list(self, limit: int | None = None, **wanted: Any) -> list[Entry]:
        """Entries in their order, the oldest first.

        Args:
            limit: most entries to return.
            wanted: attributes of :class:`Filter`.
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
        """Method and path of each, as ``GET /metadata/instance``."""
        return [f"{entry.method} {entry.path}" for entry in self.list(**wanted)]

    def tally(self) -> Tally:
        """Return the numbers since the last reset."""
        with self._changed:
            total, kept = self._last - self._before, len(self._entries)
            return Tally(total, kept, total - kept, self._last)

    def wait_for(self, wanted: int | Callable[[Journal], bool] = 1, timeout: float = 10.0, **meant: Any) -> bool:
        """Wait until enough requests have been answered.

        Args:
            wanted: number of matching entries, including those that exist already; or a function of the journal that returns whether it is enough.
            timeout: seconds of the machine's clock.
            meant: attributes of :class:`Filter`.

        Returns:
            False if that did not happen in time, or the emulator stopped.
        """

        def enough() -> bool:
            return self.count(**meant) >= wanted if isinstance(wanted, int) else wanted(self)

        end = self._watch.monotonic_ns() + int(timeout * 1e9)
        seen = -1
        while True:
            with self._changed:
                self._waiting += 1
                try:
                    while seen == self._last and not self._closed:
                        remaining = (end - self._watch.monotonic_ns()) / 1e9
                        if remaining <= 0 or not self._changed.wait(remaining):
                            break
                    timed_out = seen == self._last
                    seen = self._last
                finally:
                    self._waiting -= 1
            if enough():
                return True
            if timed_out or self._closed:
                return False

    def reset(self) -> int:
        """Remove all entries and return how many there were. Numbers continue."""
        with self._changed:
            kept = len(self._entries)
            self._entries.clear()
            self._before = self._last
            return kept

    def close(self) -> None:
        """End all waiting. The entries stay."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def record(self, request: Request, response: Response, start: int, machine: int | None = None) -> None:
        """Record a request and its response.

        Args:
            request: without the prefix that says which machine of a fleet it means.
            response: to it.
            start: what :meth:`begin` returned before the service was called.
            machine: number of the machine of a fleet.
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
    """Headers without secrets, as many as are kept."""
    if sum(len(name) + len(value) for name, value in headers) > LONGEST:
        headers = _cut(headers)
    if any(_secret(name) for name, _ in headers):
        return tuple((name, WITHHELD if _secret(name) else value) for name, value in headers)
    return headers


def _secret(name: str) -> bool:
    lower = name.lower()
    return lower in SECRET or lower.endswith(("-token", "-secret"))


def _cut(headers: Headers) -> Headers:
    """As many of them as fit, and how many there were."""
    kept, left = [], LONGEST
    for name, value in headers:
        left -= len(name) + len(value)
        if left < 0:
            break
        kept.append((name, value))
    return (*kept, ("(cut)", f"{len(kept)} of {len(headers)} headers"))
