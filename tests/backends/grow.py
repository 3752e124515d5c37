"""Measure the cost of one batch of documents. test_growth.py runs this program in a separate process.

    python grow.py NUMBER [THREADS] [refused]

Prints one JSON object. ``resident`` and ``peak`` say by how many bytes the current and the maximum
resident memory have grown during the batch. ``seconds`` is its processor time. The list of
documents exists before the measurement and repeats one or two bytes objects, so only the results
need more memory. With ``refused``, every second document is cut to half its length.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from time import process_time

from attested_vectors import AT, CASES, setup_of

from imdskit import backends


def main(number: int, threads: int, *, refused: bool) -> dict[str, float]:
    case = next(case for case in CASES if case["expected"] == "accept" and not {"at", "nonce", "intermediates", "crls"} & case.keys())
    document = base64.b64decode(case["document"])
    checker = backends.get("rust").checker(setup_of({}))
    documents = [document, document[: len(document) // 2] if refused else document] * (number // 2)
    assert len(checker.check_many(documents[:4096], AT, threads)) == min(number, 4096)
    resident, peak = status("VmRSS"), status("VmHWM")
    start = process_time()
    verdicts = checker.check_many(documents, AT, threads)
    seconds = process_time() - start
    assert sum(not hasattr(verdict, "content") for verdict in (verdicts[0], verdicts[number // 2 + 1], verdicts[-1])) == 2 * refused
    return {"resident": status("VmRSS") - resident, "peak": status("VmHWM") - peak, "seconds": seconds}


def status(name: str) -> int:
    """Return a size from ``/proc/self/status`` in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), refused="refused" in sys.argv[3:])))
