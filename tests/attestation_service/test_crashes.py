"""Tests of several processes of the service with one store: a document is accepted only once,
despite concurrent requests, crashes and store outages."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.configuration.keys import Role
from imdskit.clock import SystemClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.protocol import attested

HERE = Path(__file__).parent
VM = "00000000-0000-4000-8000-000000000001"
DOCUMENTS, TIMES, WORKERS = 16, 5, 3
LOST = 0
"""Status that stands for a connection that ended without a response."""


class Store:
    """Store that can become unavailable and available again."""

    url: str

    def go(self) -> None: ...

    def come_back(self) -> None: ...


class SqliteFile(Store):
    """SQLite file. It is unavailable while another connection holds its lock."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:{folder / 'used.db'}"
        self._path = folder / "used.db"
        self._holder: sqlite3.Connection | None = None

    def go(self) -> None:
        self._holder = sqlite3.connect(self._path, isolation_level=None)
        self._holder.execute("BEGIN IMMEDIATE")

    def come_back(self) -> None:
        if self._holder is not None:
            self._holder.execute("ROLLBACK")
            self._holder.close()
            self._holder = None


class RedisServer(Store):
    """Redis server that writes each key to the disk before it confirms the command."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("not here: redis-server (Debian package redis-server)")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        self._command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        self._command += ["--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]
        self._process: subprocess.Popen[bytes] | None = None
        self.come_back()

    def go(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def hang(self) -> None:
        """Suspend the server, so that it responds to no command. :meth:`go` kills it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def come_back(self) -> None:
        # The server needs its own session. While it is stopped, the kernel would otherwise send SIGHUP to its process group, which includes
        # the test run, as soon as the group is orphaned (POSIX.1-2017, _exit, "Consequences of Process Termination").
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if b"Ready to accept connections" in line:
                return
        raise AssertionError(b"".join(said).decode())


class Service(NamedTuple):
    """Several processes of the service that share one address."""

    port: int
    pids: list[int]
    key: str
    authority: Authority
    audit: Path

    def send(self, path: str, members: dict[str, str]) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(members), headers)
            response = connection.getresponse()
            body = response.read()
            # If there is no body, the process was killed before it had sent all headers.
            return (response.status, json.loads(body)) if body else (LOST, {})
        except (http.client.HTTPException, OSError):
            return LOST, {}
        finally:
            connection.close()

    def fresh(self) -> dict[str, str]:
        """Return a new nonce, and a document that contains it."""
        status, found = self.send("/v1/challenges", {})
        assert status == 200
        return {"nonce": str(found["nonce"]), "document": self.document(str(found["nonce"]))}

    def document(self, nonce: str) -> str:
        content = attested.content({"vmId": VM}, "2021-02-01", SystemClock().now(), nonce)
        return attested.envelope(signed_document.message(self.authority.signer(), content)).decode()

    def attest(self, members: dict[str, str]) -> int:
        return self.send("/v1/attestations", members)[0]

    def at_once(self, requests: list[dict[str, str]]) -> list[int]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(self.attest, requests))

    def accepted(self) -> list[str]:
        """Return the digests of the documents that were accepted according to the audit log."""
        lines = [json.loads(line) for line in self.audit.read_text().splitlines()]
        return [line["document"] for line in lines if line["decision"] == "accepted"]


