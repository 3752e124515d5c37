"""Forks while other threads hold locks: the child neither hangs nor admits a document twice, and the parent goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from imdskit import backends, fork
from imdskit.backends.contract import Backend
from imdskit.backends.python.bucket import Bucket
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.errors import FetchError, StoreError, VerificationError
from imdskit.protocol import attested
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.aia import FetchBudget
from imdskit.verify.aia.outcomes import Outcomes
from imdskit.verify.stores import MemoryStore
from imdskit.verify.stores import sqlite as sqlite_store
from imdskit.verify.stores.sqlite import SqliteStore

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12: that is what is tested
]

CPYTHON = pytest.mark.skipif(sys.implementation.name != "cpython", reason="only CPython counts references and has subinterpreters")

AT = 1_790_000_000
HOUR = 3600
SECONDS = 60
"""How long a child may take: it needs milliseconds, and the machine may be busy."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return one_authority()


def document(authority: Authority, number: int) -> bytes:
    vm_id = f"00000000-0000-4000-8000-{number:012}"
    return signed_document.message(authority.signer(), attested.content({"vmId": vm_id}, "2021-02-01", AT, str(number)))


def in_child(work: Callable[[], object]) -> str:
    """What ``work`` returns in a child, as text; ``hangs`` if the child had to be killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(SECONDS)  # its default action ends the child, wherever it hangs
            os.write(write, str(work()).encode()[:4000])
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        said = answer.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "hangs" if os.WTERMSIG(status) == signal.SIGALRM else f"killed by {os.WTERMSIG(status)}"
    return said if os.WEXITSTATUS(status) == 0 else "failed"


@contextmanager
def busy(*works: Callable[[], object], threads: int = 4) -> Iterator[None]:
    """Threads that do the works over and over."""
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
    """Another thread holds the lock."""
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


# Under load


LOAD = """
import sys
from pathlib import Path
import test_forks as here
from imdskit import backends
here.load(here.one_authority(), backends.get(sys.argv[1]), Path(sys.argv[2]))
print("good")
"""


def test_children_verify_and_consume_while_threads_of_the_parent_do(backend: Backend, tmp_path: Path) -> None:
    """In a process of its own, which no measurement of coverage follows: its tracer has locks, too."""
    ended = run(LOAD, backend.name, str(tmp_path))
    assert ended.stdout == "good\n", ended.stderr


def load(authority: Authority, backend: Backend, tmp_path: Path) -> None:
    """The threads write to every memory of the checker, to the store and to the fetcher's outcomes."""
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
        """A checker that remembers nothing yet, so that its locks are taken."""
        checker = backend.checker(verifier._trusting.setup)
        verifier._trusting = verifier._trusting._replace(checker=checker)
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
        said = [in_child(lambda number=number: in_the_child(number)) for number in range(12)]  # type: ignore[misc]  # called at once
    assert said == ["0123 4 True"] * 12
    assert not any(store.consume(b"child %d" % number, AT + HOUR) for number in range(12))
    store.close()


# One lock at a time


def renewed() -> list[tuple[str, Callable[[Path], tuple[Any, Callable[[], object]]]]]:
    """Objects with a lock, and what the child does that needs it."""
    clock = ManualClock(AT)

    def cache(_: Path) -> tuple[Any, Callable[[], object]]:
        one = one_authority()
        verifier = Verifier(Trust((one.root,), (one.issuing,)), Policy(), backend="python", clock=clock)
        return verifier._trusting.checker._cache, lambda: verifier.verify(document(one, 1)).claims.nonce

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
def test_a_lock_that_a_thread_of_the_parent_holds_is_free_in_the_child(
    _name: str, make: Callable[[Path], tuple[Any, Callable[[], object]]], tmp_path: Path
) -> None:
    owner, work = make(tmp_path)
    with held(owner._lock):
        assert in_child(work) == "1"
    assert str(work()) == "1"


