"""Tests of the output and the refusals of the verb ``bench``. No test checks the figures."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from imdskit import backends
from imdskit.backends.contract import Backend
from imdskit.cli import main

QUICK = ["--rounds", "1", "--seconds", "0", "--documents", "2"]


def test_measures_verification(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "verify", "--backend", backend.name, "--threads", "2", "--json", *QUICK]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["batch_per_second"] > 0 < result["single_per_second"]
    assert result["backend"] == backend.name
    assert (result["cpu_path"], result["profile"], result["threads"]) == (backend.cpu_path, backend.profile, 2)


def test_measures_other_hot_paths_as_text(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "paths", "--backend", backend.name, *QUICK]) == 0
    result = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in result[2:]] == ["index", "leaf", "whole", "take"]


def test_refuses_an_extension_built_for_debugging(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    debug = replace(backends.get("python"), profile="debug")
    monkeypatch.setattr(backends, "get", lambda _: debug)
    assert main(["bench", *QUICK]) == 2
    assert "backend-debug" in capsys.readouterr().err
