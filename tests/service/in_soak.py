"""Soak test with hostile requests for a minute: memory does not grow, and the service works afterwards.

``make service`` runs it. The variable SOAK_SECONDS changes the duration.
"""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from world import VM, Server, document, gunicorn

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
ROUNDS = 6
CLIENTS = 8
ROOM_KB = 6 * 1024
"""Maximum number of kB by which the memory of a process may grow after the third round."""


def request(server: Server, path: str, body: bytes, headers: str = "", key: str | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key if key is None else key}\r\nContent-Type: application/json\r\n"
    return f"{head}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Hostile:
    """Client that sends hostile requests."""

    def __init__(self, server: Server, genuine: str, seed: int) -> None:
        self._server, self._genuine, self._choose = server, genuine, random.Random(seed)
        self.seen: Counter[str] = Counter()

    def run(self, end: float) -> None:
        kinds = {name.removeprefix("send_"): getattr(self, name) for name in dir(self) if name.startswith("send_")}
        while time.monotonic() < end:
            name = self._choose.choice(sorted(kinds))
            self.seen[f"{name} {self._exchange(kinds[name](), name)}"] += 1

    def _exchange(self, data: bytes, name: str) -> str:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._server.port), 10) as connection:
            connection.sendall(data)
            if name in ("gone", "half"):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return "left"
            response = connection.recv(65536)
            return response.split(b" ", 2)[1].decode("latin-1") if response.startswith(b"HTTP/1.1 ") else "closed"
        return "reset"

    def _attestation(self, text: str) -> bytes:
        return request(self._server, "/v1/attestations", json.dumps({"nonce": self._nonce(), "document": text}).encode())

    def _nonce(self) -> str:
        return self._choose.choice(["x", "a" * 32, self._server.send("POST", "/v1/challenges")[1]["nonce"]])

    def _mutated(self) -> str:
        text = list(self._genuine)
        for _ in range(self._choose.randrange(1, 5)):
            text[self._choose.randrange(len(text))] = self._choose.choice('AZaz09+/={}"\\')
        return "".join(text)

    def send_replay(self) -> bytes:
        return self._attestation(self._genuine)

    def send_mutated(self) -> bytes:
        return self._attestation(self._mutated())

    def send_random_document(self) -> bytes:
        return self._attestation(self._choose.randbytes(self._choose.randrange(60_000)).hex()[:60_000])

    def send_verdicts(self) -> bytes:
        body = {"documents": [{"document": self._mutated(), "at": self._choose.randrange(2**33)} for _ in range(50)]}
        return request(self._server, "/v1/verdicts", json.dumps(body).encode())

    def send_binding(self) -> bytes:
        return request(self._server, "/v1/challenges", json.dumps({"binding": chr(self._choose.randrange(0xD7FF)) * 256}).encode())

    def send_deep(self) -> bytes:
        return request(self._server, "/v1/attestations", b"[" * 90_000)

    def send_large(self) -> bytes:
        return request(self._server, "/v1/attestations", b"x" * 200_000)

    def send_unknown_key(self) -> bytes:
        return request(self._server, "/v1/attestations", b"{}", key=self._choose.randbytes(200).hex())

    def send_unknown_path(self) -> bytes:
        return request(self._server, f"/{self._choose.randbytes(20).hex()}", b"{}")

    def send_header(self) -> bytes:
        return request(self._server, "/v1/challenges", b"{}", f"X-{self._choose.randbytes(8).hex()}: {'y' * 4000}\r\n")

    def send_garbage(self) -> bytes:
        return self._choose.randbytes(300) + b"\r\n\r\n"

    def send_chunks(self) -> bytes:
        head = request(self._server, "/v1/attestations", b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        return head + b"4000\r\n" + b"x" * 0x4000 + b"\r\n-5\r\n\r\n"

    def send_half(self) -> bytes:
        whole = self._attestation(self._genuine)
        return whole[: self._choose.randrange(len(whole))]

    def send_gone(self) -> bytes:
        return self._attestation(self._genuine)


def memory(pid: int) -> int:
    """Return the resident memory of a process in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_memory_does_not_grow_under_hostile_requests(tmp_path: Path) -> None:
    with gunicorn(tmp_path, max_concurrent="8") as server:
        nonce = server.send("POST", "/v1/challenges")[1]["nonce"]
        genuine = document(nonce)
        assert server.send("POST", "/v1/attestations", {"nonce": nonce, "document": genuine})[0] == 200
        clients = [Hostile(server, genuine, number) for number in range(CLIENTS)]
        while len(pids := server.workers()) < 2:
            time.sleep(0.05)
        rounds: list[list[int]] = []
        for _ in range(ROUNDS):
            end = time.monotonic() + SECONDS / ROUNDS
            threads = [threading.Thread(target=client.run, args=(end,)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rounds.append([memory(pid) for pid in pids])
        seen: Counter[str] = Counter()
        for client in clients:
            seen += client.seen
        print(f"{seen.total()} requests, memory in kB after each round: {rounds}")
        print(*(f"{name}: {count}" for name, count in sorted(seen.items())), sep="\n")
        assert server.workers() == pids, "a process ended"
        for of_one_process in zip(*rounds[2:], strict=True):
            assert max(of_one_process) - of_one_process[0] < ROOM_KB, rounds
        statuses = {name.rpartition(" ")[2] for name in seen}
        assert not {status for status in statuses if status.startswith("5")} - {"503"}
        assert not [name for name in seen if name.endswith(" 200") and not name.startswith(("verdicts", "binding", "header"))]
        nonce = server.send("POST", "/v1/challenges")[1]["nonce"]
        members = {"nonce": nonce, "document": document(nonce)}
        status, found = server.send("POST", "/v1/attestations", members)
        assert (status, found["claims"]["vmId"]) == (200, VM)
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert sum(line["decision"] == "accepted" and line["operation"] == "attestation" for line in lines) == 2
    assert "Traceback" not in (tmp_path / "server.log").read_text()
