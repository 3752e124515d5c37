"""Soak test: 200 clients send well-formed, malformed and interrupted requests, and the emulator leaks neither memory nor threads.

The emulator runs in a separate process, so that only its own memory, threads and standard error are measured. The clients send requests for
15 seconds, or for the number of seconds in ``IMDSKIT_SOAK_SECONDS``. Unlike most tests, this one reads a real clock: the time determines
the number of requests, but not the expected results.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeAlias

import pytest

PYTHON = Path(__file__).parents[2] / "python"
SECONDS = float(os.environ.get("IMDSKIT_SOAK_SECONDS") or 15)
CONNECTIONS = 200
ROUNDS = 3
"""Number of rounds. Each has a part with injected faults and a part without. Later rounds are compared with the first one."""
JOURNAL_ENTRIES = 10_000
"""Maximum number of journal entries. The test fills the journal first, because memory grows until it is full."""
PATIENCE = 30.0
MAX_GROWTH_KB = 4 * 1024
"""Maximum growth of the memory after the first round. Some growth is normal, because the allocator keeps memory that threads have freed."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory and threads are read from /proc")


class Service:
    """``imdskit serve`` in a separate process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.errors = folder / f"stderr.{len(list(folder.glob('stderr.*')))}"
        with self.errors.open("wb") as errors:
            files = ("--state-file", str(folder / "state.json"), "--snapshot", str(folder / "snapshot.json"))
            self.process = subprocess.Popen(
                [sys.executable, "-m", "imdskit", "serve", "--seed", "1", "--no-rate-limit", *files, *arguments],
                env={**os.environ, "PYTHONPATH": str(PYTHON)},
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        self.port = int(json.loads(line)["url"].rpartition(":")[2])
        state = json.loads((folder / "state.json").read_bytes())
        self._admin, self._token = state["admin"].removeprefix("http://"), state["token"]
        self._connection = http.client.HTTPConnection(self._admin, timeout=PATIENCE)
        self._lock = threading.Lock()

    def admin(self, method: str, target: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        with self._lock:
            self._connection.request(method, target, None if body is None else json.dumps(body), headers)
            reply = self._connection.getresponse()
            value = json.loads(reply.read())
        assert reply.status == 200, value
        return value

    def status(self, name: str) -> int:
        """Return a number in ``/proc/PID/status``, such as ``VmRSS`` in kB or ``Threads``."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith(name + ":")).split()[1])

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        self._connection.close()
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def start(*arguments: str) -> Service:
        services.append(Service(tmp_path, *arguments))
        return services[-1]

    yield start
    for service in services:
        if service.process.poll() is None:
            service.end()


FAULTS: dict[str, dict[str, Any]] = {
    "status": {"status": 410},
    "host": {"status": 500, "from": "host"},
    "foreign": {"foreign": True},
    "delay": {"delay": 0.02},
    "drip": {"drip": {"bytes": 200, "every": 0.001}},
    "truncate": {"truncate": 10},
    "reset": {"reset": True},
    "missing": {"missing": ["/apiVersions"]},
}
SCRIPT = [{"match": {"headers": {"User-Agent": name}}, "times": None, "fault": fault} for name, fault in FAULTS.items()]

INSTANCE = "/metadata/instance?api-version=2021-02-01"
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
WELL_FORMED: dict[str, tuple[str, str, str, bytes]] = {
    "instance": ("GET", INSTANCE, "Metadata: true\r\n", b""),
    "leaf": ("GET", "/metadata/instance/compute/name?api-version=2021-02-01&format=text", "Metadata: true\r\n", b""),
    "attested": ("GET", "/metadata/attested/document?api-version=2021-02-01", "Metadata: true\r\n", b""),
    "events": ("GET", EVENTS, "Metadata: true\r\n", b""),
    "approval": ("POST", EVENTS, "Metadata: true\r\n", b'{"StartRequests":[{"EventId":"nosuch"}]}'),
    "header-missing": ("GET", INSTANCE, "", b""),
    "forwarded": ("GET", INSTANCE, "Metadata: true\r\nX-Forwarded-For: 10.0.0.1\r\n", b""),
    "method": ("DELETE", INSTANCE, "Metadata: true\r\n", b""),
    "unknown": ("GET", "/metadata/nosuch?api-version=2021-02-01", "Metadata: true\r\n", b""),
    "outside": ("GET", "/", "Metadata: true\r\n", b""),
}
MALFORMED: dict[str, bytes] = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
    "bare LF": b"GET /metadata/versions HTTP/1.1\nHost: 127.0.0.1\nMetadata: true\n\n",
    "folded": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\r\n c\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nMetadata : true\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    "version": b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "an endless head": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: " + b"b" * 200_000,
    "many headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
}

