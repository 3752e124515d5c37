"""The locations of the fetcher contain the addresses in real certificates, but no look-alikes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from imdskit.errors import FetchError
from imdskit.verify import pem
from imdskit.verify.aia import LOCATIONS, Location, Target
from imdskit.verify.aia.allowed_addresses import refusal
from imdskit.verify.aia.locations import target


def ca_issuers(certificate: x509.Certificate) -> list[str]:
    """Return the addresses, parsed by another library, so that this test does not depend on the parser of imdskit."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return [entry.access_location.value for entry in access if entry.access_method == x509.oid.AuthorityInformationAccessOID.CA_ISSUERS]


def test_every_address_in_a_bundled_certificate_is_accepted() -> None:
    from imdskit.verify import Trust

    bundle = Trust.bundled()
    named = {address for der in (*bundle.anchors, *bundle.intermediates) for address in ca_issuers(x509.load_der_x509_certificate(der))}
    assert len(named) >= 4
    for address in named:
        assert address.endswith(target(address, LOCATIONS).path)


@pytest.mark.filterwarnings("ignore:PKCS#7 certificates could not be parsed as DER")
def test_every_address_in_a_real_certificate_is_accepted(shared: Path) -> None:
    certificates = [
        x509.load_der_x509_certificate(der)
        for path in sorted((shared / "corpus" / "certs").glob("*.pem"))
        for der in pem.certificates(path.read_bytes(), path.name)
    ]
    for path in sorted((shared / "corpus" / "attested").glob("[0-9]*.meta.json")):
        if json.loads(path.read_text())["kind"] == "genuine":
            document = json.loads(path.with_name(path.name.replace(".meta", "")).read_text())
            certificates += pkcs7.load_der_pkcs7_certificates(base64.b64decode(document["signature"]))
    named = {address for certificate in certificates for address in ca_issuers(certificate)}
    assert len(named) >= 12
    for address in named:
        found = target(address, LOCATIONS)
        assert f"http://{found.host}{found.path}" == address
        assert found.port == 80
    seen = {location for location in LOCATIONS if any(address.startswith(location.prefix) for address in named)}
    assert set(LOCATIONS) - seen == {Location("cacerts.digicert.cn", "/"), Location("cacerts.geotrust.com", "/")}


@pytest.mark.parametrize("host", ["cacerts.digicert.cn", "cacerts.geotrust.com"])
def test_hosts_known_only_from_documentation_follow_the_same_rules(host: str) -> None:
    assert target(f"http://{host}/CA.crt", LOCATIONS) == Target(host, 80, "/CA.crt")
    for address in (
        f"https://{host}/CA.crt",
        f"http://{host}/a/CA.crt",
        f"http://x.{host}/CA.crt",
        f"http://{host}.x/CA.crt",
        f"http://{host}:8080/a",
    ):
        with pytest.raises(FetchError):
            target(address, LOCATIONS)


GOOD = "http://www.microsoft.com/pkiops/certs/Microsoft%20Azure%20TLS%20Issuing%20CA%2001%20-%20xsign.crt"


