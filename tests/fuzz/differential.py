"""Differential run: both backends check generated documents, with cold and warm caches and in batches (``make fuzz-differential``).

    python tests/fuzz/differential.py [--seed N] [--cases N] [--processes N] [--keep DIR]
    python tests/fuzz/differential.py --seed N --case K          # repeat one case and print all verdicts

For every case, the following must agree in verdict, reason, stage and location. For an accepted document they must also agree in content,
claims, label, name and chain.

- Python and Rust, each with a new checker (cold)
- Python and Rust, each with a checker that has seen thousands of other documents (warm)
- ``check_many`` of both backends, mixed with valid documents, on one and two threads, and its columns
- ``explain``, whose first failure must be the one that ``check`` raises

Details must be present in both or in neither. An accepted document must also follow the independent rules of :mod:`oracle`. A case that
differs is made smaller and written to DIR (``build/fuzz/differential``). The run then fails with exit status 1.
"""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "support"), str(ROOT / "python")]

import oracle  # noqa: E402  # the paths above come first
from cases import AT, Case, Generator  # noqa: E402
from document_grammar import NONCE  # noqa: E402

from imdskit import backends  # noqa: E402
from imdskit.backends.contract import Checker, Columns, Setup, Signed  # noqa: E402
from imdskit.backends.python.checker import Checker as PythonChecker  # noqa: E402
from imdskit.errors import ImdskitError, VerificationError  # noqa: E402
from imdskit.reasons import Reason  # noqa: E402

BATCH = 48
"""Number of cases in a batch. All have the same world (see :mod:`cases`). Valid documents of this
world are added to the batch."""
SHARE = 1000
"""Number of cases that a process runs before it reports."""
MAX_FINDINGS = 50
"""Maximum number of differences that a process collects in :data:`SHARE` cases."""
ACCEPTED, BAD_SETUP = "accepted", "(setting refused)"
Observed = tuple[object, ...]


def observed(attempt: Callable[[], Signed | VerificationError]) -> Observed:
    """Return everything that the contract defines about a verdict. The first item is ``accepted``, a reason code, or :data:`BAD_SETUP`."""
    try:
        verdict = attempt()
    except VerificationError as error:
        verdict = error
    except ImdskitError as error:
        return (BAD_SETUP, type(error).__name__, error.code, error.location)
    if isinstance(verdict, VerificationError):
        return (verdict.code, verdict.stage.value, verdict.location, bool(verdict.detail))
    return (ACCEPTED, verdict.content, verdict.claims, verdict.label, verdict.name, verdict.chain)


@dataclass
class Pair:
    """One checker of each backend, with the same setting."""

    python: Checker
    rust: Checker

    @classmethod
    def of(cls, setup: Setup) -> Pair:
        return cls(backends.get("python").checker(setup), backends.get("rust").checker(setup))


@dataclass(frozen=True)
class Difference:
    """One case whose verdicts differ."""

    number: int
    kind: str
    world: str
    what: str
    left: str
    right: str
    skipped: tuple[int, ...] = ()


