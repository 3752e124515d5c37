"""Arguments of the verifier: a wrong one raises an error that names it, and results list relaxed checks."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attested_vectors import ANCHORS, AT, CASES, INTERMEDIATES, TRUST
from attested_vectors import case as case_of

from imdskit import backends, cli
from imdskit.backends.contract import Backend
from imdskit.backends.python import cache
from imdskit.errors import TrustError, UsageError, VerificationError
from imdskit.verify import Policy, Trust, Verifier

SAMPLE = Path(cli.__file__).parent / "emulator" / "documentation-sample.json"
DOCUMENT: str = case_of("revocation/none-revoked")["document"]

Wrong = Callable[[Verifier], object]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda verifier: verifier.verify(DOCUMENT, at=datetime(2026, 11, 23)), "`at` must have a time zone."),
        (lambda verifier: verifier.verify(7, at=AT), "`document` must be bytes or str; got 7."),
        (lambda verifier: verifier.verify(DOCUMENT, at=AT, nonce=7), "`nonce` must be of type str; got 7."),
        (lambda _: Policy(clouds=()), "`clouds` must contain at least one cloud."),
        (lambda _: Policy(skew=-1), "`policy.skew` must be a whole number from 0 to 3600; got -1."),
        (lambda _: Policy.preset("lax"), "`preset` must be the name of a preset; got 'lax'."),
        (lambda _: backends.get("go"), "`backend` must be the name of a backend; got 'go'."),
    ],
)
def test_wrong_argument_raises_usage_error(call: Wrong, message: str, backend: Backend) -> None:
    with pytest.raises(UsageError, match="bad-argument") as error:
        call(Verifier(TRUST, Policy.offline_audit(), backend=backend))
    assert error.value.message == message
    assert error.value.location


def test_aware_datetime_equals_its_unix_time(backend: Backend) -> None:
    assert Verifier(TRUST, Policy.offline_audit(), backend=backend).verify(DOCUMENT, at=datetime.fromtimestamp(AT, UTC)).at == AT


@pytest.mark.parametrize(
    ("made", "code", "message"),
    [
        (lambda: Trust(()), "no-trust", "No trust anchor was given."),
        (
            lambda: Trust.from_pem([b"-----BEGIN CERTIFICATE-----\nMIIB====\n-----END CERTIFICATE-----"]),
            "bad-trust",
            "Certificate 1 is not base64: Excess data after padding.",
        ),
        (
            lambda: Trust.from_pem([b"-----BEGIN CERTIFICATE-----\nMIIBAA==AAAA\n-----END CERTIFICATE-----"]),
            "bad-trust",
            "Certificate 1 is not base64: Excess data after padding.",
        ),
    ],
    ids=["none", "needless-padding", "data-after-padding"],
)
def test_bad_trust_raises_trust_error(made: Callable[[], Trust], code: str, message: str) -> None:
    with pytest.raises(TrustError) as error:
        made()
    assert error.value.code == code
    assert error.value.message.startswith(message[:26])


def test_attestation_and_report_list_the_relaxations_of_a_preset(backend: Backend) -> None:
    verifier = Verifier(policy=Policy.legacy_sample(), backend=backend)
    document = SAMPLE.read_bytes()
    assert verifier.verify(document, at=AT).relaxed == verifier.policy.relaxed != ()
    report = verifier.explain(document, at=AT)
    assert report.ok
    assert report.text().splitlines()[-2:] == ["not checked by this policy: " + "; ".join(verifier.policy.relaxed), "accepted"]
    left_out = {outcome.check: outcome.evidence for outcome in report.outcomes if outcome.outcome == "skip"}
    assert {"chain", "revocation"} <= {check for check, why in left_out.items() if why == "the policy turns this check off"}


def test_a_verifier_without_a_policy_is_refused() -> None:
    for make in (Verifier, lambda: Verifier(TRUST), lambda: Verifier(TRUST, None), lambda: Verifier(policy=None)):  # type: ignore[call-overload]
        with pytest.raises(UsageError) as error:
            make()
        assert error.value.location == "policy"
        assert "Policy.online()" in error.value.hint
        assert "Policy.offline_audit()" in error.value.hint


@pytest.mark.parametrize("name", ["online", "offline_audit", "legacy_sample"])
def test_preset_returns_the_named_policy(name: str) -> None:
    assert Policy.preset(name) == getattr(Policy, name)()


def test_cache_size_does_not_change_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    def responses() -> list[Any]:
        own = Verifier(TRUST, Policy(check_times=False), backend=backends.get("python"))
        found: list[Any] = []
        for case in CASES * 2:
            if case["id"].startswith(("leaf/", "name/")):
                try:
                    found.append(own.verify(base64.b64decode(case["document"]), at=AT).chain)
                except VerificationError as error:
                    found.append(str(error))
        return found

    with_room = responses()
    monkeypatch.setattr(cache, "CACHED_SIGNERS", 1)
    assert responses() == with_room
    assert len({response for response in with_room if isinstance(response, tuple)}) > 2


def pem(certificates: tuple[bytes, ...]) -> str:
    return "".join(f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n" for der in certificates)


@pytest.mark.parametrize("of", [pem, lambda given: pem(given).encode(), lambda given: [pem(given)], lambda given: iter(given)])
def test_trust_accepts_contents_of_one_or_several_files(of: Callable[[tuple[bytes, ...]], Any]) -> None:
    assert Trust.from_pem(of(ANCHORS), of(INTERMEDIATES)) == TRUST
    assert Trust(ANCHORS).with_intermediates(pem(INTERMEDIATES)) == TRUST


@pytest.mark.parametrize("given", [Path("root.pem"), [Path("root.pem")], 7, [None]], ids=str)
def test_rejects_paths_where_file_contents_are_expected(given: Any) -> None:
    with pytest.raises(UsageError) as error:
        Trust.from_pem(given)
    assert (error.value.code, error.value.location) == ("bad-argument", "anchors")
    assert "read_bytes" in error.value.hint


def test_a_backend_may_be_named(backend: Backend) -> None:
    assert Verifier(TRUST, Policy.offline_audit(), backend=backend.name).verify(DOCUMENT, at=AT).backend == backend.name
    with pytest.raises(UsageError):
        Verifier(TRUST, Policy.offline_audit(), backend="fortran")
