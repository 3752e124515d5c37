"""Measure how fast this machine verifies documents, finds nodes and counts requests.

Rounds of each thing alternate, so that what else the machine does falls on all alike; the figures are the median of the rounds, with the
slowest and the fastest. Nothing is sent anywhere.
Exit statuses: 0 measured; 2 a mistake in the arguments, a backend that is not there, or an extension that was compiled for debugging."""

from __future__ import annotations

import argparse
import os
import platform

from imdskit import __version__, arguments, backends
from imdskit.bench import hot_paths, verification
from imdskit.cli.shared import output
from imdskit.clock import SystemClock
from imdskit.errors import BackendError

BACKENDS = ("auto", "python", "rust")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("verify", "paths"), nargs="?", default="verify", help="documents; or nodes and tokens")
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="which implementation")
    parser.add_argument("--threads", metavar="N", type=_threads, default=1, help="for many documents in one call; 1 by default")
    parser.add_argument("--documents", metavar="N", type=_count, default=128, help="different ones to make first; 128 by default")
    parser.add_argument("--rounds", metavar="N", type=_count, default=7, help="of each thing; 7 by default")
    parser.add_argument("--seconds", metavar="S", type=float, default=0.3, help="that a round takes, about; 0.3 by default")
    parser.add_argument("--no-kernels", action="store_true", help="without the AVX-512 kernels, as on a processor that has none")
    parser.add_argument("--json", action="store_true", help="write everything as JSON")


def run(options: argparse.Namespace) -> int:
    backend = backends.get(options.backend)
    if options.no_kernels:
        backend = backends.without_kernels(backend)
    if backend.profile == "debug":
        raise BackendError(
            "backend-debug", "The extension was compiled for debugging.", hint="Build it with `make native`: figures of it mean nothing."
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
                "backend": backend.name if options.what == "paths" or "checker" in backend.native else "python",
                "cpu_path": backend.cpu_path,
                "profile": backend.profile,
                "threads": options.threads,
                "processors": os.cpu_count(),
                "imdskit": __version__,
                "python": platform.python_version(),
            }
        )
        return 0
    output.line(
        f"{'a second':>10} {'slowest':>12} {'fastest':>12}   {backend.name} ({backend.profile}, {backend.cpu_path}), {options.threads} thread(s)"
    )
    for name, rate in found.items():
        output.line(f"{name:10} {rate['median']:>12,.0f} {rate['slowest']:>12,.0f} {rate['fastest']:>12,.0f}")
    return 0


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise ValueError
    return number


def _threads(text: str) -> int:
    return arguments.whole(int(text), "--threads", 1, arguments.MAX_THREADS)


_count.__name__ = "number"
_threads.__name__ = f"number from 1 to {arguments.MAX_THREADS}"
