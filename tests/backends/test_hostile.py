"""Every shape of hostile document costs time and memory that are linear in its size, and a bounded amount at the limit.

The shapes are in the folder hostile. Processor time, the least of several runs, with generous ratios: a cost that is quadratic takes 16 times as long for
four times the size, a linear one four times.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from imdskit import backends
from imdskit.asn1 import writer
from imdskit.asn1.reader import decode_oid
from imdskit.backends.contract import Backend, Checker, Setup
from imdskit.clock import ManualClock
from imdskit.errors import VerificationError
from imdskit.pki.signatures import signature
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.inspection import inspect_document

sys.path.insert(0, str(Path(__file__).parent))

from hostile.building import FULL, NOW, SHAPES, TRUSTED
from hostile.measuring import spent
from hostile.messages import in_sid
from hostile.paths import anchor
from malformed import name

QUARTER, WHOLE = FULL // 4, FULL - 256

MOST_GROWTH = 8
"""Times as long, for four times the size. Linear is 4."""

NEGLIGIBLE = {"python": 4.0, "rust": 0.5}
"""Milliseconds below which growth is not looked at: a quadratic cost this small at the limit harms nobody."""

MOST = {"python": 90.0, "rust": 30.0}
"""Milliseconds for a document of the largest size: about three times what the slowest shape takes. What is quadratic takes far longer."""

MOST_OCTETS = 60
"""Of memory while a document is read, for each octet of the document."""

ALL = {**SHAPES, **TRUSTED}


@pytest.fixture(scope="module")
def checker(backend: Backend) -> Checker:
    return backend.checker(setup())


def setup() -> Setup:
    return Setup(anchors=(anchor(),), intermediates=(), names=(("azure", "metadata.azure.com"),))


def code(checker: Checker, document: bytes) -> tuple[str, str]:
    decode_oid.cache_clear()  # of a thousand items, which only a small document finds there again
    try:
        checker.check(document, NOW, None)
    except VerificationError as error:
        return error.code, error.location
    return "accepted", ""


def assert_linear(work: Callable[[bytes], object], label: str, kind: str, *, most: float) -> None:
    """Fail if ``work`` takes more than ``most`` milliseconds, or grows faster than the document does.

    The work budget bounds the search for paths and what a trusted authority can send. Only the limit holds for these shapes.
    """
    small, large = ALL[label](QUARTER), ALL[label](WHOLE)
    assert FULL // 8 < len(large) <= FULL, "the shape does not have the requested size"
    work(small)
    if sys.gettrace() is not None:
        work(large)
        return  # Measuring coverage takes time of its own, so nothing can be said about ours.
    linear = label in SHAPES and not label.startswith("paths-")
    # A busy machine can spoil one measurement, but hardly three in a row.
    for _ in range(3):
        cost, growth = spent(partial(work, large), 3, least=True), 0.0
        if cost > NEGLIGIBLE[kind] and linear:
            growth = cost / spent(partial(work, small), 5, least=True) * len(small) / len(large) * 4
        if cost <= most and growth <= MOST_GROWTH:
            return
    pytest.fail(f"{cost:.1f} ms, {growth:.1f} times as long for four times the size")


@pytest.mark.parametrize("label", ALL)
def test_check_takes_linear_time(label: str, backend: Backend, checker: Checker) -> None:
    assert_linear(partial(code, checker), label, backend.name, most=MOST[backend.name] * (5 if label in TRUSTED else 1))


@pytest.mark.parametrize("label", ALL)
def test_explain_and_inspection_take_linear_time(label: str) -> None:
    """One measurement for both: an inspection begins with an explanation."""
    verifier = Verifier(Trust((anchor(),)), Policy(), backend="python", clock=ManualClock(NOW))

    def inspect(document: bytes) -> str:
        decode_oid.cache_clear()
        return json.dumps(inspect_document(verifier, document))

    assert_linear(inspect, label, "python", most=3 * MOST["python"] * (5 if label in TRUSTED else 1))


@pytest.mark.parametrize("label", SHAPES)
def test_a_stranger_is_refused_alike_on_both_backends(both_backends: tuple[Backend, Backend], label: str) -> None:
    document = SHAPES[label](WHOLE)
    verdicts = {code(backend.checker(setup()), document) for backend in both_backends}
    assert len(verdicts) == 1
    assert verdicts.pop()[0] not in ("accepted", "too-large")


@pytest.mark.parametrize("label", SHAPES)
def test_check_takes_linear_memory(label: str) -> None:
    """Of the Python backend. The Rust one is in test_documents_of_strangers_leave_nothing_behind."""
    checker = backends.get("python").checker(setup())
    document = SHAPES[label](WHOLE)
    tracemalloc.start()
    try:
        code(checker, document)
        peak = tracemalloc.get_traced_memory()[1]
        decode_oid.cache_clear()
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert peak <= MOST_OCTETS * FULL
    assert held <= 2 * FULL


def test_documents_of_strangers_leave_nothing_behind(backend: Backend, checker: Checker) -> None:
    """Case V2: 300 different documents that normalization would swell. Caches of object identifiers and the like have small items of a bounded number."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    texts = ["\ufdfa" * 60 + f"{number:04}" for number in range(300)]

    def send(text: str) -> None:
        item = shape_of_name(text)
        code(checker, item)

    for text in texts[:30]:
        send(text)
    before = resident()
    for text in texts:
        send(text)
    assert resident() - before < 8 * 1024 * 1024


def shape_of_name(text: str) -> bytes:
    value = writer.utf8_string(text)
    return in_sid(name(*[value] * ((FULL - 1000) // (len(value) + 12))))


def resident() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) * 1024


def test_caches_hold_small_items_only() -> None:
    """What strangers can put into a cache of the process is bounded in octets, not only in number."""
    signature._pss_parameters.cache_clear()
    assert signature.pss_parameters(bytes(FULL)) is None
    assert signature._pss_parameters.cache_info().currsize == 0
    decode_oid.cache_clear()
    with pytest.raises(ValueError, match="64"):
        decode_oid(b"\x01" * 65)
    assert decode_oid.cache_info().currsize == 0


def test_there_are_enough_shapes() -> None:
    assert len(SHAPES) >= 32
