"""Tests that the commands in ``docs/cli.md`` write what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "cli.md"


def sessions() -> Iterator[tuple[str, str]]:
    """Return every command of the page with its output."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, written = part.partition("\n")
            yield command, written


def fits(written: str, page: str) -> bool:
    """Return whether the output is that of the page, where ``...`` stands for any text."""
    return re.fullmatch(".*?".join(re.escape(piece) for piece in page.split("...")), written, re.DOTALL) is not None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_commands_write_what_the_page_shows(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "imdskit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m imdskit "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "python"), "COLUMNS": "100"}
    port = str(free_port())
    background: list[subprocess.Popen[str]] = []
    status, verbs = 0, set()
    try:
        for on_page, said in sessions():
            command, expected = on_page.replace("8080", port), said.replace("8080", port)
            verbs.add(command.split()[1])
            if command.endswith("&"):
                words = shlex.split(command.removesuffix("&"))
                background.append(subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True))
                assert background[-1].stdout is not None
                written = background[-1].stdout.readline()
            elif command == "echo $?":
                written = f"{status}\n"
            else:
                done = subprocess.run(
                    ["sh", "-c", command],
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    text=True,
                    timeout=60,
                    check=False,
                )
                status, written = done.returncode, done.stdout
            assert fits(written, expected), f"$ {command}\n{written}"
    finally:
        for process in background:
            process.terminate()
            process.communicate(timeout=30)
    assert [process.returncode for process in background] == [0]
    assert verbs >= {"serve", "get", "attest", "verify", "doctor", "demo"}


def test_comparison_detects_differences() -> None:
    assert fits("a 1 b\n", "a ... b\n")
    assert not fits("a 1 c\n", "a ... b\n")
    assert not fits("a\nb\n", "a\n")
    assert not fits("", "a\n")
