"""Turn the results of `imdskit verify --batch` into one page of HTML that people can look at.

RESULTS is what `--batch --output` wrote, or `-`. The page needs no other file and no script. It holds counts, and of what is rare where it stands in the
input; no claims but names of images. Exit statuses: 0 written; 2 a mistake, or lines that are no results."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import BinaryIO

from imdskit.cli.shared import inputs, output
from imdskit.cli.verifier import report_page
from imdskit.cli.verifier.batch import ACCEPTED, BAD_LINE, UNREADABLE
from imdskit.cli.verifier.batch_input import LONGEST_LINE
from imdskit.errors import UsageError
from imdskit.reasons import Reason
from imdskit.verify import content

RARE = 0.001
"""Share of the documents below which a reason, region, issuer or image is an outlier."""
EXAMPLES = 5
"""Rows that are named of each outlier."""
KINDS = 10_000
"""Different values of one thing that are counted; what comes then is counted as one more."""
OTHERS = "(others)"
_REASONS = {UNREADABLE, BAD_LINE, *map(str, Reason)}
_HORIZON = (
    (0, "expired, within the skew"),
    (3600, "less than 1 hour"),
    (7200, "1 to 2 hours"),
    (10800, "2 to 3 hours"),
    (14400, "3 to 4 hours"),
    (18000, "4 to 5 hours"),
)
_LATER = "5 hours and more"


@dataclass
class Counted:
    """How often each value of one thing occurs, and where the first few of each are. ``order`` is that of values which have one."""

    title: str
    order: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[str]] = field(default_factory=dict)

    def add(self, value: str, where: str) -> None:
        if value not in self.counts and len(self.counts) >= KINDS:
            value = OTHERS
        self.counts[value] += 1
        places = self.first.setdefault(value, [])
        if len(places) < EXAMPLES:
            places.append(where)


class Findings:
    """What there is to say of all results."""

    def __init__(self) -> None:
        self.documents = 0
        self.accepted = 0
        self.times: Counter[str] = Counter()
        self.reasons = Counted("Refused, by reason")
        self.clouds = Counted("Clouds")
        self.regions = Counted("Regions")
        self.issuers = Counted("Issuing authorities")
        self.images = Counted("Images")
        self.horizon = Counted("Valid for how much longer", (*(words for _, words in _HORIZON), _LATER))

    def add(self, result: dict[str, object]) -> None:
        """One line of results.

        Raises:
            ValueError: it is none; the text says why.
        """
        where = str(result.get("id", result.get("file", result.get("line"))))
        at, verdict = result.get("at"), result.get("verdict")
        if not isinstance(at, str):
            raise ValueError("it has no time")
        self.documents += 1
        self.times[at] += 1
        if verdict != ACCEPTED:
            reason = result.get("reason")
            if not isinstance(reason, str) or reason not in _REASONS:
                raise ValueError("it has neither a verdict nor a reason that is known")
            self.reasons.add(reason, where)
            return
        claims, name = result.get("claims"), result.get("name")
        if not isinstance(claims, dict) or not isinstance(name, str):
            raise ValueError("it has no claims")
        self.accepted += 1
        self.clouds.add(str(result.get("cloud")), where)
        region, _, rest = name.partition(".")
        self.regions.add(region if rest.startswith("metadata.") else "(not told)", where)
        self.issuers.add(str(result.get("issuer") or "(not told)"), where)
        self.images.add(str(claims.get("sku") or "(none)"), where)
        self.horizon.add(_remaining(claims, at), where)

    def outliers(self) -> list[tuple[str, str, int, list[str]]]:
        """(what, value, how often, where the first are) of whatever is rare, the rarest first."""
        found = [
            (counted.title, value, count, counted.first[value])
            for counted in (self.reasons, self.clouds, self.regions, self.issuers, self.images)
            for value, count in counted.counts.items()
            if count < max(RARE * self.documents, 2) and len(counted.counts) > 1
        ]
        return sorted(found, key=lambda each: (each[2], each[0], each[1]))


def _remaining(claims: dict[str, object], at: str) -> str:
    stamp = claims.get("timeStamp")
    ends = stamp.get("expiresOn") if isinstance(stamp, dict) else None
    try:
        month, day, year, *clock = (int(part) for part in str(ends).removesuffix(" -0000").replace("/", " ").replace(":", " ").split())
        end = inputs.time(f"{2000 + year}-{month:02}-{day:02}T" + ":".join(f"{part:02}" for part in clock) + "Z")
        seconds = (end - inputs.time(at)).total_seconds()
    except (ValueError, UsageError):
        raise ValueError("its times are none") from None
    return next((words for least, words in _HORIZON if seconds < least), _LATER)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="RESULTS", help="that `verify --batch` wrote; - for standard input")
    parser.add_argument("-o", "--output", metavar="FILE", help="for the page; standard output if it is not given")
    parser.add_argument("--title", default="Attested documents", help="of the page")


def run(options: argparse.Namespace) -> int:
    page = report_page.page(gathered(options.results), options.title).encode()
    if options.output is None:
        output.octets(page.removesuffix(b"\n"))
        return 0
    try:
        with open(options.output, "wb") as file:
            file.write(page)
    except OSError as failure:
        raise UsageError("bad-argument", f"The page cannot be written: {failure.strerror or failure}.", location=options.output) from None
    return 0


def gathered(path: str) -> Findings:
    """What the results at ``path`` say.

    Raises:
        UsageError: they cannot be read, or a line is none.
    """
    try:
        with nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
            return _gathered(_lines(file), path)
    except OSError as failure:
        raise UsageError("bad-argument", f"The results cannot be read: {failure.strerror or failure}.", location=path) from None


def _lines(file: BinaryIO) -> Iterable[bytes]:
    return iter(lambda: file.readline(LONGEST_LINE * 8), b"")


def _gathered(lines: Iterable[bytes], path: str) -> Findings:
    findings = Findings()
    for number, line in enumerate(lines, 1):
        try:
            result = content.loads(line)
            if not isinstance(result, dict):
                raise ValueError("it is no object")
            findings.add(result)
        except (ValueError, RecursionError) as error:
            why = "it is not JSON" if isinstance(error, json.JSONDecodeError | RecursionError | UnicodeDecodeError) else str(error)
            hint = "Give the file that `imdskit verify --batch --output` wrote, once it is done."
            raise UsageError("bad-argument", f"Line {number} is no result: {why}.", location=path, hint=hint) from None
    if not findings.documents:
        raise UsageError("bad-argument", "There are no results.", location=path)
    return findings
