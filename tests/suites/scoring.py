"""Reader of files in the format imds-vectors/1, and the rules for passing a case.

A suite is a JSON object, compressed with gzip, with ``suite``, ``kind``, ``blobs`` (which maps a hash to base64) and ``cases``. A case has
an id, a scope and an expected verdict. Its other members depend on the kind of the suite, and its adapter reads them.
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
"""Maximum time for one case of a fuzzing suite, in seconds."""

Case = dict[str, Any]


class Verdict(NamedTuple):
    """Verdict of the code under test on a case. ``why`` is a text for people."""

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
    """Result of one suite: outcomes by scope, and every case that did not pass."""

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


def find(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the suite files in each directory, and each file that is named directly."""
    for path in paths:
        yield from sorted(path.glob("*.json.gz")) if path.is_dir() else (path,)


def load(path: Path) -> Suite:
    data = path.read_bytes()
    content = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    if content["format"] != FORMAT:
        raise ValueError(f"{path} is of format {content['format']!r}, not {FORMAT}")
    blobs = {key: base64.b64decode(value) for key, value in content["blobs"].items()}
    return Suite(content["suite"], content["kind"], content["cases"], blobs)


def expected_of(case: Case) -> str:
    """Return the expected verdict if revocation lists are ignored. Some cases have a separate
    verdict for this. For all other cases, it is the verdict that is expected with the lists."""
    return str(case.get("expected_nocrl", case["expected"]))


def expected_with_crls(case: Case) -> str:
    """Return the expected verdict if revocation lists are used."""
    return str(case["expected"])


def expected_of_chain(case: Case, of: Callable[[Case], str] = expected_of) -> str | None:
    """Return the expected verdict on signature and chain together, or None if the case has no chain."""
    if case.get("chain") is None:
        return None
    return "reject" if case["expected"] == "reject" else of(case["chain"])


def compare(expected: str, verdict: Verdict) -> str:
    """Return the outcome. For ``either`` and ``unlabelled``, any documented verdict within the time limit passes."""
    if expected in ("either", "unlabelled") or verdict.accepted == (expected == "accept"):
        return "pass"
    return "false-accept" if verdict.accepted else "false-reject"


def score(suite: Suite, judge: Judge, scopes: Iterable[str], expected: Callable[[Case], str | None] = expected_of) -> Score:
    """Judge every case in the given scopes and count the others as skipped. Any exception counts as an error."""
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
        except Exception as error:  # any other exception is undocumented; the remaining cases still run
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
    """Raised when a case exceeds the time limit. It is not an Exception, so the code under test does not catch it."""


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
