"""Documents a second on one machine: the bare batch, and under each engine with Parquet in and out. ``make engines`` first, then

    PYTHONPATH=python .venv-engines/bin/python benches/fleet_corpus.py CORPUS --documents 2000000 --processes 2
    PYTHONPATH=python .venv-engines/bin/python benches/engines.py CORPUS [--rounds N] [--only WORD]

Every way is timed from start to end on a quarter of the files and on all of them, in turns; the difference of the two gives the rate, and what an engine
takes to start is told apart. The bare batch is `check_many` on the same documents, in memory, on as many threads: an engine's overhead is its time for a
document over that, round for round. Python gets 2 % of the rows.
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
ROWS = 16_384
"""Of a bare batch."""
BARE = {"bare batch, Python": ("python", 1), "bare batch, Rust, one thread": ("rust", 1), "bare batch, Rust, two threads": ("rust", 2)}
WAYS = {
    "Python, one process": ("bare batch, Python", ["alone", "--backend=python", "--processes=1"]),
    "Rust, one thread": ("bare batch, Rust, one thread", ["alone", "--processes=1"]),
    "Rust, two threads": ("bare batch, Rust, two threads", ["alone", "--processes=2"]),
    "DuckDB, two threads": ("bare batch, Rust, two threads", ["on_duckdb", "--processes=2"]),
    "Dask, two processes": ("bare batch, Rust, two threads", ["on_dask", "--processes=2"]),
    "Ray, two processes": ("bare batch, Rust, two threads", ["on_ray", "--processes=2"]),
    "Spark, two executors": ("bare batch, Rust, two threads", ["on_spark", "--processes=2"]),
}
"""With what each is compared, and its arguments."""
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(EXAMPLES.parent.parent / "python"),
    "PYTHONWARNINGS": "ignore",
    "RAY_USAGE_STATS_ENABLED": "0",
    "SPARK_LOCAL_IP": "127.0.0.1",
}


class Part:
    """Some of the corpus, in a folder of its own."""

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
    """Seconds for the verdicts on a part, of which as much as fits is held in memory; reading it is not counted."""
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
    for batch in ds.dataset(part.folder).to_batches(columns=["document", "received"], batch_size=ROWS):
        received = [int(each.timestamp()) for each in batch.column("received").to_pylist()]
        yield batch.column("document").to_pylist(), received


def program(corpus: Path, arguments: list[str]) -> Callable[[Part], float]:
    """Seconds of one run, start-up included."""
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
    parser.add_argument("corpus", type=Path, help="of benches/fleet_corpus.py")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="the ways whose name has this word, besides the bare batches")
    options = parser.parse_args()
    corpus = options.corpus.resolve()
    files = sorted((corpus / "documents").iterdir())
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(dir=corpus) as name:
        whole = Part(Path(name) / "whole", files), Part(Path(name) / "quarter", files[: len(files) // 4])
        few = tuple(Part(Path(name) / f"few-{part.folder.name}", files, part.rows // 50) for part in whole)
        runs = {way: bare(corpus, *arguments) for way, arguments in BARE.items()}
        runs |= {way: program(corpus, arguments) for way, (_, arguments) in WAYS.items() if options.only in way}
        parts = {way: few if "Python" in way else whole for way in runs}
        for _ in range(options.rounds):
            for way, seconds in runs.items():
                large, small = parts[way]
                times.setdefault(way, []).append((seconds(small), seconds(large)))
    each = {way: [(large - small) / (parts[way][0].rows - parts[way][1].rows) for small, large in rounds] for way, rounds in times.items()}
    print("| way | documents a second | time of a document, in that of the bare batch | start and end, s |\n|---|---|---|---|")
    for way, seconds_each in each.items():
        middle = statistics.median(seconds_each)
        line = f"| {way} | {1 / middle:,.0f} ({1 / max(seconds_each):,.0f} to {1 / min(seconds_each):,.0f}) |"
        if way in BARE:
            print(f"{line} 1 | |")
            continue
        ratios = [mine / theirs for mine, theirs in zip(seconds_each, each[WAYS[way][0]], strict=True)]
        start = statistics.median(small - middle * parts[way][1].rows for small, _ in times[way])
        print(f"{line} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {start:.1f} |")


if __name__ == "__main__":
    main()