@dataclass
class Judge:
    """Runner of cases, which collects differences.

    Attributes:
        tally: number of verdicts by kind of case and by reason.
        differences: the differences that were found.
    """

    generator: Generator
    tally: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._warm = [Pair.of(world.setup) for world in self.generator.worlds]
        self._waiting: list[list[tuple[Case, Observed]]] = [[] for _ in self._warm]

    def run(self, number: int) -> None:
        case = self.generator.case(number)
        cold, found = self._alone(case)
        self.tally[case.kind, str(cold[0])] += 1
        if found is not None:
            self._note(case, *found)
        elif case.setup is None:
            waiting = self._waiting[case.world]
            waiting.append((case, self._without_nonce(case, cold)))
            if len(waiting) >= BATCH:
                self._flush(case.world)

    def finish(self) -> None:
        for world in range(len(self._waiting)):
            self._flush(world)

    def compare(self, case: Case) -> tuple[str, Observed, Observed] | None:
        """Return the first difference when the case is checked alone, or None."""
        return self._alone(case)[1]

    def _alone(self, case: Case) -> tuple[Observed, tuple[str, Observed, Observed] | None]:
        """Return the verdict of the cold Python checker, and the first verdict that differs from it."""
        world = self.generator.worlds[case.world]
        setup = case.setup or world.setup
        cold = observed(lambda: PythonChecker(setup).check(case.document, case.at, case.nonce))
        for what, other in self._others(case, setup, cold):
            if other != cold:
                return cold, (what, cold, other)
        if cold[0] == ACCEPTED:
            fault = oracle.fault(case.document, cold, setup, case.at, case.nonce)
            if fault is not None:
                return cold, ("independent rules", cold, (fault,))
        return cold, None

    def _others(self, case: Case, setup: Setup, cold: Observed) -> Iterator[tuple[str, Observed]]:
        """Yield the name and the verdict of every other way to check the case."""
        rust = backends.get("rust").checker
        yield "rust, cold", observed(lambda: rust(setup).check(case.document, case.at, case.nonce))
        if cold[0] == BAD_SETUP:
            return
        pair = self._warm[case.world]
        if case.setup is not None:
            # There is no warm checker for this setting. A new one checks valid documents first, and then the case twice.
            pair = Pair.of(setup)
            for checker in (pair.python, pair.rust):
                for document in self.generator.worlds[case.world].good[:2]:
                    observed(lambda checker=checker, document=document: checker.check(document, AT, NONCE))
                observed(lambda checker=checker: checker.check(case.document, case.at, case.nonce))
            yield from self._batches(pair, case)
        if case.setup is not None or case.nonce is not None:  # all other cases are checked in a batch
            yield "python, warm", observed(lambda: pair.python.check(case.document, case.at, case.nonce))
        yield "rust, warm", observed(lambda: pair.rust.check(case.document, case.at, case.nonce))
        yield "explain", self._explained(pair.python, case, cold)

    def _batches(self, pair: Pair, case: Case) -> Iterator[tuple[str, Observed]]:
        """Yield verdicts of small batches. Cases with a nonce are left out, because ``check_many`` accepts none."""
        if case.nonce is None:
            good = self.generator.worlds[case.world].good[0]
            for threads in (1, 2):
                yield (
                    f"rust, batch of 3, {threads} threads",
                    observed(lambda threads=threads: pair.rust.check_many([good, case.document, good], case.at, threads)[1]),
                )

    @staticmethod
    def _explained(checker: Checker, case: Case, cold: Observed) -> Observed:
        assert isinstance(checker, PythonChecker)
        outcomes = checker.explain(case.document, case.at, case.nonce)
        error = next((outcome.error for outcome in outcomes if outcome.error is not None), None)
        if error is not None:
            return observed(lambda: error)
        return cold if cold[0] == ACCEPTED else ("explain found nothing wrong",)

    def _without_nonce(self, case: Case, cold: Observed) -> Observed:
        """Return the expected verdict when no nonce is given."""
        if case.nonce is None or cold[0] not in (ACCEPTED, Reason.NONCE_MISMATCH):
            return cold
        return observed(lambda: self._warm[case.world].python.check(case.document, case.at, None))

    def _flush(self, index: int) -> None:
        """Check the waiting cases of a world in one batch, mixed with valid documents."""
        waiting, self._waiting[index] = self._waiting[index], []
        world, pair = self.generator.worlds[index], self._warm[index]
        documents = [case.document for case, _ in waiting]
        times = [case.at for case, _ in waiting]
        for number, good in enumerate(world.good):
            where = number * len(documents) // len(world.good)
            documents.insert(where, good)
            times.insert(where, AT)
        expected = {id(case.document): (case, verdict) for case, verdict in waiting}
        columns: list[Columns] = []
        for what, checker, threads in (("python", pair.python, 1), ("rust", pair.rust, 1), ("rust", pair.rust, 2)):
            verdicts = checker.check_many(documents, times, threads)
            columns.append(verdicts.columns())
            for document, verdict in zip(documents, verdicts, strict=True):
                if id(document) in expected:
                    case, alone = expected[id(document)]
                    together = observed(lambda verdict=verdict: verdict)
                    if together != alone:
                        self._note(case, f"{what}, batch, {threads} threads", alone, together)
        if any(_promised(one) != _promised(columns[0]) for one in columns[1:]) and waiting:
            self._note(waiting[0][0], "columns of its batch", ("python",), ("rust",))

    def _note(self, case: Case, what: str, left: Observed, right: Observed) -> None:
        if len(self.differences) < MAX_FINDINGS:
            world = self.generator.worlds[case.world].name
            skipped = self._smaller(case, what)
            self.differences.append(Difference(case.number, case.kind, world, what, _short(left), _short(right), skipped))

    def _smaller(self, case: Case, what: str) -> tuple[int, ...]:
        """Return the steps that can be left out without losing the difference."""
        skip: frozenset[int] = frozenset()
        for step in range(case.steps):
            found = self.compare(self.generator.case(case.number, skip | {step}))
            if found is not None and found[0] == what:
                skip |= {step}
        return tuple(sorted(skip))


def _promised(columns: Columns) -> Columns:
    return columns._replace(texts={name: texts for name, texts in columns.texts.items() if name != "detail"})


