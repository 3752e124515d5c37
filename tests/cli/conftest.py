"""Fixtures for the command line: a shared emulator with its root and documents, and a function that runs a command in this process."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imdskit.cli import main
from imdskit.client import Client
from imdskit.emulator import Emulator

NONCE = "4071882193"
PYTHON = Path(__file__).parents[2] / "python"
Start = Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]


class Outcome(NamedTuple):
    """Exit status and output of a command."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator("linux", seed=1, rate_limit=False) as running:
        yield running


@pytest.fixture(scope="session")
def root(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a PEM file with the emulator's root and issuing certificates."""
    path = tmp_path_factory.mktemp("trust") / "root.pem"
    path.write_text(emulator.trust_pem)
    return str(path)


@pytest.fixture(scope="session")
def document(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a document that the emulator signed, with the nonce 4071882193."""
    path = tmp_path_factory.mktemp("document") / "document.json"
    path.write_bytes(Client(emulator.url).attested_document(NONCE))
    return str(path)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Return a function that runs ``imdskit`` in this process and returns its outcome. An uncaught
    exception fails the test."""

    def call(*arguments: str | Path, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(status, captured.out, captured.err)

    return call


@pytest.fixture
def serve() -> Iterator[Start]:
    """Return a function that starts ``imdskit serve``, and returns the process and the line that it
    prints when it is ready."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, seed: bool = True) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "imdskit", "serve", *(["--seed", "1"] if seed else []), *arguments],
            env={**os.environ, "PYTHONPATH": str(PYTHON)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture
def envelope(document: str) -> bytes:
    return Path(document).read_bytes().strip()


@pytest.fixture
def at(run: Callable[..., Outcome], envelope: bytes, root: str) -> tuple[str, str]:
    """Return the option ``--at`` with the second after the creation of the document."""
    created = json.loads(run("verify", "-", "--trust", root, stdin=envelope).out)["timeStamp"]["createdOn"]
    return "--at", (datetime.strptime(created, "%m/%d/%y %H:%M:%S %z") + timedelta(seconds=1)).isoformat()
