"""Tests of the whole emulator, started by its command, with a public suite of hostile requests and the suite's own tool.

Each case of the suite has a member ``max_ok``: the maximum number of responses that do not refuse
the framing. If there are more, the emulator has responded to a request that was smuggled inside
another one. The tool then reports ``over``.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imdskit import backends
from imdskit.backends.contract import Backend

PYTHON = Path(__file__).parents[2] / "python"
CASES = 724
OUR_HEADER = "Metadata: true"
SECONDS = 30


class Served:
    """Emulator in a separate process. ``errors`` is its standard error output, available after it has ended."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
        self.errors = b""

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.errors = self.process.communicate(timeout=SECONDS)[1]


@contextmanager
def served(backend: str, *arguments: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "imdskit", "serve", "--backend", backend, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(PYTHON)}
    ) as process:
        try:
            yield Served(process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def tool(shared: Path) -> Iterator[Any]:
    """Return the suite's own module, which is loaded from the shared data and not copied."""
    folder = str(shared / "suites" / "tools")
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module("http_probe")
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def suite(tool: Any, shared: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = tool.load(str(shared / "suites" / "open" / "http1-requests.json.gz"))
    assert len(loaded["cases"]) == CASES
    return loaded


def half_closed(port: int, raw: bytes) -> list[int]:
    """Return the final statuses of all responses to ``raw``.

    The client closes its sending side after the last byte, so the server ends the connection by
    itself. No timeout can therefore hide a late response.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                received += more
        except ConnectionError:
            pass  # Responses that arrived before a reset count.
    return [status for status in map(int, re.findall(rb"HTTP/1\.[01] (\d{3})", received)) if status >= 200]


def alive(port: int) -> bool:
    return half_closed(port, b"GET /metadata/versions HTTP/1.1\r\nHost: 127.0.0.1\r\nMetadata: true\r\n\r\n") == [200]


def test_http_probe_suite_finds_no_false_accept_and_no_smuggling(backend: Backend, shared: Path) -> None:
    with served(backend.name, "--no-rate-limit") as emulator:
        command = [sys.executable, "http_probe.py", "../open/http1-requests.json.gz", str(emulator.port), "--inject", OUR_HEADER]
        lines = subprocess.run(
            command, cwd=shared / "suites" / "tools", capture_output=True, text=True, check=True, timeout=120
        ).stdout.splitlines()
        assert alive(emulator.port)
        emulator.stop()
    counted = {tuple(line.split()[:3]): int(line.split()[3]) for line in lines if line.split()[2:3] == ["pass"]}
    assert len(lines) == len(counted), lines
    assert counted == {
        ("core", "accept", "pass"): 22,
        ("core", "either", "pass"): 573,
        ("core", "reject", "pass"): 73,
        ("extended", "either", "pass"): 56,
    }
    assert emulator.errors == b""
    assert emulator.process.returncode == 0


@pytest.mark.parametrize("limits", [("--no-rate-limit",), ()], ids=["without limits", "with limits"])
def test_client_that_closed_its_side_gets_no_extra_responses(tool: Any, suite: dict[str, Any], limits: tuple[str, ...]) -> None:
    """A valid request may get 429 if rate limits apply. That response counts like any other."""

    def ask(case: dict[str, Any]) -> tuple[str, list[int], str]:
        statuses = half_closed(emulator.port, tool.inject(suite["blobs"][case["raw"]], OUR_HEADER))
        return case["id"], statuses, tool.verdict(case, statuses)

    with served(backends.best().name, *limits) as emulator, ThreadPoolExecutor(8) as pool:
        wrong = [found for found in pool.map(ask, suite["cases"]) if found[2] != "pass"]
        assert wrong == []
        emulator.stop()
    assert emulator.errors == b""


def test_request_after_a_refused_one_gets_no_response(suite: dict[str, Any], tool: Any) -> None:
    """After a refused request, the server closes the connection, so that it does not parse the following bytes as a request."""
    behind = b"GET /metadata/versions HTTP/1.1\r\nHost: 127.0.0.1\r\nMetadata: true\r\n\r\n"

    def ask(case: dict[str, Any]) -> tuple[str, list[int]]:
        return case["id"], half_closed(emulator.port, tool.inject(suite["blobs"][case["raw"]], OUR_HEADER) + behind)

    refused = [case for case in suite["cases"] if case["expected"] == "reject"]
    assert len(refused) == 73
    with served(backends.best().name, "--no-rate-limit") as emulator, ThreadPoolExecutor(8) as pool:
        responses = [found for found in pool.map(ask, refused) if not set(found[1]) <= tool.PROTOCOL_ERRORS]
        emulator.stop()
    assert responses == []
