"""The emulator's test-only authority. OpenSSL in strict mode and pyca/cryptography accept its
certificates, which have the shape of genuine ones."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from imdskit.clock import ManualClock
from imdskit.emulator.authority.authority import DAY, LEAF_PERIOD, Authority
from imdskit.errors import UsageError

NOW = 1_767_225_600 + 200 * DAY  # in July 2026
BASE = "http://127.0.0.1:8080"
ONLY_GENUINE = {"1.3.6.1.4.1.11129.2.4.2", "1.3.6.1.4.1.311.21.7"}
"""Extensions that a test-only certificate cannot truthfully have: timestamps of transparency logs, and Microsoft's certificate template."""


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture(scope="module")
def authority(clock: ManualClock) -> Authority:
    return Authority(clock, BASE, seed=11)


@pytest.fixture(scope="module")
def leaf(authority: Authority) -> x509.Certificate:
    return x509.load_der_x509_certificate(authority.signer().certificate)


def genuine_leaf(shared: Path, number: str) -> x509.Certificate:
    (described,) = (shared / "corpus" / "attested").glob(f"{number}-*.meta.json")
    document = json.loads(Path(str(described).replace(".meta.json", ".json")).read_bytes())
    (certificate,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(document["signature"]))
    return certificate


def addresses(certificate: x509.Certificate) -> list[str]:
    """Return every address in a certificate's extensions."""
    found = []
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.AuthorityInformationAccess):
            found += [access.access_location.value for access in extension.value]
        if isinstance(extension.value, x509.CRLDistributionPoints):
            found += [name.value for point in extension.value for name in point.full_name or ()]
    return found


