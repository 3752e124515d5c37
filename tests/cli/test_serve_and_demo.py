"""Tests of ``imdskit serve`` and ``imdskit demo``, which run an emulator."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit.client import Client
from imdskit.emulator import Emulator
from imdskit.verify import Policy, Trust, Verifier

PYTHON = Path(__file__).parent.parent.parent / "python"
Run = Callable[..., Any]
Start = Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_responds_after_the_ready_line_and_stops_cleanly(serve: Start, tmp_path: Path, number: signal.Signals) -> None:
    trust = tmp_path / "root.pem"
    process, ready = serve("--trust-out", str(trust))
    assert ready["url"].startswith("http://127.0.0.1:")
    assert (ready["pid"], ready["scenario"], ready["trust"]) == (process.pid, "linux", str(trust))
    client = Client(ready["url"])
    assert client.get("compute/name", "text") == "linux-vm"
    verifier = Verifier(Trust.from_pem([trust.read_bytes()]), Policy.offline_audit())
    assert verifier.verify(client.attested_document("1"), nonce="1").claims.vm_id == client.get("compute/vmId", "text")
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_options_reach_the_emulator(serve: Start, tmp_path: Path) -> None:
    scenario = tmp_path / "mine.json"
    scenario.write_text('{"cloud": "china", "compute": {"name": "mine"}}')
    _, ready = serve("--scenario", str(scenario), "--no-rate-limit", "--backend", "python", "--host", "127.0.0.1", "--port", "0")
    assert (ready["scenario"], ready["cloud"], ready["backend"], ready["trust"]) == ("mine", "china", "python", None)
    client = Client(ready["url"])
    assert {client.get("compute/name", "text") for _ in range(50)} == {"mine"}


def test_stops_while_keys_are_being_generated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*arguments: Any, **more: Any) -> Emulator:
        os.kill(os.getpid(), signal.SIGTERM)
        return Emulator(*arguments, **more)

    monkeypatch.setattr("imdskit.cli.emulator.serve.Emulator", make)
    status, out, err = run("serve", "--seed", "1")
    assert (status, err) == (0, "")
    assert out.startswith('{"url": ')


def test_stops_if_standard_output_has_no_reader() -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "imdskit", "serve", "--seed", "1"],
        env={**os.environ, "PYTHONPATH": str(PYTHON)},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 141


def test_reports_an_address_that_is_in_use(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, out, err = run("serve", "--port", str(taken.getsockname()[1]))
    assert (status, out) == (2, "")
    assert err.startswith("error: ")


MISTAKES = {
    "an unknown scenario": ["--scenario", "mainframe"],
    "a scenario file that does not exist": ["--scenario", "no/such/file.json"],
    "a file that is not a scenario": ["--scenario", __file__],
    "a trust file in a missing folder": ["--seed", "1", "--trust-out", "/no/such/folder/root.pem"],
    "a malformed address": ["--host", "300.1.1.1"],
    "an address of another machine": ["--host", "192.0.2.1"],
}


@pytest.mark.parametrize("arguments", MISTAKES.values(), ids=MISTAKES.keys())
def test_reports_mistakes_and_does_not_start(run: Run, arguments: list[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    status, out, err = run("serve", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert signal.getsignal(signal.SIGTERM) is before


def test_demo_shows_every_step(run: Run) -> None:
    status, out, err = run("demo")
    assert (status, err) == (0, "")
    for reason in ("bad-signature", "nonce-mismatch", "untrusted-root", "signature-key"):
        assert reason in out
    assert "Every step gave the expected result" in out


def test_demo_reports_a_failed_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imdskit.cli.emulator.demo._with_other_id", lambda document, _: document)
    status, out, err = run("demo")
    assert status == 1
    assert "Every step gave" not in out
    assert err.startswith("The demo failed. This is the error:\nerror: demo-failed: The document was accepted.")


def test_demo_runs_from_a_zip_file(tmp_path: Path) -> None:
    """Run the demo as the single-file release does, where data files are inside the archive."""
    archive = tmp_path / "imdskit.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (PYTHON / "imdskit").rglob("*"):
            if path.suffix in (".py", ".json", ".der"):
                file.write(path, path.relative_to(PYTHON))
    program = f"import sys; sys.path.insert(0, {str(archive)!r}); from imdskit.cli import main; sys.exit(main(['demo']))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "legacy_sample" in done.stdout
