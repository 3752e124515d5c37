"""Tests of the README's install lines and first examples, as written, on Debian releases with their
own Python and cargo.

`make debian` runs them. They need root, Debian's package mmdebstrap, and a Python index. They print
how long each line takes.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import debian_root
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("python3", "python3-venv", "cargo", "make", "curl", "ca-certificates")
CHECKOUT = "/home/imdskit"
NOT_SOURCES = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "target", "*.so", "*.egg-info")
README = (ROOT / "README.md").read_text("utf-8")


def block(language: str, containing: str) -> str:
    """Return the example of the README in this language that contains this text."""
    (found,) = [text for text in re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL) if containing in text]
    return str(found)


INSTALL = block("sh", "pip install .").splitlines()
ENVIRONMENT, FROM_SOURCE, FROM_WHEEL, SINGLE_FILE = (
    next(line for line in INSTALL if text in line) for text in ("-m venv", "pip install . ", "pip install imdskit-", "make pyz")
)
PROGRAMS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


class System:
    """A Debian release with a checkout of the project and a wheel in it."""

    def __init__(self, folder: Path, suite: str) -> None:
        self.root = folder / suite
        self.suite = suite
        debian_root.make(self.root, suite, PACKAGES)
        checkout = self.root / CHECKOUT[1:]
        shutil.copytree(ROOT, checkout, ignore=NOT_SOURCES)
        build = [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--wheel",
            "-Cnative=off",
            "--outdir",
            str(folder / "wheel"),
            str(checkout),
        ]
        subprocess.run(build, check=True, capture_output=True, timeout=600)
        for wheel in (folder / "wheel").iterdir():
            shutil.copy(wheel, checkout)

    def bash(self, *lines: str, network: bool = True) -> str:
        """Run the lines one after the other until one fails, print how long each took, and return
        their output."""
        timed = [f"SECONDS=0\n{line}\nprintf '\\n@%s %s\\n' $SECONDS {shlex.quote(line.splitlines()[0])}\n" for line in lines]
        script = "set -e\n" + "".join(timed)
        command = debian_root.command(self.root, ["bash", "-c", script], folder=CHECKOUT)
        if not network:
            command[1:1] = ["--net"]
        environment = debian_root.environment()
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        for seconds, line in re.findall(r"^@(\d+) (.*)$", done.stdout, re.MULTILINE):
            print(f"{self.suite}: {seconds} s: {line}")
        return done.stdout


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    why = debian_root.missing()
    if why:
        pytest.fail(why)
    folder = tmp_path_factory.mktemp("debian")
    yield System(folder, request.param)
    shutil.rmtree(folder, ignore_errors=True)


def test_installs_from_source_and_reports_what_cargo_allows(system: System) -> None:
    shown = system.bash(ENVIRONMENT, FROM_SOURCE, "imdskit doctor")
    if system.suite == "bookworm":
        assert re.search(r"cargo 1\.\d+ is too old; 1\.85 or later is needed", shown), shown
    else:
        assert "backend: rust; the extension is installed" in shown, shown  # without the AVX-512 kernels, which need a newer cargo


def test_first_examples_run_after_installation_from_source(system: System) -> None:
    activate = ENVIRONMENT.partition("&&")[2]
    assert PROGRAMS
    programs = [f"python3 -c {shlex.quote(program)}" for program in PROGRAMS]
    serving = block("sh", "imdskit serve --port 8080")
    shown = system.bash(activate, "cd /tmp", *programs, block("sh", "imdskit run -- curl"), f"{serving}kill $!")
    assert shown.count('"vmId"') >= 2  # one from `imdskit run -- curl`, one from the verified document
    assert "make demo" in README
    system.bash("make demo")


def test_installs_from_a_wheel_without_a_network(system: System) -> None:
    shown = system.bash("export HOME=/home", ENVIRONMENT, FROM_WHEEL, "imdskit --version", network=False)
    assert re.search(r"^imdskit \d", shown, re.MULTILINE)


def test_runs_as_a_single_file(system: System) -> None:
    assert "usage: imdskit" in system.bash(SINGLE_FILE)
