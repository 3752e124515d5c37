"""Verification of attested documents in a column of Apache Arrow data. The verdicts and claims are
returned as typed columns.

    verify = VerifyBatch(at="received", document="document", trust=trust, policy=policy)
    verdicts = verify(batch)  # takes and returns a pyarrow.RecordBatch
    frame.mapInArrow(verify.each, schema)  # frame: Spark DataFrame; schema: that of the result

The backend writes the columns of the result directly, so no Python object is created per row. This
module needs pyarrow: install ``imdskit[arrow]``. It does not import Spark or any other data engine.
``docs/engines.md`` and the examples show how to use the module with several engines.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from imdskit import arguments, backends
from imdskit.backends.contract import Columns, PackedDocuments
from imdskit.clock import LAST_SECOND
from imdskit.errors import UsageError
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier

Array: TypeAlias = Any
"""``pyarrow.Array``. pyarrow has no type annotations."""
RecordBatch: TypeAlias = Any
"""``pyarrow.RecordBatch``."""
Table: TypeAlias = Any
"""``pyarrow.Table``."""
Schema: TypeAlias = Any
"""``pyarrow.Schema``."""

_TIME = pa.timestamp("us", tz="UTC")

FIELDS: Schema = pa.schema(
    [
        pa.field("accepted", pa.bool_(), nullable=False),
        *(pa.field(name, pa.string()) for name in ("reason", "stage", "location", "detail")),
        *(pa.field(name, pa.string()) for name in ("vm_id", "subscription_id", "sku", "license_type", "nonce")),
        *(pa.field(name, pa.string()) for name in ("plan_name", "plan_product", "plan_publisher")),
        *(pa.field(name, _TIME) for name in ("created_on", "expires_on")),
        *(pa.field(name, pa.string()) for name in ("cloud", "name", "signer", "issuer", "root")),
    ]
)
"""Columns of the result.

