"""A short differential run, and tests of the differential run itself. The long run is ``make fuzz-differential``."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import differential
import oracle
from cases import AT, Generator
from differential import ACCEPTED, Judge, Pair
from document_grammar import NONCE

from imdskit import backends
from imdskit.backends.contract import Claims, Setup, Signed
from imdskit.errors import BackendError, VerificationError
from imdskit.reasons import Reason, Stage

SEED, CASES = 20261130, 2000


@pytest.fixture(scope="module")
def judge(request: pytest.FixtureRequest) -> Judge:
    """Return the completed short run."""
    try:
        backends.get("rust")
    except BackendError as error:
        if error.code != "backend-absent" or request.config.getoption("--require-native"):
            pytest.fail(str(error))
        pytest.skip("the Rust extension is not built")
    judge = Judge(Generator(SEED))
    for number in range(CASES):
        judge.run(number)
    judge.finish()
    return judge


def test_python_and_rust_agree_cold_warm_and_in_batches(judge: Judge) -> None:
    assert judge.tally.total() == CASES
    assert judge.differences == []


def test_cases_reach_every_stage_and_many_are_accepted(judge: Judge) -> None:
    verdicts: Counter[str] = Counter()
    for (_, verdict), count in judge.tally.items():
        verdicts[verdict] += count
    stages = Counter({stage: sum(verdicts[reason] for reason in Reason if reason.stage is stage) for stage in Stage})
    assert verdicts[ACCEPTED] > CASES / 8, differential.table(judge.tally)
    assert {stage for stage in Stage if stages[stage] < CASES / 250} == set(), differential.table(judge.tally)
    assert sum(bool(verdicts[reason]) for reason in Reason) > 35, differential.table(judge.tally)


def test_case_depends_only_on_seed_and_number(judge: Judge) -> None:
    again = Generator(SEED)
    for number in range(0, CASES, 100):
        assert again.case(number) == judge.generator.case(number)


def test_step_of_a_case_can_be_left_out(judge: Judge) -> None:
    numbers = [number for number in range(200) if judge.generator.case(number).steps]
    changed = [number for number in numbers if judge.generator.case(number, frozenset({0})) != judge.generator.case(number)]
    assert len(changed) > len(numbers) * 0.9


class Liar:
    """A checker that gives the right verdict on the first three valid documents. It refuses all
    later valid documents with the reason ``nonce-mismatch``."""

    def __init__(self, setup: Setup) -> None:
        self._honest = backends.get("rust").checker(setup)
        self._seen = 0

    def check(self, document: bytes, at: int, nonce: str | None = None) -> Signed:
        signed = self._honest.check(document, at, nonce)
        self._seen += 1
        if self._seen > 3:
            raise VerificationError(Reason.NONCE_MISMATCH, location="content.nonce")
        return signed

    def __getattr__(self, name: str) -> object:
        return getattr(self._honest, name)


def test_detects_a_checker_that_is_wrong_only_when_warm(judge: Judge) -> None:
    suspicious = Judge(judge.generator)
    suspicious._warm = [Pair(pair.python, Liar(world.setup)) for pair, world in zip(suspicious._warm, judge.generator.worlds, strict=True)]  # type: ignore[arg-type]
    for number in range(400):
        suspicious.run(number)
    assert {difference.what for difference in suspicious.differences} == {"rust, warm"}


def test_detects_a_batch_that_differs_from_single_checks(judge: Judge) -> None:
    suspicious = Judge(judge.generator)
    case = next(case for case in map(judge.generator.case, range(CASES)) if case.setup is None and case.nonce is None)
    suspicious._waiting[case.world].append((case, ("never observed",)))
    suspicious.finish()
    assert {difference.what.partition(",")[0] for difference in suspicious.differences} == {"python", "rust"}


# Tests of `oracle`: rules for accepted documents that share no code with the verifier

CONTENT = b'{"nonce":"4071882193","timeStamp":{"createdOn":"11/18/26 10:00:00 -0000","expiresOn":"11/18/26 16:00:00 -0000"},"vmId":"a"}'
CLAIMS = Claims("a", "4071882193", 1_794_996_000, 1_795_017_600, None, None, None, None)
SETUP = Setup((), (), (), check_chain=False)


def fault(content: bytes = CONTENT, claims: Claims = CLAIMS, nonce: str | None = NONCE, setup: Setup = SETUP) -> str | None:
    return oracle.fault(b"", (ACCEPTED, content, claims, "public", "metadata.azure.com", ()), setup, AT, nonce)


def test_independent_rules_accept_valid_and_detect_invalid_documents() -> None:
    assert fault() is None
    assert fault(nonce="another") is not None
    assert fault(claims=replace(CLAIMS, vm_id="b")) is not None
    assert fault(claims=replace(CLAIMS, expires_on=CLAIMS.expires_on + 1)) is not None
    assert fault(CONTENT.replace(b'"vmId":"a"', b'"vmId":"b","vmId":"a"')) is not None
    assert fault(CONTENT[:-1]) is not None
    assert fault(CONTENT.replace(b"18/26", b"17/26"), replace(CLAIMS, created_on=1_794_909_600, expires_on=1_794_931_200)) is not None


@pytest.mark.parametrize(
    ("text", "bad"), [(b"@b.example", True), (b"a@", True), (b"a@b.example", False), (b".b.example", False), (b"b", False)]
)
def test_mail_constraint_needs_both_parts_around_the_at_sign(text: bytes, bad: bool) -> None:
    assert oracle._bad_mailbox_constraint((0x81, text)) is bad