Outcome: TypeAlias = int | str
"""Status of a response; ``cut`` if the response was truncated, or ``reset`` if the connection was reset."""

EXPECTED: dict[str, Outcome] = {
    **dict.fromkeys(("instance", "leaf", "attested", "events"), 200),
    **dict.fromkeys(("approval", "header-missing", "forwarded", "outside"), 400),
    "method": 405,
    "strange-host": 421,
    "unknown": 404,
}
EXPECTED_FAULTS: dict[str, Outcome] = {
    **dict.fromkeys(("foreign", "delay", "drip", "missing"), 200),
    "status": 410,
    "host": 500,
    "truncate": "cut",
    "reset": "reset",
}
REFUSED: dict[str, Outcome] = {**dict.fromkeys(MALFORMED, 400), "an endless head": 431, "many headers": 431}


def octets(kind: str, method: str, target: str, headers: str, body: bytes = b"", host: str = "127.0.0.1") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {kind}\r\n{headers}{length}\r\n".encode() + body


class Crowd:
    """Clients that connect, send requests and disconnect, and the outcomes of their requests.

    Attributes:
        seen: (kind, outcome) of every request whose client waited for the response.
        abandoned: kinds of complete requests whose clients disconnected at once. The emulator may have received such a request, or not.
        refused: (kind, outcome) of malformed requests.
        rejected: number of connections that the emulator refused because there were too many.
    """

    def __init__(self, port: int) -> None:
        self.seen: Counter[tuple[str, Outcome]] = Counter()
        self.abandoned: Counter[str] = Counter()
        self.refused: Counter[tuple[str, Outcome]] = Counter()
        self.rejected = 0
        self._port = port

    def run(self, seconds: float, faults: bool) -> None:
        """Run the clients for this number of seconds, and close all their connections."""
        asyncio.run(self._run(time.monotonic() + seconds, faults))

    async def _run(self, end: float, faults: bool) -> None:
        async with asyncio.timeout(end - time.monotonic() + PATIENCE):
            await asyncio.gather(*(self._client(random.Random(number), end, faults) for number in range(CONNECTIONS)))

    async def _client(self, choose: random.Random, end: float, faults: bool) -> None:
        actions: list[Callable[[random.Random, Connection], Coroutine[Any, Any, None]]] = [self._good] * 6
        actions += [
            self._pipelined,
            self._slow,
            self._strange_host,
            self._hostile,
            self._incomplete,
            self._disconnecting,
            self._never_reading,
        ]
        actions += [self._faulty] * 6 if faults else []
        while time.monotonic() < end:
            try:
                connection = await Connection.open(self._port)
            except OSError:  # the queue of the listening socket is full
                continue
            try:
                await choose.choice(actions)(choose, connection)
            except TooManyConnections:
                self.rejected += 1
            finally:
                connection.close()
            await asyncio.sleep(choose.random() * 0.1)

    async def _good(self, choose: random.Random, connection: Connection) -> None:
        for _ in range(choose.randrange(1, 20)):
            kind = choose.choice(list(WELL_FORMED))
            connection.write(octets(kind, *WELL_FORMED[kind]))
            self.seen[kind, await connection.answer()] += 1

    async def _faulty(self, choose: random.Random, connection: Connection) -> None:
        kind = choose.choice(list(FAULTS))
        connection.write(octets(kind, "GET", "/metadata/versions", "Metadata: true\r\n"))
        self.seen[kind, await connection.answer()] += 1

    async def _pipelined(self, choose: random.Random, connection: Connection) -> None:
        kinds = [choose.choice(list(WELL_FORMED)) for _ in range(5)]
        connection.write(b"".join(octets(kind, *WELL_FORMED[kind]) for kind in kinds))
        for kind in kinds:
            self.seen[kind, await connection.answer()] += 1

    async def _slow(self, choose: random.Random, connection: Connection) -> None:
        kind = choose.choice(["instance", "approval"])
        whole = octets(kind, *WELL_FORMED[kind])
        for start in range(0, len(whole), 20):
            connection.write(whole[start : start + 20])
            await asyncio.sleep(0.01)
        self.seen[kind, await connection.answer()] += 1

    async def _strange_host(self, _: random.Random, connection: Connection) -> None:
        connection.write(octets("strange-host", "GET", INSTANCE, "Metadata: true\r\n", host="evil.example"))
        self.seen["strange-host", await connection.answer()] += 1

    async def _hostile(self, choose: random.Random, connection: Connection) -> None:
        kind = choose.choice(list(MALFORMED))
        connection.write(MALFORMED[kind])
        self.refused[kind, await connection.answer()] += 1

    async def _incomplete(self, choose: random.Random, connection: Connection) -> None:
        whole = octets("half", *WELL_FORMED["approval"])
        connection.write(whole[: choose.randrange(len(whole))])
        await asyncio.sleep(0.05)
        connection.reset()

    async def _disconnecting(self, choose: random.Random, connection: Connection) -> None:
        kind = choose.choice(["abandoned-instance", "abandoned-attested"])
        connection.write(octets(kind, *WELL_FORMED[kind.removeprefix("abandoned-")]))
        self.abandoned[kind] += 1
        connection.reset()

    async def _never_reading(self, _: random.Random, connection: Connection) -> None:
        connection.write(octets("abandoned-unread", *WELL_FORMED["instance"]) * 50)
        self.abandoned["abandoned-unread"] += 50
        await asyncio.sleep(0.2)
        connection.reset()