``accepted`` is never null. ``reason``, ``stage``, ``location`` and ``detail`` describe a refusal,
and are null for an accepted document. All other columns are null for a refused document. For an
accepted document, ``cloud`` is the name of the cloud, and ``name`` is the DNS name in the signer's
certificate. ``signer`` is the SHA-256 of the signer's certificate in hexadecimal. ``issuer`` is the
common name of the signer's issuer, and ``root`` is the common name of the trust anchor.
"""


@dataclass(frozen=True)
class VerifyBatch:
    """Callable that verifies the documents in record batches. It can be pickled and sent to other
    processes. Each process creates the verifier when it calls the object for the first time.

    Attributes:
        trust: trusted certificates. By default, these are the bundled certificates.
        policy: verification policy. The default is ``Policy.offline_audit()``, because a table
            contains stored documents.
        document: name of the column of documents. It may have any binary or text type of Arrow,
            including large, view, fixed size, dictionary, run-end encoded and extension types. A
            row without a document is refused with the reason ``empty``.
        at: time as of which the documents are verified: Unix seconds for all rows, or the name of a
            column. The column contains Unix seconds, or timestamps with a time zone. The name of
            the time zone does not matter, because Arrow stores such timestamps in UTC.
        keep: names of the input columns to copy to the result. In the result, the copied columns
            precede the columns of the verdict. By default, all columns except the documents are
            copied.
        threads: number of threads per process. Use 1 with engines that start one process per core.
        backend: ``auto``, ``python`` or ``rust``.
        nonce: name of a text column with the nonce that each document must contain. If the policy
            requires nonces, a row without a nonce is refused. If it does not, the document in such
            a row may contain any nonce. If the attribute is None, nonces are not compared.

    Raises:
        UsageError: an attribute has the wrong type, or the policy requires nonces and ``nonce`` is
            None.
    """

    at: int | str
    trust: Trust | None = None
    policy: Policy = field(default_factory=Policy.offline_audit)
    document: str = "document"
    keep: tuple[str, ...] | None = None
    threads: int | None = 1
    backend: str = "auto"
    nonce: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.at, str):
            arguments.whole(self.at, "at", 0, LAST_SECOND)
        if self.trust is not None:
            arguments.instance(self.trust, "trust", Trust)
        arguments.instance(self.policy, "policy", Policy)
        for name in ("document", "backend"):
            arguments.instance(getattr(self, name), name, str)
        if self.keep is not None:
            arguments.items(self.keep, "keep", str)
        if self.nonce is not None:
            arguments.instance(self.nonce, "nonce", str)
        arguments.threads(self.threads)
        if self.policy.require_nonce and self.nonce is None:
            hint = "Give the name of the column in the argument `nonce`, or use Policy.offline_audit() for stored documents."
            raise UsageError(
                "bad-argument",
                "The policy requires nonces, but the batch has no column of nonces.",
                location="policy.require_nonce",
                hint=hint,
            )

    def __call__(self, batch: RecordBatch) -> RecordBatch:
        """Return the verdicts on one batch, row by row.

        Raises:
            UsageError: a column is missing or has an unsupported type, a time is missing or out of
                range, or the texts in one column of the result have 2 GiB or more in total.
        """
        arguments.instance(batch, "batch", pa.RecordBatch, "a pyarrow.RecordBatch (for a Table, see `table`)")
        schema = self.schema(batch.schema)
        documents = _packed(_column(batch, self.document, _DOCUMENTS, pa.large_binary()))
        issued = None if self.nonce is None else _column(batch, self.nonce, _NONCES, pa.large_string())
        verifier = _verifier(self.trust, replace(self.policy, require_nonce=False), self.backend)
        times = self._times(batch)
        try:
            columns = verifier.verify_columns(documents, times, threads=self.threads)
        except OverflowError as error:
            raise UsageError("bad-argument", f"{error}.", location=self.document, hint="Give smaller batches.") from None
        except ValueError as error:
            message = f"The column {self.document!r} is damaged: {error}."
            raise UsageError("bad-argument", message, location=self.document, hint="Check it with `batch.validate(full=True)`.") from None
        values = _arrays(columns)
        if issued is not None:
            values = _compare_nonces(values, issued, required=self.policy.require_nonce)
        arrays = [batch.column(index) for index in self._copied(batch.schema)] + [values[name] for name in FIELDS.names]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def each(self, batches: Iterable[RecordBatch]) -> Iterator[RecordBatch]:
        """Yield the verdicts on each batch. Use this with Spark's ``mapInArrow``."""
        return map(self, batches)

    def table(self, table: Table) -> Table:
        """Return the verdicts on a table, which may consist of several batches. Use this with Ray's
        ``map_batches``."""
        arguments.instance(table, "table", pa.Table)
        return pa.Table.from_batches(self.each(table.to_batches()), schema=self.schema(table.schema))

    def schema(self, given: Schema) -> Schema:
        """Return the schema of the result for input batches that have the schema ``given``.

        Raises:
            UsageError: a column to copy is missing, or has the same name as a column of the
                verdict.
        """
        kept = self._copied(arguments.instance(given, "schema", pa.Schema))
        twice = [given.field(index).name for index in kept if given.field(index).name in FIELDS.names]
        if twice:
            hint = "Rename the column, or give `keep`, the list of the columns to copy."
            raise UsageError("bad-argument", f"The input already has a column {twice[0]!r}.", location="keep", hint=hint)
        return pa.schema([given.field(index) for index in kept] + list(FIELDS))

    def _copied(self, given: Schema) -> list[int]:
        """Return the indexes of the columns to copy."""
        if self.keep is None:
            return [index for index, name in enumerate(given.names) if name != self.document]
        return [_only(given, name) for name in self.keep]

    def _times(self, batch: RecordBatch) -> int | array[int]:
        if isinstance(self.at, int):
            return self.at
        column = _column(batch, self.at, _TIMES)
        if column.null_count:
            row = pc.index(column.is_null(), True).as_py()
            raise UsageError("bad-argument", f"Row {row} has no time.", location=self.at, hint="Leave such rows out, or fill in a time.")
        unit = 1
        if pa.types.is_timestamp(column.type):
            # Timestamps are converted to numbers before they are compared, so that no time zone
            # database is needed.
            unit, column = _UNITS[column.type.unit], column.cast(pa.int64())
        if not len(column):
            return array("q")
        bounds = pc.min_max(column).as_py()
        if bounds["min"] < 0 or bounds["max"] // unit > LAST_SECOND:
            row, second = next((row, one // unit) for row, one in enumerate(column.to_pylist()) if not 0 <= one // unit <= LAST_SECOND)
            message = f"Row {row} of the column {self.at!r} has a time outside of the years 1970 to 9999: {second} Unix seconds."
            raise UsageError("bad-argument", message, location=self.at, hint="Times are Unix seconds, or timestamps with a time zone.")
        seconds = pc.divide(column.cast(pa.int64()), unit)
        return _integers(seconds.buffers()[1], seconds.offset, len(seconds))


_UNITS = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}


@lru_cache(maxsize=8)
def _verifier(trust: Trust | None, policy: Policy, backend: str) -> Verifier:
    return Verifier(trust, policy, backend=backends.best() if backend == "auto" else backends.get(backend))


def _only(schema: Schema, name: str) -> int:
    indexes: list[int] = schema.get_all_field_indices(name)
    if len(indexes) != 1:
        known = ", ".join(schema.names)
        raise UsageError(
            "bad-argument",
            f"The input must have exactly one column {name!r}; it has {len(indexes)}.",
            location=name,
            hint=f"The columns of the input are: {known}.",
        )
    return indexes[0]


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _is_document(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind) or _is_text(kind))