def test_target_consists_of_host_port_and_path() -> None:
    assert target(GOOD, LOCATIONS) == Target("www.microsoft.com", 80, GOOD.removeprefix("http://www.microsoft.com"))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://",
        "https://www.microsoft.com/pkiops/certs/a.crt",
        "HTTP://www.microsoft.com/pkiops/certs/a.crt",
        "ftp://www.microsoft.com/pkiops/certs/a.crt",
        "ldap://www.microsoft.com/pkiops/certs/a.crt",
        "file:///etc/passwd",
        "//www.microsoft.com/pkiops/certs/a.crt",
        "http:/www.microsoft.com/pkiops/certs/a.crt",
        "http:\\\\www.microsoft.com\\pkiops\\certs\\a.crt",
        " http://www.microsoft.com/pkiops/certs/a.crt",
        "http://www.microsoft.com/pkiops/certs/a.crt ",
        "http://www.microsoft.com/pkiops/certs/a.crt\n",
        "http://www.microsoft.com/pkiops/certs/a.crt\r\nHost: internal",
        "http://www.microsoft.com/pkiops/certs/a b.crt",
        "http://www.microsoft.com/pkiops/certs/a\tb.crt",
        "http://www.microsoft.com/pkiops/certs/",
        "http://www.microsoft.com/pkiops/certs",
        "http://www.microsoft.com/pkiops/",
        "http://www.microsoft.com/",
        "http://www.microsoft.com/a.crt",
        "http://www.microsoft.com/pki/a.crt",
        "http://www.microsoft.com/pkiops/certs/sub/a.crt",
        "http://www.microsoft.com/pkiops/certs//a.crt",
        "http://www.microsoft.com/pkiops/certs/../a.crt",
        "http://www.microsoft.com/pkiops/certs/..",
        "http://www.microsoft.com/pkiops/certs/.hidden",
        "http://www.microsoft.com/pkiops/certs/%2e%2e/a.crt",
        "http://www.microsoft.com/pkiops/certs/%2E%2E%2Fa.crt",
        "http://www.microsoft.com/pkiops/certs/a%2Fb.crt",
        "http://www.microsoft.com/pkiops/certs/a%252Fb.crt",
        "http://www.microsoft.com/pkiops/certs/a%5Cb.crt",
        "http://www.microsoft.com/pkiops/certs/a\\b.crt",
        "http://www.microsoft.com/pkiops/certs/a%00.crt",
        "http://www.microsoft.com/pkiops/certs/a%0D%0Ab.crt",
        "http://www.microsoft.com/pkiops/certs/a%.crt",
        "http://www.microsoft.com/pkiops/certs/a%2",
        "http://www.microsoft.com/pkiops/certs/a%41.crt",
        "http://www.microsoft.com/pkiops/certs/a.crt?b",
        "http://www.microsoft.com/pkiops/certs/a.crt?",
        "http://www.microsoft.com/pkiops/certs/a.crt#b",
        "http://www.microsoft.com/pkiops/certs/\u00e9.crt",
        "http://www.microsoft.com/pkiops/certs/\uff0e\uff0e",
        "http://www.microsoft.com/pkiops/certs/" + "a" * 201,
        "http://www.microsoft.com/PKIOPS/certs/a.crt",
        "http://www.microsoft.com:80/pkiops/certs/a.crt",
        "http://www.microsoft.com:8080/pkiops/certs/a.crt",
        "http://www.microsoft.com:/pkiops/certs/a.crt",
        "http://user@www.microsoft.com/pkiops/certs/a.crt",
        "http://user:word@www.microsoft.com/pkiops/certs/a.crt",
        "http://www.microsoft.com@evil.example/pkiops/certs/a.crt",
        "http://www.microsoft.com%2Fpkiops%2Fcerts%2F@evil.example/a.crt",
        "http://evil.example/pkiops/certs/a.crt",
        "http://evil.example/http://www.microsoft.com/pkiops/certs/a.crt",
        "http://www.microsoft.com.evil.example/pkiops/certs/a.crt",
        "http://www.microsoft.com./pkiops/certs/a.crt",
        "http://evil-www.microsoft.com/pkiops/certs/a.crt",
        "http://WWW.MICROSOFT.COM/pkiops/certs/a.crt",
        "http://www.micr\u043esoft.com/pkiops/certs/a.crt",
        "http://microsoft.com/pkiops/certs/a.crt",
        "http://cacerts.digicert.com/a/b.crt",
        "http://169.254.169.254/metadata/instance",
        "http://127.0.0.1/a.crt",
        "http://[::1]/a.crt",
        "http://2130706433/a.crt",
        "http://caissuers.microsoft.com/pki/mscorp/a.crt",
    ],
    ids=ascii,
)
def test_every_other_address_is_refused(address: str) -> None:
    with pytest.raises(FetchError) as error:
        target(address, LOCATIONS)
    assert error.value.code == "url-refused"


def test_custom_location_may_have_a_port() -> None:
    own = (Location("127.0.0.1", "/pki/", 8080),)
    assert target("http://127.0.0.1:8080/pki/root.crt", own) == Target("127.0.0.1", 8080, "/pki/root.crt")
    for other in ("http://127.0.0.1/pki/root.crt", "http://127.0.0.1:80801/pki/root.crt", "http://127.0.0.1:8080/other/root.crt"):
        with pytest.raises(FetchError):
            target(other, own)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:23.1.2.3",
        "64:ff9b::7f00:1",
        "64:ff9b::1701:203",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:1701:203::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2a02:26f0::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", ["23.1.2.3", "100.128.0.1", "172.32.0.1", "168.63.129.17", "2a02:26f0::1", "2600:1400::17"])
def test_a_public_address_is_not_refused(address: str) -> None:
    assert refusal(address) is None
