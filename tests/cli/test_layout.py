"""Tests of the layout: help, reports and the demo fit in 80 columns, and each action describes only its own options."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imdskit.cli import VERBS
from imdskit.cli.shared.layout import COLUMNS, Parser, wrapped

from .conftest import Outcome

Run = Callable[..., Outcome]
PYTHON = Path(__file__).parents[2] / "python"
ACTIONS = {
    "events": ("watch", "acknowledge", "announce"),
    "trust": ("list", "update"),
    "verifier": ("serve", "key", "nonce-key"),
}
COMMANDS = [(), *((verb,) for verb in VERBS), *((verb, action) for verb, actions in ACTIONS.items() for action in actions)]


def too_wide(text: str, limit: int = COLUMNS) -> list[str]:
    """Return the lines that exceed the limit although they could be broken at a blank."""
    return [line for line in text.splitlines() if len(line) > limit and " " in line.strip()]


@pytest.mark.parametrize("columns", ["80", "200", None], ids=["80 columns", "200 columns", "no terminal"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits(run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], columns: str | None) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    status, out, err = run(*command, "--help")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) > 3
    assert too_wide(out) == []


def test_help_fits_without_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imdskit", "serve", "--help"],
        env={"PYTHONPATH": str(PYTHON)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert too_wide(done.stdout) == []


def test_help_fits_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert too_wide(run("attest", "--help").out, 50) == []


REPORTS = {
    "demo": ["demo"],
    "doctor": ["doctor", "--at", "2026-11-30"],
    "doctor with advice": ["doctor", "--at", "2028-05-01", "--cloud", "china"],
    "trust list": ["trust", "list", "--at", "2026-11-30"],
    "explain": ["explain"],
    "explain a code": ["explain", "unknown-issuer"],
    "verify --explain": ["verify", "DOCUMENT", "--trust", "ROOT", "--explain"],
    "verify --explain of a refusal": ["verify", "DOCUMENT", "--explain", "--nonce", "x"],
    "detect": ["detect", "--base-url", "URL", "--root", "/nonexistent"],
    "bench": ["bench", "paths", "--backend", "python", "--rounds", "1", "--seconds", "0.001"],
}


@pytest.mark.parametrize("arguments", REPORTS.values(), ids=REPORTS.keys())
def test_reports_fit(run: Run, emulator: object, document: str, root: str, arguments: list[str]) -> None:
    names = {"DOCUMENT": document, "ROOT": root, "URL": getattr(emulator, "url", "")}
    out = run(*(names.get(argument, argument) for argument in arguments)).out
    assert out
    assert too_wide(out) == []


def test_batch_summary_fits(run: Run) -> None:
    err = run("verify", "--batch", "-", "--at", "2026-11-30", stdin=b"AAAA\n{}\n").err
    assert "2 refused" in err
    assert too_wide(err) == []


OWN = {
    ("events", "watch"): {"--api-version", "--base-url", "--count", "--help", "--seen"},
    ("events", "acknowledge"): {"--base-url", "--help"},
    ("events", "announce"): {"--admin", "--help", "--keep", "--machine", "--state-file", "--token-file"},
    ("trust", "list"): {"--at", "--bundle", "--help", "--json"},
    ("trust", "update"): {"--at", "--bundle", "--document", "--from", "--help", "--json"},
    ("verifier", "serve"): {"--config", "--help", "--host", "--port", "--set"},
    ("verifier", "key"): {"--help", "--keys", "--role"},
    ("verifier", "nonce-key"): {"--help"},
}


@pytest.mark.parametrize("command", OWN, ids=" ".join)
def test_action_lists_only_its_own_options(run: Run, command: tuple[str, str]) -> None:
    out = run(*command, "--help").out
    listed = {flag for line in out.partition("options:\n")[2].splitlines() for flag in re.findall(r"^  (?:-h, )?(--[a-z-]+)", line)}
    assert listed == OWN[command]


def test_long_value_is_not_broken() -> None:
    path = "/a-folder" * 20
    assert wrapped(f"reading {path} now") == f"reading\n{path}\nnow"
    assert too_wide("word " * 20)


def test_paragraphs_are_wrapped_and_examples_are_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    parser = Parser("x", "one two three four five six\nseven eight nine ten\n\n  an example   that is kept as it stands in the source")
    assert (
        parser.format_help()
        .partition("\n\n")[2]
        .startswith("one two three four five six seven\neight nine ten\n\n  an example   that is kept as it stands in the source\n")
    )
