"""The bundled certificates agree with their README and with other sources."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import certifi
from cryptography import x509

from imdskit.verify import Trust, pem

README = (files("imdskit.verify") / "roots" / "README.md").read_text(encoding="utf-8")


def fingerprints(section: str) -> dict[str, str]:
    text = README.split(f"## {section}")[1].split("\n## ")[0]
    return {match[1]: match[0] for match in re.findall(r"^\| ([^|]+?) \|.*`([0-9a-f]{64})`", text, re.MULTILINE)}


def test_the_readme_names_every_certificate_and_no_other() -> None:
    trust = Trust.bundled()
    assert {sha256(der).hexdigest() for der in trust.anchors} == set(fingerprints("Anchors"))
    assert {sha256(der).hexdigest() for der in trust.intermediates} == set(fingerprints("Intermediates"))


def test_readme_agrees_with_every_certificate() -> None:
    trust = Trust.bundled()
    signing = {one.name for one in trust.signing}
    rows = [line.strip("| ").split(" | ") for line in README.splitlines() if line.count(" | ") == 7 and "`" in line]
    assert len(rows) == len(trust.anchors) + len(trust.intermediates) == 40
    for (subject, issuer, use, start, end, fingerprint, origin, since), der in zip(
        rows, (*trust.anchors, *trust.intermediates), strict=True
    ):
        certificate = x509.load_der_x509_certificate(der)
        assert f"`{sha256(der).hexdigest()}`" == fingerprint
        assert common_name(certificate.subject) == subject
        assert common_name(certificate.issuer) == (issuer or subject)
        assert (str(certificate.not_valid_before_utc.date()), str(certificate.not_valid_after_utc.date())) == (start, end)
        assert use == ("audit" if fingerprint.strip("`") in trust.audit else "signs" if subject in signing else "")
        assert origin
        assert since in ("2026-11-23", "2026-11-30")


def common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_anchors_are_in_certifi_except_for_explained_ones() -> None:
    known = {sha256(der).hexdigest() for der in pem.certificates(Path(certifi.where()).read_bytes(), "certifi")}
    missing = {name for fingerprint, name in fingerprints("Anchors").items() if fingerprint not in known}
    assert missing <= {"Baltimore CyberTrust Root", "DigiCert Global Root CA", "Microsoft TLS RSA Root G2"}


def test_every_intermediate_is_signed_by_the_issuer_that_it_names() -> None:
    trust = Trust.bundled()
    issuers = [x509.load_der_x509_certificate(der) for der in (*trust.anchors, *trust.intermediates)]
    for der in trust.intermediates:
        certificate = x509.load_der_x509_certificate(der)
        candidates = [issuer for issuer in issuers if issuer.subject == certificate.issuer]
        assert candidates
        certificate.verify_directly_issued_by(candidates[0])


def test_new_root_is_cross_signed_by_an_old_root() -> None:
    """Microsoft TLS RSA Root G2 is in no package. It is trusted because DigiCert Global Root G2 has certified the same key."""
    trust = Trust.bundled()
    certificates = [x509.load_der_x509_certificate(der) for der in (*trust.anchors, *trust.intermediates)]
    same = [c for c in certificates if "CN=Microsoft TLS RSA Root G2" in c.subject.rfc4514_string()]
    assert len(same) == 2
    assert same[0].public_key() == same[1].public_key()


def test_bundle_contains_all_certificates_of_the_corpus(shared: Path) -> None:
    listed = {entry["sha256"]: entry["self_signed"] for entry in json.loads((shared / "corpus" / "certs" / "index.json").read_text())}
    trust = Trust.bundled()
    assert {sha256(der).hexdigest() for der in trust.anchors} == {h for h, root in listed.items() if root}
    assert {sha256(der).hexdigest() for der in trust.intermediates} == {h for h, root in listed.items() if not root}
