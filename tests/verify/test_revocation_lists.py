"""Revocation lists from a caller: files, the policy, caching between documents, and the command line."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attested_vectors import AT, SETTING
from attested_vectors import case as case_of
from attested_vectors import document as document_of

from imdskit.backends.contract import Backend
from imdskit.cli import main
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.errors import TrustError, VerificationError
from imdskit.pki.revocation.distribution_points import points_of
from imdskit.pki.x509.parser import parse_certificate
from imdskit.protocol import attested
from imdskit.verify import Policy, Trust, Verifier

ROOT_LIST, ISSUING_LIST = case_of("revocation/none-revoked")["crls"]
REVOKED = case_of("revocation/signer")["crls"][1]
DOCUMENT = document_of("revocation/signer")
DAY = 86_400


def pem(kind: str, *ders: str) -> bytes:
    return "".join(f"A comment.\n-----BEGIN {kind}-----\n{der}\n-----END {kind}-----\n" for der in ders).encode()


TRUST = Trust.from_pem([pem("CERTIFICATE", *SETTING["anchors"])], [pem("CERTIFICATE", *SETTING["intermediates"])])


def verdict(backend: Backend, trust: Trust, policy: Policy | None = None, at: int = AT) -> str:
    try:
        Verifier(trust, policy or Policy(), backend=backend).verify(DOCUMENT, at=at)
    except VerificationError as error:
        return error.code
    return "good"


def test_lists_are_read_from_pem_and_from_der(backend: Backend) -> None:
    both = TRUST.with_crls(pem("X509 CRL", ROOT_LIST, ISSUING_LIST))
    assert both.crls == TRUST.with_crls(base64.b64decode(ROOT_LIST), base64.b64decode(ISSUING_LIST)).crls
    assert verdict(backend, both) == "good"
    assert verdict(backend, both.with_crls(pem("X509 CRL", REVOKED))) == "revoked"  # if two lists are equally new, either can revoke
    assert verdict(backend, TRUST.with_crls(pem("X509 CRL", ROOT_LIST, REVOKED))) == "revoked"


def test_any_revocation_list_makes_all_of_them_required_by_default(backend: Backend) -> None:
    one = TRUST.with_crls(pem("X509 CRL", ISSUING_LIST))
    assert verdict(backend, TRUST) == "good"
    assert verdict(backend, one) == "revocation-unknown"
    lenient = Policy(require_crl=False)
    assert verdict(backend, one, lenient) == "good"
    assert verdict(backend, TRUST.with_crls(pem("X509 CRL", REVOKED)), lenient) == "revoked"
    assert lenient.relaxed == ("that a revocation list covers every certificate",)


def test_a_report_says_whether_there_were_lists(backend: Backend) -> None:
    some = TRUST.with_crls(pem("X509 CRL", ROOT_LIST, ISSUING_LIST))
    output = []
    for trust in (TRUST, some, TRUST.with_crls(pem("X509 CRL", REVOKED))):
        report = Verifier(trust, Policy.offline_audit(), backend=backend).explain(DOCUMENT, at=AT)
        output += [(outcome.outcome, outcome.evidence) for outcome in report.outcomes if outcome.check == "revocation"]
    assert output == [
        ("skip", "no revocation lists were given"),
        ("pass", "no certificate on the path is revoked"),
        ("skip", "an earlier check failed"),
    ]


def test_cached_signer_is_checked_again_when_a_list_expires(backend: Backend) -> None:
    policy = Policy(check_times=False)
    checker = backend.checker(policy.setup(TRUST.with_crls(pem("X509 CRL", ROOT_LIST, ISSUING_LIST))))
    for _ in range(2):
        for at, expected in ((AT - DAY - 1, "unknown"), (AT - DAY, ""), (AT, ""), (AT + DAY, ""), (AT + DAY + 1, "unknown")):
            if not expected:
                assert checker.check(DOCUMENT, at, None).label == "public"
                continue
            with pytest.raises(VerificationError) as refusal:
                checker.check(DOCUMENT, at, None)
            assert refusal.value.code == "revocation-unknown"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "The file contains no revocation list."),
        (pem("CERTIFICATE", ROOT_LIST), "The file contains no revocation list."),
        (pem("X509 CRL", ROOT_LIST[:-5] + "*"), "Revocation list 1 is not base64"),
        (b"-----BEGIN X509 CRL-----\nAAAA", "A revocation list has no END line."),
        (b"0" * (16 * 1024 * 1024 + 1), "The file has more than 16777216 bytes"),
    ],
    ids=["empty", "certificate", "base64", "no-end", "large"],
)
def test_file_without_a_revocation_list_raises_trust_error(file: bytes, message: str) -> None:
    with pytest.raises(TrustError, match="bad-trust") as error:
        TRUST.with_crls(file)
    assert error.value.message.startswith(message)


def test_invalid_revocation_list_raises_error_when_verifier_is_created(backend: Backend) -> None:
    with pytest.raises(TrustError) as error:
        Verifier(replace(TRUST, crls=(base64.b64decode(ROOT_LIST), b"0\x00")), Policy.offline_audit(), backend=backend)
    assert (error.value.code, error.value.location) == ("bad-trust", "crls[1] certificateList.tbsCertList@2")


def test_emulator_revocation_lists_cover_its_certificates(backend: Backend) -> None:
    authority = Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=11)
    document = signed_document.message(authority.signer(), attested.content({"vmId": "a machine"}, "2021-02-01", AT, "4071882193"))
    trust = Trust((authority.root,), (authority.issuing,))
    chain = Verifier(trust, Policy.offline_audit(), backend=backend).verify(document, at=AT).chain
    lists = [authority.download(_address_of_list(der).removeprefix("http://127.0.0.1:8080")) for der in chain[:-1]]
    both = replace(trust, crls=tuple(found[1] for found in lists if found))
    assert Verifier(both, Policy.offline_audit(), backend=backend).verify(document, at=AT).chain == chain
    with pytest.raises(VerificationError, match="revocation-unknown"):
        Verifier(replace(both, crls=both.crls[:1]), Policy.offline_audit(), backend=backend).verify(document, at=AT)


def _address_of_list(der: bytes) -> str:
    [point] = points_of(parse_certificate(der))
    assert point.name is not None and point.name.full is not None
    return point.name.full[0].text


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    contents: dict[str, Any] = {
        "document": DOCUMENT,
        "trust": pem("CERTIFICATE", *SETTING["anchors"]),
        "intermediate": pem("CERTIFICATE", *SETTING["intermediates"]),
        "root": pem("X509 CRL", ROOT_LIST),
        "issuing": base64.b64decode(ISSUING_LIST),
        "revoked": base64.b64decode(REVOKED),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


@pytest.mark.parametrize(
    ("crls", "status", "output"),
    [
        (("root", "issuing"), 0, ""),
        (("root", "revoked"), 1, "refused: revoked: "),
        (("root",), 1, "refused: revocation-unknown: "),
        (("trust",), 2, "error: bad-trust: The file contains no revocation list."),
    ],
    ids=["good", "revoked", "one-missing", "no-list"],
)
def test_command_line_accepts_revocation_lists(
    crls: tuple[str, ...], status: int, output: str, files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["verify", files["document"], "--trust", files["trust"], "--intermediate", files["intermediate"]]
    arguments += [word for name in crls for word in ("--crl", files[name])] + ["--at", datetime.fromtimestamp(AT, UTC).isoformat()]
    assert main(arguments) == status
    assert capsys.readouterr().err.startswith(output)