def _is_time(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_null(kind) or (pa.types.is_timestamp(kind) and kind.tz is not None))


_DOCUMENTS = (_is_document, "binary or text")
_TIMES = (_is_time, "Unix seconds or timestamps with a time zone")
_NONCES = (_is_text, "text")


def _column(batch: RecordBatch, name: str, expected: Any, cast: Any = None) -> Array:
    """Return the column ``name`` in a plain type (see :func:`_plain`), or converted to the type
    ``cast``. ``expected`` is a pair: a function that returns True for the plain types that are
    allowed, and a description of these types.

    Raises:
        UsageError: the column is missing, does not have an allowed type, or cannot be read by
            pyarrow.
    """
    given = batch.column(_only(batch.schema, name))
    fits, words = expected
    try:
        column = _plain(given)
        if fits(column.type):
            return column if cast is None else column.cast(cast, safe=False)
    except (pa.ArrowException, NotImplementedError) as error:
        message = f"The column {name!r} of type {given.type} cannot be read: {str(error)[:200]}"
        raise UsageError("bad-argument", message, location=name, hint=f"Give {words}.") from None
    raise UsageError("bad-argument", f"The column {name!r} has the unsupported type {given.type}.", location=name, hint=f"Give {words}.")


_VIEWS = {"string_view": pa.large_string(), "binary_view": pa.large_binary()}


