"""Tests of the parts of the soak, which must notice growing memory, hanging children and undocumented errors.

``make soak`` runs the soak itself.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
sys.path.insert(0, str(Path(__file__).parent))

import subject
from faulty_issuers import FAULTS, FaultyIssuers
from subject import LogReader, Subject

import soak
from soak import ROOM, Sample, growth, idle

MIB = 2**20

# A worker of pytest-xdist has several threads, and newer Pythons warn about a fork of such a process.
forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def samples(resident: list[int], files: int = 10, threads: int = 6) -> list[Sample]:
    return [Sample(float(second), size, files, threads) for second, size in enumerate(resident)]


def test_memory_that_only_fills_caches_is_level() -> None:
    assert growth(samples([min(20 + second, 50) * MIB for second in range(120)]), 120) == []


def test_growing_memory_is_detected() -> None:
    [found] = growth(samples([20 * MIB + second * ROOM // 60 for second in range(120)]), 120)
    assert found.startswith("resident grew")


def test_growing_descriptors_and_threads_are_detected() -> None:
    level = samples([MIB] * 120)
    late = [one._replace(files=100, threads=50) if one.seconds > 90 else one for one in level]
    assert [found.split()[0] for found in growth(late, 120)] == ["files", "threads"]


def test_short_run_is_not_called_level() -> None:
    assert growth(samples([MIB] * 20), 120) == ["the run was too short to compare anything"]


def test_run_without_activity_fails() -> None:
    busy = {"accepted": 1, "refused": 1, "explained": 1, "forks": 1}
    assert idle(busy, 1) == []
    assert idle({**busy, "forks": 0}, 0) == ["no forks", "no fetches"]


class Stuck(Subject):
    """Subject whose forked children hang or fail."""

    def __init__(self, status: int | None) -> None:
        self.seen, self.faults, self.last_good = Counter(), [], b"document"
        self._status = status

    def _in_child(self, document: bytes) -> int:
        if self._status is None:
            time.sleep(600)
        return self._status or 0


@forks
def test_hanging_child_is_reported_and_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "CHILD_SECONDS", 0.2)
    stuck = Stuck(None)
    stuck.fork()
    assert stuck.seen["hung children"] == 1
    assert "hung after a fork" in stuck.faults[0]


@forks
@pytest.mark.parametrize("status", [0, 3])
def test_exit_status_of_a_child_is_checked(status: int) -> None:
    forked = Stuck(status)
    forked.fork()
    assert forked.seen["forks"] == 1
    assert [fault for fault in forked.faults if f"status {status}" in fault] == forked.faults
    assert bool(forked.faults) is bool(status)


def test_undocumented_error_is_reported() -> None:
    def broken(*_: object) -> None:
        raise ValueError("read length")

    guarded = Stuck(0)
    guarded._guarded("rust", broken, None, random.Random(1), [])  # type: ignore[arg-type]
    assert "ValueError: read length" in guarded.faults[0]


@pytest.mark.parametrize(("text", "bad"), [("no issuer from 'http://x/'", False), ("status \x1b[31m", True), ("two\nlines", True)])
def test_control_characters_in_the_log_are_reported(text: str, bad: bool) -> None:
    found: list[str] = []
    LogReader(found.append).emit(logging.makeLogRecord({"msg": "%s", "args": (text,)}))
    assert bool(found) is bad


def download(port: int, name: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET /{name}.crt HTTP/1.1\r\n\r\n".encode())
        received = b""
        try:
            while len(received) < 100_000 and (more := connection.recv(65536)):
                received += more
        except ConnectionResetError:
            return b"reset"
    return received


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("silent", "drip")])
def test_server_shows_the_requested_fault(fault: str) -> None:
    issuers = FaultyIssuers()
    try:
        issuers.offer(f"{fault}-1", b"certificate")
        received = download(issuers.port, f"{fault}-1")
    finally:
        issuers.close()
    complete = b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\nContent-Length: 11\r\n\r\ncertificate"
    assert (received == complete) is (fault == "plain")


def test_tested_process_is_sampled() -> None:
    found = soak.look(os.getpid(), time.monotonic())
    assert found.resident > MIB
    assert found.files > 0
    assert found.threads > 0
