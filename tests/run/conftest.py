"""Fixtures for ``imdskit run``, which needs Linux and permission to create namespaces."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_verb import Run, Start, call, environment, identity, interpreter, python, words

NO_NAMESPACES = "this system does not let an unprivileged user create namespaces"


@pytest.fixture(scope="session")
def namespaces(request: pytest.FixtureRequest) -> None:
    """Skip a test if an unprivileged user cannot create namespaces, or cannot read this interpreter and this package."""
    refuse = pytest.fail if request.config.getoption("--require-programs") else pytest.skip
    if sys.platform != "linux":
        refuse(NO_NAMESPACES)
    if subprocess.run(["unshare", "--user", "--net", "true"], capture_output=True, check=False, **identity()).returncode:
        refuse(NO_NAMESPACES)
    if not interpreter():
        refuse("an unprivileged user can execute no Python of 3.11 or later")


@pytest.fixture
def run(namespaces: None) -> Run:
    """Return a function that runs ``imdskit run`` until it ends."""
    return call


@pytest.fixture
def start(namespaces: None) -> Iterator[Start]:
    """Return a function that starts ``imdskit run`` with a Python program as its command, and waits until the program writes "ready"."""
    processes: list[subprocess.Popen[str]] = []

    def begin(program: str, *arguments: str, user: int | None = 65534) -> subprocess.Popen[str]:
        command = words(*arguments, *python(program))
        process = subprocess.Popen(
            command, env=environment(), cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **identity(user)
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate(timeout=30)[1]
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder in which every user can write."""
    folder = Path(tempfile.mkdtemp(prefix="imdskit-run-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)
