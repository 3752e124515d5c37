"""Documents a second on one machine, alone and under each engine: ``make engines`` first, then

    PYTHONPATH=python .venv-engines/bin/python benches/engines.py

Every way is timed from start to end on a smaller and on a larger file, in turns. The difference of the two gives the rate, without what an engine takes to
start; that is told apart. The engine's overhead is its time for a document over that of the bare batch with as many threads.
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "engines"
VECTORS = ROOT / "tests" / "vectors" / "attested"
UNIQUE = 4096
"""Different documents; nothing is remembered of a document, so they may come again."""
WAYS = {
    "Python, one process": (["alone", "--backend=python", "--processes=1"], 0.02),
    "Rust, one thread": (["alone", "--processes=1"], 1),
    "Rust, two threads": (["alone", "--processes=2"], 1),
    "DuckDB, two threads": (["on_duckdb", "--processes=2"], 1),
    "Dask, two processes": (["on_dask", "--processes=2"], 1),
    "Ray, two processes": (["on_ray", "--processes=2"], 1),
    "Spark, two executors": (["on_spark", "--processes=2"], 1),
}
"""Arguments, and the share of the rows that is given to it."""


def corpus(folder: Path, rows: int, documents: list[bytes], at: int) -> None:
    """Files of 32 768 rows each."""
    folder.mkdir()
    for start in range(0, rows, 32_768):
        numbers = range(start, min(start + 32_768, rows))
        columns = {
            "id": pa.array(numbers, pa.int64()),
            "document": pa.array([documents[number % len(documents)] for number in numbers], pa.binary()),
            "received": pa.array([at * 10**6] * len(numbers), pa.timestamp("us", "UTC")),
        }
        pq.write_table(pa.table(columns), folder / f"{start:09}.parquet", row_group_size=8192)


def seconds(arguments: list[str], given: Path, folder: Path) -> float:
    """Of one run, start-up included."""
    program, *more = arguments
    with tempfile.TemporaryDirectory(dir=folder) as found:
        trust = ["--trust", str(folder / "root.pem"), "--intermediate", str(folder / "issuing.pem")]
        command = [sys.executable, str(EXAMPLES / f"{program}.py"), str(given), f"{found}/found.parquet", "--at", "received", *trust, *more]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "PYTHONWARNINGS": "ignore", "RAY_USAGE_STATS_ENABLED": "0"}
        start = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=900)
        return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000, help="of the larger file; the smaller one has a quarter")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    from imdskit.clock import ManualClock
    from imdskit.emulator import attest
    from imdskit.emulator.authority import Authority
    from imdskit.protocol import attested

    at = 1_795_000_000
    authority = Authority(ManualClock(at), "http://127.0.0.1:8080", seed=1)
    facts = {"vmId": "00000000-0000-4000-8000-000000000001", "subscriptionId": "00000000-0000-4000-8000-0000000000aa", "sku": "22_04-lts"}
    contents = (attested.content(facts, "2021-02-01", at, f"{number:010}") for number in range(UNIQUE))
    documents = [base64.b64encode(attest.message(authority.signer(), content)) for content in contents]
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, der in (("root", authority.root), ("issuing", authority.issuing)):
            (folder / f"{file}.pem").write_bytes(der)
        for _, share in WAYS.values():
            for size in (options.rows // 4, options.rows):
                if not (given := folder / f"in-{int(size * share)}").exists():
                    corpus(given, int(size * share), documents, at)
        for _ in range(options.rounds):
            for way, (arguments, share) in WAYS.items():
                small, large = (
                    seconds(arguments, folder / f"in-{int(size * share)}", folder) for size in (options.rows // 4, options.rows)
                )
                times[way].append((small, large))
    print("| way | documents a second | start-up and end, s | time of a document over two threads alone |\n|---|---|---|---|")
    each = {}
    for way, (_, share) in WAYS.items():
        rows = options.rows * share * 3 / 4
        each[way] = sorted((large - small) / rows for small, large in times[way])
    for way, (_, share) in WAYS.items():
        middle = statistics.median(each[way])
        start = statistics.median(small - middle * options.rows * share / 4 for small, _ in times[way])
        ratio = middle / statistics.median(each["Rust, two threads"])
        print(f"| {way} | {1 / middle:,.0f} ({1 / each[way][-1]:,.0f} to {1 / each[way][0]:,.0f}) | {start:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
