"""Compare imdskit's token bucket and JSON documents with other packages.

    python benches/small_paths.py [--rounds N] [--seconds S] [--json OUT]

Also measures the signing of a document. In each round, all packages run in
turn. Before a package is measured, it must return the right result. Otherwise
it is reported and skipped. A JSON call starts from the bytes of the document and
validates all of it. It returns a leaf (``compute/vmId`` as text) or all of
``compute`` as compact JSON. Buckets run on one thread and are never empty.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tables
from verification import measure

from imdskit import backends

COMPUTE = {"vmId": "8f0c5b0a-2b53-4d6c-9d7e-1f2a3b4c5d6e", "tagsList": [{"name": f"n{number}", "value": "v" * 20} for number in range(40)]}
COMPUTE |= {f"member{number}": f"value of {number}" for number in range(60)}
DOCUMENT = json.dumps({"compute": COMPUTE, "network": {"interface": []}}).encode()
LEAF, TREE = COMPUTE["vmId"], json.dumps(COMPUTE, separators=(",", ":")).encode()
CALLS, FEW = 500, 5
"""Number of calls between two readings of the clock, for fast and for slow calls."""


def main() -> int:
    options = _parse()
    absent: dict[str, str] = {}
    work: dict[str, Callable[[], int]] = {}
    versions: dict[str, str] = {}
    for title, make, package in _all():
        try:
            call, expected = make()
        except ImportError as error:
            absent[title] = str(error)
            continue
        if (found := call()) != expected:
            absent[title] = f"returns {found!r}"[:80]
            continue
        work[title] = _calls(call, FEW if title.startswith("signed") else CALLS)
        if package:
            versions[package] = version(package)
    rounds = measure(work, options.rounds, options.seconds)
    found = {
        "microseconds": {
            name: {"median": 1e6 / median(rates), "lowest": 1e6 / max(rates), "highest": 1e6 / min(rates)} for name, rates in rounds.items()
        },
        "absent": absent,
        "versions": {"python": platform.python_version(), **versions},
        "bytes": len(DOCUMENT),
    }
    print(tables.small_paths(found))
    if absent:
        print("skipped:", absent, file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


Call = tuple[Callable[[], object], object]
"""A function to measure, and its expected result."""
Json = tuple[Callable[[bytes], Any], Callable[[Any], bytes]]
"""A function that parses a document, and a function that serializes a part of it."""


def our_bucket(name: str) -> Callable[[], Call]:
    def make() -> Call:
        from time import monotonic_ns

        bucket = backends.get(name).bucket(10**9, 10**9, 10**9)
        return lambda: bucket.take(monotonic_ns()), 0

    return make


def our_signature() -> Call:
    """Return a call that signs a whole message with an emulator's authority. Every call returns the
    same bytes."""
    from imdskit.clock import ManualClock
    from imdskit.emulator.authority import Authority, signed_document

    signer = Authority(ManualClock(1_795_000_000), "http://127.0.0.1:8080", seed=1).signer()
    return lambda: signed_document.message(signer, DOCUMENT), signed_document.message(signer, DOCUMENT)


def our_leaf(name: str) -> Callable[[], Call]:
    document = backends.get(name).document
    return lambda: (lambda: document(DOCUMENT).select(("compute", "vmId"), "text"), LEAF.encode())


def our_tree(name: str) -> Callable[[], Call]:
    document = backends.get(name).document
    return lambda: (lambda: document(DOCUMENT).select(("compute",), "json"), TREE)


def token_bucket() -> Call:
    import token_bucket

    limiter = token_bucket.Limiter(10**9, 10**9, token_bucket.MemoryStorage())
    return lambda: limiter.consume("key"), True


def limits() -> Call:
    from limits import RateLimitItemPerSecond, storage, strategies

    item, limiter = RateLimitItemPerSecond(10**9), strategies.FixedWindowRateLimiter(storage.MemoryStorage())
    return lambda: limiter.hit(item, "key"), True


def pyrate_limiter() -> Call:
    from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate

    limiter = Limiter(InMemoryBucket([Rate(10**6, Duration.SECOND)]))
    return lambda: limiter.try_acquire("key"), True


def orjson_() -> Json:
    import orjson

    return orjson.loads, orjson.dumps


def msgspec_() -> Json:
    import msgspec

    return msgspec.json.decode, msgspec.json.encode


def jiter_() -> Json:
    """Return the functions for jiter, which only parses. orjson serializes the result."""
    import jiter
    import orjson

    return jiter.from_json, orjson.dumps


def simdjson_() -> Json:
    """Return the functions for pysimdjson, which parses lazily. It serializes a tree by copying the
    text without white space."""
    import simdjson

    parser = simdjson.Parser()
    return parser.parse, lambda node: node.mini


LOADERS = {"orjson": orjson_, "msgspec": msgspec_, "jiter": jiter_, "pysimdjson": simdjson_}


def leaf(load: Callable[[], Json]) -> Callable[[], Call]:
    def make() -> Call:
        loads, _ = load()
        return lambda: loads(DOCUMENT)["compute"]["vmId"], LEAF

    return make


def tree(load: Callable[[], Json]) -> Callable[[], Call]:
    def make() -> Call:
        loads, dumps = load()
        return lambda: dumps(loads(DOCUMENT)["compute"]), TREE

    return make


def _all() -> Iterator[tuple[str, Callable[[], Call], str]]:
    """Yield the name of each row, the function that creates its call, and the package whose version
    is reported."""
    for name in ("rust", "python"):
        for kind, of in (("bucket", our_bucket), ("leaf", our_leaf), ("tree", our_tree)):
            yield f"{kind}: imdskit, {name}", of(name), ""
    yield "signed document: imdskit, Python", our_signature, ""
    for package, make in (("token-bucket", token_bucket), ("limits", limits), ("pyrate-limiter", pyrate_limiter)):
        yield f"bucket: {package}", make, package
    for package, load in LOADERS.items():
        yield f"leaf: {package}", leaf(load), package
        yield f"tree: {package}", tree(load), package


def _calls(call: Callable[[], object], times: int) -> Callable[[], int]:
    def work() -> int:
        for _ in range(times):
            call()
        return times

    return work


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="number of rounds")
    parser.add_argument("--seconds", type=float, default=0.1, help="duration of each row in a round")
    parser.add_argument("--json", type=Path, help="file for the results as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
