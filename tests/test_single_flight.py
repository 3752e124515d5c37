"""Tests that threads that request the same thing at the same time share one call."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit import single_flight
from imdskit.errors import ClientError
from imdskit.single_flight import SingleFlight

PACKAGES = Path(single_flight.__file__).parents[1]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Return a semaphore that is released once for each thread that begins to wait for another."""
    semaphore, wait = threading.Semaphore(0), single_flight._Call.wait

    def reported(call: Any, timeout: float | None) -> None:
        semaphore.release()
        wait(call, timeout)

    monkeypatch.setattr(single_flight._Call, "wait", reported)
    return semaphore


def together(*functions: Callable[[], Any]) -> list[Any]:
    """Call each function in its own thread; return what they returned or raised, in the order of the functions."""
    results: list[Any] = [None] * len(functions)

    def call(number: int) -> None:
        try:
            results[number] = functions[number]()
        except (ClientError, KeyboardInterrupt, TimeoutError) as error:
            results[number] = error

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return results


def test_one_call_serves_all_threads(waiting: threading.Semaphore) -> None:
    flight: SingleFlight[object] = SingleFlight()
    calls = []

    def fetch() -> object:
        calls.append(1)
        for _ in range(9):
            assert waiting.acquire(timeout=30)
        return None

    assert together(*[lambda: flight.run("key", fetch)] * 10) == [None] * 10  # None is an ordinary result
    assert len(calls) == 1


def test_different_keys_do_not_wait_for_each_other() -> None:
    flight: SingleFlight[str] = SingleFlight()
    assert flight.run("outer", lambda: flight.run("inner", lambda: "done")) == "done"


def test_each_thread_gets_its_own_copy_of_the_error(waiting: threading.Semaphore) -> None:
    flight: SingleFlight[object] = SingleFlight()

    def fetch() -> object:
        assert waiting.acquire(timeout=30)
        raise ClientError("gone", "The service is being updated.", status=410)

    first, second = together(*[lambda: flight.run("key", fetch)] * 2)
    assert first is not second
    assert (first.code, first.status) == (second.code, second.status) == ("gone", 410)


def test_waiting_thread_takes_over_from_an_interrupted_one(waiting: threading.Semaphore) -> None:
    flight: SingleFlight[str] = SingleFlight()
    started = threading.Event()

    def interrupted() -> str:
        started.set()
        assert waiting.acquire(timeout=30)
        raise KeyboardInterrupt

    def second() -> str:
        assert started.wait(30)
        return flight.run("key", lambda: "done")

    first, result = together(lambda: flight.run("key", interrupted), second)
    assert isinstance(first, KeyboardInterrupt)
    assert result == "done"


def test_waiting_ends_at_the_timeout() -> None:
    flight: SingleFlight[str] = SingleFlight()
    started, waited = threading.Event(), threading.Event()

    def slow() -> str:
        started.set()
        assert waited.wait(30)
        return "done"

    def impatient() -> str:
        assert started.wait(30)
        try:
            return flight.run("key", lambda: "never", timeout=0.01)
        finally:
            waited.set()

    result, error = together(lambda: flight.run("key", slow), impatient)
    assert result == "done"
    assert isinstance(error, TimeoutError)


FORKS = """
import os, signal, sys, threading
from imdskit.single_flight import _PROCESS, SingleFlight

flight, started, end = SingleFlight(), threading.Event(), threading.Event()

def slow():
    started.set()
    end.wait(30)
    return "parent"

leader = threading.Thread(target=flight.run, args=("key", slow))
leader.start()
started.wait(30)
lock = _PROCESS.lock
lock.acquire()  # as if another thread were inside of `run` at the moment of the fork
child = os.fork()
if child == 0:
    signal.alarm(20)  # end a child that hangs
    os._exit(0 if flight.run("key", lambda: "child") == "child" else 1)
lock.release()
end.set()
leader.join(30)

def fork():  # the leader itself forks, and the child leaves the call as the parent does
    if os.fork() == 0:
        signal.alarm(20)
        return "child"
    return "parent"

if flight.run("key", fork) == "child":
    os._exit(0 if flight.run("key", lambda: "again") == "again" else 1)
sys.exit(any(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_child_can_use_it_while_the_parent_is_busy() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
