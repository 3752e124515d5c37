"""Tests that run the shell commands of the emulator pages as written. No command may race with the start of the emulator."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from imdskit.cli import MODULES, _module
from imdskit.cli.emulator.serve import add_emulator_arguments

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/fleet.md", "docs/events.md", "docs/admin.md", "docs/page.md")


def blocks(page: str) -> list[str]:
    """Return every block of shell commands that starts an emulator."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:^ {4}\S.*\n)+", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return [block for block in (*fenced, *map(dedent, indented)) if "imdskit serve " in block and "[--" not in block]


CASES = [(page, number) for page in PAGES for number in range(len(blocks(page)))]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_every_page_has_commands_that_start_an_emulator() -> None:
    assert {page for page, _ in CASES} == set(PAGES)


@pytest.mark.parametrize(("page", "number"), CASES)
def test_commands_of_a_page_run_as_written(page: str, number: int, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in (("imdskit", "-m imdskit"), ("python3", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    (tmp_path / "events.json").write_text('[{"EventType": "Freeze"}]')
    script = blocks(page)[number]
    for port in ("8080", "8170"):
        script = script.replace(port, str(free_port()))
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "python"),
        "http_proxy": "http://127.0.0.1:9",
    }
    process = subprocess.Popen(
        ["sh", "-ec", f"{script}\nkill $!\nwait $!\n"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        written, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:  # an emulator may still run in the background, even if the shell has exited
        os.killpg(process.pid, signal.SIGKILL)
        written, _ = process.communicate()
    assert process.returncode == 0, written
    assert "error" not in written


@pytest.mark.parametrize("page", PAGES)
def test_page_commands_wait_for_the_background_emulator(page: str) -> None:
    for block in blocks(page):
        lines = block.splitlines()
        start = next(index for index, line in enumerate(lines) if line.startswith("imdskit serve "))
        assert lines[start].endswith("&")
        assert lines[start - 1].startswith("rm -f ")  # a file of an earlier run would end the loop at once
        assert lines[start + 1].startswith("until [ -s ")


def options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options of a command and of its actions."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from options(each)
        elif action.option_strings and action.dest != "help":
            yield action


@pytest.mark.parametrize("verb", MODULES)
def test_synopsis_has_every_option(verb: str) -> None:
    parser, shared = argparse.ArgumentParser(), argparse.ArgumentParser()
    _module(verb).add_arguments(parser)
    if verb == "run":  # its synopsis refers to that of serve
        add_emulator_arguments(shared)
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(rf"^    imdskit {verb}\b.*\n(?: {{16,}}.*\n)*", text, re.MULTILINE))
    assert lines
    synopsis = {*re.findall(r"--?[a-z][a-z-]*", lines), *(name for each in options(shared) for name in each.option_strings)}
    assert [action.dest for action in options(parser) if not synopsis & {*action.option_strings}] == []
