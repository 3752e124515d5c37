"""Content of the report on the results of ``imdskit verify --batch``. The report shows how often
the values of some properties occur, and which documents have rare values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from imdskit.cli.shared import inputs
from imdskit.cli.verifier.batch import ACCEPTED, REASONS

EXAMPLES = 5
"""Maximum number of documents that the report names for a rare value."""
VALUES = 10_000
"""Maximum number of different values of a property that are counted separately. Further values are
counted together as :data:`OTHERS`."""
OTHERS = "(others)"
UNKNOWN = "(not stated)"
_HORIZON = (
    (0, "expired, but within the clock skew"),
    (3600, "less than 1 hour"),
    (7200, "1 to 2 hours"),
    (10800, "2 to 3 hours"),
    (14400, "3 to 4 hours"),
    (18000, "4 to 5 hours"),
)
_LATER = "5 hours and more"


@dataclass
class Counted:
    """Numbers of documents by the value of one property, such as the region, and the first few
    documents with each value.

    Attributes:
        noun: name of the property.
        order: values in the order in which the report lists them. If it is empty, the most frequent
            value comes first.
        counts: maps a value to the number of documents with this value.
        first: maps a value to the ids, files or line numbers of the first documents with this
            value. There are at most :data:`EXAMPLES` for each value.
    """

    noun: str
    order: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[str]] = field(default_factory=dict)

    def add(self, value: str, where: str) -> None:
        """Count one document. ``where`` is the document's id, file or line number."""
        if value not in self.counts and len(self.counts) >= VALUES:
            value = OTHERS
        self.counts[value] += 1
        positions = self.first.setdefault(value, [])
        if len(positions) < EXAMPLES:
            positions.append(where)


class Findings:
    """Content of a report.

    Attributes:
        documents: number of all documents. All percentages in the report are shares of this number.
        accepted: number of accepted documents.
        times: maps a time to the number of documents that were judged as of this time.
        rare_below: a value is rare if fewer than this number of documents have it. The number is a
            thousandth of all documents, but at least 2. Therefore a value that only one document
            has is always rare.
    """

    def __init__(self) -> None:
        self.documents = 0
        self.accepted = 0
        self.times: Counter[str] = Counter()
        self.reasons = Counted("reason")
        self.clouds = Counted("cloud")
        self.regions = Counted("region")
        self.issuers = Counted("issuing authority")
        self.images = Counted("image")
        self.horizon = Counted("remaining validity", (*(words for _, words in _HORIZON), _LATER))

    @property
    def rare_below(self) -> float:
        return max(self.documents / 1000, 2)

    def add(self, result: dict[str, object]) -> None:
        """Count one line of results.

        Raises:
            ValueError: the line is not a result. The message says why.
        """
        where = str(result.get("id", result.get("file", result.get("line"))))
        at, verdict = result.get("at"), result.get("verdict")
        if not isinstance(at, str):
            raise ValueError("it has no member `at`")
        self.documents += 1
        self.times[at] += 1
        if verdict != ACCEPTED:
            reason = result.get("reason")
            if not isinstance(reason, str) or reason not in REASONS:
                raise ValueError("it has neither the verdict `accepted` nor a known reason")
            self.reasons.add(reason, where)
            return
        claims, name = result.get("claims"), result.get("name")
        if not isinstance(claims, dict) or not isinstance(name, str):
            raise ValueError("it has no claims or no name")
        self.accepted += 1
        self.clouds.add(str(result.get("cloud") or UNKNOWN), where)
        region, _, rest = name.partition(".")
        self.regions.add(region if rest.startswith("metadata.") else UNKNOWN, where)
        self.issuers.add(str(result.get("issuer") or UNKNOWN), where)
        self.images.add(str(claims.get("sku") or "(none)"), where)
        self.horizon.add(_remaining(claims, at), where)

    def outliers(self) -> list[tuple[str, str, int, list[str]]]:
        """Return the rare values, the rarest first. Each is a tuple of the property, the value, the
        number of documents with this value, and the first of these documents.

        A cloud, region, issuer or image is left out if all accepted documents have it. A reason is
        left out if all documents were refused for it.
        """
        found = [
            (counted.noun, value, count, counted.first[value])
            for counted in (self.reasons, self.clouds, self.regions, self.issuers, self.images)
            for value, count in counted.counts.items()
            if count < self.rare_below and (len(counted.counts) > 1 or (counted is self.reasons and self.accepted))
        ]
        return sorted(found, key=lambda each: (each[2], each[0], each[1]))


def _remaining(claims: dict[str, object], at: str) -> str:
    stamp = claims.get("timeStamp")
    ends = stamp.get("expiresOn") if isinstance(stamp, dict) else None
    try:
        month, day, year, *clock = (int(part) for part in str(ends).removesuffix(" -0000").replace("/", " ").replace(":", " ").split())
        end = inputs.time(f"{2000 + year}-{month:02}-{day:02}T" + ":".join(f"{part:02}" for part in clock) + "Z")
    except ValueError:
        raise ValueError("its claim `timeStamp.expiresOn` is malformed") from None
    try:
        seconds = (end - inputs.time(at)).total_seconds()
    except ValueError:
        raise ValueError("its member `at` is not a time in ISO 8601") from None
    return next((words for least, words in _HORIZON if seconds < least), _LATER)
