"""Measure how many documents per second each data engine verifies.

The engines read the documents from Parquet files and write the results to
Parquet files.

Run ``make engines`` first, then

    PYTHONPATH=python .venv-engines/bin/python benches/fleet_corpus.py CORPUS \\
        --documents 2000000 --processes 2
    PYTHONPATH=python .venv-engines/bin/python benches/engines.py CORPUS \\
        [--rounds N] [--only WORD]

Each round measures every engine twice, from start to end: on a quarter of the
files and on all of them. The difference of the two times gives the rate
without the start-up of the engine. The start-up is reported separately. The
bare batch is `Verifier.verify_columns` on the same documents in memory, with
as many threads. The overhead of an engine is its time per document divided by
that of the bare batch in the same round. The rows of the Python backend
verify only 2 % of the documents, because this backend is slow.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq

from imdskit import backends
from imdskit.verify import Policy, Trust, Verifier

EXAMPLES = Path(__file__).parent.parent / "examples" / "engines"
BATCH_ROWS = 16_384
"""Number of documents in each call of a bare batch."""
BARE = {"bare batch, Python": ("python", 1), "bare batch, Rust, one thread": ("rust", 1), "bare batch, Rust, two threads": ("rust", 2)}
PROGRAMS = {
    "Python, one process": ("bare batch, Python", ["alone", "--backend=python", "--processes=1"]),
    "Rust, one thread": ("bare batch, Rust, one thread", ["alone", "--processes=1"]),
    "Rust, two threads": ("bare batch, Rust, two threads", ["alone", "--processes=2"]),
    "DuckDB, two threads": ("bare batch, Rust, two threads", ["on_duckdb", "--processes=2"]),
    "Dask, two processes": ("bare batch, Rust, two threads", ["on_dask", "--processes=2"]),
    "Ray, two processes": ("bare batch, Rust, two threads", ["on_ray", "--processes=2"]),
    "Spark, two executors": ("bare batch, Rust, two threads", ["on_spark", "--processes=2"]),
}
"""For each row: the bare batch with which it is compared, and the arguments of the program."""
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(EXAMPLES.parent.parent / "python"),
    "PYTHONWARNINGS": "ignore",
    "RAY_USAGE_STATS_ENABLED": "0",
    "SPARK_LOCAL_IP": "127.0.0.1",
}


class Part:
    """A part of the corpus, in its own folder."""

    def __init__(self, folder: Path, files: list[Path], rows: int | None = None) -> None:
        folder.mkdir()
        self.folder = folder
        if rows is None:
            self.rows = sum(pq.read_metadata(file).num_rows for file in files)
            for file in files:
                (folder / file.name).symlink_to(file.resolve())
        else:
            self.rows = rows
            pq.write_table(ds.dataset([str(file) for file in files]).head(rows), folder / "head.parquet", row_group_size=rows // 8)


def bare(corpus: Path, backend: str, threads: int) -> Callable[[Part], float]:
    """Return a function that measures the seconds for the verdicts on a part. Reading the documents
    is not counted."""
    trust = Trust.from_pem([(corpus / "root.pem").read_bytes()], [(corpus / "issuing.pem").read_bytes()])
    verifier = Verifier(trust, Policy.offline_audit(), backend=backends.get(backend))

    def seconds(part: Part) -> float:
        taken = 0.0
        for documents, times in _batches(part):
            start = time.perf_counter()
            verifier.verify_columns(documents, times, threads=threads)
            taken += time.perf_counter() - start
        return taken

    return seconds


def _batches(part: Part) -> Iterator[tuple[list[bytes], list[int]]]:
    for batch in ds.dataset(part.folder).to_batches(columns=["document", "received"], batch_size=BATCH_ROWS):
        received = [int(each.timestamp()) for each in batch.column("received").to_pylist()]
        yield batch.column("document").to_pylist(), received


def program(corpus: Path, arguments: list[str]) -> Callable[[Part], float]:
    """Return a function that measures the seconds of one run, including the start-up."""
    name, *more = arguments

    def seconds(part: Part) -> float:
        with tempfile.TemporaryDirectory(dir=part.folder.parent) as found:
            trust = ["--trust", str(corpus / "root.pem"), "--intermediate", str(corpus / "issuing.pem")]
            line = [
                sys.executable,
                str(EXAMPLES / f"{name}.py"),
                str(part.folder),
                f"{found}/found.parquet",
                "--at",
                "received",
                *trust,
                *more,
            ]
            start = time.perf_counter()
            subprocess.run(line, env=ENVIRONMENT, check=True, capture_output=True, timeout=1800)
            return time.perf_counter() - start

    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder that benches/fleet_corpus.py created")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds")
    parser.add_argument("--only", default="", help="measure only the bare batches, and the rows that contain this word")
    options = parser.parse_args()
    corpus = options.corpus.resolve()
    files = sorted((corpus / "documents").iterdir())
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(dir=corpus) as name:
        whole = Part(Path(name) / "whole", files), Part(Path(name) / "quarter", files[: len(files) // 4])
        few = tuple(Part(Path(name) / f"few-{part.folder.name}", files, part.rows // 50) for part in whole)
        runs = {row: bare(corpus, *arguments) for row, arguments in BARE.items()}
        runs |= {row: program(corpus, arguments) for row, (_, arguments) in PROGRAMS.items() if options.only in row}
        parts = {row: few if "Python" in row else whole for row in runs}
        for _ in range(options.rounds):
            for row, seconds in runs.items():
                large, small = parts[row]
                times.setdefault(row, []).append((seconds(small), seconds(large)))
    each = {row: [(large - small) / (parts[row][0].rows - parts[row][1].rows) for small, large in rounds] for row, rounds in times.items()}
    print("| row | documents per second | time per document relative to the bare batch | start and end, s |\n|---|---|---|---|")
    for row, seconds_each in each.items():
        middle = statistics.median(seconds_each)
        line = f"| {row} | {1 / middle:,.0f} ({1 / max(seconds_each):,.0f} to {1 / min(seconds_each):,.0f}) |"
        if row in BARE:
            print(f"{line} 1 | |")
            continue
        ratios = [mine / theirs for mine, theirs in zip(seconds_each, each[PROGRAMS[row][0]], strict=True)]
        start = statistics.median(small - middle * parts[row][1].rows for small, _ in times[row])
        print(f"{line} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {start:.1f} |")


if __name__ == "__main__":
    main()
