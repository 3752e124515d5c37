"""The time and memory for a hostile document grow linearly with its size. For a document of the
maximum size, they stay below fixed limits.

The functions in the folder hostile make such documents. These functions are called shapes. The
tests measure the processor time for a document and for one of a quarter of its size, each as the
minimum of several runs. For four times the size, a linear cost grows fourfold and a quadratic cost
16-fold. The tests allow a growth that is between these two.
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

MAX_GROWTH = 8
"""Maximum growth of the time for four times the size. Linear growth is 4."""

NEGLIGIBLE_MILLISECONDS = {"python": 4.0, "rust": 0.5}
"""Times in milliseconds below which the tests do not check the growth. A quadratic cost does no
harm if it is below this time at the maximum size."""

MAX_MILLISECONDS = {"python": 90.0, "rust": 30.0}
"""Maximum time in milliseconds for a document of the maximum size, about three times that of the slowest shape. A quadratic cost takes much
longer."""

MAX_BYTES_PER_BYTE = 60
"""Maximum number of bytes of memory during a check, for each byte of the document."""

ALL = {**SHAPES, **TRUSTED}


@pytest.fixture(scope="module")
def checker(backend: Backend) -> Checker:
    return backend.checker(setup())


def setup() -> Setup:
    return Setup(anchors=(anchor(),), intermediates=(), names=(("azure", "metadata.azure.com"),))


def code(checker: Checker, document: bytes) -> tuple[str, str]:
    decode_oid.cache_clear()  # the cache has about a thousand entries, so only small documents would profit from it
    try:
        checker.check(document, NOW, None)
    except VerificationError as error:
        return error.code, error.location
    return "accepted", ""


def assert_linear(work: Callable[[bytes], object], label: str, kind: str, *, most: float) -> None:
    """Fail if ``work`` takes more than ``most`` milliseconds, or grows faster than the document.

    Only the maximum time is checked for documents with many paths and for documents of a trusted
    authority, because the work budget limits their cost.
    """
    small, large = ALL[label](QUARTER), ALL[label](WHOLE)
    assert FULL // 8 < len(large) <= FULL, "the shape does not have the requested size"
    work(small)
    if sys.gettrace() is not None:
        work(large)
        return  # Coverage measurement would distort the result.
    linear = label in SHAPES and not label.startswith("paths-")
    # A busy machine can spoil one measurement, but hardly three in a row.
    for _ in range(3):
        cost, growth = spent(partial(work, large), 3, least=True), 0.0
        if cost > NEGLIGIBLE_MILLISECONDS[kind] and linear:
            growth = cost / spent(partial(work, small), 5, least=True) * len(small) / len(large) * 4
        if cost <= most and growth <= MAX_GROWTH:
            return
    pytest.fail(f"{cost:.1f} ms, {growth:.1f} times as long for four times the size")


@pytest.mark.parametrize("label", ALL)
def test_check_takes_linear_time(label: str, backend: Backend, checker: Checker) -> None:
    assert_linear(partial(code, checker), label, backend.name, most=MAX_MILLISECONDS[backend.name] * (5 if label in TRUSTED else 1))


@pytest.mark.parametrize("label", ALL)
def test_explain_and_inspection_take_linear_time(label: str) -> None:
    """One measurement covers both, because an inspection begins with ``explain``."""
    verifier = Verifier(Trust((anchor(),)), Policy(), backend="python", clock=ManualClock(NOW))

    def inspect(document: bytes) -> str:
        decode_oid.cache_clear()
        return json.dumps(inspect_document(verifier, document))

    assert_linear(inspect, label, "python", most=3 * MAX_MILLISECONDS["python"] * (5 if label in TRUSTED else 1))


@pytest.mark.parametrize("label", SHAPES)
def test_both_backends_reject_hostile_documents_for_the_same_reason(both_backends: tuple[Backend, Backend], label: str) -> None:
    document = SHAPES[label](WHOLE)
    verdicts = {code(backend.checker(setup()), document) for backend in both_backends}
    assert len(verdicts) == 1
    assert verdicts.pop()[0] not in ("accepted", "too-large")


@pytest.mark.parametrize("label", SHAPES)
def test_check_takes_linear_memory(label: str) -> None:
    """This covers the Python backend. test_documents_of_strangers_do_not_leak_memory covers the Rust backend."""
    checker = backends.get("python").checker(setup())
    document = SHAPES[label](WHOLE)
    tracemalloc.start()
    try:
        code(checker, document)
        peak = tracemalloc.get_traced_memory()[1]
        decode_oid.cache_clear()
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert peak <= MAX_BYTES_PER_BYTE * FULL
    assert kept <= 2 * FULL


def test_documents_of_strangers_do_not_leak_memory(backend: Backend, checker: Checker) -> None:
    """The 300 different documents contain characters that normalization expands. Process-wide caches may keep only a limited number of
    small items."""
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


def test_caches_contain_only_small_items() -> None:
    """Process-wide caches that strangers can fill are limited in bytes, not only in the number of items."""
    signature._pss_parameters.cache_clear()
    assert signature.pss_parameters(bytes(FULL)) is None
    assert signature._pss_parameters.cache_info().currsize == 0
    decode_oid.cache_clear()
    with pytest.raises(ValueError, match="64"):
        decode_oid(b"\x01" * 65)
    assert decode_oid.cache_info().currsize == 0


def test_there_are_enough_shapes() -> None:
    assert len(SHAPES) >= 32
