"""Tests of the completion scripts. bash and fish complete words with their scripts, and zsh parses
its script. Tests of zsh and fish are skipped if the shell is not installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imdskit import versions
from imdskit.cli import VERBS, completion
from imdskit.reasons import Reason

from .conftest import Outcome

Run = Callable[..., Outcome]
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def script(run: Run, tmp_path: Path) -> Callable[[str], Path]:
    def write(shell: str) -> Path:
        done = run("completion", shell)
        assert (done.status, done.err) == (0, "")
        path = tmp_path / f"imdskit.{shell}"
        path.write_text(done.out)
        return path

    return write


@pytest.fixture
def complete(script: Callable[[str], Path], tmp_path: Path) -> Callable[..., set[str]]:
    """Return a function that returns the completions that bash offers for the last, incomplete
    word."""
    file = script("bash")
    folder = tmp_path / "here"
    (folder / "sub folder").mkdir(parents=True)
    (folder / "my document.json").write_text("{}")

    def ask(*words: str) -> set[str]:
        program = """
            source "$1" || exit 9
            shift
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _imdskit
            [ "${#COMPREPLY[@]}" -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
        """
        done = subprocess.run(
            ["bash", "--norc", "--noprofile", "-u", "-c", program, "bash", str(file), "imdskit", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert done.stderr == ""
        return set(done.stdout.splitlines())

    return ask


Complete = Callable[..., set[str]]


def test_lists_every_verb(complete: Complete) -> None:
    assert complete("") == {*VERBS, "--help", "--version"}
    assert complete("ver") == {"verify", "verifier"}
    assert complete("nothing") == set()


CASES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "an option": (("get", "--fo"), {"--format"}),
    "a choice": (("get", "--format", ""), {"json", "text"}),
    "a choice after an equals sign": (("get", "--format", "=", "te"), {"text"}),
    "all choices after an equals sign": (("get", "--format", "="), {"json", "text"}),
    "an api-version": (("get", "--api-version", "2025"), {"2025-04-07"}),
    "a path": (("get", "compute/vmS"), {"compute/vmScaleSetName", "compute/vmSize"}),
    "a path after an option with its value": (("get", "--format", "text", "compute/vmI"), {"compute/vmId"}),
    "a code": (("explain", "unknown-i"), {"unknown-issuer"}),
    "a cloud": (("verify", "--cloud", "ch"), {"china"}),
    "a scenario": (("serve", "--scenario", "lin"), {"linux"}),
    "a category of values": (("record", "--keep", "ke"), {"keys"}),
    "a shell": (("completion", "f"), {"fish"}),
    "a file with a blank": (("verify", "my"), {"my document.json"}),
    "a file as the value of an option": (("verify", "--trust", "my"), {"my document.json"}),
    "folders only": (("verify", "--bundle", ""), {"sub folder"}),
    "a value without completions": (("get", "--base-url", ""), set()),
    "an unknown verb": (("nothing", ""), set()),
    "a verb without arguments": (("demo", ""), set()),
}


@pytest.mark.parametrize(("words", "offered"), CASES.values(), ids=CASES.keys())
def test_bash_offers_the_expected_completions(complete: Complete, words: tuple[str, ...], offered: set[str]) -> None:
    assert complete(*words) == offered


def test_offers_every_option_of_every_verb(complete: Complete) -> None:
    for verb in completion.verbs():
        flags = {flag for option in verb.options for flag in option.flags}
        assert "--help" in flags
        assert complete(verb.name, "-") == flags


def test_offers_the_values_that_the_package_accepts() -> None:
    known = {verb.name: verb for verb in completion.verbs()}
    assert list(known) == list(VERBS)
    assert {reason.value for reason in Reason} <= set(known["explain"].arguments[0].words)
    versions_of_get = next(option.value for option in known["get"].options if "--api-version" in option.flags)
    assert versions_of_get is not None
    assert versions_of_get.words == versions.API_VERSIONS


@pytest.mark.parametrize("shell", SHELLS)
def test_every_script_contains_every_verb_and_option(script: Callable[[str], Path], shell: str) -> None:
    text = script(shell).read_text()
    for verb in completion.verbs():
        assert verb.name in text
        for flag in (flag for option in verb.options for flag in option.flags):
            spelled = {"fish": f" -l {flag[2:]} " if flag.startswith("--") else f" -s {flag[1:]} "}.get(shell, flag)
            assert spelled in text


@pytest.fixture
def installed(request: pytest.FixtureRequest) -> Callable[[str], str]:
    def find(shell: str) -> str:
        program = shutil.which(shell)
        if program is None:
            (pytest.fail if request.config.getoption("--require-programs") else pytest.skip)(f"{shell} is not installed")
        return program

    return find


@pytest.mark.parametrize("shell", SHELLS)
def test_shell_accepts_its_script(script: Callable[[str], Path], installed: Callable[[str], str], shell: str) -> None:
    done = subprocess.run([installed(shell), "-n", script(shell)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


FISH: dict[str, set[str]] = {
    "imdskit ": set(VERBS),
    "imdskit get --format ": {"json", "text"},
    "imdskit get compute/vmI": {"compute/vmId"},
    "imdskit explain unknown-i": {"unknown-issuer"},
}


@pytest.mark.parametrize(("line", "offered"), FISH.items(), ids=FISH.keys())
def test_fish_offers_the_expected_completions(
    script: Callable[[str], Path], installed: Callable[[str], str], tmp_path: Path, line: str, offered: set[str]
) -> None:
    program = [installed("fish"), "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", str(script("fish")), line]
    done = subprocess.run(
        program, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=30, check=True
    )
    assert {found.partition("\t")[0] for found in done.stdout.splitlines()} == offered


def test_rejects_unknown_shell(run: Run) -> None:
    assert run("completion", "tcsh").status == 2