def test_a_fetch_of_the_parent_is_not_waited_for_in_the_child() -> None:
    """Its thread does not exist there."""
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


def test_a_fetch_that_forks_ends_in_both_processes() -> None:
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


# Stores


def test_a_memory_store_refuses_in_the_child_and_goes_on_in_the_parent() -> None:
    """Two copies would admit a document each; an empty store, made before the workers are forked, is the usual mistake."""
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


def test_of_many_children_and_their_parent_exactly_one_accepts_each_document(
    authority: Authority, backend: Backend, tmp_path: Path
) -> None:
    """They share one store that the parent opened, and each has another policy."""
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
                verifier.verify_once(one, str(number), store)
                numbers.append(str(number))
            except VerificationError as refusal:
                assert refusal.reason is Reason.REPLAYED
        return " ".join(numbers)

    read, write = os.pipe()  # children start when the parent closes it
    ends: list[tuple[int, int]] = []
    for verifier in verifiers:
        answer, say = os.pipe()
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
        ends.append((child, answer))
    os.close(write)
    won = admitted(verifiers[0]).split()
    for child, answer in ends:
        with os.fdopen(answer, "rb") as said:
            won += said.read().decode().split()
        assert os.waitpid(child, 0)[1] == 0
    os.close(read)
    assert sorted(won, key=int) == [str(number) for number in range(12)]
    store.close()


def test_no_connection_of_sqlite_crosses_a_fork(tmp_path: Path) -> None:
    """Neither in use nor idle: the child's own would share the parent's locks on the file, which the child does not have."""
    store = SqliteStore(tmp_path / "used.db", clock=ManualClock(AT))
    assert store._connection is not None
    assert in_child(lambda: store._connection) == "None"
    assert store.consume(b"after", AT + HOUR)
    # The parent closes and opens the file again while the child uses it: what the child admits is not lost.
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