class TooManyConnections(Exception):
    """Raised if the emulator responds with 503, because there are too many connections."""


class Connection:
    """Connection that writes bytes and reads responses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def write(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def answer(self) -> Outcome:
        """Read the next response and return its outcome."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            if status == 503:
                raise TooManyConnections
            await self._reader.readexactly(length)
            return status
        except asyncio.IncompleteReadError as error:
            return "cut" if error.expected is not None else "nothing"
        except ConnectionError:
            return "reset"

    def reset(self) -> None:
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        with suppress(OSError):
            self._writer.transport.abort()


class Journal:
    """Reader of the journal. It reads entries through the admin API while the emulator adds others, before the emulator drops any.

    Attributes:
        last: number of the newest entry that was read.
        counted: (kind, outcome) of the entries.
        gaps: descriptions of missing entry numbers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self.last = 0
        self.counted: Counter[tuple[str, Outcome]] = Counter()
        self.gaps: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._read()

    def _follow(self) -> None:
        while not self._done.wait(0.05):
            self._read()

    def _read(self) -> None:
        while entries := self._service.admin("GET", f"/v1/journal?since={self.last}")["entries"]:
            for entry in entries:
                if entry["number"] != self.last + 1:
                    self.gaps.append(f"{self.last} is followed by {entry['number']}")
                self.last = entry["number"]
                kind = next((value for name, value in entry["headers"] if name == "User-Agent"), "")
                self.counted[kind, EXPECTED_FAULTS[kind] if entry["fault"] else entry["status"]] += 1


def quiet(service: Service, threads: int) -> int:
    """Wait until the threads of all connections have ended, and return the emulator's memory in kB."""
    end = time.monotonic() + PATIENCE
    while service.status("Threads") > threads and time.monotonic() < end:
        time.sleep(0.05)
    assert service.status("Threads") == threads
    return service.status("VmRSS")


