"""Documents in one buffer get the same verdicts as single documents, for any type of buffer and even if another thread writes into it."""

from __future__ import annotations

from array import array
from threading import Thread

import pytest
from attested_vectors import AT
from interpreter_lock import advances_during
from packed_documents import DOCUMENTS, GOOD, SETUP, packed

from imdskit import backends
from imdskit.backends.contract import Backend, Columns, PackedDocuments
from imdskit.errors import BackendError, UsageError
from imdskit.verify import Policy, Trust, Verifier


def test_column_gives_the_verdicts_of_single_checks(backend: Backend) -> None:
    checker = backend.checker(SETUP)
    times = [AT + 7200 * (number % 3) for number in range(len(DOCUMENTS))]
    assert checker.check_column(packed(DOCUMENTS), AT) == checker.check_many(DOCUMENTS, AT).columns()
    assert checker.check_column(packed(DOCUMENTS, b"{}"), array("q", times), 2) == checker.check_many(DOCUMENTS, times).columns()
    assert checker.check_column(PackedDocuments(b"", array("q", [0])), AT).rows == 0


def test_column_copied_in_parts_loses_no_document(backend: Backend) -> None:
    documents = [GOOD, b"A" * (5 << 20), *[GOOD] * 150, b"A" * (3 << 20), b"", b"B" * (3 << 20), b"no", GOOD]
    times = [AT] * (len(documents) - 1) + [AT + 36_000]
    checker = backend.checker(SETUP)
    assert checker.check_column(packed(documents), array("q", times)) == checker.check_many(documents, times).columns()


@pytest.mark.parametrize("offsets", [[], [-1, 1], [2, 1, 3], [0, 4], [0, 1 << 62], [-(1 << 63), 3]], ids=str)
def test_rejects_offsets_outside_of_the_buffer(backend: Backend, offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        backend.checker(SETUP).check_column(PackedDocuments(b"abc", array("q", offsets)), AT)


def test_rejects_another_number_of_times(backend: Backend) -> None:
    with pytest.raises(ValueError):
        backend.checker(SETUP).check_column(packed([GOOD, GOOD]), array("q", [AT]))
    verifier = Verifier(Trust(SETUP.anchors), Policy.offline_audit(), backend=backend)
    for times in ([AT], [AT, -1], [AT, "1"]):
        with pytest.raises(UsageError, match="must contain one time"):
            verifier.verify_columns(packed([GOOD, GOOD]), times)  # type: ignore[arg-type]  # a mistake
    assert verifier.verify_columns(packed([b"no"]), AT).rows == 1


def test_verdicts_survive_a_buffer_overwritten_during_the_check() -> None:
    try:
        checker = backends.get("rust").checker(SETUP)
    except BackendError:
        pytest.skip("the Rust extension is not built")
    checker.check(GOOD, AT)
    found: list[Columns] = []
    intact = 0
    for _ in range(100):
        documents = packed([GOOD] * 500)
        buffer = documents.octets
        assert isinstance(buffer, memoryview) and not buffer.readonly

        def overwrite(buffer: memoryview = buffer) -> None:
            buffer[:] = bytes(len(buffer))

        def check(documents: PackedDocuments = documents) -> None:
            found.append(checker.check_column(PackedDocuments(documents.octets, documents.offsets), AT, 1))

        overwritten = advances_during(check, Thread(target=overwrite))
        # On a busy machine, the other thread sometimes overwrites the buffer before it is copied. Such a round shows nothing.
        intact += overwritten and found[-1].reason == bytes(500)
        if intact == 3:
            return
    pytest.fail(f"in {intact} of 100 rounds, the buffer was overwritten during the check and all verdicts were right")
