"""Time per document and memory per row do not grow with the size of a batch.

Each size is measured in a separate process (grow.py), because a process seldom returns memory to the system. Figures for a million
documents are in docs/performance.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import imdskit

HERE = Path(__file__).parent
SMALL, LARGE = 20_000, 200_000

pytestmark = [
    pytest.mark.usefixtures("native"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]


@cache
def grown(number: int, threads: int, kind: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, HERE / "grow.py", str(number), str(threads), kind],
        env={"PYTHONPATH": os.pathsep.join(map(str, (Path(imdskit.__file__).parent.parent, HERE.parent / "support")))},
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["accepted", "refused"])
def test_row_takes_at_most_200_bytes_at_any_size(threads: int, kind: str) -> None:
    """In the batches with refusals, half of the documents are refused."""
    small, large = (grown(number, threads, kind) for number in (SMALL, LARGE))
    for measure in ("resident", "peak"):
        assert small[measure] <= 200 * SMALL, measure
        assert (large[measure] - small[measure]) / (LARGE - SMALL) <= 200, measure


@pytest.mark.parametrize("threads", [1, 2])
def test_time_per_document_does_not_grow_with_the_batch(threads: int) -> None:
    """The test compares processor time. With quadratic growth, each document would take ten times as long."""
    small, large = (grown(number, threads, "accepted") for number in (SMALL, LARGE))
    assert large["seconds"] / LARGE <= 3 * small["seconds"] / SMALL
