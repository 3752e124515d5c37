"""The verifier works without threads and in subinterpreters."""

from __future__ import annotations

import os
import threading

import pytest

from imdskit import backends
from imdskit.backends.contract import Backend
from imdskit.errors import VerificationError

from .forking import CPYTHON, batch, run

NO_THREADS = """
import os, resource, sys, threading
import forking as here
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


def test_caller_does_the_work_if_no_thread_can_be_started(backend: Backend) -> None:
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
    garbage = [b"no document"] * 4000
    before = len(os.listdir("/proc/self/task"))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        verdicts = list(verifier.verify_many(documents + garbage, threads=1024))
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
import forking as here
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
def test_subinterpreter_verifies_with_the_backends_it_can_load(order: str) -> None:
    """The main interpreter may have loaded the extension already."""
    ended = run(SUBINTERPRETER, order)
    native = backends.best().name == "rust"
    expected = {
        f"verified by python, {rust}, verified by {auto}\n" for rust, auto in (("backend-broken", "python"), ("verified by rust", "rust"))
    }
    if not native:
        expected = {"verified by python, backend-absent, verified by python\n"}
    assert ended.stdout in expected, ended.stderr
