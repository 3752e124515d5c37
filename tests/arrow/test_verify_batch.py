"""Verdicts of :class:`VerifyBatch`: they agree with :class:`Verifier` for each document, whatever
the types and the order of the input columns."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from attested_vectors import AT, CASES, TRUST

from imdskit.backends.contract import Backend
from imdskit.errors import UsageError, VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Attestation, Policy, Trust, Verifier

pa = pytest.importorskip("pyarrow", reason="the optional package pyarrow")
import pyarrow.parquet as pq  # noqa: E402  # needs pyarrow

from imdskit.arrow import FIELDS, VerifyBatch  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
PLAIN = [case for case in CASES if not {"intermediates", "crls", "at", "nonce"} & case.keys()]
DOCUMENTS = [base64.b64decode(case["document"]) for case in PLAIN]
GOOD = DOCUMENTS[0]
VERIFY = VerifyBatch(AT, TRUST)


def batch(**columns: Any) -> Any:
    return pa.RecordBatch.from_pydict(columns)


def output(verdict: Attestation | VerificationError) -> dict[str, Any]:
    """Return the expected row for the result of the verifier."""
    if isinstance(verdict, VerificationError):
        why = {"reason": verdict.code, "stage": verdict.stage.value, "location": verdict.location, "detail": verdict.detail}
        return {**dict.fromkeys(FIELDS.names), "accepted": False, **why}
    claims = verdict.claims
    plan = claims.plan or (None,) * 3
    return {
        "accepted": True,
        **dict.fromkeys(("reason", "stage", "location", "detail")),
        **{name: getattr(claims, name) for name in ("vm_id", "subscription_id", "sku", "license_type", "nonce")},
        **dict(zip(("plan_name", "plan_product", "plan_publisher"), plan, strict=True)),
        "created_on": datetime.fromtimestamp(claims.created_on, UTC),
        "expires_on": datetime.fromtimestamp(claims.expires_on, UTC),
        "cloud": verdict.cloud.name,
        "name": verdict.name,
        "signer": sha256(verdict.chain[0]).hexdigest(),
        "issuer": "Vector Issuing CA",
        "root": "Vector Root",
    }


def test_every_row_agrees_with_the_verifier(backend: Backend) -> None:
    given = batch(document=pa.array(DOCUMENTS, pa.binary()), number=range(len(DOCUMENTS)))
    found = replace(VERIFY, backend=backend.name)(given)
    assert found.schema == VERIFY.schema(given.schema)
    assert found.schema.names == ["number", *FIELDS.names]
    verdicts = Verifier(TRUST, Policy.offline_audit(), backend=backend).verify_many(DOCUMENTS, at=AT)
    assert found.to_pylist() == [{"number": number, **output(verdict)} for number, verdict in enumerate(verdicts)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a smaller version of the corpus that ``make engines`` uses."""
    folder = tmp_path_factory.mktemp("corpus")
    subprocess.run([sys.executable, ROOT / "tests" / "engines" / "corpus.py", str(folder), "1", "1500"], check=True, timeout=120)
    return folder


@pytest.mark.parametrize("policy", [Policy.online(), Policy()], ids=["nonces required", "nonces optional"])
def test_rows_with_own_times_and_nonces_agree_with_the_verifier(corpus: Path, backend: Backend, policy: Policy) -> None:
    trust = Trust.from_pem([(corpus / "trust.pem").read_bytes()], [(corpus / "intermediates.pem").read_bytes()])
    trust = trust.with_crls((corpus / "crls.pem").read_bytes())
    given = pq.read_table(corpus / "in").combine_chunks()
    found = VerifyBatch("received", trust, policy, nonce="issued", keep=(), backend=backend.name).table(given)
    assert found.schema == FIELDS
    verifier = Verifier(trust, policy, backend=backend)
    assert found.to_pylist() == [output(judged(verifier, row)) for row in given.to_pylist()]
    not_of_a_batch = {Reason.REPLAYED}  # a batch never gives this reason, see docs/engines.md
    unless_required = set() if policy.require_nonce else {Reason.NONCE_REQUIRED, Reason.DOCUMENT_TOO_OLD}
    assert set(found.column("reason").to_pylist()) == {None, *Reason} - not_of_a_batch - unless_required


def judged(verifier: Verifier, row: dict[str, Any]) -> Attestation | VerificationError:
    try:
        return verifier.verify(row["document"], at=row["received"], nonce=row["issued"])
    except VerificationError as refusal:
        return refusal


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_complete_nonce_of_a_good_document_is_compared(kind: Any) -> None:
    issued = ["4071882193", "4071882194", "407188219", "", "4071882193 ", "4071882193\0", None, "another"]
    given = batch(document=pa.array([GOOD] * 7 + [b"no"], pa.binary()), issued=pa.array(issued, kind))
    found = replace(VERIFY, nonce="issued")(given)
    assert found.column("reason").to_pylist() == [None, *["nonce-mismatch"] * 5, None, "bad-base64"]
    assert found.slice(1, 5).drop_columns(["issued"]).equals(found.slice(1, 1).take([0] * 5).drop_columns(["issued"]))
    required = replace(VERIFY, nonce="issued", policy=Policy(require_nonce=True))
    assert required(given).column("reason").to_pylist() == [None, *["nonce-mismatch"] * 5, "nonce-required", "bad-base64"]
    for start, length in ((0, 0), (2, 3), (6, 2)):
        assert required(given.slice(start, length)).equals(required(given).slice(start, length))


