"""Tests of ``imdskit doctor`` with good and damaged trust bundles, at past and future dates."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from certificates import basic, make, usage

from imdskit import backends
from imdskit.clouds import CHINA, PUBLIC
from imdskit.errors import BackendError, TrustError
from imdskit.reasons import Reason
from imdskit.verify import Trust
from imdskit.verify.bundles import bundle, doctor
from imdskit.verify.bundles.bundle import Bundle, SigningAuthority

Run = Callable[..., Any]
NOVEMBER_2026 = 1_795_392_000


def states(trust: Trust, at: int = NOVEMBER_2026, days: int = 60) -> dict[str, str]:
    return {one.fingerprint[:8]: one.state for one in doctor.examine(trust, at, days).authorities}


def test_bundled_trust_is_good_on_its_release_date(run: Run) -> None:
    status, out, err = run("doctor", "--at", "2026-11-23")
    assert (status, err) == (0, "")
    assert out.endswith("nothing to do\n")
    assert "cloud public: Microsoft Azure RSA TLS Issuing CA 03," in out
    assert "cloud china: no issuing chain is known" in out
    assert len(re.findall(r"^good   2029-06-03 .*  Microsoft TLS G2 RSA CA OCSP (?:0[2468]|1[0246]) ", out, re.MULTILINE)) == 8
    assert "audit: 21 certificate(s) kept only for audits of old documents" in out
    assert not re.search("ECC TLS Issuing|Baltimore|early|ended", out)


def test_lists_every_certificate_with_its_expiry(run: Run) -> None:
    response = json.loads(run("doctor", "--at", "2026-11-23", "--json").out)
    trust = Trust.bundled()
    assert [one["sha256"] for one in response["authorities"]] == [sha256(der).hexdigest() for der in (*trust.anchors, *trust.intermediates)]
    found = {one["sha256"][:8]: (one["state"], one["notAfter"], one["daysLeft"]) for one in response["authorities"]}
    assert found["16af57a9"] == ("ended", "2025-05-12", -560)
    assert {one["sha256"][:8]: one["use"] for one in response["authorities"]}["ea7a2525"] == "signs"
    assert found["3d3f4b44"] == ("good", "2028-05-25", 549)
    assert (response["ok"], response["advice"], response["trust"]["date"], response["days"]) == (True, [], trust.date, 60)
    assert response["clouds"]["public"]["verifiable"] is True
    assert response["clouds"]["china"] == {"verifiable": False, "issuers": []}


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--at", "2028-05-01"], 1, "Microsoft Azure RSA TLS Issuing CA 03 (3d3f4b440f933ffd) expires within 60 days"),
        (["--at", "2027-05-20", "--days", "3"], 0, "nothing to do"),
        (["--at", "2027-05-30", "--days", "3"], 1, "The bundle of 2026-11-30 is 181 days old"),
        (["--at", "2028-06-01"], 1, "to do: Microsoft Azure RSA TLS Issuing CA 08 signs documents, but the bundle has"),
        (["--at", "2026-11-23", "--days", "600"], 1, "expires within 600 days"),
        (["--at", "2031-01-01"], 1, "the cloud public"),
        (["--at", "2026-11-23", "--cloud", "china"], 1, "No authority that signs for the cloud china"),
        (["--at", "2026-11-23", "--cloud", "usgovernment"], 0, "nothing to do"),
        (["--at", "2022-01-01", "--cloud", "china"], 0, "cloud china: DigiCert SHA2 Secure Server CA"),
        (["--at", "2026-07-01"], 0, "nothing to do"),
        (["--at", "9999-12-31"], 1, "the cloud public"),
        (["--at", "0001-01-01"], 1, "early"),
        (["--days", "36501"], 2, "must be a number of days"),
        (["--days", "-1"], 2, ""),
        (["--cloud", "moon"], 2, "must be the name of a cloud; got 'moon'"),
        (["--bundle", "nowhere"], 2, "bad-bundle"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_result_depends_on_the_date_and_the_options(run: Run, options: list[str], status: int, words: str) -> None:
    found, out, err = run("doctor", *options)
    assert found == status
    assert words in " ".join((out + err).split())


def test_ignores_expiring_cross_certificate_with_valid_twin() -> None:
    """Check in July 2026, shortly before the cross certificates of the issuing authorities expired.

    Other certificates for the same names and keys, which a trust anchor signed, did not expire.
    """
    finding = doctor.examine(Trust.bundled(), 1_782_864_000, 60)
    assert {one.fingerprint[:8] for one in finding.authorities if one.state == "ending"} == {
        *("9d1bc5d2", "33f9731b", "72424779", "511c1c41"),
        *("bbd27139", "7a3ae4f1", "be23414a", "89aade76"),
    }
    assert finding.ok, "and the others, of the ECC authorities, are for audits"


def test_reports_authority_without_path_to_an_anchor() -> None:
    bundled = Trust.bundled()
    anchors = tuple(der for der in bundled.anchors if not sha256(der).hexdigest().startswith("c741f70f"))
    finding = doctor.examine(Trust(anchors, bundled.intermediates), NOVEMBER_2026, 60)
    broken = {one.fingerprint[:8]: one.reason for one in finding.authorities if one.state == "broken"}
    assert broken == dict.fromkeys(("3d3f4b44", "fd39ffc4", "fbb7926a", "cfdd061f"), Reason.UNKNOWN_ISSUER)
    assert len(finding.advice) == 4
    assert finding.clouds["public"] == tuple(f"Microsoft TLS G2 RSA CA OCSP {number:02}" for number in range(2, 17, 2))


def test_reports_modified_certificate_as_broken_chain() -> None:
    bundled = Trust.bundled()
    der = next(one for one in bundled.intermediates if sha256(one).hexdigest().startswith("3d3f4b44"))
    finding = doctor.examine(Trust(bundled.anchors, (der[:-1] + bytes((der[-1] ^ 1,)),)), NOVEMBER_2026, 60, (PUBLIC, CHINA))
    assert finding.authorities[-1].reason is Reason.CERTIFICATE_SIGNATURE
    assert [word for word in ("public", "china") if any(f"the cloud {word} " in line for line in finding.advice)] == ["public", "china"]


def authority(subject: str, issuer: str, *, ca: bool = True, path_length: int | None = None) -> bytes:
    """Return a certificate for ``subject``, signed with the key of ``issuer``."""
    signs = usage("key_cert_sign", "crl_sign") if ca else usage("digital_signature")
    return make(subject, issuer, [basic(ca, path_length), signs], valid=(NOVEMBER_2026 - 1, NOVEMBER_2026 + 1)).der


def test_reports_non_ca_authority_as_broken_chain() -> None:
    root, middle = authority("Root", "Root"), authority("Middle", "Root", path_length=0)
    intermediates = (middle, authority("Below", "Middle"), authority("End entity", "Root", ca=False))
    finding = doctor.examine(Trust((root,), intermediates), NOVEMBER_2026, 60)
    assert [(one.name, one.reason) for one in finding.authorities if one.state == "broken"] == [
        ("Below", Reason.PATH_LENGTH),
        ("End entity", Reason.NOT_A_CA),
    ]


def test_raises_trust_error_for_invalid_certificate() -> None:
    with pytest.raises(TrustError):
        doctor.examine(Trust((b"0\x00",)), NOVEMBER_2026, 60)


def test_examines_another_bundle(run: Run, tmp_path: Path) -> None:
    with as_file(files("imdskit.verify") / "roots") as roots:
        shutil.copytree(roots, tmp_path / "bundle")
    path = tmp_path / "bundle" / "bundle.json"
    path.write_text(path.read_text().replace("2026-11-30", "2027-02-03"))
    response = json.loads(run("doctor", "--at", "2027-03-01", "--bundle", tmp_path / "bundle", "--json").out)
    assert response["trust"] == {"origin": f"bundle {tmp_path / 'bundle'}", "date": "2027-02-03"}


@pytest.mark.parametrize(("code", "status"), [("backend-absent", 0), ("backend-broken", 1), ("backend-contract", 1)])
def test_shows_why_the_extension_is_not_used(run: Run, monkeypatch: pytest.MonkeyPatch, code: str, status: int) -> None:
    def fail(name: str) -> None:
        raise BackendError(code, "So it is.", hint="Mend it.")

    monkeypatch.setattr(backends, "get", fail)
    found, out, _ = run("doctor", "--at", "2026-11-23")
    assert found == status
    assert f"backend: python; {code}: So it is." in out
    assert ("to do: So it is. Mend it." in out) == bool(status)


@pytest.mark.parametrize("with_lists", [True, False], ids=["with its lists", "without"])
def test_reports_missing_signing_authority(run: Run, tmp_path: Path, with_lists: bool) -> None:
    """Use a copy of the bundle without OCSP 02. The doctor compares it with the bundle of this release."""
    trust = Trust.bundled()
    left = tuple(der for der in trust.intermediates if not sha256(der).hexdigest().startswith("ea7a2525"))
    copy = Bundle(trust.date, trust.anchors, left, trust.signing if with_lists else (), trust.audit if with_lists else ())
    bundle.write(tmp_path, copy)
    status, out, _ = run("doctor", "--at", "2026-11-30", "--bundle", tmp_path)
    assert status == 1
    assert [" ".join(part.split()) for part in out.partition("cloud germany:")[2].split("to do: ")[1:]] == [
        (
            "Microsoft TLS G2 RSA CA OCSP 02 signs documents, but the bundle has no current certificate of this authority: run "
            "`imdskit trust update --bundle DIR`, or get a newer bundle (docs/trust.md). 1 thing(s) to do"
        )
    ]


def test_reports_missing_authority_known_only_to_the_bundle() -> None:
    trust = Trust.bundled()
    newer = replace(trust, signing=(*trust.signing, SigningAuthority("New CA", "0" * 64, "a document")), date="2026-12-24")
    assert [line.partition(":")[0] for line in doctor.examine(newer, NOVEMBER_2026, 60).advice] == [
        "New CA signs documents, but the bundle has no current certificate of this authority"
    ]


def test_custom_trust_is_not_compared_with_the_bundle() -> None:
    root = Trust.bundled().anchors[1]
    finding = doctor.examine(Trust((root,)), NOVEMBER_2026 + 1000 * 86_400, 0, ())
    assert finding.ok


def test_ignores_expired_audit_certificate(run: Run) -> None:
    """Check 24 days before the ECC authorities expire, on 2026-08-25. They have no successors."""
    assert run("doctor", "--at", "2026-08-01").status == 0


def test_omits_the_audit_line_without_audit_certificates(run: Run, tmp_path: Path) -> None:
    trust = Trust.bundled()
    bundle.write(tmp_path, Bundle(trust.date, trust.anchors[3:4], ()))
    assert "\naudit:" not in run("doctor", "--bundle", tmp_path).out
