"""Comparison of the checkers of both backends. They must give the same verdict, reason and location
for every input, with cold and warm caches."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from time import process_time
from typing import Any

import pytest
from attested_vectors import CASES, SETTING, setup_of
from hypothesis import given
from hypothesis import strategies as st

from imdskit import backends
from imdskit.backends.contract import Backend, Checker, Columns, Setup, Signed
from imdskit.errors import TrustError, VerificationError
from imdskit.reasons import Reason


def compared(verdict: Signed | VerificationError) -> tuple[object, ...]:
    """Return the parts of a verdict that must be the same for both backends."""
    if isinstance(verdict, VerificationError):
        return verdict.code, verdict.stage, verdict.location
    return verdict.content, verdict.claims, verdict.label, verdict.name, verdict.chain


def checked(checker: Checker, document: bytes, at: int, nonce: str | None = None) -> tuple[object, ...]:
    try:
        return compared(checker.check(document, at, nonce))
    except VerificationError as error:
        return compared(error)


def test_the_checker_runs_in_the_extension(native: Backend) -> None:
    checker = native.checker(setup_of({}))
    assert type(checker).__module__ == "imdskit._native"


def test_native_details_are_present_too(native: Backend) -> None:
    """The text of details may differ between backends, but both must have one."""
    for case in CASES:
        if case["expected"] == "reject":
            with pytest.raises(VerificationError) as mine:
                native.checker(setup_of(case)).check(base64.b64decode(case["document"]), case.get("at", SETTING["at"]), case.get("nonce"))
            with pytest.raises(VerificationError) as other:
                backends.get("python").checker(setup_of(case)).check(
                    base64.b64decode(case["document"]), case.get("at", SETTING["at"]), case.get("nonce")
                )
            assert bool(mine.value.detail) == bool(other.value.detail), case["id"]


def plain() -> list[dict[str, Any]]:
    """Return the test vectors that use the common intermediates, revocation lists, time and
    nonce."""
    return [case for case in CASES if not {"intermediates", "crls", "at", "nonce"} & case.keys()]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_batch_gives_the_verdicts_of_single_checks(native: Backend, threads: int) -> None:
    documents = [base64.b64decode(case["document"]) for case in plain()]
    checker = native.checker(setup_of({}))
    for _ in ("cold", "warm"):
        verdicts = checker.check_many(documents, SETTING["at"], threads)
        assert len(verdicts) == len(documents)
        alone = [checked(backends.get("python").checker(setup_of({})), document, SETTING["at"]) for document in documents[:60]]
        assert [compared(verdict) for verdict in verdicts][:60] == alone
        assert [compared(verdict) for verdict in verdicts] == [checked(checker, document, SETTING["at"]) for document in documents]


def test_bad_document_does_not_affect_thousands_of_others(native: Backend) -> None:
    good = base64.b64decode(next(case for case in CASES if case["expected"] == "accept" and not {"at", "nonce"} & case.keys())["document"])
    bad = [base64.b64decode(case["document"]) for case in plain() if case["expected"] == "reject"]
    checker = native.checker(setup_of({}))
    documents = [good] * 5000
    positions = {(index * 97 + 13) % 5000: document for index, document in enumerate(bad)}
    for position, document in positions.items():
        documents[position] = document
    verdicts = checker.check_many(documents, SETTING["at"])
    refused = {position for position, verdict in enumerate(verdicts) if isinstance(verdict, VerificationError)}
    assert refused == set(positions)


def test_columns_match_the_verdicts(native: Backend) -> None:
    documents = [base64.b64decode(case["document"]) for case in plain()] * 2
    found = []
    for backend in (backends.get("python"), native):
        verdicts = backend.checker(setup_of({})).check_many(documents, SETTING["at"])
        columns = verdicts.columns()
        detail = texts_of(columns, "detail")
        found.append(columns._replace(texts={name: texts for name, texts in columns.texts.items() if name != "detail"}))
        assert [text is not None for text in detail] == [isinstance(verdict, VerificationError) for verdict in verdicts]
        for row, verdict in enumerate(verdicts):
            accepted = columns.accepted[row // 8] >> row % 8 & 1
            if isinstance(verdict, VerificationError):
                assert (accepted, list(Reason)[columns.reason[row]], detail[row]) == (0, verdict.reason, verdict.detail)
            else:
                signer = columns.signers[int.from_bytes(columns.signer[4 * row : 4 * row + 4], "little")]
                assert (accepted, signer) == (1, (verdict.label, verdict.name, verdict.chain))
                assert int.from_bytes(columns.created_on[8 * row : 8 * row + 8], "little") == verdict.claims.created_on
        vm_ids = texts_of(columns, "vm_id")
        assert vm_ids == [None if isinstance(verdict, VerificationError) else verdict.claims.vm_id for verdict in verdicts]
    assert found[0] == found[1]


def texts_of(columns: Columns, name: str) -> list[str | None]:
    valid, offsets, octets = columns.texts[name]
    ends = [int.from_bytes(offsets[position : position + 4], "little") for position in range(0, len(offsets), 4)]
    return [octets[ends[row] : ends[row + 1]].decode() if valid[row // 8] >> row % 8 & 1 else None for row in range(columns.rows)]


def test_columns_take_linear_time_in_rows_and_signers(native: Backend) -> None:
    """Without the chain stage, each row has a chain object of its own. The same happens if there
    are more signers than the cache can contain."""
    good = base64.b64decode(next(case for case in CASES if case["expected"] == "accept" and not {"at", "nonce"} & case.keys())["document"])
    checker = native.checker(replace(setup_of({}), check_chain=False))

    def seconds(rows: int) -> float:
        verdicts = checker.check_many([good] * rows, SETTING["at"], 1)
        found = []
        for _ in range(5):
            start = process_time()
            columns = verdicts.columns()
            found.append(process_time() - start)
        assert len(columns.signers) == 1
        return min(found)

    # Both sizes are so large that the allocator requests new memory from the system.
    assert seconds(80_000) < 8 * seconds(20_000)


def test_columns_of_no_documents_are_empty(native: Backend) -> None:
    for backend in (backends.get("python"), native):
        columns = backend.checker(setup_of({})).check_many([], SETTING["at"]).columns()
        assert columns == Columns(0, b"", b"", b"", b"", b"", {name: (b"", bytes(4), b"") for name in columns.texts}, ())


def test_each_document_may_have_its_own_time(native: Backend) -> None:
    good = base64.b64decode(next(case for case in CASES if case["expected"] == "accept" and not {"at", "nonce"} & case.keys())["document"])
    times = [SETTING["at"] + hours * 3600 for hours in (0, 10, 0, -10) * 100]
    for backend in (backends.get("python"), native):
        verdicts = backend.checker(setup_of({})).check_many([good] * 400, times)
        codes = [verdict.code if isinstance(verdict, VerificationError) else "" for verdict in verdicts]
        assert codes == ["", "document-expired", "", "document-not-yet-valid"] * 100
        for wrong in (times[:-1], []):
            with pytest.raises(ValueError, match=r"times|shorter"):
                backend.checker(setup_of({})).check_many([good] * 400, wrong)


def test_verdicts_are_a_sequence(native: Backend) -> None:
    good = base64.b64decode(next(case for case in CASES if case["expected"] == "accept" and not {"at", "nonce"} & case.keys())["document"])
    verdicts = native.checker(setup_of({})).check_many([good, b"", good], SETTING["at"])
    assert compared(verdicts[-1]) == compared(verdicts[0])
    assert compared(verdicts[1])[0] == "empty"
    assert [compared(verdict) for verdict in verdicts[::-2]] == [compared(verdicts[2]), compared(verdicts[0])]
    assert [compared(verdict) for verdict in verdicts] == [compared(verdicts[position]) for position in range(3)]
    with pytest.raises(IndexError):
        verdicts[3]
    with pytest.raises(IndexError):
        verdicts[-4]
    assert native.checker(setup_of({})).check_many([], SETTING["at"]).__len__() == 0


@pytest.mark.parametrize("member", ["anchors", "intermediates", "crls"])
def test_both_backends_reject_the_same_malformed_trust(native: Backend, member: str) -> None:
    refusals = []
    for backend in (native, backends.get("python")):
        for bad in (b"", b"0", b"0\x80", b"0\x03\x02\x01\x00", base64.b64decode(SETTING["anchors"][0])[:-1]):
            trusted: dict[str, Any] = {"anchors": (), "intermediates": (), "names": (), member: (bad,)}
            with pytest.raises(TrustError) as refusal:
                backend.checker(Setup(**trusted))
            refusals.append((refusal.value.code, refusal.value.message, refusal.value.location))
    assert refusals[:5] == refusals[5:]


documents = st.sampled_from([base64.b64decode(case["document"]) for case in CASES])


@given(documents, st.data())
def test_both_backends_agree_after_any_changed_byte(document: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, max(0, len(document) - 1)))
    changed = document[:position] + data.draw(st.binary(max_size=3)) + document[position + data.draw(st.integers(0, 3)) :]
    at = SETTING["at"] + data.draw(st.sampled_from([0, -10_000_000, 30_000, 100_000_000]))
    assert checked(RUST, changed, at) == checked(PYTHON, changed, at)


@given(st.binary(max_size=200), st.text(max_size=8) | st.none())
def test_both_backends_agree_on_any_bytes(document: bytes, nonce: str | None) -> None:
    assert checked(RUST, document, SETTING["at"], nonce) == checked(PYTHON, document, SETTING["at"], nonce)


@pytest.fixture
def no_kernels(native: Backend) -> Iterator[Backend]:
    yield backends.without_kernels(native)
    backends.with_kernels(native)


def test_results_are_the_same_without_the_kernels(no_kernels: Backend) -> None:
    assert no_kernels.cpu_path == "aws-lc"
    for case in CASES:
        document, at, nonce = base64.b64decode(case["document"]), case.get("at", SETTING["at"]), case.get("nonce")
        expected = checked(backends.get("python").checker(setup_of(case)), document, at, nonce)
        assert checked(no_kernels.checker(setup_of(case)), document, at, nonce) == expected, case["id"]


PYTHON = backends.get("python").checker(setup_of({}))
RUST = backends.best().checker(setup_of({}))
"""Checker of the best backend. Without the Rust extension, that is the Python backend. Tests that
need the extension use the fixture ``native``."""
