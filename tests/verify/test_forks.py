"""Forks while other threads hold locks: the child neither hangs nor waits for threads of the parent, and the parent continues."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit import fork
from imdskit.backends.contract import Backend
from imdskit.backends.python.bucket import Bucket
from imdskit.clock import ManualClock
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.aia import FetchBudget
from imdskit.verify.aia.outcomes import Outcomes

from .forking import AT, CPYTHON, document, held, in_child, one_authority, run

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12: that is what is tested
]


LOAD = """
import sys
from pathlib import Path
import forking as here
from imdskit import backends
here.load(here.one_authority(), backends.get(sys.argv[1]), Path(sys.argv[2]))
print("good")
"""


def test_children_verify_and_consume_while_parent_threads_do(backend: Backend, tmp_path: Path) -> None:
    """The test runs in a separate process without coverage measurement, because the tracer has locks as well."""
    ended = run(LOAD, backend.name, str(tmp_path))
    assert ended.stdout == "good\n", ended.stderr


def renewed() -> list[tuple[str, Callable[[Path], tuple[Any, Callable[[], object]]]]]:
    """Return constructors of objects with a lock, and operations of a child that need the lock."""
    clock = ManualClock(AT)

    def cache(_: Path) -> tuple[Any, Callable[[], object]]:
        one = one_authority()
        verifier = Verifier(Trust((one.root,), (one.issuing,)), Policy(), backend="python", clock=clock)
        return verifier._configured.checker._cache, lambda: verifier.verify(document(one, 1)).claims.nonce

    def verifier(_: Path) -> tuple[Any, Callable[[], object]]:
        one = one_authority()
        verifier = Verifier(Trust((one.root,)), Policy(), clock=clock)
        return verifier, lambda: verifier._learn([one.issuing]) or verifier.verify(document(one, 1)).claims.nonce

    def outcomes(_: Path) -> tuple[Any, Callable[[], object]]:
        found = Outcomes(clock)
        return found, lambda: found.get("http://a/", lambda: "1", 1)  # type: ignore[arg-type, return-value]  # only handed through

    def budget(_: Path) -> tuple[Any, Callable[[], object]]:
        budget = FetchBudget(clock=clock)
        return budget, lambda: int(budget.take())

    def bucket(_: Path) -> tuple[Any, Callable[[], object]]:
        bucket = Bucket(1, 1, 1)
        return bucket, lambda: bucket.take(0) + 1

    return [("cache", cache), ("verifier", verifier), ("outcomes", outcomes), ("budget", budget), ("bucket", bucket)]


@pytest.mark.parametrize(("_name", "make"), renewed(), ids=[name for name, _ in renewed()])
def test_lock_held_by_a_parent_thread_is_free_in_the_child(
    _name: str, make: Callable[[Path], tuple[Any, Callable[[], object]]], tmp_path: Path
) -> None:
    owner, work = make(tmp_path)
    with held(owner._lock):
        assert in_child(work) == "1"
    assert str(work()) == "1"


def test_child_does_not_wait_for_a_fetch_of_the_parent() -> None:
    """The thread of the fetch does not exist in the child."""
    outcomes = Outcomes(ManualClock(AT))
    started, finish = threading.Event(), threading.Event()

    def slow() -> Any:
        started.set()
        finish.wait()
        return "parent's"

    thread = threading.Thread(target=lambda: outcomes.get("http://a/", slow, 1))
    thread.start()
    started.wait()
    try:
        assert in_child(lambda: outcomes.get("http://a/", lambda: "child's", 10**12)) == "child's"  # type: ignore[arg-type, return-value]
    finally:
        finish.set()
        thread.join()


def test_fetch_that_forks_ends_in_parent_and_child() -> None:
    outcomes = Outcomes(ManualClock(AT))
    child: list[int] = []

    def forking() -> Any:
        child.append(os.fork())
        return "found"

    status = 1
    try:
        assert str(outcomes.get("http://a/", forking, 1)) == "found"
        status = 0
    finally:
        if child == [0]:
            os._exit(status)
    assert os.waitpid(child[0], 0)[1] == 0


@pytest.mark.parametrize(("_name", "make"), renewed(), ids=[name for name, _ in renewed()])
def test_objects_work_after_a_fork_as_before(_name: str, make: Callable[[Path], tuple[Any, Callable[[], object]]], tmp_path: Path) -> None:
    """The test runs the hook of a child in this process, while another thread holds the old lock."""
    owner, work = make(tmp_path)
    with held(owner._lock):
        owner.renew_in_child(True)
        assert str(work()) == "1"


@CPYTHON
def test_watched_objects_can_still_be_freed() -> None:
    before = len(fork._watched)
    buckets = [Bucket(1, 1, 1) for _ in range(10)]
    assert len(fork._watched) == before + 10
    del buckets
    assert len(fork._watched) == before
