"""Workloads with many signers, many message lengths, small batches, new signers and RSASSA-PSS.

Benchmarks with one cached signer show the best case of a verifier. The workloads in this module
show the additional cost of a realistic load. Each workload names the simpler workload with which it
is compared. A workload without such a name is itself a reference.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import corpus

from imdskit.backends.contract import Backend

DOCUMENTS = 4096
"""Number of documents in a large batch."""
FIRST = 128
"""Number of documents of a new signer that arrive together."""
SMALL = (8, 16, 32)
"""Sizes of small batches."""


@dataclass(frozen=True)
class Workload:
    """Workload. ``run`` verifies documents and returns their number. ``prepare`` creates the
    argument of ``run`` and is not measured.

    ``over`` is the name of the workload with which this one is compared.
    """

    run: Callable[[Any], int]
    prepare: Callable[[], Any]
    over: str | None = None


def workloads(backend: Backend, prefix: str, chain: corpus.Chain) -> dict[str, Workload]:
    """Return the workloads by the name of their row in the table."""
    setup, at = chain.setup, corpus.AT
    warm = backend.checker(setup)
    signed = list(corpus.documents(chain, FIRST))
    reference = f"{prefix}, batch of {FIRST}, signer cached"

    def batch(documents: list[bytes], over: str | None, *, threads: int | None = 1, times: int = 1) -> Workload:
        warm.check_many(documents, at, 1)
        return Workload(lambda _: sum(len(warm.check_many(documents, at, threads)) for _ in range(times)), lambda: None, over)

    def first_batch(checker: Any) -> int:
        return len(checker.check_many(signed, at, 1))

    found = {
        reference: batch(signed, None, times=8),
        f"{prefix}, batch of {FIRST}, first contact with the signer": Workload(first_batch, lambda: backend.checker(setup), reference),
    }
    one_length = f"{prefix}, batch of {DOCUMENTS}, one signer and one message length"
    for lengths in (1, 64, 256):
        documents = list(corpus.documents(chain, 256, lengths=lengths)) * (DOCUMENTS // 256)
        name = f"{prefix}, batch of {DOCUMENTS}, {lengths} message lengths" if lengths > 1 else one_length
        found[name] = batch(documents, one_length if lengths > 1 else None)
    signers = [next(corpus.documents(each, 1)) for each in corpus.signers(chain, 256)]
    mixed = random.Random(1).choices(signers, k=DOCUMENTS)
    found[f"{prefix}, batch of {DOCUMENTS}, 256 signers in random order"] = batch(mixed, one_length)
    for size in SMALL:
        one_thread = f"{prefix}, batch of {size}, one thread"
        found[one_thread] = batch(signed[:size], None, times=32)
        found[f"{prefix}, batch of {size}, threads=None"] = batch(signed[:size], one_thread, threads=None, times=32)
    pss = next(corpus.documents(chain, 1, pss=True))
    warm.check(pss, at, None)
    found[f"{prefix}, RSASSA-PSS, one document per call"] = Workload(
        lambda _: sum(warm.check(pss, at, None) is not None for _ in range(64)), lambda: None, "bare RSA, AWS-LC (awscrt)"
    )
    return found


def columns(backend: Backend, prefix: str, chain: corpus.Chain, rows: int, signers: int) -> dict[str, Workload]:
    """Return two workloads that convert verdicts to columns.

    The second one has ``rows`` documents of ``signers`` signers. The first one has a tenth of both.
    """
    found: dict[str, Workload] = {}
    over = None
    documents = [next(corpus.documents(each, 1)) for each in corpus.signers(chain, signers)]
    for part in (10, 1):
        some = documents[: signers // part]
        each = rows // part // len(some)
        verdicts = backend.checker(chain.setup).check_many([document for document in some for _ in range(each)], corpus.AT)
        name = f"{prefix}, columns of {each * len(some)} verdicts by {len(some)} signers"
        found[name] = Workload(lambda prepared: prepared.columns().rows, lambda verdicts=verdicts: verdicts, over)  # type: ignore[misc]  # mypy cannot infer a default's type
        over = name
    return found
