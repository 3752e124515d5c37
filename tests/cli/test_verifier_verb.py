"""Tests of ``imdskit verifier``, which creates keys and runs the service for development."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.configuration.keys import Role

PYTHON = Path(__file__).parents[2] / "python"
GOOD = "name client sha256:" + "a" * 64


def test_creates_keys(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "keys"
    made = run("verifier", "key", "go", "--keys", path)
    more = run("verifier", "key", "op", "--keys", path, "--role", "operator", "--role", "metrics")
    assert (made.status, made.err, more.status) == (0, "", 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    known = keys.read(path)
    assert [(key.name, key.roles) for key in known] == [("go", {Role.CLIENT}), ("op", {Role.OPERATOR, Role.METRICS})]
    assert keys.find(made.out.strip(), known) == known[0]
    assert run("verifier", "nonce-key", tmp_path / "secret").status == 0
    assert len(keys.read_nonce_keys(tmp_path / "secret")) == 1


def test_new_key_is_not_appended_to_an_incomplete_line(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(GOOD)
    assert run("verifier", "key", "go", "--keys", path).status == 0
    assert [key.name for key in keys.read(path)] == ["name", "go"]


def test_explains_mistakes(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(GOOD + "\n")
    mistakes = [
        ["key", "go"],
        ["key", "--keys", path],
        ["key", "name", "--keys", path],
        ["key", "a b", "--keys", path],
        ["key", "go", "--keys", tmp_path / "absent" / "keys"],
        ["key", "go", "--keys", path, "--port", "1"],
        ["nonce-key"],
        ["nonce-key", path],
        ["serve", "name"],
        ["serve", "--set", "max_age"],
        ["serve", "--set", "max_age=x"],
        ["serve", "--config", tmp_path / "absent"],
        ["serve", "--set", f"keys_file={tmp_path / 'absent'}"],
        ["serve", "--set", f"keys_file={path}", "--host", "203.0.113.1"],
    ]
    for arguments in mistakes:
        done = run("verifier", *arguments)
        assert (done.status, done.out) == (2, ""), arguments
        assert done.err.startswith(("error: bad-argument: ", "usage: imdskit verifier ")), done.err
    assert path.read_text() == GOOD + "\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_responds_after_the_ready_line_and_stops_cleanly(run: Callable[..., Any], tmp_path: Path, number: signal.Signals) -> None:
    assert run("verifier", "key", "go", "--keys", tmp_path / "keys").status == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "imdskit", "verifier", "serve", "--set", f"keys_file={tmp_path / 'keys'}"],
        env={**os.environ, "PYTHONPATH": str(PYTHON)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["pid"] == process.pid
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{ready['url']}/healthz", timeout=30) as response:
            assert json.load(response) == {"status": "ok"}
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
