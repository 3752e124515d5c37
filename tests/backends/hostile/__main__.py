"""Print the cost of each shape: the median processor time of five runs, in milliseconds.

The columns are a check with the Python backend, a check with the Rust backend, ``explain``, and an
inspection.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS / "backends"), str(TESTS / "support"), str(TESTS.parent / "python")]

from hostile.building import FULL, NOW, SHAPES, TRUSTED  # noqa: E402  # the paths above come first
from hostile.measuring import spent  # noqa: E402
from hostile.paths import anchor  # noqa: E402
from imdskit import backends  # noqa: E402
from imdskit.backends.contract import Setup  # noqa: E402
from imdskit.clock import ManualClock  # noqa: E402
from imdskit.errors import BackendError, VerificationError  # noqa: E402
from imdskit.verify import Policy, Trust, Verifier  # noqa: E402
from imdskit.verify.inspection import inspect_document  # noqa: E402


class Cost(NamedTuple):
    """Processor times in milliseconds."""

    python: float
    rust: float | None
    explain: float
    inspect: float


def main(size: int) -> None:
    setup = Setup(anchors=(anchor(),), intermediates=(), names=(("azure", "metadata.azure.com"),))
    python = backends.get("python").checker(setup)
    try:
        rust = backends.get("rust").checker(setup)
    except BackendError:
        rust = None
    verifier = Verifier(Trust((anchor(),)), Policy(), backend="python", clock=ManualClock(NOW))

    def refused(checker: object, document: bytes) -> str:
        try:
            checker.check(document, NOW, None)  # type: ignore[attr-defined]
        except VerificationError as error:
            return error.code
        return "accepted"

    rows = []
    for label, make in {**SHAPES, **TRUSTED}.items():
        document = make(size)
        cost = Cost(
            spent(partial(refused, python, document)),
            spent(partial(refused, rust, document)) if rust else None,
            spent(partial(verifier.explain, document)),
            spent(partial(inspect_document, verifier, document)),
        )
        rows.append((cost, label, refused(python, document), refused(rust, document) if rust else "", len(document)))
    for cost, label, code, other, length in sorted(rows, reverse=True):
        shown = " ".join("       -" if one is None else f"{one:8.2f}" for one in cost)
        print(f"{shown}  {label} {length} {code}{'' if code == other else ' BUT ' + other}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else FULL)
