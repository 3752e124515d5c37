"""The commands of ``docs/reach-the-address.md`` work exactly as written for an unprivileged user. Those that cannot run here are marked."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from run_verb import environment, identity, interpreter

PAGE = Path(__file__).parents[2] / "docs" / "reach-the-address.md"
NOT_RUN = ("needs a container engine", "needs a cluster", "needs a hosted runner")
AS_ROOT = "run as root of a network namespace"


class Block(NamedTuple):
    """A block of commands of the page, with the comment before it."""

    mark: str
    commands: str


def blocks() -> list[Block]:
    found = re.findall(r"^(?:<!-- ([^>]*) -->\n)?```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(*each) for each in found]


RUN = [block for block in blocks() if not block.mark.startswith("not run: ")]


def test_every_block_is_run_or_has_a_reason_not_to() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("\n```") == 2 * len(blocks())
    assert {block.mark for block in RUN} == {"", AS_ROOT}
    assert {block.mark.removeprefix("not run: ") for block in blocks() if block not in RUN} == set(NOT_RUN)
    assert len(RUN) >= 7


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.commands.splitlines()[0][:60])
def test_the_commands_work_as_written(block: Block, namespaces: None, folder: Path) -> None:
    missing = [name for name in ("curl", "unshare", "ip") if name in block.commands and shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    tools = folder / "bin"
    tools.mkdir()
    for name, arguments in (("imdskit", "-m imdskit"), ("python3", "")):
        program = tools / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(interpreter())} {arguments} "$@"\n')
        program.chmod(0o755)
    tools.chmod(0o755)
    variables = environment()
    command = ["sh", "-e", "-c", block.commands]
    if block.mark == AS_ROOT:
        script = f"ip link set lo up\n{block.commands}"
        command = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-e", "-c", script]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**variables, "PATH": f"{tools}:{variables['PATH']}"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
        **identity(),
    )
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert done.stdout.strip()
    if "/metadata/instance?" in block.commands:
        assert json.loads(done.stdout)["compute"]["vmId"]
