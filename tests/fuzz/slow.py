"""Search for documents that take long to check. The search is hill climbing over structural
mutations: it keeps the mutated documents that take the most processor time for their size.

    python tests/fuzz/slow.py [SECONDS] [SEED]

The program searches separately for each backend, and starts from the shapes of
tests/backends/hostile. For each backend, it prints the slowest documents, with their processor time
in milliseconds, scaled to a size of 64 kB. If a time is far above those of the table in
docs/verification.md, add a shape for this document.
"""

from __future__ import annotations

import random
import sys
from functools import partial
from pathlib import Path
from time import process_time

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "backends"), str(HERE.parent / "support"), str(HERE.parent.parent / "python")]

from hostile.building import FULL, NOW, SHAPES  # noqa: E402
from hostile.measuring import spent  # noqa: E402
from hostile.paths import anchor  # noqa: E402
from tlv import KINDS, duplicate, elements, replaced  # noqa: E402

from imdskit import backends  # noqa: E402
from imdskit.backends.contract import Checker, Setup  # noqa: E402
from imdskit.errors import VerificationError  # noqa: E402

SIZE = FULL // 4
KEPT = 40


def refused(checker: Checker, document: bytes) -> None:
    try:
        checker.check(document, NOW, None)
    except VerificationError:
        return


def multiply(data: bytes, rng: random.Random) -> bytes:
    """Repeat one element a random number of times, until the document has at most about ``SIZE``
    bytes."""
    element = rng.choice(list(elements(data))[1:])
    part = data[element.start : element.stop]
    return replaced(data, element, part * rng.randint(2, max(2, (SIZE - len(data)) // len(part) + 1)))


def mutated(data: bytes, rng: random.Random) -> bytes:
    try:
        return rng.choice((multiply, multiply, duplicate, *KINDS))(data, rng)
    except (IndexError, ValueError):  # data that is no longer DER is not mutated further
        return data


def main(seconds: float, seed: int) -> None:
    rng = random.Random(seed)
    setup = Setup(anchors=(anchor(),), intermediates=(), names=(("azure", "metadata.azure.com"),))
    for backend in ("python", "rust"):
        checker = backends.get(backend).checker(setup)

        def cost(document: bytes, checker: Checker = checker) -> float:
            return spent(partial(refused, checker, document), 3, least=True) / max(len(document), SIZE // 4) * FULL

        documents = [make(SIZE // 2) for make in SHAPES.values()]
        best = sorted(((cost(document), document) for document in documents if document[:1] == b"0"), reverse=True)[:KEPT]
        end = process_time() + seconds / 2
        while process_time() < end:
            document = mutated(rng.choice(best)[1], rng)
            if len(document) <= SIZE and (found := cost(document)) > best[-1][0] and document not in (one for _, one in best):
                best = sorted([*best, (found, document)], reverse=True)[:KEPT]
        for found, document in best[:5]:
            print(f"{backend} {found:.2f} ms, {len(document)} bytes: {document[:48].hex()}...")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
