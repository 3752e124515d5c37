"""Benchmarks of the verification of documents: one document per call, many documents in one call,
and one document per call with an empty cache.

For comparison, CPython's ``pow`` is measured as well.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from imdskit import clouds
from imdskit.backends.contract import Backend, Setup
from imdskit.bench.rounds import measure
from imdskit.clock import Clock, ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.protocol import attested

SEED = 20261123
EXPONENT = 65537


class Corpus:
    """Test documents of one machine, and the configuration of a checker that accepts them.

    The documents are in base64 and have different nonces. The chain has three certificates, and all
    keys are RSA-2048.

    Args:
        documents: number of documents. It takes about a second to generate 150 of them.
        at: time at which the documents are created, in Unix seconds.
    """

    def __init__(self, documents: int, at: int) -> None:
        cloud = clouds.find("public")
        authority = Authority(ManualClock(at), "http://127.0.0.1", domain=cloud.domain, seed=SEED)
        signer = authority.signer()
        facts = {
            "vmId": "8f0c5b0a-2b53-4d6c-9d7e-1f2a3b4c5d6e",
            "subscriptionId": "11111111-2222-4333-8444-555555555555",
            "sku": "22_04-lts-gen2",
        }
        self.at = at + 60
        self.documents = tuple(
            base64.b64encode(signed_document.message(signer, attested.content(facts, "2021-02-01", at, f"{number:010}")))
            for number in range(documents)
        )
        self.setup = Setup(
            anchors=(authority.root,),
            intermediates=(authority.issuing,),
            names=((cloud.name, cloud.domain),),
        )


def rates(backend: Backend, corpus: Corpus, clock: Clock, *, threads: int, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Measure how many documents per second the backend verifies. ``rounds`` and ``seconds`` are as
    for :func:`imdskit.bench.rounds.measure`.

    Returns:
        Rates by name. ``single`` is one document per call, with the signer's certificate chain in
        the cache. ``batch`` is many documents per call, on ``threads`` threads. ``cold`` is one
        document per call, with an empty cache. ``pow`` is CPython's ``pow`` with a modulus of 2048
        bits; verifying a document takes at least one such operation.
    """
    checker = backend.checker(corpus.setup)
    documents, at = corpus.documents, corpus.at
    many = documents * max(1, 2048 // len(documents))

    def single() -> int:
        for document in documents:
            checker.check(document, at, None)
        return len(documents)

    def batch() -> int:
        return len(checker.check_many(many, at, threads))

    def cold() -> int:
        for document in documents[:8]:
            backend.checker(corpus.setup).check(document, at, None)
        return len(documents[:8])

    work: dict[str, Callable[[], int]] = {"single": single, "batch": batch, "cold": cold, "pow": _powers}
    return {name: rate.to_json() for name, rate in measure(work, clock, rounds=rounds, seconds=seconds).items()}


def _powers() -> int:
    modulus, number = (1 << 2047) + 1231, (1 << 2046) + 12345
    for _ in range(32):
        pow(number, EXPONENT, modulus)
    return 32