def _plain(array: Array) -> Array:
    """Return the values of an array in a plain type, without extension type, dictionary, run-end
    encoding or views. ``Array.cast`` does not support all of these types."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(array.storage)
    if pa.types.is_dictionary(kind):
        return _plain(array.dictionary).take(array.indices)
    if pa.types.is_run_end_encoded(kind):
        runs = pa.RunEndEncodedArray.from_arrays(array.run_ends, _plain(array.values))
        return pc.run_end_decode(runs.slice(array.offset, len(array)))
    return array.cast(_VIEWS[str(kind)]) if str(kind) in _VIEWS else array


def _packed(column: Array) -> PackedDocuments:
    """Return the documents of a column of the type ``large_binary``, without copying its buffer. If
    a row has no document, the result contains an empty document for it."""
    if column.null_count:
        column = pc.fill_null(column, b"")
    if not len(column):
        return PackedDocuments(b"", array("q", [0]))
    _, offsets, data = column.buffers()
    return PackedDocuments(memoryview(data or b"").cast("B"), _integers(offsets, column.offset, len(column) + 1))


def _integers(buffer: Any, first: int, count: int) -> array[int]:
    """Return a copy of ``count`` 64-bit integers of a buffer, from the index ``first`` on."""
    integers = array("q")
    integers.frombytes(memoryview(buffer)[8 * first : 8 * (first + count)])
    return integers


def _arrays(columns: Columns) -> dict[str, Array]:
    rows = columns.rows
    accepted = pa.Array.from_buffers(pa.bool_(), rows, [None, pa.py_buffer(columns.accepted)])
    refused = pc.invert(accepted)
    reasons = pa.Array.from_buffers(pa.uint8(), rows, [None, pa.py_buffer(columns.reason)])
    signers = pa.Array.from_buffers(pa.int32(), rows, [pa.py_buffer(columns.accepted), pa.py_buffer(columns.signer)])
    chains = [chain for _, _, chain in columns.signers]
    named = {
        der: _common_name(der) for chain in chains for der in (*chain[1:2], *chain[1:][-1:])
    }  # common names of all issuers and roots, by certificate
    values = {
        "accepted": accepted,
        "reason": _chosen([reason.value for reason in Reason], reasons, refused),
        "stage": _chosen([reason.stage.value for reason in Reason], reasons, refused),
        "cloud": _taken([label for label, _, _ in columns.signers], signers),
        "name": _taken([name for _, name, _ in columns.signers], signers),
        "signer": _taken([sha256(chain[0]).hexdigest() for chain in chains], signers),
        "issuer": _taken([named[chain[1]] if chain[1:] else None for chain in chains], signers),
        "root": _taken([named[chain[-1]] if chain[1:] else None for chain in chains], signers),
    }
    for name, buffers in columns.texts.items():
        values[name] = pa.Array.from_buffers(pa.string(), rows, [pa.py_buffer(data) for data in buffers])
    for name in ("created_on", "expires_on"):
        seconds = [pa.py_buffer(columns.accepted), pa.py_buffer(getattr(columns, name))]
        values[name] = pa.Array.from_buffers(pa.timestamp("s", tz="UTC"), rows, seconds).cast(_TIME)
    return values


def _compare_nonces(values: dict[str, Array], issued: Array, *, required: bool) -> dict[str, Array]:
    """Return a copy of the verdicts in which documents with a wrong nonce are refused.

    A document that is already refused keeps its reason, because the nonce is checked last.
    """
    differs = pc.fill_null(pc.not_equal(values["nonce"], issued), False)
    values = _refused(values, differs, Reason.NONCE_MISMATCH, "content.nonce")
    return _refused(values, issued.is_null(), Reason.NONCE_REQUIRED, "nonce") if required else values


def _refused(values: dict[str, Array], where: Array, reason: Reason, location: str) -> dict[str, Array]:
    """Return a copy of the verdicts in which the accepted documents at ``where`` are refused."""
    where = pc.and_(values["accepted"], where)
    if not where.true_count:
        return values
    verdict = {"accepted": False, "reason": reason.value, "stage": reason.stage.value, "location": location, "detail": ""}
    return {name: pc.if_else(where, pa.scalar(verdict.get(name), array.type), array) for name, array in values.items()}


def _taken(values: list[str | None], indexes: Array) -> Array:
    """Return the items of ``values`` at the given indexes. For a null index, the result is null."""
    return pa.array(values or [None], pa.string()).take(indexes)


def _chosen(values: list[str], indexes: Array, where: Array) -> Array:
    return pc.if_else(where, _taken(list(values), indexes), pa.scalar(None, pa.string()))


def _common_name(der: bytes) -> str | None:
    names = parse_certificate(der).subject.common_names
    return names[-1] if names else None


__all__ = ["FIELDS", "VerifyBatch"]
