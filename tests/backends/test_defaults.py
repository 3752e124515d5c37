"""The defaults in Rust equal those in Python, so users of the crate have the same limits."""

from __future__ import annotations

import re
from dataclasses import fields
from math import prod
from pathlib import Path

import pytest

from imdskit.backends.contract import Limits, Setup

SOURCE = Path(__file__).parents[2] / "rust" / "core" / "src" / "contract.rs"
IN_PYTHON: dict[str, object] = {
    "Vec::new()": (),
    "Limits::default()": Limits(),
    "None": None,
    "true": True,
    "false": False,
}


def defaults(record: str) -> dict[str, object]:
    """Return the default of each member of a record, read from the Rust source."""
    found = re.search(rf"impl Default for {record} {{.*?Self {{(.*?)\n        }}", SOURCE.read_text(), re.DOTALL)
    assert found is not None
    members = re.findall(r"^ {12}(\w+): (.*),$", found[1], re.MULTILINE)
    numbers = {value: prod(map(int, value.split("*"))) for _, value in members if re.fullmatch(r"[0-9 *]+", value)}
    return {name: {**IN_PYTHON, **numbers}[value] for name, value in members}


@pytest.mark.parametrize("record", [Limits(), Setup((), (), ())], ids=["Limits", "Setup"])
def test_defaults_are_the_same_in_rust(record: Limits | Setup) -> None:
    assert defaults(type(record).__name__) == {field.name: getattr(record, field.name) for field in fields(record)}
