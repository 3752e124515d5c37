"""Tests of everything that all verbs share: help, mistakes, exit statuses, closed and full outputs, and imports."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit import __version__, cli
from imdskit.cli.shared import output
from imdskit.errors import ImdskitError

PYTHON = Path(__file__).parent.parent.parent / "python"
VERBS = list(cli.VERBS)
Run = Callable[..., Any]


def start(*arguments: str, stdout: int = subprocess.PIPE, **more: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(PYTHON), "PYTHONWARNINGS": "error"}
    return subprocess.Popen(
        [sys.executable, "-m", "imdskit", *arguments], env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, **more
    )


def test_help_names_every_verb(run: Run) -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert all(f" {verb} " in out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(run: Run, verb: str) -> None:
    status, out, err = run(verb, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: imdskit {verb}")
    assert "Exit status" in out or "exit status" in out


def test_version_is_printed(run: Run) -> None:
    assert run("--version") == (0, f"imdskit {__version__}\n", "")


MISTAKES = {
    "nothing": [],
    "an unknown verb": ["prove"],
    "an abbreviated verb": ["ver"],
    "an unknown option": ["verify", "x", "--lax"],
    "an abbreviated option": ["verify", "x", "--exp"],
    "no file": ["verify"],
    "two files": ["verify", "a", "b"],
    "an unknown backend": ["verify", "x", "--backend", "go"],
    "an unknown preset": ["verify", "x", "--preset", "lax"],
    "an option without value": ["verify", "x", "--at"],
    "no path": ["get"],
    "an unknown format": ["get", "x", "--format", "xml"],
    "two nonces": ["attest", "--nonce", "1", "--new-nonce"],
    "too many arguments": ["demo", "x"],
    "a port that is not a number": ["serve", "--port", "http"],
    "a port too high": ["serve", "--port", "65536"],
    "a port below zero": ["serve", "--port", "-1"],
    "a seed that is not a number": ["serve", "--seed", "x"],
    "an option before the verb": ["--json", "verify", "x"],
}


@pytest.mark.parametrize("arguments", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_have_status_2_and_an_explanation(run: Run, arguments: list[str]) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: imdskit")


def test_checkout_runs_without_installation() -> None:
    process = start("--version")
    assert process.communicate(timeout=30) == (f"imdskit {__version__}\n", "")
    assert process.returncode == 0


def test_closed_pipe_ends_the_command_quietly(document: str, root: str) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        process = start("verify", document, "--trust", root, stdout=write)
    finally:
        os.close(write)
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == cli.BROKEN_PIPE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["verify", "DOCUMENT", "--trust", "ROOT"], ["attest", "--base-url", "URL"]], ids=["text", "octets"])
def test_failure_to_write_a_result_is_an_error(emulator: Any, document: str, root: str, arguments: list[str]) -> None:
    names = {"DOCUMENT": document, "ROOT": root, "URL": emulator.url}
    with open("/dev/full", "wb") as full:
        process = start(*(names.get(argument, argument) for argument in arguments), stdout=full.fileno())
    err = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert err.startswith("error: bad-argument: Standard output cannot be written")
    assert len(err.splitlines()) == 2


def test_closed_standard_output_is_an_error(document: str, root: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    command = 'exec "$@" >&-'
    done = subprocess.run(
        ["sh", "-c", command, "-", sys.executable, "-m", "imdskit", "verify", document, "--trust", root],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "Standard output cannot be written: it is closed." in done.stderr


def test_refusal_is_reported_with_closed_streams() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&- 2>&- <&-', "-", sys.executable, "-m", "imdskit", "verify", "-"],
        env=environment,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2  # the program cannot read its closed standard input


def test_interruption_prints_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch, document: str) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("imdskit.cli.shared.inputs.read", interrupt)
    assert run("verify", document) == (cli.INTERRUPTED, "", "")


def test_untrusted_text_cannot_control_the_terminal() -> None:
    hostile = "\x1b]0;owned\x07\r\u202e\u2028ok \u00e9\n"
    assert output.printable(hostile) == "\\x1b]0;owned\\x07\\r\\u202e\\u2028ok \u00e9\n"
    assert output.printable("\udcff") == "\\udcff"


def test_errors_are_written_in_encodings_without_their_characters() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PYTHON), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    program = "from imdskit.cli import output; output.line('d\\u00e9j\\u00e0'); output.note('\\u202e')"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("d\\xe9j\\xe0\n", "\\u202e\n")


def test_all_attributes_of_an_error_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    output.error(ImdskitError("some-code", "A sentence.", location="a\x00b", hint=""))
    assert capsys.readouterr().err == "error: some-code: A sentence.\n  location: a\\x00b\n"


IMPORTS = {
    "get": (["get", "x", "--base-url", "http://127.0.0.1:1"], ["backends", "verify", "asn1", "emulator"], ["http.server"]),
    "attest": (["attest", "--nonce", "1", "--base-url", "http://127.0.0.1:1"], ["backends", "verify", "asn1", "emulator"], ["http.server"]),
    "verify": (["verify", "-"], ["client", "emulator", "asn1.writer"], ["urllib.request", "http.client", "http.server", "socket"]),
    "serve": (["serve", "--scenario", "no-such"], ["client", "verify"], ["urllib.request"]),
    "help": (["--help"], ["client", "verify", "emulator", "backends"], ["json.tool", "urllib.request"]),
}


@pytest.mark.parametrize(("arguments", "ours", "foreign"), IMPORTS.values(), ids=IMPORTS.keys())
def test_verb_imports_only_the_modules_that_it_needs(arguments: list[str], ours: list[str], foreign: list[str]) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(PYTHON)!r})
from imdskit.cli import main
main({arguments!r})
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(done.stdout.split("\n")[-2].split())
    assert "imdskit.cli" in loaded
    assert not loaded & {*(f"imdskit.{name}" for name in ours), *foreign}


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """Return everything that the command writes when both of its outputs are a terminal."""
    inside, outside = pty.openpty()
    shown = b""
    try:
        more = {"TERM": "xterm", "PYTHONPATH": str(PYTHON), **environment}
        process = subprocess.Popen([sys.executable, "-m", "imdskit", *arguments], stdout=outside, stderr=outside, env={**CLEAN, **more})
        os.close(outside)
        with contextlib.suppress(OSError):  # a closed terminal raises EIO
            while data := os.read(inside, 65536):
                shown += data
        process.wait(60)
    finally:
        os.close(inside)
    return shown.decode()


CLEAN = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
REFUSED = ("verify", str(Path(cli.__file__).parent / "emulator" / "documentation-sample.json"))


def test_verdict_is_coloured_on_a_terminal() -> None:
    shown = on_a_terminal(*REFUSED)
    assert shown.startswith("\x1b[1;31mrefused\x1b[0m: signature-key: ")
    assert shown.count("\x1b") == 2
    explained = on_a_terminal(*REFUSED, "--explain")
    assert "\x1b[32mpass\x1b[0m  envelope" in explained
    assert "\x1b[1;31mFAIL\x1b[0m  signature key" in explained
    assert "\x1b[2mskip\x1b[0m" in explained


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "a dumb terminal"])
def test_no_color_and_other_outputs_disable_colours(environment: dict[str, str]) -> None:
    assert on_a_terminal(*REFUSED, **environment).startswith("refused: signature-key: ")
    assert "\x1b" not in on_a_terminal(*REFUSED, "--explain", **environment)


def test_empty_no_color_is_ignored() -> None:
    assert "\x1b" in on_a_terminal(*REFUSED, NO_COLOR="")
