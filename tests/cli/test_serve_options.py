"""Options of ``serve`` that make the service another one: they reach the emulator, and mistakes in them are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit.errors import UsageError

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ((), "profile", None),
        (("--profile", "strict-header"), "profile", "strict-header"),
        ((), "rules_off", []),
        (("--rule", "leaf=off", "--rule", "nonce=off"), "rules_off", ["leaf", "nonce"]),
        ((), "faults", None),
        (("--faults", "restart.json"), "faults", "restart.json"),
        ((), "allow_hosts", []),
        (("--allow-host", "imds", "--allow-host", "imds.test"), "allow_hosts", ["imds", "imds.test"]),
    ],
    ids=str,
)
def test_an_option_reaches_the_emulator(
    arguments: tuple[str, ...], name: str, value: object, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: object, **options: Any) -> None:
        assert options[name] == value
        raise UsageError("bad-argument", "It got there.")

    monkeypatch.setattr("imdskit.cli.serve.Emulator", make)
    status, _, err = run("serve", "--seed", "1", *arguments)
    assert (status, "It got there." in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--fleet", "12"), ("fleet", 12, 1, "path", "127.1.0.0/16")),
        (("--fleet", "3", "--fleet-by", "port", "--scenario", "windows"), ("windows", 3, 1, "port", "127.1.0.0/16")),
        (("--fleet", "3", "--fleet-by", "source", "--fleet-network", "10.0.0.0/8"), ("fleet", 3, 1, "source", "10.0.0.0/8")),
    ],
    ids=str,
)
def test_options_reach_the_fleet(
    arguments: tuple[str, ...], expected: tuple[object, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*given: object, **options: Any) -> None:
        assert (*given, options["network"]) == expected
        raise UsageError("bad-argument", "It got there.")

    monkeypatch.setattr("imdskit.cli.serve.Fleet", make)
    status, _, err = run("serve", "--seed", "1", *arguments)
    assert (status, "It got there." in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--profile", "2020"), "invalid choice"),
        (("--rule", "leaf"), "invalid switch value"),
        (("--rule", "leaf=on"), "invalid switch value"),
        (("--rule", "leafs=off"), "Did you mean leaf?"),
        (("--rule", "outside=off"), "cannot be switched off"),
        (("--faults", "nosuch.json"), "bad-faults"),
        (("--fleet", "0"), "1 to 1000000"),
        (("--fleet", "9", "--fleet-by", "source", "--fleet-network", "10.0.0.0/30"), "too few addresses"),
    ],
    ids=str,
)
def test_a_mistake_is_told(arguments: tuple[str, ...], words: str, run: Run) -> None:
    status, out, err = run("serve", "--seed", "1", *arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_the_place_of_a_mistake_in_a_script_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text('[{"fault": {"status": 500}}, {"fault": {"delay": -1}}]', "utf-8")
    status, _, err = run("serve", "--seed", "1", "--faults", str(tmp_path / "faults.json"))
    assert (status, "/1/fault/delay" in err) == (2, True)