def _short(words: Observed) -> str:
    return ", ".join(f"{word.hex()[:24]}..." if isinstance(word, bytes) else str(word)[:300] for word in words)


@dataclass
class Result:
    """Outcome of a run."""

    tally: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


class _Process:
    """State of a worker process. It is kept between shares, so that the checkers stay warm."""

    judge: Judge

    @classmethod
    def start(cls, seed: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles interrupts
        cls.judge = Judge(Generator(seed))

    @classmethod
    def share(cls, numbers: range) -> Result:
        judge = cls.judge
        judge.tally, judge.differences = Counter(), []
        for number in numbers:
            judge.run(number)
        judge.finish()
        return Result(judge.tally, judge.differences)


def run_all(seed: int, numbers: range, processes: int) -> Result:
    """Run these cases on several processes. An interrupted run returns what it has found so far."""
    whole = Result()
    shares = [numbers[first : first + SHARE] for first in range(0, len(numbers), SHARE)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _Process.start, (seed,)) as pool, suppress(KeyboardInterrupt):
        for part in pool.imap_unordered(_Process.share, shares):
            whole.tally += part.tally
            whole.differences += part.differences
            print(f"{whole.tally.total()} cases, {len(whole.differences)} differences", file=sys.stderr, flush=True)
            for one in part.differences:
                print(f"case {one.number} ({one.kind}, {one.world}): {one.what}", file=sys.stderr, flush=True)
    return whole


def table(tally: Counter[tuple[str, str]]) -> str:
    """Return a table of verdicts by reason and kind of case."""
    kinds = sorted({kind for kind, _ in tally})
    reasons = [ACCEPTED, *Reason, BAD_SETUP]
    lines = [f"{'':28}{'all':>9}  " + " ".join(f"{kind[:9]:>9}" for kind in kinds)]
    for reason in reasons:
        counts = [tally[kind, str(reason)] for kind in kinds]
        lines.append(f"{reason!s:28}{sum(counts):>9}  " + " ".join(f"{count or '':>9}" for count in counts))
    return "\n".join(lines)


def _again(seed: int, number: int, skipped: frozenset[int]) -> int:
    """Print one case and the verdict of every checker. Return the exit status."""
    judge = Judge(Generator(seed))
    case = judge.generator.case(number, skipped)
    print(json.dumps(as_json(judge.generator, case), indent=1))
    setup = case.setup or judge.generator.worlds[case.world].setup
    cold = observed(lambda: PythonChecker(setup).check(case.document, case.at, case.nonce))
    print(f"python, cold: {_short(cold)}")
    for what, other in judge._others(case, setup, cold):
        print(f"{what}: {_short(other)}")
    if cold[0] == ACCEPTED:
        print(f"independent rules: {oracle.fault(case.document, cold, setup, case.at, case.nonce) or 'nothing wrong'}")
    return 1 if judge.compare(case) else 0


def as_json(generator: Generator, case: Case) -> dict[str, object]:
    """Return a case with its whole setting, so that it remains usable after the generator has changed."""
    setup = asdict(case.setup or generator.worlds[case.world].setup)
    texts = {key: [base64.b64encode(der).decode() for der in setup.pop(key)] for key in ("anchors", "intermediates", "crls")}
    return {
        "seed": generator.seed,
        "case": case.number,
        "kind": case.kind,
        "world": generator.worlds[case.world].name,
        "at": case.at,
        "nonce": case.nonce,
        "document": base64.b64encode(case.document).decode(),
        "setup": {**setup, **texts},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to continue a run")
    parser.add_argument("--case", type=int, help="run this one again and show it")
    parser.add_argument("--skip", type=int, nargs="*", default=[], help="steps of --case to leave out")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "fuzz" / "differential")
    options = parser.parse_args()
    if options.case is not None:
        return _again(options.seed, options.case, frozenset(options.skip))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    start = time.monotonic()
    result = run_all(options.seed, range(options.first, options.first + options.cases), options.processes)
    seconds = time.monotonic() - start
    print(table(result.tally))
    print(f"{result.tally.total()} cases with seed {options.seed}, {seconds:.0f} s, {len(result.differences)} differences")
    if result.differences:
        generator = Generator(options.seed)
        options.keep.mkdir(parents=True, exist_ok=True)
        for one in result.differences:
            case = generator.case(one.number, frozenset(one.skipped))
            path = options.keep / f"{options.seed}-{one.number}.json"
            path.write_text(json.dumps({**as_json(generator, case), "difference": asdict(one)}, indent=1), encoding="utf-8")
            print(f"case {one.number} ({one.kind}, {one.world}): python, cold: {one.left}\n    {one.what}: {one.right}\n    {path}")
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
