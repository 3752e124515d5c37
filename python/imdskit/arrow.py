"""Documents in a column of Apache Arrow in, verdicts and claims in typed columns out; for engines that move such columns from process to process.

    verify = VerifyBatch(trust, policy, document="document", at="received")
    verdicts = verify(batch)                                    # pyarrow.RecordBatch to pyarrow.RecordBatch
    frame.mapInArrow(verify.each, schema)                       # Spark

No object is made for a row of the result: its columns are buffers as the backend filled them. What belongs here: columns. Engines are not imported; the
examples show how each is given the function. This is the one module that needs a package, pyarrow: ``pip install imdskit[arrow]``. The page is
``docs/engines.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from imdskit import backends
from imdskit.backends.contract import Columns
from imdskit.backends.python.x509 import parse_certificate
from imdskit.errors import UsageError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier

Array: TypeAlias = Any
"""``pyarrow.Array``; pyarrow tells no types."""
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
"""What is said of each document. ``reason``, ``stage``, ``location`` and ``detail`` are those of a refusal; the others stand where it was accepted.
``cloud`` is the name of a cloud, ``name`` the DNS name in the signer's certificate, ``signer`` the SHA-256 of that certificate, ``issuer`` and ``root`` the
common names of who issued it and of the trust anchor."""


@dataclass(frozen=True)
class VerifyBatch:
    """A function of record batches that can be sent to other processes: trust and policy are values. Each process keeps one verifier.

    Attributes:
        trust: whom to believe; the bundled roots if None.
        policy: what is demanded.
        document: name of the column of documents: binary or text. Where there is none the row is refused, ``empty``.
        at: when validity is judged: Unix seconds for all rows; or the name of a column, of Unix seconds or of timestamps with a time zone.
        keep: names of the columns that are handed on, before the verdict's; all but the documents if None.
        threads: to work on in each process. Engines that start a process for every core want one.
        backend: ``auto``, ``python`` or ``rust``.
        nonce: name of the column of the nonces that were issued: text, compared with the document's. A row without one is not compared, or refused if the
            policy requires nonces. None compares none.

    Raises:
        UsageError: the policy requires nonces, and no column of them is named.
    """

    at: int | str
    trust: Trust | None = None
    policy: Policy = field(default_factory=Policy)
    document: str = "document"
    keep: tuple[str, ...] | None = None
    threads: int | None = 1
    backend: str = "auto"
    nonce: str | None = None

    def __post_init__(self) -> None:
        if self.policy.require_nonce and self.nonce is None:
            hint = "Say in `nonce` in which column they are; or demand none of stored documents: Policy.offline_audit()."
            raise UsageError("bad-argument", "A batch without nonces has none to compare.", location="policy.require_nonce", hint=hint)

    def __call__(self, batch: RecordBatch) -> RecordBatch:
        """The verdicts on one batch, row for row.

        Raises:
            UsageError: a column is absent, or of a type that cannot be meant, or a time is.
            OverflowError: texts of one column add up to 2 GiB; give smaller batches.
        """
        documents = [document or b"" for document in _column(batch, self.document, _DOCUMENTS).cast(pa.large_binary()).to_pylist()]
        issued = None if self.nonce is None else _column(batch, self.nonce, _NONCES)
        verifier = _verifier(self.trust, replace(self.policy, require_nonce=False), self.backend)
        columns = verifier.verify_columns(documents, self._times(batch), threads=self.threads)
        kept = self._kept(batch.schema)
        said = _arrays(columns)
        if issued is not None:
            said = _answering(said, issued, required=self.policy.require_nonce)
        arrays = [batch.column(name) for name in kept] + [said[name] for name in FIELDS.names]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema(batch.schema))

    def each(self, batches: Iterable[RecordBatch]) -> Iterator[RecordBatch]:
        """The verdicts on each of many batches: what Spark's ``mapInArrow`` takes."""
        return map(self, batches)

    def table(self, table: Table) -> Table:
        """The verdicts on a table, which may consist of several batches: what Ray's ``map_batches`` takes."""
        return pa.Table.from_batches(self.each(table.to_batches()), schema=self.schema(table.schema))

    def schema(self, given: Schema) -> Schema:
        """Of what comes out where batches of the schema ``given`` go in.

        Raises:
            UsageError: a column that is kept is absent, or called like one of the verdict's.
        """
        kept = self._kept(given)
        twice = [name for name in kept if name in FIELDS.names]
        if twice:
            hint = "Rename it, or say in `keep` which columns are handed on."
            raise UsageError("bad-argument", f"There is a column {twice[0]!r} already.", location="keep", hint=hint)
        return pa.schema([given.field(name) for name in kept] + list(FIELDS))

    def _kept(self, given: Schema) -> Sequence[str]:
        if self.keep is None:
            return [name for name in given.names if name != self.document]
        for name in self.keep:
            _only(given, name)
        return self.keep

    def _times(self, batch: RecordBatch) -> int | list[int]:
        if isinstance(self.at, int):
            return self.at
        column = _column(batch, self.at, _TIMES)
        if column.null_count:
            row = pc.index(column.is_null(), True).as_py()
            raise UsageError(
                "bad-argument", f"Row {row} has no time.", location=self.at, hint="Leave such rows out, or say when to judge them."
            )
        if pa.types.is_timestamp(column.type):
            column = pc.floor_temporal(column, unit="second").cast(pa.timestamp("s", tz=column.type.tz))
        seconds: list[int] = column.cast(pa.int64()).to_pylist()
        return seconds


