"""Compare imdskit with other programs that verify the same documents.

    python benches/verification.py [--rounds N] [--seconds S] [--documents N]
        [--calls N] [--no-kernels] [--processor-time] [--only TEXT]
        [--rows N] [--signers N] [--json OUT]

Needs the packages of ``benches/requirements.txt``. The bench reports and
skips programs that are not installed. In each round, all programs run in
turn. Rates are medians over the rounds, with the slowest and the fastest
round. Each ratio compares two rates of the same round. "Bare RSA" is a single
RSA-2048 verification by AWS-LC, called from Python. The second table has the
workloads of ``workloads.py``, each with the row with which it is compared.
The terminal output, the page docs/performance.md and its figures use the same
names for the rows.

If other programs use the machine, pass ``--processor-time``. It counts the
processor time of this process instead of the wall time. It skips the rows
with two threads and the programs that run as other processes, because the
processor time of this process does not measure them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import corpus
import foreign
import peers
import tables
import workloads
from workloads import Workload

from imdskit import backends
from imdskit.backends.contract import Backend, Checker
from imdskit.errors import BackendError
from imdskit.verify import Policy, Trust, Verifier

Work = Callable[[], int] | Workload
REFERENCE = "bare RSA, AWS-LC (awscrt)"
TITLES = {"python": "Python", "rust": "Rust"}
"""First words of the rows of imdskit, by backend."""
TURNS = 32
"""Number of passes of a thread through the documents. With many passes, the time for starting and
stopping the thread does not matter."""


def main() -> int:
    options = _parse()
    load = other_load()
    if load["busy"]:
        print(f"WARNING: {load['busy']} The rates may be too low. Use only the ratios, and run with --processor-time.", file=sys.stderr)
    chain = corpus.chain()
    documents = list(corpus.documents(chain, options.documents))
    found, versions, absent = peers.ready(chain, documents[0])
    latencies: dict[str, dict[str, float]] = {}
    work: dict[str, Work] = {name: _each(verify, documents) for name, verify in found.items()}
    for name in ("python", "rust"):
        try:
            backend = backends.without_kernels(backends.get(name)) if options.no_kernels else backends.get(name)
        except BackendError as error:
            absent[TITLES[name]] = str(error)
            continue
        if backend.profile == "debug":
            absent[TITLES[name]] = "compiled for debugging"
            continue
        work.update(_ours(backend, chain, documents))
        if backend.name == "rust":
            work.update(workloads.workloads(backend, TITLES[name], chain))
            work.update(workloads.columns(backend, TITLES[name], chain, options.rows, options.signers))
        latencies[TITLES[name]] = latency(backend.checker(chain.setup), documents, options.calls)
    loads = {name: do for name, do in work.items() if isinstance(do, Workload)}
    if options.only:
        work = {name: do for name, do in work.items() if name == REFERENCE or name in loads or options.only in name}
    if options.processor_time:
        foreigners = {name for name, verify in found.items() if isinstance(verify, foreign.Program)} | {
            "openssl cms -verify, one process per document"
        }
        work = {name: do for name, do in work.items() if "two threads" not in name and name not in foreigners}
    rounds = measure(work, options.rounds, options.seconds, process_time if options.processor_time else perf_counter)
    reference = REFERENCE
    result = {
        "rates": {name: _spread(rates) for name, rates in rounds.items()},
        "to_bare_rsa": {
            name: _spread([mine / bare for mine, bare in zip(rates, rounds[reference], strict=True)]) for name, rates in rounds.items()
        }
        if reference in rounds
        else {},
        "workloads": {
            name: {
                "over": load.over,
                "time_ratio": _spread([other / mine for mine, other in zip(rounds[name], rounds[load.over], strict=True)]),
            }
            if load.over in rounds
            else {"over": None, "time_ratio": None}
            for name, load in loads.items()
        },
        "date": date.today().isoformat(),
        "clock": "processor time" if options.processor_time else "wall time",
        "load": load,
        "latency_us": latencies,
        "absent": absent,
        "versions": {"python": platform.python_version(), **versions},
        "cpu_path": backends.best().cpu_path,
        "processors": os.cpu_count(),
        "documents": len(documents),
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    print(tables.rates(result) + "\n\n" + tables.workloads(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def _ours(backend: Backend, chain: corpus.Chain, documents: list[bytes]) -> dict[str, Work]:
    """Return imdskit's rows: one document per call with a warm cache, batches on one and two
    threads, two Python threads, and new signers.

    In the row "cold cache", each document contains its intermediate, because the checker caches
    nothing of such documents. For each document, the checker verifies three signatures and parses
    two certificates. Only the root is parsed in advance. In the row "cold start", each document is
    verified by a new checker, which first parses the trusted certificates.
    """
    name, setup, at = TITLES[backend.name], chain.setup, corpus.AT
    checker = backend.checker(setup)
    many = documents * max(1, 4096 // len(documents))
    pool = ThreadPoolExecutor(2)

    def single() -> int:
        for document in documents:
            checker.check(document, at, None)
        return len(documents)

    def threads() -> int:
        return sum(pool.map(lambda _: sum(single() for _ in range(TURNS)), range(2)))

    verifier = Verifier(Trust(setup.anchors, setup.intermediates), Policy.offline_audit(), backend=backend)

    def public() -> int:
        for document in documents:
            verifier.verify(document, at=at)
        return len(documents)

    def public_threads() -> int:
        return sum(pool.map(lambda _: sum(public() for _ in range(TURNS)), range(2)))

    leaves = [chain.another_leaf() for _ in range(8)]
    strange = [next(corpus.documents(each, 1)) for each in leaves]

    def new_leaf() -> int:
        fresh = backend.checker(setup)
        fresh.check(documents[0], at, None)  # caches the signature of the intermediate
        start = len(strange)
        for document in strange:
            fresh.check(document, at, None)
        return start + 1

    def cold() -> int:
        for document in strange:
            backend.checker(setup).check(document, at, None)
        return len(strange)

    rooted = backend.checker(replace(setup, intermediates=()))
    whole = [next(corpus.documents(each, 1, whole=True)) for each in leaves]

    def uncached() -> int:
        for document in whole:
            rooted.check(document, at, None)
        return len(whole)

    found: dict[str, Work] = {f"{name}, one document per call": single, f"{name}, Verifier.verify": public}
    found |= {f"{name}, new leaf, intermediate cached": new_leaf, f"{name}, cold cache": uncached, f"{name}, cold start": cold}
    if backend.name == "rust":
        found[f"{name}, one document per call, two threads"] = threads
        found[f"{name}, Verifier.verify, two threads"] = public_threads
        found[f"{name}, batch, one thread"] = lambda: len(checker.check_many(many, at, 1))
        found[f"{name}, batch, two threads"] = lambda: len(checker.check_many(many, at, 2))
    return found


def _each(verify: peers.Verify, documents: list[bytes]) -> Work:
    if isinstance(verify, foreign.Program):
        verify.keep(documents)
        return verify.work

    def work() -> int:
        for document in documents[:64]:
            verify(document)
        return len(documents[:64])

    return work


def measure(work: Mapping[str, Work], rounds: int, seconds: float, clock: Callable[[], float] = perf_counter) -> dict[str, list[float]]:
    """Return the rates of each round for every row. The preparation of a workload is not
    measured."""
    rates: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in work.items():
            done, elapsed = 0, 0.0
            while elapsed < (seconds if number else 0) or not done:
                prepared: Any = do.prepare() if isinstance(do, Workload) else None
                start = clock()
                done += do.run(prepared) if isinstance(do, Workload) else do()
                elapsed += clock() - start
            if number:  # the first round warms up
                rates[name].append(done / elapsed)
    return rates


def other_load(seconds: float = 0.3) -> dict[str, Any]:
    """Return the load of other programs before the bench starts: the load average, and the share of
    a processor that a busy loop gets.

    The member ``busy`` of the result is a warning if other programs use the machine noticeably, or
    else an empty string.
    """
    start, own = perf_counter(), process_time()
    while (elapsed := perf_counter() - start) < seconds:
        pass
    share, average, processors = (process_time() - own) / elapsed, os.getloadavg()[0], os.cpu_count() or 1
    busy = ""
    quiet, least = 0.25 * processors, 0.97
    if share < least or average > quiet:
        busy = (
            f"Other programs used this machine before the measurement started: the load average was {average:.1f} on {processors} processors "
            f"(at most {quiet:g} is normal), and a busy loop got {share:.0%} of one processor (at least {least:.0%} is normal)."
        )
    return {"share": share, "average": average, "busy": busy}


def latency(checker: Checker, documents: list[bytes], calls: int) -> dict[str, float]:
    """Return the microseconds of wall time that one call takes with a warm cache, at four
    quantiles."""
    for document in documents:
        checker.check(document, corpus.AT, None)
    taken = []
    for number in range(calls):
        document = documents[number % len(documents)]
        start = perf_counter_ns()
        checker.check(document, corpus.AT, None)
        taken.append(perf_counter_ns() - start)
    taken.sort()
    return {f"p{quantile:g}": taken[min(calls - 1, int(calls * quantile / 100))] / 1000 for quantile in (50, 90, 99, 99.9)}


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": median(values), "lowest": min(values), "highest": max(values)}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds")
    parser.add_argument("--seconds", type=float, default=0.15, help="duration of each row in a round")
    parser.add_argument("--documents", type=int, default=256, help="number of different documents")
    parser.add_argument("--calls", type=int, default=20_000, help="number of calls for the latency")
    parser.add_argument("--no-kernels", action="store_true", help="run imdskit without AVX-512")
    parser.add_argument("--processor-time", action="store_true", help="measure processor time instead of wall time")
    parser.add_argument("--only", metavar="TEXT", help="first table: only bare RSA and rows that contain TEXT")
    parser.add_argument("--rows", type=int, default=100_000, help="rows in the larger of the two batches of columns")
    parser.add_argument("--signers", type=int, default=1_000, help="signers in that batch")
    parser.add_argument("--json", type=Path, help="file for the results as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
