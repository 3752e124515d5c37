"""The examples of examples/engines on a corpus with 36 of the 47 reasons: whatever the engine, the rows are those of one process.

The others need a nonce, a revocation list, or a setting of their own; a batch has one setting. ``make engines`` runs this.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples" / "engines"
VECTORS = ROOT / "tests" / "vectors" / "attested" / "vectors.ndjson"
SETTING, *CASES = (json.loads(line) for line in VECTORS.read_text(encoding="ascii").splitlines())
PLAIN = [case for case in CASES if not {"intermediates", "crls", "at", "nonce"} & case.keys()]
FILES, ROWS = 6, 1500
SECONDS = 240
"""In which an engine must be done."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``in``, some files of documents; ``trust.pem`` and ``intermediates.pem``."""
    folder = tmp_path_factory.mktemp("engines")
    (folder / "in").mkdir()
    documents = [base64.b64decode(case["document"]) for case in PLAIN]
    for file in range(FILES):
        numbers = range(file * ROWS, (file + 1) * ROWS)
        # Some too early and some too late, so that those reasons occur as well.
        received = [(SETTING["at"] + (number % 7 - 3) * 10_800) * 10**6 for number in numbers]
        columns = {
            "id": pa.array(numbers, pa.int64()),
            "document": pa.array([documents[number % len(documents)] for number in numbers], pa.binary()),
            "received": pa.array(received, pa.timestamp("us", "UTC")),
        }
        pq.write_table(pa.table(columns), folder / "in" / f"{file}.parquet", row_group_size=500)
    for name, kind in (("trust", "anchors"), ("intermediates", "intermediates")):
        pem = "".join(f"-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n" for der in SETTING[kind])
        (folder / f"{name}.pem").write_text(pem)
    return folder


def command(folder: Path, program: str, *more: str) -> list[str]:
    trust = ["--trust", str(folder / "trust.pem"), "--intermediate", str(folder / "intermediates.pem")]
    found = str(folder / f"{program}{''.join(more)}.parquet")
    return [sys.executable, str(EXAMPLES / f"{program}.py"), str(folder / "in"), found, "--at", "received", *trust, *more]


ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT / "python"),
    "PYTHONWARNINGS": "ignore",
    "RAY_USAGE_STATS_ENABLED": "0",
    "SPARK_LOCAL_IP": "127.0.0.1",
}


def rows(found: str) -> pa.Table:
    """What was written, in the order of the documents; engines differ in the order, and in which kind of text they write."""
    table = ds.dataset(found, format="parquet").to_table().sort_by("id")
    fields = [field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in table.schema]
    return table.cast(pa.schema([field.with_nullable(True) for field in fields])).combine_chunks().replace_schema_metadata()


def run(folder: Path, program: str, *more: str) -> pa.Table:
    line = command(folder, program, *more)
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return rows(line[3])


@pytest.fixture(scope="module")
def alone(folder: Path) -> pa.Table:
    return run(folder, "alone")


def test_one_process_sees_every_row_and_every_reason(alone: pa.Table) -> None:
    assert alone.column("id").to_pylist() == list(range(FILES * ROWS))
    expected = {case["reason"] for case in PLAIN if case["expected"] == "reject"} | {None, "document-not-yet-valid", "document-expired"}
    assert set(alone.column("reason").to_pylist()) == expected


def test_the_python_backend_gives_the_same_rows_but_for_the_words_of_details(folder: Path, alone: pa.Table) -> None:
    assert run(folder, "alone", "--backend=python").drop_columns(["detail"]).equals(alone.drop_columns(["detail"]))


@pytest.mark.parametrize("program", ["on_duckdb", "on_dask", "on_ray", "on_spark"])
def test_every_engine_gives_the_same_rows(folder: Path, alone: pa.Table, program: str) -> None:
    found = run(folder, program)
    assert found.column_names == alone.column_names
    assert found.equals(alone)


def executors_at_work(session: int) -> list[int]:
    """Process ids of Spark's executors in a session that have a task in Python: a worker, which a daemon has forked, which the executor has started."""
    processes = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session:
                    processes[int(path.name)] = (int(fields[1]), (path / "cmdline").read_bytes())
            except OSError:
                continue
    executors = {pid for pid, (_, line) in processes.items() if b"CoarseGrainedExecutorBackend" in line and b"java" in line.split(b"\0")[0]}
    daemons = {pid: parent for pid, (parent, line) in processes.items() if parent in executors and b"pyspark" in line}
    return sorted({daemons[parent] for parent, _ in processes.values() if parent in daemons})


def killed_in_the_middle(line: list[str], folder: Path) -> str:
    """Run it, kill an executor at work, and give what Spark says of it."""
    with subprocess.Popen(line, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, cwd=folder, start_new_session=True) as process:
        try:
            end = time.monotonic() + 120
            while not (busy := executors_at_work(process.pid)):
                assert time.monotonic() < end and process.poll() is None, "no executor was seen at work"
                time.sleep(0.02)
            os.kill(busy[0], signal.SIGKILL)
            _, said = process.communicate(timeout=SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said[-4000:]
    return said


def test_spark_loses_an_executor_and_no_row(folder: Path, alone: pa.Table) -> None:
    line = command(folder, "on_spark", "--backend=python")
    # Workers outlive their tasks a little, so that one in a while the executor that is hit has just become idle.
    assert any("Lost task" in killed_in_the_middle(line, folder) for _ in range(3))
    assert rows(line[3]).drop_columns(["detail"]).equals(alone.drop_columns(["detail"]))
