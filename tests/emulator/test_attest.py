"""Signed messages: OpenSSL accepts them, and apart from certificate, content and signature they
equal genuine messages of Azure byte for byte."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from imdskit.clock import ManualClock
from imdskit.emulator.authority import signed_document
from imdskit.emulator.authority.authority import Authority, Signer
from imdskit.emulator.authority.keys import RsaKey, seeded
from imdskit.protocol import attested

NOW = 1_785_000_000
CONTENT = attested.content({"vmId": "5c08b38e-4d57-4c23-ac45-aca61037f084"}, "2021-02-01", NOW, None)
GENUINE = ["02", "05", "06", "08", "10", "12", "13", "15", "16", "17", "19", "21"]
FIRST_VERSIONS = {"2018-10-01": "vmId", "2019-04-30": "subscriptionId", "2019-11-01": "sku", "2020-09-01": "licenseType"}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(ManualClock(NOW), "http://127.0.0.1:8080", seed=21)


def genuine(shared: Path, number: str) -> tuple[bytes, dict[str, str]]:
    """Return the DER and the description of one genuine document."""
    (described,) = (shared / "corpus" / "attested").glob(f"{number}-*.meta.json")
    document = json.loads(Path(str(described).replace(".meta.json", ".json")).read_bytes())
    return base64.b64decode("".join(document["signature"].split())), json.loads(described.read_bytes())


class Replay(Signer):
    """Signer that returns a given signature instead of computing one."""

    __slots__ = ("signature",)

    def __init__(self, certificate: x509.Certificate, der: bytes, signature: bytes) -> None:
        super().__init__(der, certificate.issuer.public_bytes(), certificate.serial_number, RsaKey.generate(1024, seeded(0, "unused")))
        self.signature = signature

    def sign(self, content: bytes) -> bytes:
        return self.signature


def verify(message: bytes, trust: str, folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "trust.pem").write_text(trust, "utf-8")
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-CAfile", "trust.pem", "-attime", str(NOW), *options]
    return subprocess.run(command, input=message, cwd=folder, capture_output=True, check=False)


def test_openssl_verifies_a_message_and_extracts_its_content(authority: Authority, tmp_path: Path) -> None:
    result = verify(signed_document.message(authority.signer(), CONTENT), authority.trust_pem(), tmp_path, "-purpose", "any")
    assert (result.stdout, result.returncode) == (CONTENT, 0), result.stderr


def test_openssl_refuses_changed_content(authority: Authority, tmp_path: Path) -> None:
    message = signed_document.message(authority.signer(), CONTENT).replace(b"5c08b38e", b"5c08b38f")
    assert verify(message, authority.trust_pem(), tmp_path, "-purpose", "any").returncode != 0


def test_openssl_refuses_a_message_of_another_authority(authority: Authority, tmp_path: Path) -> None:
    other = Authority(ManualClock(NOW), "http://127.0.0.1:8080", seed=22)
    assert verify(signed_document.message(authority.signer(), CONTENT), other.trust_pem(), tmp_path, "-purpose", "any").returncode != 0


@pytest.mark.parametrize("number", GENUINE)
def test_genuine_message_is_reproduced_byte_for_byte_from_its_parts(shared: Path, number: str) -> None:
    der, description = genuine(shared, number)
    (certificate,) = pkcs7.load_der_pkcs7_certificates(der)
    original = certificate.public_bytes(Encoding.DER)
    assert original in der
    assert signed_document.message(Replay(certificate, original, der[-256:]), description["content"].encode()) == der


@pytest.mark.parametrize("number", GENUINE)
def test_genuine_content_is_reproduced_byte_for_byte_from_its_values(shared: Path, number: str) -> None:
    _, description = genuine(shared, number)
    claims = json.loads(description["content"])
    facts = {name: value for name, value in claims.items() if isinstance(value, str)}
    facts |= {f"plan.{name}": value for name, value in claims["plan"].items()}
    version = max(since for since, member in FIRST_VERSIONS.items() if member in claims)
    created = unix_seconds(claims["timeStamp"]["createdOn"])
    nonce = None if description["nonce_equals"] == "expiresOn" else claims["nonce"]
    assert attested.content(facts, version, created, nonce) == description["content"].encode()


def unix_seconds(text: str) -> int:
    return int(datetime.strptime(text, "%m/%d/%y %H:%M:%S %z").timestamp())


def test_message_has_the_same_asn1_elements_as_a_genuine_one(authority: Authority, shared: Path) -> None:
    der, description = genuine(shared, "21")
    assert elements(signed_document.message(authority.signer(), description["content"].encode())) == elements(der)


def elements(message: bytes) -> list[str]:
    """Return the depth, the type and, for an OBJECT IDENTIFIER, the value of each ASN.1 element outside of the certificate."""
    lines = (
        subprocess.run(["openssl", "asn1parse", "-inform", "DER"], input=message, capture_output=True, check=True)
        .stdout.decode()
        .splitlines()
    )
    kept = []
    inside_certificate = False
    for line in lines:
        depth = int(line.split("d=")[1].split()[0])
        inside_certificate = inside_certificate and depth > 3
        kind = line.split(": ", 1)[1]
        if not inside_certificate:
            kept.append(f"{depth} {kind.split(':')[0].strip()} {kind.split(':')[1] if 'OBJECT' in kind else ''}")
        if depth == 3 and "cont [ 0 ]" in kind:
            inside_certificate = True
    return kept


def test_signature_is_over_the_content_itself(authority: Authority) -> None:
    signer = authority.signer()
    assert signed_document.message(signer, CONTENT).endswith(signer.sign(CONTENT))


@pytest.mark.parametrize("content", [b"", b"\0", bytes(100_000)], ids=["empty", "zero", "large"])
def test_any_content_can_be_signed(authority: Authority, tmp_path: Path, content: bytes) -> None:
    result = verify(signed_document.message(authority.signer(), content), authority.trust_pem(), tmp_path, "-purpose", "any", "-binary")
    assert (result.stdout, result.returncode) == (content, 0), result.stderr
