"""Seeded structural mutations of good documents: each is refused, or content and signer are unchanged."""

from __future__ import annotations

import base64
import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from attested_vectors import CASES, SETTING, setup_of

from imdskit.backends.contract import Backend, Checker, Signed
from imdskit.errors import VerificationError

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))

from tlv import KINDS

SEEDS = ("envelope/der", "attributes/bound", "structure/extra-certificate-before", "issuer/sent-along", "algorithm/sha384")
MUTATIONS = 1500
"""Number of mutations of each good document."""


def verdict(checker: Checker, document: bytes) -> Signed | VerificationError:
    try:
        return checker.check(document, SETTING["at"], None)
    except VerificationError as error:
        return error


@pytest.mark.parametrize("name", SEEDS)
def test_no_mutation_verifies_unless_content_and_signer_are_untouched(name: str, backend: Backend) -> None:
    case = next(case for case in CASES if case["id"] == name)
    document = base64.b64decode(case["document"])
    if document[:1] != b"0":
        document = base64.b64decode(json.loads(document)["signature"])
    checker = backend.checker(setup_of({}))
    original = verdict(checker, document)
    assert not isinstance(original, VerificationError)
    rng = random.Random(f"{name} 20261123")
    outcomes: Counter[str] = Counter()
    for number in range(MUTATIONS):
        kind = KINDS[number % len(KINDS)]
        mutated = kind(document, rng)
        if rng.random() < 0.2:
            mutated = rng.choice(KINDS[:1])(mutated or b"0", rng)
        response = verdict(checker, mutated)
        if not isinstance(response, VerificationError):
            assert (response.content, response.chain[0], response.claims) == (original.content, original.chain[0], original.claims), (
                kind.__name__
            )
            outcomes["accepted"] += 1
        else:
            outcomes[response.code] += 1
    assert outcomes["accepted"] < MUTATIONS / 10
    assert len(outcomes) >= 5
