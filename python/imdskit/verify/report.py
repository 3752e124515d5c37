"""Report on a verification for human readers. It lists each check with its outcome, its evidence
and the source of its rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imdskit.backends.contract import Outcome
from imdskit.errors import VerificationError

_MARK = {"pass": "pass", "fail": "FAIL", "skip": "skip"}


@dataclass(frozen=True, slots=True)
class Report:
    """Outcomes of all checks of one document. If a check fails, all later checks whose input is
    available still run.

    Attributes:
        outcomes: one outcome for each check, in the order of the checks.
        at: time as of which the document was verified, in Unix seconds.
        relaxed: descriptions of the checks that the policy left out or weakened.
    """

    outcomes: tuple[Outcome, ...]
    at: int
    relaxed: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    @property
    def ok(self) -> bool:
        """True if the document is accepted."""
        return self.error is None

    @property
    def error(self) -> VerificationError | None:
        """Error of the first failed check, which :meth:`Verifier.verify` would raise. None if the
        document is accepted."""
        return next((outcome.error for outcome in self.outcomes if outcome.error is not None), None)

    def to_json(self) -> dict[str, object]:
        """Return the report as a dict that ``json.dumps`` accepts."""
        return {
            "ok": self.ok,
            "at": self.at,
            "relaxed": list(self.relaxed),
            "checks": [
                {
                    "check": outcome.check,
                    "stage": outcome.stage.value,
                    "outcome": outcome.outcome,
                    "evidence": outcome.evidence,
                    "source": outcome.source,
                    **({} if outcome.error is None else outcome.error.to_json()),
                }
                for outcome in self.outcomes
            ],
        }

    def text(self) -> str:
        """Return the report as text, with one or more lines for each check, and without a newline
        at the end."""
        lines = []
        for outcome in self.outcomes:
            lines.append(f"{_MARK[outcome.outcome]}  {outcome.check}: {outcome.evidence}")
            if outcome.error is not None:
                lines += [
                    f"      {outcome.error.code}: {outcome.error.message}",
                    f"      at {outcome.error.location}",
                    f"      {outcome.error.hint}",
                ]
        if self.relaxed:
            lines.append("not checked by this policy: " + "; ".join(self.relaxed))
        lines.append("accepted" if self.ok else f"refused: {self.error.code if self.error else ''}")
        return "\n".join(lines)
