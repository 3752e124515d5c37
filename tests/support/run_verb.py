"""Helpers that start ``imdskit run`` as a process. If the tests run as root, an unprivileged user
runs it."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PYTHON = Path(__file__).parents[2] / "python"
NOBODY = 65534
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
ADDRESS = "http://169.254.169.254"
VM_ID = "e13068dc-0395-4f41-bce2-fdb1c8d88017"
"""The vmId of the machine with seed 1."""
REQUEST = """
import urllib.request
def get(path):
    request = urllib.request.Request("http://169.254.169.254" + path, headers={"Metadata": "true"})
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read().decode()
VM_ID = "/metadata/instance/compute/vmId?api-version=2021-02-01&format=text"
"""
"""The first lines of a program that sends requests."""


class Outcome(NamedTuple):
    """Result of running `imdskit run`."""

    status: int
    out: str
    err: str


Run = Callable[..., Outcome]
Start = Callable[..., "subprocess.Popen[str]"]


def identity(user: int | None = NOBODY) -> dict[str, Any]:
    """Return the arguments of ``subprocess`` that select a user. None keeps the current user. Only
    root can select another one."""
    return {"user": user, "group": user, "extra_groups": []} if IS_ROOT and user is not None else {}


@cache
def package() -> Path:
    """Return a folder with the package that every user can read: the source folder, or a copy in a
    temporary folder."""
    if not IS_ROOT or not subprocess.run(["test", "-r", PYTHON / "imdskit" / "__init__.py"], check=False, **identity()).returncode:
        return PYTHON
    copy = Path(tempfile.mkdtemp(prefix="imdskit-package-"))
    atexit.register(shutil.rmtree, copy)
    copy.chmod(0o755)
    shutil.copytree(PYTHON / "imdskit", copy / "imdskit", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@cache
def interpreter() -> str:
    """Return a Python interpreter that an unprivileged user can execute: this one, or that of the
    system. Return "" if there is none."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if _imports(candidate):
            return candidate
    return ""


def _imports(candidate: str) -> bool:
    try:
        command = [candidate, "-c", "import imdskit.emulator, imdskit.testing"]
        return subprocess.run(command, env=environment(), cwd="/", capture_output=True, check=False, **identity()).returncode == 0
    except OSError:
        return False


def environment(**more: str) -> dict[str, str]:
    """Return the environment variables for a process that can import imdskit."""
    return {**os.environ, "PYTHONPATH": str(package()), "PYTHONDONTWRITEBYTECODE": "1", **more}


def words(*arguments: str | Path) -> list[str]:
    """Return the command line of `imdskit run` with seed 1."""
    return [interpreter(), "-m", "imdskit", "run", "--seed", "1", *map(str, arguments)]


def python(program: str) -> list[str]:
    """Return arguments that run a Python program as the command."""
    return ["--", interpreter(), "-c", program]


def call(*arguments: str | Path, user: int | None = NOBODY, before: tuple[str, ...] = (), **more: str) -> Outcome:
    """Run `imdskit run` to its end. ``before`` is the command line of a program that starts it, and
    ``more`` are additional environment variables."""
    done = subprocess.run(
        [*before, *words(*arguments)],
        env=environment(**more),
        cwd="/",
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        **identity(user),
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


def alive(mark: str) -> list[int]:
    """Return the ids of all processes on this machine whose command line contains ``mark``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], bool]) -> bool:
    """Wait until the condition is true. Return False if it is still false after 200 attempts."""
    for _ in range(200):
        if condition():
            return True
        subprocess.run(["sleep", "0.05"], check=True)
    return False
