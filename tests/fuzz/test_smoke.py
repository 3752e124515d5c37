"""A short fuzzing run: a few thousand random mutations for the targets of :mod:`targets`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # run.py finds its neighbours in the same way

from mutate import mutated
from targets import TARGETS_TABLE, Target

INPUTS = {"check": 800, "trust": 300, "lists": 200, "bundle": 60, "document": 200, "scenario": 200}
"""Number of inputs for each target that does not use the default number. Slower targets get fewer."""
USUAL = 600


@pytest.mark.parametrize("target", TARGETS_TABLE, ids=lambda target: target.name)
def test_hostile_bytes_give_a_value_or_a_documented_error(target: Target) -> None:
    rng = random.Random(f"{target.name} 20261123")
    seeds = target.seeds()
    assert seeds
    ends: set[str] = set()
    for number in range(INPUTS.get(target.name, USUAL)):
        data = seeds[number] if number < min(len(seeds), 20) else mutated(seeds, rng)
        try:
            target.run(data)
        except target.errors as error:
            ends.add(type(error).__name__)
        except Exception as error:  # noqa: BLE001 # the test is that nothing undocumented is raised
            pytest.fail(f"{target.name} ended in {error!r} for {data!r}")
        else:
            ends.add("a value")
    assert "a value" in ends, "no seed is good"
    assert len(ends) > 1 or not target.errors, "no mutation is bad"


def test_names_of_targets_are_unique() -> None:
    assert len({target.name for target in TARGETS_TABLE}) == len(TARGETS_TABLE)
