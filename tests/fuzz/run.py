"""Fuzz the targets with atheris, a fuzzer that prefers mutations that reach new branches (``make fuzz``).

    python tests/fuzz/run.py [--seconds N] [--keep DIR] [TARGET...]

Every target runs for N seconds (60, or FUZZ_SECONDS) in a separate process. It starts from the seeds in the table and from the corpus of
earlier runs in DIR (``build/fuzz``). An input that causes an undocumented exception or takes more than five seconds is written to
DIR/findings. The exit status is 0 without findings, 1 with findings, and 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SLOW_SECONDS = 5
MAX_BYTES = 70_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("FUZZ_SECONDS") or 60))
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)  # used in the process of one target
    options, rest = parser.parse_known_args()
    if options.one:
        _fuzz(options.targets[0], rest)
    elif rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    return _run_all(parser, options)


def _run_all(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    table = _table()
    unknown = set(options.targets) - table.keys()
    if unknown:
        parser.error(f"there is no target called {', '.join(sorted(unknown))}; known: {', '.join(table)}")
    failed = []
    for name in options.targets or table:
        corpus, findings = options.keep / "corpus" / name, options.keep / "findings"
        corpus.mkdir(parents=True, exist_ok=True)
        findings.mkdir(exist_ok=True)
        for seed in table[name].seeds():
            (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)
        flags = [
            f"-max_total_time={options.seconds}", f"-max_len={MAX_BYTES}", f"-timeout={SLOW_SECONDS}", "-rss_limit_mb=4096",
            f"-artifact_prefix={findings}/{name}-", "-print_final_stats=1", "-verbosity=1", str(corpus),
        ]  # fmt: skip
        ended = subprocess.run(
            [sys.executable, str(Path(__file__)), "--one", name, *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=options.seconds + 300, check=False,
        )  # fmt: skip
        output = ended.stdout.decode("utf-8", "replace")
        executed = re.search(r"number_of_executed_units:\s*(\d+)", output)
        print(f"{name:16} {executed[1] if executed else '?':>10} executions, exit status {ended.returncode}", flush=True)
        if ended.returncode or executed is None:
            failed.append(name)
            print(output[-4000:], flush=True)
    if failed:
        print(f"findings in {options.keep / 'findings'}: {', '.join(failed)}")
    return 1 if failed else 0


def _table() -> dict[str, Any]:
    """Return the targets by name. The import happens here, so that the imported code is instrumented."""
    sys.path[:0] = [str(HERE), str(ROOT / "tests" / "support"), str(ROOT / "python")]
    from targets import TARGETS_TABLE

    return {target.name: target for target in TARGETS_TABLE}


def _fuzz(name: str, flags: list[str]) -> None:
    """Run the fuzzer on one target. This never returns, because the fuzzer ends the process."""
    import atheris  # type: ignore[import-not-found] # installed only in the separate environment for fuzzing

    sys.path[:0] = [str(HERE), str(ROOT / "tests" / "support"), str(ROOT / "python")]
    with atheris.instrument_imports(include=["imdskit", "json"]):
        table = _table()
    target = table[name]

    def once(data: bytes) -> None:
        with suppress(target.errors):
            target.run(data)

    atheris.Setup([sys.argv[0], *flags], once)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
