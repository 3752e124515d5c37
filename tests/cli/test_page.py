"""Tests that the commands in ``docs/cli.md``, the tutorials and the migration pages write what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CLI = ROOT / "docs" / "cli.md"
GUIDES = sorted(path for folder in ("tutorials", "migration") for path in (ROOT / "docs" / folder).glob("*.md"))
PAGES = [CLI, *(path for path in GUIDES if "```console\n" in path.read_text(encoding="utf-8"))]
BLOCK = re.compile(r"^```(?:console\n|python\n# (\w+\.py)\n)(.*?)^```$", re.DOTALL | re.MULTILINE)


def steps(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the steps of a page as (file name, text, output). The text is the content of a file to
    save, or, if the file name is empty, a command."""
    for name, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if name:
            yield name, block, ""
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, written = part.partition("\n")
            yield "", command, written


def fits(written: str, page: str) -> bool:
    """Return True if the output matches the page. ``...`` on the page stands for any text."""
    return re.fullmatch(".*?".join(re.escape(chunk) for chunk in page.split("...")), written, re.DOTALL) is not None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_write_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    for name, words in {"imdskit": "-m imdskit ", "python3": ""}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words}"$@"\n')
        program.chmod(0o755)
    if ".pyz" in page.read_text(encoding="utf-8"):
        subprocess.run([sys.executable, ROOT / "packaging" / "make_zipapp.py", tmp_path], check=True, timeout=60)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "python"), "COLUMNS": "100"}
    port = str(free_port())
    background: list[subprocess.Popen[str]] = []
    status, verbs = 0, set()
    try:
        for name, on_page, shown in steps(page):
            command, expected = on_page.replace("8080", port), shown.replace("8080", port)
            if name:
                (tmp_path / name).write_text(command, encoding="utf-8")
                continue
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
    assert [process.returncode for process in background] == [0] * len(background)
    assert verbs
    assert page != CLI or verbs >= {"serve", "get", "attest", "verify", "doctor", "demo"}


def test_comparison_detects_differences() -> None:
    assert fits("a 1 b\n", "a ... b\n")
    assert not fits("a 1 c\n", "a ... b\n")
    assert not fits("a\nb\n", "a\n")
    assert not fits("", "a\n")