def test_openssl_accepts_the_chain_strictly_and_with_revocation_lists(authority: Authority, tmp_path: Path) -> None:
    root, issuing = (x509.load_der_x509_certificate(der) for der in (authority.root, authority.issuing))
    leaf = x509.load_der_x509_certificate(authority.signer().certificate)
    lists = []
    for holder in (leaf, issuing):
        (address,) = (address for address in addresses(holder) if address.endswith(".crl"))
        found = authority.download(urlsplit(address).path)
        assert found is not None
        lists.append(x509.load_der_x509_crl(found[1]).public_bytes(Encoding.PEM))
    certificates = [certificate.public_bytes(Encoding.PEM) for certificate in (leaf, issuing, root)]
    for name, content in zip(("leaf", "issuing", "root", "crl1", "crl2"), certificates + lists, strict=True):
        (tmp_path / name).write_bytes(content)
    command = (
        "openssl verify -x509_strict -purpose sslserver -verify_hostname metadata.azure.com -crl_check_all -CRLfile crl1 -CRLfile crl2"
    )
    result = subprocess.run(
        [*command.split(), "-attime", str(NOW), "-CAfile", "root", "-untrusted", "issuing", "leaf"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.stderr, result.returncode) == ("leaf: OK\n", "", 0)


@pytest.mark.parametrize("name", ["metadata.azure.com", "westeurope.metadata.azure.com"])
def test_pyca_accepts_the_chain_for_both_names(authority: Authority, leaf: x509.Certificate, name: str) -> None:
    root, issuing = (x509.load_der_x509_certificate(der) for der in (authority.root, authority.issuing))
    builder = PolicyBuilder().store(Store([root])).time(datetime.fromtimestamp(NOW, UTC))
    assert builder.build_server_verifier(x509.DNSName(name)).verify(leaf, [issuing])[-1] == root


@pytest.mark.parametrize("number", ["16", "17", "19", "21"])
def test_a_leaf_has_subject_and_extensions_of_genuine_leaves_in_their_order(leaf: x509.Certificate, shared: Path, number: str) -> None:
    genuine = genuine_leaf(shared, number)
    assert leaf.subject.public_bytes() == genuine.subject.public_bytes()
    assert leaf.signature_algorithm_oid == genuine.signature_algorithm_oid
    assert leaf.serial_number.bit_length() == genuine.serial_number.bit_length()
    expected = [(e.oid.dotted_string, e.critical) for e in genuine.extensions if e.oid.dotted_string not in ONLY_GENUINE]
    assert [(e.oid.dotted_string, e.critical) for e in leaf.extensions] == expected
    for oid in (ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.CERTIFICATE_POLICIES):
        assert leaf.extensions.get_extension_for_oid(oid).value == genuine.extensions.get_extension_for_oid(oid).value


def test_a_leaf_is_valid_as_long_as_genuine_leaves_since_2025(leaf: x509.Certificate, shared: Path) -> None:
    genuine = genuine_leaf(shared, "21")
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == genuine.not_valid_after_utc - genuine.not_valid_before_utc


def test_an_authority_has_the_extensions_of_the_genuine_authority(authority: Authority, shared: Path) -> None:
    folder = shared / "corpus" / "certs"
    pairs = [
        (authority.root, "microsoft-rsa-root-certificate-authority-2017.pem"),
        (authority.issuing, "microsoft-azure-rsa-tls-issuing-ca-07--by--microsoft-rsa-root-certificate-authority-2017.pem"),
    ]
    for ours, name in pairs:
        genuine = x509.load_pem_x509_certificate((folder / name).read_bytes())
        expected = [(e.oid, e.critical) for e in genuine.extensions if not e.oid.dotted_string.startswith("1.3.6.1.4.1.311.")]
        assert [(e.oid, e.critical) for e in x509.load_der_x509_certificate(ours).extensions] == expected


def test_serves_every_address_in_the_certificates(authority: Authority, leaf: x509.Certificate) -> None:
    issuing = x509.load_der_x509_certificate(authority.issuing)
    served = {}
    for address in addresses(leaf) + addresses(issuing):
        assert address.startswith(f"{BASE}/pki/")
        served[address] = authority.download(urlsplit(address).path)
    assert len(served) == 4
    assert None not in served.values()
    access = leaf.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    assert isinstance(access, x509.AuthorityInformationAccess)
    (ca_issuers,) = access
    assert ca_issuers.access_method == AuthorityInformationAccessOID.CA_ISSUERS
    assert served[ca_issuers.access_location.value] == ("application/pkix-cert", authority.issuing)


@pytest.mark.parametrize("path", ["", "/", "/pki/", "/pki/imdskit-root-.crt", "/pki/../pki", "/pki/imdskit-issuing.key"])
def test_serves_no_other_paths(authority: Authority, path: str) -> None:
    assert authority.download(path) is None


def test_names_say_that_the_authority_is_for_tests(authority: Authority) -> None:
    for der in (authority.root, authority.issuing):
        (name,) = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        text = str(name.value)
        assert text.startswith("imdskit test-only ")
        assert "test-only" in text
        assert len(text) <= 64  # RFC 5280 appendix A.1, ub-common-name


def test_the_same_seed_gives_the_same_root_for_a_year_at_every_address(authority: Authority) -> None:
    again = Authority(ManualClock(NOW - 150 * DAY), "http://169.254.169.254", seed=11)
    assert again.root == authority.root
    assert again.issuing != authority.issuing


def test_the_same_seed_time_and_address_give_the_same_certificates(authority: Authority) -> None:
    again = Authority(ManualClock(NOW), BASE, seed=11)
    assert (again.issuing, again.signer().certificate) == (authority.issuing, authority.signer().certificate)


def test_authorities_without_a_seed_differ() -> None:
    first, second = Authority(ManualClock(NOW), BASE), Authority(ManualClock(NOW), BASE)
    assert x509.load_der_x509_certificate(first.root).subject != x509.load_der_x509_certificate(second.root).subject


def test_a_leaf_is_cached_for_its_period_and_then_replaced() -> None:
    clock = ManualClock(NOW // LEAF_PERIOD * LEAF_PERIOD)
    authority = Authority(clock, BASE, seed=12)
    first = authority.signer()
    clock.advance(LEAF_PERIOD - 1)
    assert authority.signer() is first
    clock.advance(1)
    second = authority.signer()
    before, after = (x509.load_der_x509_certificate(signer.certificate) for signer in (first, second))
    assert before.serial_number != after.serial_number
    for certificate, at in ((before, clock.now() - 1), (after, clock.now()), (before, clock.now())):
        assert certificate.not_valid_before_utc < datetime.fromtimestamp(at, UTC) < certificate.not_valid_after_utc


def test_issues_leaves_for_other_clouds_and_regions(authority: Authority) -> None:
    leaf = x509.load_der_x509_certificate(authority.signer("metadata.azure.us", "USGov Virginia").certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["usgovvirginia.metadata.azure.us", "metadata.azure.us"]
    assert authority.signer("metadata.azure.us", "usgovvirginia") is authority.signer("metadata.azure.us", "USGov Virginia")


@pytest.mark.parametrize("region", ["", "a.b", "-a", "a_b", "é", "x" * 64, "a\0b"])
def test_rejects_regions_that_are_invalid_in_a_name(authority: Authority, region: str) -> None:
    with pytest.raises(UsageError):
        authority.signer(region=region)


def test_rejects_addresses_that_are_invalid_in_a_certificate(clock: ManualClock) -> None:
    with pytest.raises(UsageError):
        Authority(clock, "http://é", seed=1)


def test_an_authority_cannot_be_pickled(authority: Authority) -> None:
    for secret in (authority, authority.signer()):
        with pytest.raises((UsageError, TypeError)):
            pickle.dumps(secret)


def test_the_trust_file_contains_root_and_issuing_authority(authority: Authority) -> None:
    certificates = x509.load_pem_x509_certificates(authority.trust_pem().encode())
    assert [certificate.public_bytes(Encoding.DER) for certificate in certificates] == [authority.root, authority.issuing]
    assert authority.root_pem in authority.trust_pem()
    assert authority.issuing_pem in authority.trust_pem()
