"""Columns of every Arrow type: they are accepted, or a :class:`UsageError` names the column. No pyarrow error is raised."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from attested_vectors import AT, TRUST
from attested_vectors import case as case_of

from imdskit.backends.contract import Backend
from imdskit.errors import UsageError
from imdskit.verify import Policy

pa = pytest.importorskip("pyarrow", reason="the optional package pyarrow")

from imdskit.arrow import VerifyBatch  # noqa: E402  # needs pyarrow

GOOD: str = case_of("revocation/none-revoked")["document"]
NONCE = "4071882193"
VERIFY = VerifyBatch(AT, TRUST)
Wrap = Callable[[Any], Any]


class Tagged(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no type annotations
    """Extension type over any storage."""

    def __init__(self, storage: Any) -> None:
        super().__init__(storage, "imdskit.test")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Tagged:
        return cls(storage)


def dictionary(array: Any) -> Any:
    """Return the array with dictionary encoding. The dictionary lists the values in reverse order,
    and then a null."""
    values = pa.concat_arrays([array.slice(0, 0), array[::-1], pa.nulls(1, array.type)])
    return pa.DictionaryArray.from_arrays(pa.array(range(len(array) - 1, -1, -1), pa.int16()), values)


def runs(array: Any) -> Any:
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(array) + 1), pa.int32()), array)


def extension(array: Any) -> Any:
    return pa.ExtensionArray.from_storage(Tagged(array.type), array)


def sliced(array: Any) -> Any:
    return pa.concat_arrays([array, array, array]).slice(len(array), len(array))


WRAPPINGS: dict[str, Wrap] = {
    "plain": lambda array: array,
    "slice": sliced,
    "dictionary": dictionary,
    "slice of a dictionary": lambda array: sliced(dictionary(array)),
    "runs": runs,
    "slice of runs": lambda array: pa.concat_arrays([runs(array)]).slice(0),
    "extension": extension,
    "extension of a dictionary": lambda array: extension(dictionary(array)),
    "runs of a dictionary": lambda array: runs(dictionary(array)),
    "dictionary of extensions": lambda array: dictionary(extension(array)) if hasattr(array, "cast") else array,
}
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]
BINARIES = [pa.binary(), pa.large_binary(), pa.binary_view()]


def makeable(plain: dict[str, Any]) -> list[Any]:
    """Return a test parameter for each array in each of :data:`WRAPPINGS`. Leave out the
    combinations that pyarrow does not implement."""
    made = []
    for kind, array in plain.items():
        for name, wrap in WRAPPINGS.items():
            try:
                made.append(pytest.param(array, wrap(array), id=f"{kind}-{name}"))
            except pa.ArrowNotImplementedError:
                assert "view" in kind or "dictionary of" in name, (kind, name)
    return made


DOCUMENTS = pa.array([GOOD, None, "no", ""], pa.string())
ALL_DOCUMENTS = {str(kind): DOCUMENTS.cast(pa.binary() if kind in BINARIES else pa.string()).cast(kind) for kind in [*TEXTS, *BINARIES]}


def test_a_slice_inside_of_a_run_is_decoded_from_its_offset() -> None:
    column = pa.RunEndEncodedArray.from_arrays(pa.array([3, 5], pa.int32()), pa.array([GOOD, "no"]))
    verdicts = VERIFY(pa.RecordBatch.from_arrays([column.slice(2, 2)], ["document"]))
    assert verdicts.column("accepted").to_pylist() == [True, False]


@pytest.mark.parametrize(("plain", "column"), makeable(ALL_DOCUMENTS))
def test_documents_of_every_text_and_binary_type_are_verified(plain: Any, column: Any, backend: Backend) -> None:
    assert len(column) == len(plain)
    verdicts = replace(VERIFY, backend=backend.name)(pa.RecordBatch.from_arrays([column], ["document"]))
    assert verdicts.column("reason").to_pylist() == [None, "empty", "bad-base64", "empty"]


def test_fixed_size_and_null_document_columns_are_verified() -> None:
    data = base64.b64decode(GOOD)
    found = VERIFY(pa.RecordBatch.from_pydict({"document": pa.array([data, None], pa.binary(len(data)))}))
    assert found.column("reason").to_pylist() == [None, "empty"]
    assert VERIFY(pa.RecordBatch.from_pydict({"document": pa.nulls(2)})).column("reason").to_pylist() == ["empty"] * 2


NONCES = {str(kind): pa.array([NONCE, "another", None], pa.string()).cast(kind) for kind in TEXTS}


@pytest.mark.parametrize(("plain", "column"), makeable(NONCES))
def test_nonces_of_every_text_type_are_compared(plain: Any, column: Any) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([GOOD] * len(plain)), column], ["document", "issued"])
    verdicts = replace(VERIFY, nonce="issued", policy=Policy(require_nonce=True))(batch)
    assert verdicts.column("reason").to_pylist() == [None, "nonce-mismatch", "nonce-required"]


def test_column_of_type_null_has_no_nonces() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([GOOD]), pa.nulls(1)], ["document", "issued"])
    assert replace(VERIFY, nonce="issued")(batch).column("accepted").to_pylist() == [True]


INTEGERS = [pa.int32(), pa.int64(), pa.uint32(), pa.uint64()]
ZONES = ["UTC", "Europe/Berlin", "+05:30", "No/Such_Zone", "GMT+99"]
INSTANTS = [pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in ZONES]


PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def seconds(kind: Any) -> Any:
    """Return two times: the end of the second :data:`AT`, when the document is valid, and a time
    ten hours after :data:`AT`, when it has expired."""
    unit = PER_SECOND[kind.unit] if pa.types.is_timestamp(kind) else 1
    return pa.array([AT * unit + unit - 1, (AT + 36_000) * unit], pa.int64()).cast(kind)


@pytest.mark.parametrize(("plain", "column"), makeable({str(kind): seconds(kind) for kind in [*INTEGERS, *INSTANTS]}))
def test_times_of_every_type_are_seconds(plain: Any, column: Any) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([GOOD] * len(plain)), column], ["document", "seen"])
    verdicts = replace(VERIFY, at="seen", keep=())(batch)
    assert verdicts.column("reason").to_pylist() == [None, "document-expired"]


OUTSIDE = {
    "uint64 above the signed ones": pa.array([AT, 2**63], pa.uint64()),
    "largest uint64": pa.array([AT, 2**64 - 1], pa.uint64()),
    "smallest int64": pa.array([AT, -(2**63)], pa.int64()),
    "negative int8": pa.array([1, -1], pa.int8()),
    "milliseconds": pa.array([AT, AT * 1000], pa.int64()),
    **{f"smallest {kind}": pa.array([0, -(2**63)], pa.int64()).cast(kind) for kind in INSTANTS},
    **{f"largest {kind}": pa.array([0, 2**63 - 1], pa.int64()).cast(kind) for kind in INSTANTS if kind.unit in ("s", "ms")},
}


@pytest.mark.parametrize("times", OUTSIDE.values(), ids=OUTSIDE)
def test_a_time_out_of_range_names_row_and_column(times: Any) -> None:
    with pytest.raises(UsageError) as error:
        replace(VERIFY, at="seen")(pa.RecordBatch.from_arrays([pa.array([GOOD] * 2), times], ["document", "seen"]))
    assert error.value.location == "seen"
    assert "Row 1 of the column 'seen'" in error.value.message


NUMBERS = [pa.array([1.0]), pa.array([float("nan")]), pa.array([1.5], pa.float32()), pa.array([Decimal(1)], pa.decimal128(5, 0))]
OTHERS = {
    str(array.type): array
    for array in [
        *NUMBERS,
        pa.array([Decimal(1)], pa.decimal256(50, 2)),
        pa.array([True]),
        pa.array([0], pa.int32()).cast(pa.date32()),
        pa.array([0], pa.int64()).cast(pa.date64()),
        pa.array([0], pa.int32()).cast(pa.time32("s")),
        pa.array([0], pa.int64()).cast(pa.time64("us")),
        pa.array([0], pa.int64()).cast(pa.duration("s")),
        pa.array([0], pa.timestamp("s")),
        pa.array([0], pa.timestamp("ns")),
        pa.array([[GOOD]], pa.list_(pa.string())),
        pa.array([[GOOD]], pa.large_list(pa.string())),
        pa.array([[GOOD]], pa.list_(pa.string(), 1)),
        pa.array([[(GOOD, 1)]], pa.map_(pa.string(), pa.int32())),
        pa.array([{"a": GOOD}]),
        pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([GOOD])]),
        pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([GOOD])]),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        dictionary(pa.array([1.5])),
        runs(pa.array([1.5])),
        extension(pa.array([1.5])),
        pa.array([1.0]).cast(pa.float16()),
    ]
}


@pytest.mark.parametrize("role", ["document", "issued", "seen"])
@pytest.mark.parametrize("column", OTHERS.values(), ids=OTHERS)
def test_a_column_of_another_type_is_named(column: Any, role: str) -> None:
    columns = {"document": pa.array([GOOD]), "issued": pa.array([NONCE]), "seen": pa.array([AT]), role: column}
    with pytest.raises(UsageError) as error:
        replace(VERIFY, nonce="issued", at="seen")(pa.RecordBatch.from_pydict(columns))
    assert error.value.location == role
    assert f"The column {role!r}" in error.value.message
    assert error.value.hint.startswith("Give ")


def test_broken_dictionary_raises_usage_error_for_its_column() -> None:
    broken = pa.DictionaryArray.from_arrays(pa.array([7], pa.int8()), pa.array([GOOD]), safe=False)
    with pytest.raises(UsageError, match="The column 'document' of type dictionary"):
        VERIFY(pa.RecordBatch.from_arrays([broken], ["document"]))


def test_text_that_is_not_utf8_is_refused_as_a_document() -> None:
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 2))
    column = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(b"\xff\xfe")])
    batch = pa.RecordBatch.from_arrays([column, column], ["document", "issued"])
    assert replace(VERIFY, nonce="issued", keep=())(batch).column("reason").to_pylist() == ["bad-base64"]


@pytest.mark.parametrize(
    "given", [None, [], {"document": [GOOD]}, pa.table({"document": [GOOD]}), pa.array([GOOD])], ids=lambda one: type(one).__name__
)
def test_rejects_arguments_that_are_not_record_batches(given: Any) -> None:
    with pytest.raises(UsageError, match="`batch` must be a pyarrow"):
        VERIFY(given)


def test_duplicate_columns_are_copied_but_cannot_be_selected() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([GOOD]), pa.array([1]), pa.array([2])], ["document", "a", "a"])
    assert [column.to_pylist() for column in VERIFY(batch).columns[:2]] == [[1], [2]]
    with pytest.raises(UsageError, match="exactly one column 'a'; it has 2"):
        replace(VERIFY, at="a")(batch)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("at", True),
        ("at", 1.5),
        ("at", None),
        ("at", -1),
        ("at", 10**30),
        ("trust", "roots"),
        ("policy", None),
        ("document", b"document"),
        ("keep", ["a"]),
        ("keep", (1,)),
        ("threads", 0),
        ("threads", True),
        ("backend", None),
        ("nonce", 7),
    ],
    ids=str,
)
def test_an_attribute_of_the_wrong_type_is_named(name: str, value: Any) -> None:
    with pytest.raises(UsageError) as error:
        replace(VERIFY, **{name: value})
    assert error.value.location.startswith(name)
