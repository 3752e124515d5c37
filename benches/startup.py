"""Measure start-up times: of imports, and of `imdskit verify` for one document.

    PYTHONPATH=python .venv/bin/python benches/startup.py
        [--rounds N] [--json OUT]

Each round starts one process for each row of the table. The figures are
milliseconds of wall time of the whole process. For the rows "over bare", the
time of a bare interpreter in the same round is subtracted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tables

from imdskit.clock import SystemClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.protocol import attested

FACTS = {"vmId": "00000000-0000-4000-8000-000000000001", "subscriptionId": "00000000-0000-4000-8000-0000000000aa"}


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the arguments of the interpreter for each row."""
    clock = SystemClock()
    authority = Authority(clock, "http://127.0.0.1:8080", seed=1)
    document = folder / "document.json"
    document.write_bytes(
        attested.envelope(signed_document.message(authority.signer(), attested.content(FACTS, "2021-02-01", clock.now(), None)))
    )
    trust = folder / "trust.pem"
    trust.write_text(authority.trust_pem())
    verify = ["-m", "imdskit", "verify", str(document), "--trust", str(trust)]
    return {
        "bare interpreter": ["-c", ""],
        "import imdskit.verify, over bare": ["-c", "import imdskit.verify"],
        "import imdskit.client, over bare": ["-c", "import imdskit.client"],
        "imdskit verify FILE, Rust": [*verify, "--backend", "rust"],
        "imdskit verify FILE, Python": [*verify, "--backend", "python"],
    }


def run(arguments: list[str]) -> float:
    """Run a process and return its duration in milliseconds. Raise ``CalledProcessError`` if it
    fails."""
    start = perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return (perf_counter() - start) * 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="number of rounds")
    parser.add_argument("--json", type=Path, help="file for the results as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = commands(Path(folder))
        rounds = [{name: run(arguments) for name, arguments in given.items()} for _ in range(options.rounds + 1)][1:]
    found = {}
    for name in given:
        taken = [each[name] - (each["bare interpreter"] if name.endswith("over bare") else 0) for each in rounds]
        found[name] = {"median": median(taken), "lowest": min(taken), "highest": max(taken)}
    result = {"milliseconds": found}
    print(tables.startup(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
