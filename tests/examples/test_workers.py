"""The licence server in several processes: each document is used once, whoever is asked, whoever dies, and whether or not the store answers."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imdskit.clock import SystemClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.protocol import attested

ROOT = Path(__file__).parent.parent.parent
VM, SUBSCRIPTION = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-0000000000aa"
DOCUMENTS, TIMES, WORKERS = 24, 6, 3
LOST = 0
"""In place of a status: the connection ended without an answer."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Store:
    """Redis, which has every admission on the disk before it says so; it can die and come back."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("not here: redis-server (Debian package redis-server)")
        self.port = free_port()
        self._command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        self._command += ["--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if b"Ready to accept connections" in line:
                return
        raise AssertionError(b"".join(said).decode())

    def die(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Service(NamedTuple):
    """The processes under one address."""

    port: int
    workers: list[int]
    store: Store
    authority: Authority

    def send(self, path: str, members: dict[str, str]) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", path, json.dumps(members))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (http.client.HTTPException, OSError):
            return LOST, {}
        finally:
            connection.close()

    def fresh(self) -> dict[str, str]:
        """What a machine sends that has been challenged."""
        status, challenge = self.send("/challenge", {"vmId": VM})
        assert status == 200
        content = attested.content({"vmId": VM, "subscriptionId": SUBSCRIPTION}, "2021-02-01", SystemClock().now(), str(challenge["nonce"]))
        document = attested.envelope(signed_document.message(self.authority.signer(), content)).decode()
        return {"vmId": VM, "nonce": str(challenge["nonce"]), "document": document}

    def activate(self, members: dict[str, str]) -> int:
        return self.send("/activate", members)[0]


@contextmanager
def running(folder: Path, store: Store, authority: Authority) -> Iterator[Service]:
    trust = folder / "trust.pem"
    trust.write_text(authority.trust_pem())
    command = [sys.executable, str(ROOT / "examples" / "licence_server" / "workers.py"), "--port", "0", "--workers", str(WORKERS)]
    command += ["--redis", f"127.0.0.1:{store.port}", "--trust", str(trust), "--subscription", SUBSCRIPTION]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield Service(int(said["url"].rpartition(":")[2]), said["workers"], store, authority)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(SystemClock(), "http://127.0.0.1:8080", seed=31)


@pytest.fixture
def service(tmp_path: Path, authority: Authority) -> Iterator[Service]:
    store = Store(tmp_path)
    try:
        with running(tmp_path, store, authority) as service:
            yield service
    finally:
        store.die()


def at_once(service: Service, requests: list[dict[str, str]]) -> list[int]:
    with ThreadPoolExecutor(12) as pool:
        return list(pool.map(service.activate, requests))


def test_each_document_is_used_once_however_many_ask_at_once(service: Service) -> None:
    fresh = [service.fresh() for _ in range(DOCUMENTS)]
    statuses = at_once(service, fresh * TIMES)
    assert Counter(statuses) == {200: DOCUMENTS, 403: DOCUMENTS * (TIMES - 1)}
    assert [statuses[n::DOCUMENTS].count(200) for n in range(DOCUMENTS)] == [1] * DOCUMENTS


def test_a_process_that_is_killed_costs_answers_and_admits_nothing_twice(service: Service) -> None:
    fresh = [service.fresh() for _ in range(DOCUMENTS)]
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(service.activate, each) for each in fresh * TIMES]
        answers[DOCUMENTS].result()
        os.kill(service.workers[0], signal.SIGKILL)
        statuses = [answer.result() for answer in answers]
    admitted = [statuses[n::DOCUMENTS].count(200) for n in range(DOCUMENTS)]
    assert set(statuses) <= {200, 403, LOST}
    assert max(admitted) == 1
    assert sum(admitted) + statuses.count(LOST) >= DOCUMENTS  # an admission whose answer was lost stays one
    assert set(at_once(service, fresh)) == {403}
    later = service.fresh()  # by those that are left, and soon by the one that takes its place
    assert [service.activate(later) for _ in range(2)] == [200, 403]


def test_while_the_store_is_away_nobody_is_admitted_and_afterwards_what_was_used_stays_used(service: Service) -> None:
    used, other = service.fresh(), service.fresh()
    assert service.activate(used) == 200
    service.store.die()
    assert at_once(service, [used, other] * 6) == [503] * 12
    service.store.start()
    assert service.activate(used) == 403
    assert [service.activate(other) for _ in range(2)] == [200, 403]
