"""Helpers for tests of forks: child processes, threads that keep the parent busy, and programs in separate processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.errors import FetchError, VerificationError
from imdskit.protocol import attested
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.aia import FetchBudget
from imdskit.verify.aia.outcomes import Outcomes
from imdskit.verify.stores.sqlite import SqliteStore

CPYTHON = pytest.mark.skipif(sys.implementation.name != "cpython", reason="only CPython counts references and has subinterpreters")

AT = 1_790_000_000
HOUR = 3600
SECONDS = 60
"""Time limit of a child. It needs milliseconds, but the machine may be busy."""


def document(authority: Authority, number: int) -> bytes:
    vm_id = f"00000000-0000-4000-8000-{number:012}"
    return signed_document.message(authority.signer(), attested.content({"vmId": vm_id}, "2021-02-01", AT, str(number)))


def in_child(work: Callable[[], object]) -> str:
    """Return the result of ``work`` in a child, as text, or ``hangs`` if the child had to be killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(SECONDS)  # the default action of SIGALRM ends the child, even if it hangs
            os.write(write, str(work()).encode()[:4000])
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as response:
        output = response.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "hangs" if os.WTERMSIG(status) == signal.SIGALRM else f"killed by {os.WTERMSIG(status)}"
    return output if os.WEXITSTATUS(status) == 0 else "failed"


@contextmanager
def busy(*works: Callable[[], object], threads: int = 4) -> Iterator[None]:
    """Run the works repeatedly in other threads."""
    done = threading.Event()

    def repeat(number: int) -> None:
        while not done.is_set():
            works[number % len(works)]()

    running = [threading.Thread(target=repeat, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in running:
            thread.join()


@contextmanager
def held(lock: Any) -> Iterator[None]:
    """Let another thread hold the lock."""
    taken, give_back = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            give_back.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        give_back.set()
        thread.join()


@cache
def one_authority() -> Authority:
    return Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=11)  # created once, because its keys take time


def batch(backend: Backend) -> tuple[Verifier, list[bytes]]:
    one = one_authority()
    verifier = Verifier(Trust((one.root,), (one.issuing,)), Policy(), backend=backend, clock=ManualClock(AT))
    return verifier, [document(one, number) for number in range(4)] * 20


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    untraced = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = {**untraced, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    return subprocess.run([sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, timeout=300)


def load(authority: Authority, backend: Backend, tmp_path: Path) -> None:
    """Fork while threads write to all caches of the checker, to the store and to the outcomes of the fetcher."""
    clock = ManualClock(AT)
    trust = Trust((authority.root,), (authority.issuing,))
    verifier = Verifier(trust, Policy(), backend=backend, clock=clock)
    store = SqliteStore(tmp_path / "used.db", clock=clock, busy_seconds=30)
    outcomes, budget, bucket = Outcomes(clock), FetchBudget(clock=clock), backend.bucket(1, 1, 1)
    documents = [document(authority, number) for number in range(4)]
    boundary = iter(range(10**9))

    def verify() -> None:
        for at in range(AT - 5, AT):
            with suppress(VerificationError):
                verifier.verify(documents[0], at=at)

    def fresh() -> None:
        """Install a checker with empty caches, so that verifying takes its locks."""
        checker = backend.checker(verifier._configured.setup)
        verifier._configured = verifier._configured._replace(checker=checker)
        for one in documents:
            checker.check(one, AT, None)

    def consume() -> None:
        store.consume(b"%d" % next(boundary), AT + HOUR)

    def refuse() -> Any:
        raise FetchError("unreachable", "nothing is there")

    def fetch() -> None:
        with suppress(FetchError):
            outcomes.get(str(next(boundary) % 50), refuse, 10**9)
        budget.take()
        bucket.take(0)

    def in_the_child(number: int) -> str:
        ids = [verifier.verify(one).claims.vm_id[-1] for one in documents]
        many = [getattr(verdict, "reason", "accepted") for verdict in verifier.verify_many(documents, threads=2)]
        with suppress(FetchError):
            outcomes.get("0", refuse, 10**9)
        budget.take()
        bucket.take(0)
        return f"{''.join(ids)} {many.count('accepted')} {store.consume(b'child %d' % number, AT + HOUR)}"

    with busy(verify, fresh, consume, fetch):
        output = [in_child(lambda number=number: in_the_child(number)) for number in range(12)]  # type: ignore[misc]  # called at once
    assert output == ["0123 4 True"] * 12
    assert not any(store.consume(b"child %d" % number, AT + HOUR) for number in range(12))
    store.close()
