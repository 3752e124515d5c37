"""Documents that Microsoft signed, and look-alikes signed by others."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imdskit.backends.contract import Backend
from imdskit.errors import VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Verifier

HOUR = 3600

CONTROLS = {
    "01": (Reason.SIGNATURE_KEY, "the documentation's sample: RSA-1024"),
    "03": (Reason.BAD_SIGNATURE, "content tampered with"),
    "04": (Reason.BAD_SIGNATURE, "signature tampered with"),
    "07": (Reason.UNKNOWN_ISSUER, "a foreign authority"),
}


def created(meta: dict[str, str]) -> int:
    return int(datetime.strptime(meta["created_on"], "%m/%d/%y %H:%M:%S -0000").replace(tzinfo=UTC).timestamp())


def documents(shared: Path, *, genuine: bool) -> list[tuple[str, bytes, int]]:
    found = []
    for path in sorted((shared / "corpus" / "attested").glob("[0-9]*.meta.json")):
        meta = json.loads(path.read_text())
        if (meta["kind"] == "genuine") == genuine:
            found.append((meta["id"], path.with_name(path.name.replace(".meta", "")).read_bytes(), created(meta)))
    assert found
    return found


def test_every_genuine_document_verifies_an_hour_after_its_creation(shared: Path, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    for name, document, at in documents(shared, genuine=True):
        attestation = verifier.verify(document, at=at + HOUR)
        assert attestation.cloud.name == ("usgovernment" if "usgov" in name else "public"), name
        assert attestation.claims.created_on == at
        assert attestation.claims.expires_on == at + 6 * HOUR
        assert not attestation.relaxed
        assert len(attestation.chain) in (3, 4)


def test_every_genuine_document_expires_within_seven_hours(shared: Path, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    for _, document, at in documents(shared, genuine=True):
        with pytest.raises(VerificationError) as refusal:
            verifier.verify(document, at=at + 7 * HOUR)
        assert refusal.value.reason is Reason.DOCUMENT_EXPIRED


def test_a_genuine_document_is_refused_for_another_cloud(shared: Path, backend: Backend) -> None:
    from imdskit.clouds import CHINA

    verifier = Verifier(policy=Policy(clouds=(CHINA,)), backend=backend)
    for _, document, at in documents(shared, genuine=True):
        with pytest.raises(VerificationError) as refusal:
            verifier.verify(document, at=at + HOUR)
        assert refusal.value.reason is Reason.WRONG_NAME


def test_genuine_document_matches_only_its_own_nonce(shared: Path, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.online(max_age=2 * HOUR), backend=backend)
    for _, document, at in documents(shared, genuine=True):
        nonce = Verifier(policy=Policy.offline_audit(), backend=backend).verify(document, at=at + HOUR).claims.nonce
        assert verifier.verify(document, at=at + HOUR, nonce=nonce).claims.nonce == nonce
        for other, reason in ((nonce + "0", Reason.NONCE_MISMATCH), ("", Reason.NONCE_MISMATCH), (None, Reason.NONCE_REQUIRED)):
            with pytest.raises(VerificationError) as refusal:
                verifier.verify(document, at=at + HOUR, nonce=other)
            assert refusal.value.reason is reason


def test_each_control_is_refused_for_its_own_reason(shared: Path, backend: Backend) -> None:
    seen = set()
    for name, document, at in documents(shared, genuine=False):
        reason, why = CONTROLS[name[:2]]
        with pytest.raises(VerificationError) as refusal:
            Verifier(policy=Policy.offline_audit(), backend=backend).verify(document, at=at + HOUR)
        assert refusal.value.reason is reason, why
        seen.add(name[:2])
    assert seen == set(CONTROLS)


def test_three_forms_of_a_document_give_the_same_result(shared: Path, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    _, document, at = documents(shared, genuine=True)[0]
    bare = json.loads(document)["signature"]
    wrapped = "\r\n".join(bare[i : i + 64] for i in range(0, len(bare), 64))
    forms = [document, document.decode(), bare, wrapped, f" \n{bare}\n", base64.b64decode(bare)]
    assert len({verifier.verify(form, at=at + HOUR).replay_key for form in forms}) == 1


def test_caching_never_changes_the_verdict(shared: Path, backend: Backend) -> None:
    """Compare results with cold and warm caches, just before and just after every end of a validity period."""
    warm = Verifier(policy=Policy(check_times=False), backend=backend)
    for _, document, at in documents(shared, genuine=True):
        for second in (at + HOUR, at + 400 * 24 * HOUR, at + HOUR, at - 3000 * 24 * HOUR, 1_787_616_000, at + HOUR):
            responses = []
            for verifier in (warm, Verifier(policy=Policy(check_times=False), backend=backend)):
                try:
                    responses.append(verifier.verify(document, at=second).chain)
                except VerificationError as error:
                    responses.append((error.reason, error.location))
            assert responses[0] == responses[1]


def test_explain_agrees_with_verify(shared: Path, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    for name, document, at in documents(shared, genuine=True) + documents(shared, genuine=False):
        for second in (at + HOUR, at + 7 * HOUR):
            report = verifier.explain(document, at=second)
            try:
                verifier.verify(document, at=second)
            except VerificationError as error:
                assert report.error is not None
                assert (report.error.reason, report.error.location) == (error.reason, error.location), name
            else:
                assert report.ok
                assert {outcome.outcome for outcome in report} <= {"pass", "skip"}
            assert len(report.outcomes) == 12
            assert report.text().splitlines()[-1].startswith("accepted" if report.ok else "refused")


def test_attestation_names_the_backend_that_made_the_decision(shared: Path, backend: Backend) -> None:
    _, document, at = documents(shared, genuine=True)[0]
    decided = Verifier(policy=Policy.offline_audit(), backend=backend).verify(document, at=at + HOUR).backend
    assert decided == backend.name
