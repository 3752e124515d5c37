"""Score third-party suites (format imds-vectors/1).

    python3 tests/suites/run.py --backend python|rust [--json OUT] [--scope core,extended] [--crls] [--misses] DIR...

The program runs from a checkout without installation. DIR is a directory of ``*.json.gz`` files or one such file. Each kind of suite has
one adapter. A ``cms`` suite whose cases have a chain is scored twice: as SUITE (signature only) and as SUITE/chain (signature, path and
name).

Cases of scope ``out`` do not apply to this verifier, for the reasons in the suite. They count as skipped unless ``--scope`` includes them.

With ``--crls``, the revocation lists of a case are used, and its verdict with revocation is expected. Without the option, the lists are
ignored.

The exit status is 0 if every suite ran, 1 if a case of scope ``core`` was falsely accepted or any case ended in an error, and 2 for wrong
usage or an unavailable backend.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(HERE.parent.parent / "python")]

from adapters import chain, cms, der, http, sig_verify, x509_sig  # noqa: E402
from scoring import OUTCOMES, Score, Suite, Verdict, expected_of, expected_of_chain, expected_with_crls, find, load, score  # noqa: E402

from imdskit import backends  # noqa: E402
from imdskit.errors import BackendError  # noqa: E402

SCOPES = ("core", "extended", "out")

JUDGES: dict[str, Callable[..., Verdict]] = {
    "sig-verify": sig_verify.judge,
    "x509-sig": x509_sig.judge,
    "chain": chain.judge,
    "cms": cms.judge,
    "der": der.judge,
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    scopes = options.scope.split(",")
    if not set(scopes) <= set(SCOPES):
        print(f"Scopes are {', '.join(SCOPES)}.", file=sys.stderr)
        return 2
    try:
        backend = backends.get(options.backend)
    except BackendError as error:
        print(f"{error} {error.hint}", file=sys.stderr)
        return 2
    results: dict[str, Score] = {}
    print(f"{'suite':<38} {'scope':<9}" + "".join(f"{outcome:>13}" for outcome in OUTCOMES) + f"{'seconds':>9}")
    for path in find(options.paths):
        suite = load(path)
        for name, run in _runs(suite, scopes, backend.name, crls=options.crls).items():
            started = time.monotonic()
            results[name] = run()
            _print(name, results[name], time.monotonic() - started, options.misses)
    if options.json is not None:
        options.json.write_text(json.dumps({name: found.as_json() for name, found in results.items()}, indent=1) + "\n")
    bad = any(
        found.counts.get("core", Counter[str]())["false-accept"] or any(c["error"] for c in found.counts.values())
        for found in results.values()
    )
    return 1 if bad else 0


def _runs(suite: Suite, scopes: Sequence[str], backend: str, *, crls: bool) -> dict[str, Callable[[], Score]]:
    """Return one or two named runs for a suite."""
    if suite.kind == "http":
        return {suite.name: lambda: http.score(suite, scopes, backend)}
    expected = expected_with_crls if crls else expected_of
    judges, judge_chain = _judges(backend)
    judge = judges[suite.kind]
    if suite.kind == "chain":
        judge = partial(judge, crls=crls)
    runs: dict[str, Callable[[], Score]] = {suite.name: lambda: score(suite, judge, scopes, expected)}
    if suite.kind == "cms" and any(expected_of_chain(case) for case in suite.cases):
        runs[f"{suite.name}/chain"] = lambda: score(suite, partial(judge_chain, crls=crls), scopes, partial(expected_of_chain, of=expected))
    return runs


def _judges(backend: str) -> tuple[dict[str, Callable[..., Verdict]], Callable[..., Verdict]]:
    """Return the judge for each kind of suite, and the judge of messages with a chain."""
    if backend == "python":
        return JUDGES, cms.judge_chain
    from adapters import native

    judges = {"sig-verify": native.sig_verify, "x509-sig": native.x509_sig, "chain": native.chain, "cms": native.cms, "der": native.der}
    return judges, native.cms_chain


def _print(name: str, found: Score, seconds: float, misses: bool) -> None:
    for scope in SCOPES:
        if scope in found.counts:
            counts = "".join(f"{found.counts[scope][outcome] or '-':>13}" for outcome in OUTCOMES)
            print(f"{name:<38} {scope:<9}{counts}{seconds:>9.1f}", flush=True)
    for miss in found.misses if misses else ():
        print(f"    {miss['scope']} {miss['id']}: expected {miss['expected']}, got {miss['got']} ({found.why[miss['id']]})")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py", description="Score third-party suites.", epilog="See the head of this file for scopes and exit status."
    )
    parser.add_argument("--backend", choices=("python", "rust"), default="python")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the scores as JSON")
    parser.add_argument("--scope", default="core,extended", help="scopes to score, with commas (default: core,extended)")
    parser.add_argument(
        "--crls", action="store_true", help="give the revocation lists of cases that have some, and expect revocation to be checked"
    )
    parser.add_argument("--misses", action="store_true", help="print every case that did not pass, and why")
    parser.add_argument("paths", nargs="+", type=Path, metavar="DIR")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