def test_a_store_that_is_in_use_for_too_long_is_refused_in_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    said: list[str] = []

    def forks(number: int) -> None:
        said.extend(in_child(lambda: store.consume(b"%d" % number, AT + HOUR)) for _ in range(5))

    threads = [threading.Thread(target=forks, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["False"] * 12 + ["True"] * 3
    store.close()


def test_an_object_made_during_a_fork_is_renewed_but_not_resumed(tmp_path: Path) -> None:
    """Another thread makes it after the first hook has run."""
    fork._before()
    store = SqliteStore(tmp_path / "used.db", clock=ManualClock(AT))
    fork._after_in_parent()  # releases nothing of it
    assert store.consume(b"key", AT + HOUR)
    store.close()


@CPYTHON
def test_watching_forks_keeps_nothing_alive() -> None:
    before = len(fork._watched)
    buckets = [Bucket(1, 1, 1) for _ in range(10)]
    assert len(fork._watched) == before + 10
    del buckets
    assert len(fork._watched) == before


def test_grandchildren_and_reused_process_ids_get_connections_of_their_own(tmp_path: Path) -> None:
    """A generation of processes each: the id is not asked for."""
    path = tmp_path / "used.db"
    store = SqliteStore(path, clock=ManualClock(AT))
    real = os.getpid()

    def grandchild() -> str:
        os.getpid = lambda: real  # as if the id had come round
        return in_child(lambda: (store._connection, store.consume(b"key", AT + HOUR)))

    assert in_child(grandchild) == "(None, True)"
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM used").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize(("_name", "make"), renewed(), ids=[name for name, _ in renewed()])
def test_what_was_renewed_works_as_before(_name: str, make: Callable[[Path], tuple[Any, Callable[[], object]]], tmp_path: Path) -> None:
    """In this process, as a child does it: another thread holds the old lock."""
    owner, work = make(tmp_path)
    with held(owner._lock):
        owner.renew_in_child(True)
        assert str(work()) == "1"


def test_a_store_that_cannot_be_used_in_a_child_says_so(tmp_path: Path) -> None:
    memory = MemoryStore(clock=ManualClock(AT))
    file = SqliteStore(tmp_path / "used.db", clock=ManualClock(AT))
    memory.renew_in_child(True)
    file.renew_in_child(False)
    for store in (memory, file):
        with pytest.raises(StoreError) as refusal:
            store.consume(b"key", AT + HOUR)
        assert refusal.value.code == "store-forked"
    file.close()


# Threads, and interpreters in one process

NO_THREADS = """
import os, resource, sys, threading
import test_forks as here
from imdskit import backends
verifier, documents = here.batch(backends.get(sys.argv[1]))
if os.geteuid() == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=print).start()
except RuntimeError:
    pass
else:
    sys.exit("a thread was started")
for threads in (None, 1, 8, 1024):
    verdicts = list(verifier.verify_many(documents, threads=threads))
    assert [verdict.claims.nonce for verdict in verdicts] == [str(number % 4) for number in range(len(documents))]
    assert verifier.verify_columns(documents, here.AT, threads=threads).rows == len(documents)
print("good")
"""


@cache
def one_authority() -> Authority:
    return Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=11)  # its keys take a while


def batch(backend: Backend) -> tuple[Verifier, list[bytes]]:
    one = one_authority()
    verifier = Verifier(Trust((one.root,), (one.issuing,)), Policy(), backend=backend, clock=ManualClock(AT))
    return verifier, [document(one, number) for number in range(4)] * 20


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    untraced = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = {**untraced, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    return subprocess.run([sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, timeout=300)


def test_where_no_thread_can_be_started_the_caller_does_the_work(backend: Backend) -> None:
    ended = run(NO_THREADS, backend.name)
    assert ended.stdout == "good\n", ended.stderr


def test_no_more_threads_are_started_than_there_are_processors(backend: Backend) -> None:
    verifier, documents = batch(backend)
    most = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, len(os.listdir("/proc/self/task")))

    if not os.path.isdir("/proc/self/task"):
        pytest.skip("threads cannot be counted here")
    rubbish = [b"no document"] * 4000
    before = len(os.listdir("/proc/self/task"))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        verdicts = list(verifier.verify_many(documents + rubbish, threads=1024))
    finally:
        done.set()
        watcher.join()
    assert sum(not isinstance(verdict, VerificationError) for verdict in verdicts) == len(documents)
    assert most <= before + 1 + 64


SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
program = '''
import sys, warnings
sys.path[:] = {path!r}
import test_forks as here
from imdskit import backends
from imdskit.errors import BackendError
def outcome(name):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            backend = backends.get(name)
    except BackendError as error:
        return error.code
    verifier, documents = here.batch(backend)
    assert verifier.verify(documents[1]).claims.nonce == "1"
    assert verifier.verify_many(documents[:2]).__next__().claims.nonce == "0"
    return "verified by " + backend.name
import os
os.write(1, (", ".join(map(outcome, ("python", "rust", "auto"))) + "\\\\n").encode())
'''.format(path=sys.path)
here_too = sys.argv[1] == "loaded before"
if here_too:
    from imdskit import backends
    backends.best()
interpreter = interpreters.create()
failure = interpreters.run_string(interpreter, program)
assert failure is None, failure
interpreters.destroy(interpreter)
"""


@CPYTHON
@pytest.mark.parametrize("order", ["loaded before", "loaded there first"])
def test_a_subinterpreter_verifies_and_refuses_what_it_cannot_load(order: str) -> None:
    """The main interpreter may have loaded the extension before."""
    ended = run(SUBINTERPRETER, order)
    native = backends.best().name == "rust"
    expected = {
        f"verified by python, {rust}, verified by {auto}\n" for rust, auto in (("backend-broken", "python"), ("verified by rust", "rust"))
    }
    if not native:
        expected = {"verified by python, backend-absent, verified by python\n"}
    assert ended.stdout in expected, ended.stderr
