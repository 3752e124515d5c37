"""Tests of the examples in examples/engines with documents for every reason that a batch can have.

All engines must give the same rows as a single process. ``make engines`` runs these tests. tests/arrow/test_verify_batch.py compares the
rows of one process with the verifier.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import corpus
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from imdskit.reasons import Reason

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples" / "engines"
FILES, ROWS = 6, 1500
SECONDS = 240
"""Time limit of an engine, in seconds."""
NOT_OF_A_BATCH = {
    Reason.REPLAYED: "used up in a store that all share; an engine may run a task twice, and the second run would refuse what the first accepted",
}
"""Reasons that do not occur in a batch, and why. All other reasons must occur in the results. If a
reason is added to the project, these tests fail until the corpus has a document for it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the documents in ``in``, and with ``trust.pem``, ``intermediates.pem`` and ``crls.pem``."""
    folder = tmp_path_factory.mktemp("engines")
    corpus.main(folder, FILES, ROWS)
    return folder


def command(folder: Path, program: str, *more: str) -> list[str]:
    files = {"--trust": "trust", "--intermediate": "intermediates", "--crl": "crls"}
    trust = [word for option, name in files.items() for word in (option, str(folder / f"{name}.pem"))]
    demands = ["--at", "received", "--nonce", "issued", "--preset", "online"]
    found = str(folder / f"{program}{''.join(more)}.parquet")
    return [sys.executable, str(EXAMPLES / f"{program}.py"), str(folder / "in"), found, *demands, *trust, *more]


ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT / "python"),
    "PYTHONWARNINGS": "ignore",
    "RAY_USAGE_STATS_ENABLED": "0",
    "SPARK_LOCAL_IP": "127.0.0.1",
}


def rows(found: str) -> pa.Table:
    """Return the written rows in the order of the documents. Engines differ in the order and in the text type that they write."""
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


@pytest.fixture(scope="module")
def alone_in_python(folder: Path) -> pa.Table:
    return run(folder, "alone", "--backend=python")


def test_one_process_returns_every_row_and_every_reason(alone: pa.Table) -> None:
    assert alone.column("id").to_pylist() == list(range(FILES * ROWS))
    assert set(alone.column("reason").to_pylist()) == {None, *Reason} - NOT_OF_A_BATCH.keys()


def test_python_backend_differs_only_in_details(alone: pa.Table, alone_in_python: pa.Table) -> None:
    assert alone_in_python.drop_columns(["detail"]).equals(alone.drop_columns(["detail"]))


@pytest.mark.parametrize("program", ["on_duckdb", "on_dask", "on_ray", "on_spark"])
def test_every_engine_gives_the_same_rows(folder: Path, alone: pa.Table, program: str) -> None:
    found = run(folder, program)
    assert found.column_names == alone.column_names
    assert found.equals(alone)


def executors_at_work(session: int) -> list[int]:
    """Return the process ids of those executors of Spark that are running a Python task.

    ``session`` is the id of the session (setsid) of all processes of this Spark. An executor starts
    a daemon, and the daemon forks a worker for each task.
    """
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
    """Run the example, kill a busy executor, and return the log of Spark."""
    with subprocess.Popen(line, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, cwd=folder, start_new_session=True) as process:
        try:
            end = time.monotonic() + 120
            while not (busy := executors_at_work(process.pid)):
                assert time.monotonic() < end and process.poll() is None, "no executor was seen at work"
                time.sleep(0.02)
            os.kill(busy[0], signal.SIGKILL)
            _, shown = process.communicate(timeout=SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, shown[-4000:]
    return shown


def test_spark_loses_no_row_with_a_killed_executor(folder: Path, alone_in_python: pa.Table) -> None:
    line = command(folder, "on_spark", "--backend=python")
    # Workers exist a little longer than their tasks, so the killed executor is sometimes already idle.
    assert any("Lost task" in killed_in_the_middle(line, folder) for _ in range(3))
    assert rows(line[3]).equals(alone_in_python)
