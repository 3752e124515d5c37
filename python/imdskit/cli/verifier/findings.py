"""What the results of a batch have in common and what is rare among them: the counts behind the page of ``imdskit report``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from imdskit.cli.shared import inputs
from imdskit.cli.verifier.batch import ACCEPTED, BAD_LINE, UNREADABLE
from imdskit.errors import UsageError
from imdskit.reasons import Reason

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
