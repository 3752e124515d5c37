"""Files of the format imds-vectors/1: reading them, and what counts as a pass.

A suite is one gzip'd JSON object with ``suite``, ``kind``, ``blobs`` (hash -> base64) and ``cases``. A case has an id, a scope and an expected verdict;
what else it has depends on its kind, which is the business of the adapters.
"""

from __future__ import annotations

import base64
import gzip
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

FORMAT = "imds-vectors/1"
OUTCOMES = ("pass", "false-accept", "false-reject", "error", "slow", "skip")
LIMIT = 5.0
FUZZ_LIMIT = 1.0
"""Seconds that one case may take."""

Case = dict[str, Any]


class Verdict(NamedTuple):
    """What the code under test said of a case. ``why`` is for people."""

    accepted: bool
    why: str = ""


ACCEPT = Verdict(True)

Judge = Callable[[Case, "Suite"], Verdict]


@dataclass(frozen=True)
class Suite:
    """One file of cases."""

    name: str
    kind: str
    cases: list[Case]
    blobs: dict[str, bytes]

    def blob(self, key: str) -> bytes:
        return self.blobs[key]

    @property
    def limit(self) -> float:
        return FUZZ_LIMIT if self.name.startswith("fuzz") else LIMIT


@dataclass
class Score:
    """How one suite went: outcomes by scope, and every case that did not pass."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    misses: list[dict[str, str]] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)

    def add(self, case: Case, expected: str, outcome: str, got: str = "", why: str = "") -> None:
        self.counts.setdefault(case["scope"], Counter())[outcome] += 1
        if outcome not in ("pass", "skip"):
            self.misses.append({"id": case["id"], "scope": case["scope"], "expected": expected, "got": got})
            self.why[case["id"]] = why

    def as_json(self) -> dict[str, object]:
        scopes = {scope: {outcome: self.counts[scope][outcome] for outcome in OUTCOMES} for scope in sorted(self.counts)}
        return {**scopes, "misses": self.misses}


def find(places: Iterable[Path]) -> Iterator[Path]:
    """The files in each directory, and each file that is named."""
    for place in places:
        yield from sorted(place.glob("*.json.gz")) if place.is_dir() else (place,)


def load(path: Path) -> Suite:
    data = path.read_bytes()
    content = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    if content["format"] != FORMAT:
        raise ValueError(f"{path} is of format {content['format']!r}, not {FORMAT}")
    blobs = {key: base64.b64decode(value) for key, value in content["blobs"].items()}
    return Suite(content["suite"], content["kind"], content["cases"], blobs)


def expected_of(case: Case) -> str:
    """The verdict to compare with where no revocation lists are read: the one without revocation, if there is one."""
    return str(case.get("expected_nocrl", case["expected"]))


def expected_with_crls(case: Case) -> str:
    """The verdict to compare with where they are."""
    return str(case["expected"])


def expected_of_chain(case: Case, of: Callable[[Case], str] = expected_of) -> str | None:
    """The verdict on signature and chain together; None if the case has no chain."""
    if case.get("chain") is None:
        return None
    return "reject" if case["expected"] == "reject" else of(case["chain"])


def compare(expected: str, verdict: Verdict) -> str:
    """``either`` and ``unlabelled`` ask for a documented verdict in time, and that is there."""
    if expected in ("either", "unlabelled") or verdict.accepted == (expected == "accept"):
        return "pass"
    return "false-accept" if verdict.accepted else "false-reject"


def score(suite: Suite, judge: Judge, scopes: Iterable[str], expected: Callable[[Case], str | None] = expected_of) -> Score:
    """Judge every case of a scope that is asked for; the others are counted as skipped. Anything but a verdict is an error."""
    found = Score()
    scopes = set(scopes)
    for case in suite.cases:
        wanted = expected(case)
        if wanted is None:
            continue
        if case["scope"] not in scopes:
            found.add(case, wanted, "skip")
            continue
        started = time.monotonic()
        try:
            with _at_most(3 * suite.limit):
                verdict = judge(case, suite)
        except TooSlowError:
            found.add(case, wanted, "slow", "slow", f"cut after {3 * suite.limit:.0f} s")
            continue
        except Exception as error:  # whatever it is, it is not documented, and the other cases are still worth a run
            found.add(case, wanted, "error", f"error: {type(error).__name__}", repr(error)[:300])
            continue
        got = "accept" if verdict.accepted else "reject"
        seconds = time.monotonic() - started
        if seconds > suite.limit:
            found.add(case, wanted, "slow", "slow", f"{got} after {seconds:.1f} s")
        else:
            found.add(case, wanted, compare(wanted, verdict), got, verdict.why)
    return found


class TooSlowError(BaseException):
    """Not an Exception, so that nothing under test takes it for its own."""


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
