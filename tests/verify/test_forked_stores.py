"""Stores across a fork: exactly one of the parent and its children admits each document."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from pathlib import Path

import pytest

from imdskit import fork
from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority
from imdskit.errors import StoreError, VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.stores import MemoryStore
from imdskit.verify.stores import sqlite as sqlite_store
from imdskit.verify.stores.sqlite import SqliteStore

from .forking import AT, HOUR, SECONDS, document, held, in_child, one_authority

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12: that is what is tested
]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return one_authority()


def test_memory_store_refuses_in_the_child_but_not_in_the_parent() -> None:
    """Two copies of a store would each admit the same document. A common mistake is an empty store created before the fork of workers."""
    store = MemoryStore(clock=ManualClock(AT))

    def consume() -> str:
        try:
            return str(store.consume(b"key", AT + HOUR))
        except StoreError as error:
            return f"{error.code} {bool(error.hint)}"

    with held(store._lock):
        assert in_child(consume) == "store-forked True"
    assert in_child(lambda: MemoryStore(clock=ManualClock(AT)).consume(b"key", AT + HOUR)) == "True"
    assert consume() == "True"


def test_exactly_one_of_parent_and_children_accepts_each_document(authority: Authority, backend: Backend, tmp_path: Path) -> None:
    """The processes share one store, which the parent opened, and have different policies."""
    clock = ManualClock(AT)
    store = SqliteStore(tmp_path / "used.db", clock=clock, busy_seconds=30)
    trust = Trust((authority.root,), (authority.issuing,))
    policies = [Policy(), Policy(max_age=300), Policy(skew=3600), Policy(max_age=0, skew=0)]
    verifiers = [Verifier(trust, policy, backend=backend, clock=clock) for policy in policies]
    documents = [document(authority, number) for number in range(12)]

    def admitted(verifier: Verifier) -> str:
        numbers = []
        for number, one in enumerate(documents):
            try:
                verifier.verify_once(one, nonce=str(number), store=store)
                numbers.append(str(number))
            except VerificationError as refusal:
                assert refusal.reason is Reason.REPLAYED
        return " ".join(numbers)

    read, write = os.pipe()  # the children start when the parent closes the pipe
    ends: list[tuple[int, int]] = []
    for verifier in verifiers:
        response, say = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.alarm(SECONDS)
                os.close(write)
                os.read(read, 1)
                os.write(say, admitted(verifier).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(say)
        ends.append((child, response))
    os.close(write)
    won = admitted(verifiers[0]).split()
    for child, response in ends:
        with os.fdopen(response, "rb") as text:
            won += text.read().decode().split()
        assert os.waitpid(child, 0)[1] == 0
    os.close(read)
    assert sorted(won, key=int) == [str(number) for number in range(12)]
    store.close()


def test_no_sqlite_connection_is_inherited_by_a_child(tmp_path: Path) -> None:
    """This holds for a connection in use and for an idle one. Locks of the parent on the file are not valid in the child."""
    store = SqliteStore(tmp_path / "used.db", clock=ManualClock(AT))
    assert store._connection is not None
    assert in_child(lambda: store._connection) == "None"
    assert store.consume(b"after", AT + HOUR)
    # The parent closes and reopens the file while the child uses it. Admissions of the child must not be lost.
    read, write = os.pipe()

    def child() -> object:
        first = store.consume(b"child", AT + HOUR)
        os.close(write)
        return first

    assert in_child(child) == "True"
    os.close(write)
    os.close(read)
    store.close()
    assert not store.consume(b"child", AT + HOUR)
    store.close()


def test_child_refuses_a_store_that_was_in_use_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "PREPARE_SECONDS", 0.01)
    store = SqliteStore(tmp_path / "used.db", clock=ManualClock(AT), busy_seconds=0)

    def consume() -> str:
        try:
            return str(store.consume(b"key", AT + HOUR))
        except StoreError as error:
            return error.code

    with held(store._lock):
        assert in_child(consume) == "store-forked"
    assert consume() == "True"
    store.close()


def test_two_threads_fork_at_the_same_time(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "used.db", clock=ManualClock(AT))
    text: list[str] = []

    def forks(number: int) -> None:
        text.extend(in_child(lambda: store.consume(b"%d" % number, AT + HOUR)) for _ in range(5))

    threads = [threading.Thread(target=forks, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(text) == ["False"] * 12 + ["True"] * 3
    store.close()


def test_object_created_during_a_fork_is_renewed_but_not_resumed(tmp_path: Path) -> None:
    """Another thread creates the object after the first hook has run."""
    fork._before()
    store = SqliteStore(tmp_path / "used.db", clock=ManualClock(AT))
    fork._after_in_parent()  # must not release the lock of the new object
    assert store.consume(b"key", AT + HOUR)
    store.close()


def test_grandchildren_and_reused_process_ids_get_own_connections(tmp_path: Path) -> None:
    """Connections belong to a generation of processes, not to a process id."""
    path = tmp_path / "used.db"
    store = SqliteStore(path, clock=ManualClock(AT))
    real = os.getpid()

    def grandchild() -> str:
        os.getpid = lambda: real  # simulates a reused process id
        return in_child(lambda: (store._connection, store.consume(b"key", AT + HOUR)))

    assert in_child(grandchild) == "(None, True)"
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM used").fetchone() == (1,)
    connection.close()


def test_store_that_is_unusable_in_a_child_raises_store_error(tmp_path: Path) -> None:
    memory = MemoryStore(clock=ManualClock(AT))
    file = SqliteStore(tmp_path / "used.db", clock=ManualClock(AT))
    memory.renew_in_child(True)
    file.renew_in_child(False)
    for store in (memory, file):
        with pytest.raises(StoreError) as refusal:
            store.consume(b"key", AT + HOUR)
        assert refusal.value.code == "store-forked"
    file.close()
