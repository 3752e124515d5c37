"""Tests of the addresses that the emulator publishes: in certificates, in tokens, and as its own address."""

from __future__ import annotations

import base64
import http.client
import json
import re
from typing import Any

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator import Emulator, Fleet
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.published_urls import Addresses, checked
from imdskit.errors import UsageError

NOON = 1_767_268_800
KEYS = Keys()
TOKEN = "a-token-that-tests-know"
NAMES = re.compile(rb"https?://[ -~]+?\.(?:crt|crl)")
ACCESS_TOKEN = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"


def emulator(**options: Any) -> Emulator:
    return Emulator("linux", seed=1, clock=ManualClock(NOON), keys=KEYS, rate_limit=False, **options)


def fetch(host: Any, target: str, name: str = "", method: str = "GET", admin: bool = False) -> tuple[int, bytes]:
    url = host.admin.url if admin else host.local_url
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, target, headers={"Metadata": "true", **({"Host": name} if name else {})})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def claims(host: Any, prefix: str = "") -> dict[str, Any]:
    token = json.loads(fetch(host, prefix + ACCESS_TOKEN)[1])["access_token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(token + "=="))


def in_certificates(host: Any) -> set[str]:
    der = host.authority.issuing + host.authority.signer().certificate
    return {found.decode() for found in NAMES.findall(der)}


def test_addresses_default_to_the_listening_address() -> None:
    with emulator() as imds:
        assert imds.url == imds.local_url
        assert len(in_certificates(imds)) == 4
        assert all(each.startswith(f"{imds.url}/pki/imdskit-") for each in in_certificates(imds))
        assert claims(imds)["iss"].startswith(f"{imds.url}/oidc/")


def test_public_address_is_in_documents_tokens_and_url() -> None:
    with emulator(public_url="http://imds.test:8080/") as imds:
        assert imds.url == imds.machine().url == "http://imds.test:8080"
        assert all(each.startswith("http://imds.test:8080/pki/") for each in in_certificates(imds))
        issuer = claims(imds)["iss"]
        assert issuer.startswith("http://imds.test:8080/oidc/")
        path = issuer.removeprefix("http://imds.test:8080") + ".well-known/openid-configuration"
        status, body = fetch(imds, path, "imds.test:8080")
        assert (status, json.loads(body)["issuer"]) == (200, issuer)
        assert json.loads(body)["jwks_uri"] == issuer + "discovery/keys"
        assert fetch(imds, "/metadata/versions", "imds.example")[0] == 421


@pytest.mark.parametrize("pki", ["http://www.microsoft.com/pkiops/certs", "http://www.microsoft.com", "http://www.microsoft.com/pki"])
def test_certificates_can_be_downloaded_from_pki_url(pki: str) -> None:
    with emulator(pki_url=pki) as imds:
        found = in_certificates(imds)
        assert all(each.startswith(pki + "/imdskit-") for each in found)
        for address in found:
            host, _, path = address.removeprefix("http://").partition("/")
            assert fetch(imds, f"/{path}", host)[0] == 200
            assert fetch(imds, "/pki/" + path.rpartition("/")[2])[0] == 200
        assert imds.url == imds.local_url
        assert fetch(imds, pki.removeprefix("http://www.microsoft.com") + "/nothing.crt")[0] == 404
        assert fetch(imds, "/metadata/versions")[0] == 200


@pytest.mark.parametrize("issuer", ["https://sts.windows.net", "http://login.test/oidc", "http://login.test/a/b/"])
def test_tokens_name_the_given_issuer_and_keys_are_below_it(issuer: str) -> None:
    with emulator(issuer=issuer) as imds:
        given = claims(imds)
        assert given["iss"] == f"{issuer.rstrip('/')}/{given['tid']}/"
        _, _, host, *path = given["iss"].split("/")
        status, body = fetch(imds, "/" + "/".join(path) + ".well-known/openid-configuration", host)
        assert status == 200
        configuration = json.loads(body)
        assert configuration["issuer"] == given["iss"]
        assert configuration["jwks_uri"] == f"{imds.url}/oidc/{given['tid']}/discovery/keys"
        assert fetch(imds, configuration["jwks_uri"].removeprefix(imds.url))[0] == 200


def test_pki_and_issuer_at_the_root_do_not_hide_the_service() -> None:
    with emulator(pki_url="http://pki.test", issuer="http://sts.test") as imds:
        given = claims(imds)
        assert fetch(imds, f"/{given['tid']}/discovery/keys", "sts.test")[0] == 200
        assert all(fetch(imds, "/" + each.rpartition("/")[2], "pki.test")[0] == 200 for each in in_certificates(imds))
        assert fetch(imds, "/metadata/versions")[0] == 200
        assert fetch(imds, "/nothing")[0] == 404


def test_fleet_publishes_only_at_the_given_addresses() -> None:
    options: dict[str, Any] = {"seed": 1, "clock": ManualClock(NOON), "pki_url": "http://pki.test", "public_url": "http://imds.test"}
    with Fleet("fleet", 2, **options) as fleet:
        assert [fleet.machine(index).url for index in range(2)] == ["http://imds.test/m/0", "http://imds.test/m/1"]
        assert all(fetch(fleet, "/" + each.rpartition("/")[2], "pki.test")[0] == 200 for each in in_certificates(fleet))
        assert fetch(fleet, "/metadata/versions")[0] == 404
        assert fetch(fleet, "/m/1/metadata/versions", "imds.test")[0] == 200
        assert claims(fleet, "/m/1")["iss"].startswith("http://imds.test/oidc/")


@pytest.mark.parametrize(
    ("public", "expected"),
    [("http://imds.test", "http://imds.test:"), ("http://[fd00::1]:80/x", "http://[fd00::1]:"), (None, "http://127.0.0.1:")],
)
def test_machines_selected_by_port_keep_the_public_host(public: str | None, expected: str) -> None:
    with Fleet("linux", 2, seed=1, select="port", public_url=public) as fleet:
        urls = [fleet.machine(index).url for index in range(2)]
        assert [url.startswith(expected) for url in urls] == [True, True]
        assert [str(port) in url for port, url in zip(fleet.ports, urls, strict=True)] == [True, True]


@pytest.mark.parametrize(("host", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::ffff:0.0.0.0", "127.0.0.1")])
def test_unspecified_address_is_never_published(host: str, loopback: str) -> None:
    with emulator(host=host, admin_port=0, admin_host=host, admin_token=TOKEN) as imds:
        assert imds.url.startswith(f"http://{loopback}:")
        assert imds.admin is not None
        assert imds.admin.url.startswith(f"http://{loopback}:")
        given = [*in_certificates(imds), claims(imds)["iss"], imds.machine().url, json.dumps(imds.configuration())]
        assert not [each for each in given if "0.0.0.0" in each or "[::]" in each or "[::ffff" in each]


WRONG = [
    "",
    "imds.test",
    "//imds.test",
    "ftp://imds.test",
    "http://",
    "http:///pki",
    "http://imds.test?x=1",
    "http://imds.test#x",
    "http://user@imds.test",
    "http://user:secret@imds.test",
    "http://imds.test:0",
    "http://imds.test:65536",
    "http://imds.test:http",
    "http://imds.test/a b",
    "http://imds.test/\r\nX: y",
    "http://b\u00fccher.test",
    "http://0.0.0.0:80",
    "http://0",
    "http://0x0",
    "http://127.1",
    "http://[::]:80",
    "http://[::ffff:0.0.0.0]",
    "http://[::1",
    "http://-imds.test",
    "http://" + "a" * 2000,
    'http://imds.test/"',
]


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("name", ["public_url", "pki_url", "issuer"])
def test_refuses_address_that_no_client_can_use(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        emulator(**{name: value})
    assert (caught.value.code, caught.value.location) == ("bad-argument", name)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("value", ["http://a", "HTTPS://Imds.Test:443/x/", "http://[fd00::1]:8080", "http://10.0.0.1", "http://a_b.test."])
def test_accepts_address_that_clients_can_use(value: str) -> None:
    assert checked("public_url", value) == value.rstrip("/")
    assert len(Addresses(value).hosts()) == 1


def test_root_certificate_can_be_downloaded_alone() -> None:
    with emulator() as imds:
        root = fetch(imds, "/pki/root.pem")
        assert root == (200, imds.root_pem.encode())
        assert root[1].startswith(b"-----BEGIN CERTIFICATE-----\n")
        assert root[1].count(b"BEGIN") == 1
        assert base64.b64decode(b"".join(root[1].splitlines()[1:-1])) == imds.authority.root
        assert fetch(imds, "/pki/trust.pem") == (200, imds.trust_pem.encode())


def test_health_is_on_the_service_port_only_if_enabled() -> None:
    with emulator(admin_port=0, admin_token=TOKEN) as imds:
        assert fetch(imds, "/healthz")[0] == 404
        imds.journal.reset()
        assert fetch(imds, "/healthz", admin=True) == (200, b'{"status":"ok"}')
        assert fetch(imds, "/healthz", "imds.example", admin=True)[0] == 421
        assert fetch(imds, "/healthz", method="POST", admin=True)[0] == 401
    with emulator(health=True, faults=[{"fault": {"status": 500}}]) as imds:
        assert fetch(imds, "/healthz") == (200, b'{"status":"ok"}')
        assert fetch(imds, "/healthz", method="HEAD") == (200, b"")
        assert (len(imds.journal), imds.faults.list()[0]["applied"]) == (0, 0)
        assert fetch(imds, "/healthz", "imds.example")[0] == 421
        assert fetch(imds, "/metadata/versions")[0] == 500


def test_admin_api_off_loopback_needs_a_token() -> None:
    with pytest.raises(UsageError) as caught:
        emulator(admin_port=0, admin_host="0.0.0.0")
    assert caught.value.location == "admin_host"
    with emulator(admin_port=0, admin_host="localhost") as imds:
        assert imds.admin is not None


def test_admin_api_listens_on_the_given_address() -> None:
    with emulator(admin_port=0, admin_host="127.0.0.2", admin_token=TOKEN) as imds:
        assert imds.admin is not None
        assert imds.admin.url.startswith("http://127.0.0.2:")
        assert fetch(imds, "/healthz", admin=True)[0] == 200


@pytest.mark.parametrize(
    ("allowed", "name", "status"),
    [
        ([], "imds", 421),
        (["imds"], "imds:9254", 401),
        (["IMDS."], "imds", 401),
        (["imds"], "imds.test", 421),
        (["*"], "anything.test", 401),
        ([], "10.0.0.1", 421),
        ([], "169.254.169.254", 421),
        ([], "127.0.0.1:1", 401),
    ],
)
def test_admin_api_accepts_only_allowed_hosts(allowed: list[str], name: str, status: int) -> None:
    with emulator(admin_port=0, admin_host="0.0.0.0", admin_token=TOKEN, admin_allow_hosts=allowed) as imds:
        assert fetch(imds, "/v1/state", name, admin=True)[0] == status
