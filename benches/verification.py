"""Verification of the same documents by imdskit and by others, in rounds that alternate.

    python benches/verification.py [--rounds N] [--seconds S] [--documents N] [--calls N] [--no-kernels] [--json OUT] [--markdown OUT]

Needs the packages of ``benches/requirements.txt``; peers that are not installed are named and left out. Rates are medians of the rounds, with the slowest and
the fastest; ratios are those of one round each, and so is their spread. R is a bare RSA-2048 verification by AWS-LC, called from Python.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns

sys.path.insert(0, str(Path(__file__).resolve().parent))

import corpus
import foreign
import peers

from imdskit import backends
from imdskit.backends.contract import Backend, Checker
from imdskit.errors import BackendError
from imdskit.verify import Policy, Trust, Verifier

Work = Callable[[], int]
TURNS = 32
"""That a thread takes through the documents, so that its start and its end are not what is measured."""


def main() -> int:
    options = _parse()
    chain = corpus.chain()
    documents = list(corpus.documents(chain, options.documents))
    found, versions, absent = peers.ready(chain, documents[0])
    latencies: dict[str, dict[str, float]] = {}
    work: dict[str, Work] = {name: _each(verify, documents) for name, verify in found.items()}
    for name in ("python", "rust"):
        try:
            backend = backends.without_kernels(backends.get(name)) if options.no_kernels else backends.get(name)
        except BackendError as error:
            absent[f"imdskit, {name}"] = str(error)
            continue
        if backend.profile == "debug":
            absent[f"imdskit, {name}"] = "compiled for debugging"
            continue
        work.update(_ours(backend, chain, documents))
        latencies[f"imdskit, {name}"] = latency(backend.checker(chain.setup), documents, options.calls)
    rounds = measure(work, options.rounds, options.seconds)
    reference = "bare RSA, AWS-LC (awscrt)"
    result = {
        "rates": {name: _spread(rates) for name, rates in rounds.items()},
        "to_bare_rsa": {
            name: _spread([mine / bare for mine, bare in zip(rates, rounds[reference], strict=True)]) for name, rates in rounds.items()
        }
        if reference in rounds
        else {},
        "latency_us": latencies,
        "absent": absent,
        "versions": {"python": platform.python_version(), **versions},
        "cpu_path": backends.best().cpu_path,
        "processors": os.cpu_count(),
        "documents": len(documents),
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    table = _table(result)
    print(table)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(table + "\n")
    return 0


def _ours(backend: Backend, chain: corpus.Chain, documents: list[bytes]) -> dict[str, Work]:
    """One a call, warm; many a call on one and on two threads; two Python threads; and what comes for the first time.

    Nothing is remembered of a document that brings its intermediate, so each time three signatures are reckoned and two certificates read; the root is held.
    """
    name, setup, at = f"imdskit, {backend.name}", chain.setup, corpus.AT
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
        fresh.check(documents[0], at, None)  # so that the intermediate's own signature is remembered
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

    found: dict[str, Work] = {f"{name}, a call each": single, f"{name}, Verifier.verify": public}
    found |= {f"{name}, new leaf": new_leaf, f"{name}, nothing remembered": uncached, f"{name}, trust read anew": cold}
    if "checker" in backend.native:
        found[f"{name}, a call each, two threads"] = threads
        found[f"{name}, Verifier.verify, two threads"] = public_threads
        found[f"{name}, batch"] = lambda: len(checker.check_many(many, at, 1))
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


def measure(work: dict[str, Work], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Rates of each round."""
    for do in work.values():
        do()
    rates: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            done, start = 0, perf_counter()
            while (elapsed := perf_counter() - start) < seconds or not done:
                done += do()
            rates[name].append(done / elapsed)
    return rates


def latency(checker: Checker, documents: list[bytes], calls: int) -> dict[str, float]:
    """Microseconds of wall time that one call takes, warm, at four quantiles."""
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


def _table(result: dict[str, dict[str, dict[str, float]]]) -> str:
    lines = ["| who | documents a second | of bare RSA |", "|---|---|---|"]
    for name, rate in sorted(result["rates"].items(), key=lambda row: -row[1]["median"]):
        ratio = result["to_bare_rsa"].get(name)
        of_bare = f"{ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})" if ratio else ""
        lines.append(f"| {name} | {rate['median']:,.0f} ({rate['lowest']:,.0f} to {rate['highest']:,.0f}) | {of_bare} |")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.15)
    parser.add_argument("--documents", type=int, default=256)
    parser.add_argument("--calls", type=int, default=20_000, help="of which the latency is taken")
    parser.add_argument("--no-kernels", action="store_true", help="ours without AVX-512")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