def test_both_backends_give_equal_columns_except_for_detail() -> None:
    given = batch(document=pa.array(DOCUMENTS, pa.binary()))
    python, native = (replace(VERIFY, backend=name)(given).drop_columns(["detail"]) for name in ("python", "auto"))
    assert python.equals(native)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()], ids=str)
def test_documents_may_be_text_or_binary_and_null_is_empty(kind: Any) -> None:
    text = base64.b64encode(GOOD) if not GOOD.startswith(b"{") else GOOD
    found = VERIFY(batch(document=pa.array([text.decode(), None, ""], pa.string()).cast(kind)))
    assert found.column("accepted").to_pylist() == [True, False, False]
    assert found.column("reason").to_pylist() == [None, "empty", "empty"]


SECONDS = [AT, AT + 36_000, AT - 36_000]


@pytest.mark.parametrize(
    "times",
    [
        pa.array(SECONDS, pa.int64()),
        pa.array(SECONDS, pa.uint32()),
        pa.array([second * 10**6 + 999_999 for second in SECONDS], pa.timestamp("us", "UTC")),
        pa.array([second * 10**9 for second in SECONDS], pa.timestamp("ns", "Europe/Berlin")),
    ],
    ids=lambda times: str(times.type),
)
def test_each_row_may_have_its_own_time(times: Any) -> None:
    found = replace(VERIFY, at="seen")(batch(document=[GOOD] * 3, seen=times))
    assert found.column("reason").to_pylist() == [None, "document-expired", "document-not-yet-valid"]


def test_slice_is_verified_from_its_offset() -> None:
    given = batch(document=pa.array(DOCUMENTS, pa.binary()), seen=pa.array([AT] * len(DOCUMENTS)))
    whole = replace(VERIFY, at="seen")(given)
    for start, length in ((0, 0), (3, 1), (17, 130), (len(DOCUMENTS) - 5, 5)):
        assert replace(VERIFY, at="seen")(given.slice(start, length)).equals(whole.slice(start, length))


def test_empty_and_refused_batches_have_the_same_types() -> None:
    for documents in ([], [b"no"], [None]):
        assert VERIFY(batch(document=pa.array(documents, pa.binary()))).schema == FIELDS


MISTAKES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no such column": ({}, {"text": ["a"]}, "The input must have exactly one column 'document'; it has 0."),
    "documents that are numbers": ({}, {"document": [1]}, "The column 'document' has the unsupported type int64."),
    "times that are text": ({"at": "seen"}, {"document": ["a"], "seen": ["now"]}, "The column 'seen' has the unsupported type string."),
    "times without a zone": (
        {"at": "seen"},
        {"document": ["a"], "seen": pa.array([1], pa.timestamp("s"))},
        "The column 'seen' has the unsupported type timestamp[s].",
    ),
    "nonces that are numbers": (
        {"nonce": "issued"},
        {"document": ["a"], "issued": [1]},
        "The column 'issued' has the unsupported type int64.",
    ),
    "no such column of nonces": ({"nonce": "issued"}, {"document": ["a"]}, "The input must have exactly one column 'issued'; it has 0."),
    "null": ({"at": "seen"}, {"document": ["a", "b"], "seen": pa.array([1, None], pa.int64())}, "Row 1 has no time."),
    "a time out of range": (
        {"at": "seen"},
        {"document": ["a"], "seen": [-1]},
        "Row 0 of the column 'seen' has a time outside of the years 1970 to 9999: -1 Unix seconds.",
    ),
    "a time for all rows out of range": ({"at": -1}, {"document": ["a"]}, "`at` must be a whole number from 0 to 253402300799; got -1."),
    "a column with the name of a result": ({}, {"document": ["a"], "reason": ["b"]}, "The input already has a column 'reason'."),
    "no such column to keep": ({"keep": ("id",)}, {"document": ["a"]}, "The input must have exactly one column 'id'; it has 0."),
}


@pytest.mark.parametrize(("options", "columns", "message"), MISTAKES.values(), ids=MISTAKES)
def test_wrong_columns_or_options_raise_usage_error(options: dict[str, Any], columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match="bad-argument") as error:
        replace(VERIFY, **options)(batch(**columns))
    assert error.value.message == message


def test_a_policy_that_requires_nonces_needs_a_column_of_them() -> None:
    with pytest.raises(UsageError, match="the batch has no column of nonces"):
        VerifyBatch(AT, policy=Policy.online())
    assert VerifyBatch(AT, policy=Policy.online(), nonce="issued").policy.require_nonce


def test_verify_batch_can_be_pickled() -> None:
    sent = pickle.loads(pickle.dumps(replace(VERIFY, policy=Policy(skew=7))))
    assert sent == replace(VERIFY, policy=Policy(skew=7))
    assert [one.num_rows for one in sent.each([batch(document=[GOOD, GOOD]), batch(document=[GOOD])])] == [2, 1]


def test_table_is_verified_batch_by_batch() -> None:
    given = pa.Table.from_batches([batch(document=[GOOD, b"no"]), batch(document=[GOOD])])
    assert VERIFY.table(given).column("accepted").to_pylist() == [True, False, True]
    assert VERIFY.table(given.slice(0, 0)).schema == FIELDS


def test_columns_to_copy_can_be_chosen() -> None:
    found = replace(VERIFY, keep=("document", "b"))(batch(a=[1], document=[GOOD], b=[2]))
    assert found.schema.names[:3] == ["document", "b", "accepted"]