@lru_cache(maxsize=8)
def _verifier(trust: Trust | None, policy: Policy, backend: str) -> Verifier:
    return Verifier(trust, policy, backend=backends.best() if backend == "auto" else backends.get(backend))


def _only(schema: Schema, name: str) -> int:
    places: list[int] = schema.get_all_field_indices(name)
    if len(places) != 1:
        known = ", ".join(schema.names)
        raise UsageError("bad-argument", f"There are {len(places)} columns {name!r}.", location=name, hint=f"There are: {known}.")
    return places[0]


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_document(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _is_text(kind))


def _is_time(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or (pa.types.is_timestamp(kind) and kind.tz is not None))


_DOCUMENTS = (_is_document, "binary or text")
_TIMES = (_is_time, "Unix seconds or timestamps with a time zone")
_NONCES = (_is_text, "text")


def _column(batch: RecordBatch, name: str, expected: Any) -> Array:
    column = batch.column(_only(batch.schema, name))
    fits, words = expected
    if not fits(column.type):
        raise UsageError("bad-argument", f"The column {name!r} is of type {column.type}.", location=name, hint=f"Expected is {words}.")
    return column


def _arrays(columns: Columns) -> dict[str, Array]:
    rows = columns.rows
    accepted = pa.Array.from_buffers(pa.bool_(), rows, [None, pa.py_buffer(columns.accepted)])
    refused = pc.invert(accepted)
    reasons = pa.Array.from_buffers(pa.uint8(), rows, [None, pa.py_buffer(columns.reason)])
    signers = pa.Array.from_buffers(pa.int32(), rows, [pa.py_buffer(columns.accepted), pa.py_buffer(columns.signer)])
    chains = [[parse_certificate(der) for der in chain] for _, _, chain in columns.signers]
    said = {
        "accepted": accepted,
        "reason": _chosen([reason.value for reason in Reason], reasons, refused),
        "stage": _chosen([reason.stage.value for reason in Reason], reasons, refused),
        "cloud": _taken([label for label, _, _ in columns.signers], signers),
        "name": _taken([name for _, name, _ in columns.signers], signers),
        "signer": _taken([sha256(chain[0].der).hexdigest() for chain in chains], signers),
        "issuer": _taken([_common_name(chain[1:2]) for chain in chains], signers),
        "root": _taken([_common_name(chain[1:][-1:]) for chain in chains], signers),
    }
    for name, buffers in columns.texts.items():
        said[name] = pa.Array.from_buffers(pa.string(), rows, [pa.py_buffer(octets) for octets in buffers])
    for name in ("created_on", "expires_on"):
        seconds = [pa.py_buffer(columns.accepted), pa.py_buffer(getattr(columns, name))]
        said[name] = pa.Array.from_buffers(pa.timestamp("s", tz="UTC"), rows, seconds).cast(_TIME)
    return said


def _answering(said: dict[str, Array], issued: Array, *, required: bool) -> dict[str, Array]:
    """The verdicts once the nonces are compared, too. That check is the last one for a single document as well, so what was refused stays so."""
    differs = pc.fill_null(pc.not_equal(said["nonce"], issued), False)
    said = _refused(said, differs, Reason.NONCE_MISMATCH, "content.nonce")
    return _refused(said, issued.is_null(), Reason.NONCE_REQUIRED, "nonce") if required else said


def _refused(said: dict[str, Array], where: Array, reason: Reason, location: str) -> dict[str, Array]:
    """The verdicts, but of the documents that were accepted those at ``where`` are refused."""
    where = pc.and_(said["accepted"], where)
    if not where.true_count:
        return said
    verdict = {"accepted": False, "reason": reason.value, "stage": reason.stage.value, "location": location, "detail": ""}
    return {name: pc.if_else(where, pa.scalar(verdict.get(name), array.type), array) for name, array in said.items()}


def _taken(values: list[str | None], places: Array) -> Array:
    """``values`` at ``places``, null where the place is. If nobody signed there are no values, and no place is looked at."""
    return pa.array(values or [None], pa.string()).take(places)


def _chosen(values: list[str], places: Array, where: Array) -> Array:
    return pc.if_else(where, _taken(list(values), places), pa.scalar(None, pa.string()))


def _common_name(one: Sequence[Any]) -> str | None:
    """Of at most one certificate."""
    names = one[0].subject.common_names if one else ()
    return names[-1] if names else None


__all__ = ["FIELDS", "VerifyBatch"]
