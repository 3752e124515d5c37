"""The Rust extension releases the global interpreter lock during its work, so other threads can
run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from attested_vectors import AT
from interpreter_lock import advances_during
from packed_documents import GOOD, SETUP, packed

from imdskit import backends
from imdskit.asn1 import writer as der
from imdskit.backends.contract import Backend
from imdskit.emulator.authority import certificates
from imdskit.errors import BackendError

SHA256_RSA = certificates.algorithm("1.2.840.113549.1.1.11")
TRIES = 50
"""A busy system may not run the other thread in time, so an attempt may fail. If the extension kept the lock, every attempt would fail."""


def large_list() -> bytes:
    """Return a revocation list with 200,000 entries and no valid signature."""
    name = der.sequence(der.set_of(der.sequence(der.oid("2.5.4.3"), der.utf8_string("Nobody"))))
    date, number = der.time(AT), certificates.extension("2.5.29.20", der.integer(1))
    entries = (der.sequence(der.integer(serial), date) for serial in range(200_000))
    tbs = der.sequence(
        der.integer(1), SHA256_RSA, name, date, der.time(AT + 86_400), der.sequence(*entries), der.explicit(0, der.sequence(number))
    )
    return der.sequence(tbs, SHA256_RSA, der.bit_string(b"\0"))


@pytest.fixture(scope="module")
def native() -> Backend:
    try:
        return backends.get("rust")
    except BackendError:
        pytest.skip("the Rust extension is not built")


WITH_LIST = replace(SETUP, crls=(large_list(),), require_crl=False)


def advances(work: Callable[[], object]) -> bool:
    return any(advances_during(work) for _ in range(TRIES))


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="an interpreter without a lock")
def test_other_threads_do_not_advance_during_python_code() -> None:
    assert not advances(lambda: sum(number * number for number in range(10_000)))


def test_other_threads_advance_while_a_large_revocation_list_is_parsed(native: Backend) -> None:
    assert advances(lambda: native.checker(WITH_LIST))


def test_other_threads_advance_while_documents_are_checked(native: Backend) -> None:
    checker = native.checker(SETUP)
    assert advances(lambda: checker.check_many([GOOD] * 500, AT, 1))
    assert advances(lambda: checker.check_column(packed([GOOD] * 500), AT, 1))
    verdicts = checker.check_many([GOOD] * 20_000, AT, 1)
    assert advances(verdicts.columns)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_other_threads_advance_while_a_child_process_parses_the_list_again(native: Backend) -> None:
    verdicts = native.checker(WITH_LIST).check_many([GOOD], AT)
    for _ in range(TRIES):
        child = os.fork()
        if not child:
            try:
                os._exit(0 if advances_during(lambda: verdicts[0]) else 3)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 3)
        if not status:
            return
    pytest.fail("no other thread advanced while the child parsed the list")