@contextmanager
def running(folder: Path, store: Store, authority: Authority, *arguments: str) -> Iterator[Service]:
    key, line = keys.new("go", frozenset({Role.CLIENT}))
    (folder / "keys").write_text(line + "\n")
    (folder / "nonce-key").write_text("ab" * 32)
    (folder / "root.pem").write_text(authority.trust_pem())
    settings = {
        "KEYS_FILE": folder / "keys",
        "NONCE_KEY_FILE": folder / "nonce-key",
        "TRUST_ANCHORS": folder / "root.pem",
        "STORE": store.url,
        "STORE_TIMEOUT": 1,
        "AUDIT_LOG": folder / "audit.jsonl",
        "RATE_PER_SECOND": 10_000,
        "RATE_BURST": 10_000,
    }
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "python")}
    environment |= {f"IMDSKIT_VERIFIER_{name}": str(value) for name, value in settings.items()}
    command = [sys.executable, str(HERE / "processes.py"), str(WORKERS), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield Service(int(said["url"].rpartition(":")[2]), said["pids"], key, authority, folder / "audit.jsonl")
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(SystemClock(), "http://127.0.0.1:8080", seed=31)


@pytest.fixture(params=[SqliteFile, RedisServer])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as after:
        made: Store = request.param(tmp_path)
        after.callback(made.go if isinstance(made, RedisServer) else made.come_back)
        yield made


@pytest.fixture
def service(tmp_path: Path, store: Store, authority: Authority) -> Iterator[Service]:
    with running(tmp_path, store, authority) as service:
        yield service


def test_document_is_accepted_once_by_concurrent_requests(service: Service) -> None:
    fresh = [service.fresh() for _ in range(DOCUMENTS)]
    statuses = service.at_once(fresh * TIMES)
    assert Counter(statuses) == {200: DOCUMENTS, 403: DOCUMENTS * (TIMES - 1)}
    assert [statuses[n::DOCUMENTS].count(200) for n in range(DOCUMENTS)] == [1] * DOCUMENTS
    assert len(set(service.accepted())) == len(service.accepted()) == DOCUMENTS


def test_killed_process_loses_responses_but_accepts_nothing_twice(service: Service) -> None:
    fresh = [service.fresh() for _ in range(DOCUMENTS)]
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(service.attest, each) for each in fresh * TIMES]
        sent[DOCUMENTS].result()
        os.kill(service.pids[0], signal.SIGKILL)
        statuses = [each.result() for each in sent]
    accepted = [statuses[n::DOCUMENTS].count(200) for n in range(DOCUMENTS)]
    assert set(statuses) <= {200, 403, LOST}
    assert max(accepted) == 1
    assert sum(accepted) + statuses.count(LOST) >= DOCUMENTS  # A decision is final even if its response was lost.
    assert set(service.at_once(fresh)) == {403}
    later = service.fresh()
    assert [service.attest(later) for _ in range(2)] == [200, 403]


POINTS = {
    "before-content": [LOST, 200, 403],
    "after-content": [LOST, 403, 403],
    "after-nonce": [LOST, 403, 403],
    "after-audit": [LOST, 403, 403],
}


@pytest.mark.parametrize(("point", "statuses"), POINTS.items(), ids=POINTS)
def test_document_is_accepted_at_most_once_when_its_process_dies(
    store: Store, tmp_path: Path, authority: Authority, point: str, statuses: list[int]
) -> None:
    with running(tmp_path, store, authority, point, str(tmp_path / "died")) as service:
        fresh = service.fresh()
        assert [service.attest(fresh) for _ in range(3)] == statuses
        assert (tmp_path / "died").exists()
        if point == "after-audit":
            assert len(service.accepted()) == 1
        # If no process has recorded the nonce as used, one other document can still use it.
        again = {**fresh, "document": service.document(fresh["nonce"])}
        free = 200 if point == "after-content" and again != fresh else 403
        assert service.attest(again) == free
        assert service.attest(again) == 403


def test_store_outage_accepts_nothing_and_loses_no_used_documents(service: Service, store: Store) -> None:
    used, other = service.fresh(), service.fresh()
    assert service.attest(used) == 200
    store.go()
    assert service.at_once([used, other] * 4) == [503] * 8
    store.come_back()
    assert service.attest(used) == 403
    # The requests during the outage did not record this document as used.
    assert [service.attest(other) for _ in range(2)] == [200, 403]


def test_accepts_nothing_while_the_store_does_not_respond(tmp_path: Path, authority: Authority) -> None:
    store = RedisServer(tmp_path)
    try:
        with running(tmp_path, store, authority) as service:
            fresh = service.fresh()
            store.hang()
            assert service.at_once([fresh] * 4) == [503] * 4
            store.go()
            store.come_back()
            assert sorted(service.at_once([fresh] * 4)) in ([200, 403, 403, 403], [403] * 4)  # The store may have executed the command.
    finally:
        store.go()
