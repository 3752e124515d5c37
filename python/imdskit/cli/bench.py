"""Measure how fast this machine verifies documents. With `paths`, measure JSON lookups and rate
limits instead.

There are several rounds, and each round measures every operation once. Other load on the machine
therefore affects all operations alike. The output shows the median of all rounds, the slowest round
and the fastest round. No network is used.

Exit status:

  0  success
  2  a mistake in the arguments, a backend that
     is not installed, or an extension that was
     built for debugging
"""

from __future__ import annotations

import argparse
import os
import platform

from imdskit import __version__, backends
from imdskit.arguments import MAX_THREADS
from imdskit.bench import hot_paths, verification
from imdskit.cli.shared import inputs, output
from imdskit.clock import SystemClock
from imdskit.errors import BackendError

_COUNT = inputs.whole("number", 1, 100_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("verify", "paths"),
        nargs="?",
        default="verify",
        help="what to measure; verify (default): verification of documents; paths: JSON lookups and rate limits",
    )
    parser.add_argument("--backend", choices=backends.NAMES, default="auto", help="implementation to measure")
    parser.add_argument(
        "--threads",
        metavar="N",
        type=inputs.whole("number", 1, MAX_THREADS),
        default=1,
        help="number of threads of the measurement that verifies many documents per call; by default 1",
    )
    parser.add_argument(
        "--documents", metavar="N", type=_COUNT, default=128, help="number of different documents to generate; by default 128"
    )
    parser.add_argument("--rounds", metavar="N", type=_COUNT, default=7, help="number of rounds; by default 7")
    parser.add_argument("--seconds", metavar="S", type=float, default=0.3, help="approximate duration of a round; by default 0.3")
    parser.add_argument("--no-kernels", action="store_true", help="do not use the code for processors with AVX-512")
    parser.add_argument("--json", action="store_true", help="write everything as JSON")


def run(options: argparse.Namespace) -> int:
    backend = backends.get(options.backend)
    if options.no_kernels:
        backend = backends.without_kernels(backend)
    if backend.profile == "debug":
        raise BackendError(
            "backend-debug",
            "The extension was built for debugging.",
            hint="Build it with `make native`. Measurements of a debug build are meaningless.",
        )
    clock = SystemClock()
    rounds, seconds = options.rounds, min(max(options.seconds, 0.0), 60.0)
    if options.what == "paths":
        found = hot_paths.rates(backend, clock, rounds=rounds, seconds=seconds)
    else:
        corpus = verification.Corpus(options.documents, clock.now())
        found = verification.rates(backend, corpus, clock, threads=options.threads, rounds=rounds, seconds=seconds)
    summary: dict[str, object] = {f"{name}_per_second": rate["median"] for name, rate in found.items()}
    if options.json:
        output.value(
            {
                "what": options.what,
                **summary,
                "rounds": found,
                "backend": backend.name,
                "cpu_path": backend.cpu_path,
                "profile": backend.profile,
                "threads": options.threads,
                "processors": os.cpu_count(),
                "imdskit": __version__,
                "python": platform.python_version(),
            }
        )
        return 0
    output.line(f"{backend.name} ({backend.profile}, {backend.cpu_path}), {options.threads} thread(s)")
    output.line(f"{'':10} {'per second':>12} {'slowest':>12} {'fastest':>12}")
    for name, rate in found.items():
        output.line(f"{name:10} {rate['median']:>12,.0f} {rate['slowest']:>12,.0f} {rate['fastest']:>12,.0f}")
    return 0