def fill(port: int) -> None:
    """Send so many requests that the journal is full."""
    request = octets("fill", "GET", "/metadata/versions", "Metadata: true\r\n")
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        for _ in range(JOURNAL_ENTRIES):
            connection.sendall(request)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_many_clients_leak_no_memory_and_no_threads(serve: Callable[..., Service]) -> None:
    service = serve("--admin-port", "0")
    service.admin("GET", "/v1/clock")
    threads = service.status("Threads")  # including the thread of this test's connection to the admin API
    crowd = Crowd(service.port)
    memory: list[int] = []
    with Journal(service) as journal:
        fill(service.port)
        for _ in range(ROUNDS):
            for script in (SCRIPT, []):
                service.admin("PUT", "/v1/faults", script)
                crowd.run(SECONDS / ROUNDS / 2, faults=bool(script))
            memory.append(quiet(service, threads))

    counts = f"{crowd.seen.total()} responses, {crowd.refused.total()} refusals, {crowd.abandoned.total()} abandoned requests"
    print(f"{counts}, {threads} threads, memory in kB after each round: {memory}")
    assert max(memory) - memory[0] < MAX_GROWTH_KB, memory
    assert (service.end(signal.SIGTERM), service.errors.read_text()) == (0, "")

    assert journal.gaps == []
    assert journal.counted.pop(("fill", 200)) == JOURNAL_ENTRIES
    recorded = Counter({kind: journal.counted.pop((kind, 200), 0) for kind in crowd.abandoned})
    assert recorded <= crowd.abandoned  # each abandoned request is recorded once at most
    assert crowd.rejected <= CONNECTIONS // 10  # a few, because the emulator may count closed connections a little longer
    assert journal.counted == crowd.seen
    assert crowd.seen.keys() == {*EXPECTED.items(), *EXPECTED_FAULTS.items()}
    assert crowd.refused.keys() <= REFUSED.items()
    assert crowd.refused and crowd.abandoned.keys() == {"abandoned-instance", "abandoned-attested", "abandoned-unread"}


def test_killed_emulator_resumes_from_its_last_snapshot(serve: Callable[..., Service], tmp_path: Path) -> None:
    options = ("--scenario", "identities", "--clock", "manual")
    service = serve(*options)
    names = [f"vm-{number}" for number in range(2)]
    for number, name in enumerate(names):
        event = {"EventId": f"event-{number}", "EventType": "Freeze"}
        service.admin("PATCH", "/v1/state", {"compute": {"name": name}})
        service.admin("POST", "/v1/events", [event])
        service.admin("PUT", "/v1/faults", [*SCRIPT, {"times": 3, "fault": {"status": 500}}])
        service.admin("POST", "/v1/clock", {"advance": 60})
        request = octets("leaf", *WELL_FORMED["leaf"])
        with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as connection:
            connection.sendall(request)
            assert connection.recv(100).startswith(b"HTTP/1.1 500")  # the state includes how often a fault was applied
        service.admin("POST", "/v1/snapshot/save")
        saved = service.admin("GET", "/v1/snapshot")
        service.admin("PATCH", "/v1/state", {"compute": {"name": "never saved"}})
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
        service = serve(*options)
        assert service.admin("GET", "/v1/snapshot") == saved
        assert saved["scenario"]["document"]["compute"]["name"] == name
        assert len(service.admin("GET", "/v1/events")["events"]) == number + 1


def test_emulator_killed_while_saving_leaves_a_complete_snapshot(serve: Callable[..., Service], tmp_path: Path) -> None:
    service = serve("--clock", "manual")
    for _ in range(2):
        service.admin("POST", "/v1/snapshot/save")
        killer = threading.Timer(0.2, service.process.kill)
        killer.start()
        saved = -1
        with suppress(OSError, http.client.HTTPException):
            for number in itertools.count():
                service.admin("PATCH", "/v1/state", {"compute": {"tags": f"number:{number}"}})
                service.admin("POST", "/v1/snapshot/save")
                saved = number
        killer.join()
        service.end()
        service = serve("--clock", "manual")
        tags = service.admin("GET", "/v1/state")["compute"]["tags"]
        assert int(tags.partition(":")[2]) in (saved, saved + 1)  # the last save that was confirmed, or the one in progress
