"""Tests of signals that stop ``serve``: it writes the snapshot and removes the state file, even if the signal comes early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from imdskit import cli
from imdskit.cli.shared import stopping

from .conftest import PYTHON

Start = Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def launch(*arguments: str, ignored: str = "") -> subprocess.Popen[str]:
    """Start ``serve``, with some signals ignored, as a shell does for its background jobs."""
    ignore = f"trap '' {ignored};" if ignored else ""
    return subprocess.Popen(
        ["sh", "-c", f'{ignore} exec "$@"', "-", sys.executable, "-m", "imdskit", "serve", "--seed", "1", *arguments],
        env={**os.environ, "PYTHONPATH": str(PYTHON)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def handles(process: subprocess.Popen[str], number: int) -> bool:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return bool(caught >> (number - 1) & 1)


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_each_signal_writes_the_snapshot_and_removes_the_token(number: signal.Signals, serve: Start, tmp_path: Path) -> None:
    state, snapshot = tmp_path / "state.json", tmp_path / "snapshot.json"
    process, _ = serve("--state-file", str(state), "--snapshot", str(snapshot))
    assert json.loads(state.read_bytes())["token"]
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
    assert not state.exists()
    assert json.loads(snapshot.read_bytes())["format"] == "imdskit-snapshot"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="there is no /proc")
@pytest.mark.parametrize(("number", "ignored"), [*((number, "") for number in STOPS), (signal.SIGINT, "INT")], ids=str)
def test_early_signal_stops_it_like_a_late_one(number: signal.Signals, ignored: str, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    process = launch("--state-file", str(state), ignored=ignored)
    try:
        pause = threading.Event()
        for _ in range(60_000):
            if process.poll() is not None or handles(process, signal.SIGTERM):
                break
            pause.wait(0.001)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["url"]
    assert not state.exists()


def test_sigint_stops_a_background_job() -> None:
    process = launch(ignored="INT")
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    finally:
        process.kill()
        process.wait(timeout=30)
    assert process.returncode == 0


def test_signal_ignored_by_nohup_stays_ignored() -> None:
    process = launch(ignored="HUP")
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())
        process.send_signal(signal.SIGHUP)
        process.send_signal(0)
        assert not handles(process, signal.SIGHUP)
        process.terminate()
        assert process.communicate(timeout=60) == ("", "")
    finally:
        process.kill()
        process.wait(timeout=30)
    assert process.returncode == 0


def test_signals_are_handled_before_the_verb_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[object] = []

    def spy(_: str) -> ModuleType:
        handlers.extend(signal.getsignal(number) for number in STOPS)
        raise KeyboardInterrupt

    before = [signal.getsignal(number) for number in STOPS]
    monkeypatch.setattr(cli, "import_module", spy)
    assert cli.main(["serve"]) == cli.INTERRUPTED
    assert not set(handlers) & {signal.SIG_DFL, signal.default_int_handler}
    assert len(handlers) == len(STOPS)
    assert [signal.getsignal(number) for number in STOPS] == before


def test_ignored_sigint_is_handled_until_the_context_ends() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.on_signals() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_nested_contexts_share_one_event() -> None:
    with stopping.on_signals() as outer:
        with stopping.on_signals() as inner:
            assert inner is outer
        signal.raise_signal(signal.SIGTERM)
        assert outer.is_set()
