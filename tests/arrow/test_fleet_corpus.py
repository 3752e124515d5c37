"""The corpus that ``benches/fleet_corpus.py`` writes: it is reproducible, and several certificates
signed its documents. Each document gets the verdict expected for its kind, which is in the column
``made``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow", reason="the optional package pyarrow")
import pyarrow.parquet as pq  # noqa: E402  # needs pyarrow

from imdskit.arrow import VerifyBatch  # noqa: E402
from imdskit.verify import Trust  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
REASONS = {
    "good": None,
    "broken-signature": "bad-signature",
    "changed": "bad-signature",
    "unknown-root": "unknown-issuer",
    "expired-leaf": "expired",
    "late": "document-expired",
    "cut": "bad-der",
}


def corpus(folder: Path, *more: str) -> tuple[Any, Trust]:
    arguments = [str(folder), "--documents", "400", "--machines", "50", "--bad", "0.4", *more]
    subprocess.run(
        [sys.executable, ROOT / "benches" / "fleet_corpus.py", *arguments],
        env={"PYTHONPATH": str(ROOT / "python")},
        check=True,
        timeout=120,
    )
    return pq.read_table(folder / "documents"), Trust.from_pem(
        [(folder / "root.pem").read_bytes()], [(folder / "issuing.pem").read_bytes()]
    )


def test_fleet_corpus_is_reproducible_and_gets_the_expected_verdicts(tmp_path: Path) -> None:
    table, trust = corpus(tmp_path / "one")
    again, _ = corpus(tmp_path / "two")
    assert table.equals(again)
    assert table.column("id").to_pylist() == list(range(400))
    found = VerifyBatch(at="received", trust=trust).table(table)
    made, reasons = found.column("made").to_pylist(), found.column("reason").to_pylist()
    assert reasons == [REASONS[each] for each in made]
    assert set(made) == REASONS.keys()
    names = set(found.column("name").to_pylist()) - {None}
    assert len(names) == 6
    assert len(set(found.column("signer").to_pylist())) > len(names) + 1
