"""Attacks on a verifier with a fetcher."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest
from certificates import Made
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from imdskit.backends.contract import Backend
from imdskit.errors import FetchError, VerificationError
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason
from imdskit.verify.aia import Response
from imdskit.verify.aia.fetcher import MAX_HOPS, check_issuer

from .aia_scene import LOCATION, PUBLIC, Network, Scene, document, key, make


def refused(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, leaf: Made | None = None) -> str:
    """Check that the document is refused as without a fetcher, and return the reason from the log."""
    bare = scene.verifier(backend, None)
    aia = scene.verifier(backend, scene.fetcher())
    signed = document(leaf or scene.leaf)
    with pytest.raises(VerificationError) as expected:
        bare.verify(signed)
    with caplog.at_level(logging.WARNING, "imdskit.verify.aia"), pytest.raises(VerificationError) as refusal:
        aia.verify(signed)
    assert refusal.value.reason is Reason.UNKNOWN_ISSUER
    for member in ("code", "message", "location", "hint", "detail"):
        assert getattr(refusal.value, member) == getattr(expected.value, member), "what happened on the network does not show"
    return caplog.text


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (Response(301, b""), "redirected"),
        (Response(302, b"http://127.0.0.1/"), "redirected"),
        (Response(404, b""), "unexpected-status"),
        (Response(206, b"0"), "unexpected-status"),
        (Response(500, b"oops"), "unexpected-status"),
        (ConnectionRefusedError("refused"), "unreachable"),
        (OSError("no route"), "unreachable"),
        (FetchError("timed-out", "slow drip"), "timed-out"),
        (FetchError("too-large", "100 MiB"), "too-large"),
        (b"x" * (16 * 1024 + 1), "too-large"),
        (b"", "not-a-certificate"),
        (b"<html>moved</html>", "not-a-certificate"),
        (b"-----BEGIN CERTIFICATE-----\n", "not-a-certificate"),
        (b"\x30\x80\x00\x00", "not-a-certificate"),
        (b"0" * 16 * 1024, "not-a-certificate"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_response_that_is_not_a_certificate_is_only_logged(
    scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, found: bytes | Response | Exception, code: str
) -> None:
    scene.network.files[LOCATION + "issuing.crt"] = found
    assert code in refused(scene, backend, caplog)


def test_rejects_certificate_with_trailing_bytes(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    scene.network.files[LOCATION + "issuing.crt"] = scene.issuer.der + b"\x00"
    assert "not-a-certificate" in refused(scene, backend, caplog)


def test_rejects_pkcs7_bag_of_certificates(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """RFC 5280 permits one, but no real address serves one."""
    bag = pkcs7.serialize_certificates([scene.issuer.certificate], Encoding.DER)
    scene.network.files[LOCATION + "issuing.crt"] = bag
    assert "not-a-certificate" in refused(scene, backend, caplog)


def test_rejects_certificate_that_is_not_the_issuer(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    wrong = {
        "another name": make("Another CA", scene.root, key_of="Issuing CA"),
        "another key": make("Issuing CA", scene.root, key_of="Stranger"),
        "another key, no identifiers": make("Issuing CA", scene.root, key_of="Stranger", with_identifiers=False),
        "the leaf itself": scene.leaf,
        "not an authority": make("Issuing CA", scene.root, ca=False),
        "a weak key": make("Issuing CA", scene.root, key_of="weak", with_identifiers=False),
    }
    for name, certificate in wrong.items():
        caplog.clear()
        scene.network.files[LOCATION + "issuing.crt"] = certificate.der
        assert "wrong-issuer" in refused(scene, backend, caplog), name
        with pytest.raises(FetchError):
            check_issuer(parse_certificate(certificate.der), parse_certificate(scene.leaf.der))
    check_issuer(parse_certificate(scene.issuer.der), parse_certificate(scene.leaf.der))


def test_forged_leaf_of_a_real_issuer_causes_only_one_fetch(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """The leaf has the name and key identifier of a real authority, but another key signed it. No further issuer is requested."""
    far = make("Issuing CA", make("Far root", key_of="Stranger"), addresses=[LOCATION + "far.crt"])
    forged = make("metadata.azure.com", far, ca=False, addresses=[LOCATION + "issuing.crt"], signed_by=key("Stranger"))
    scene.network.files[LOCATION + "issuing.crt"] = far.der
    assert "did not sign" in refused(scene, backend, caplog, forged)
    assert scene.network.urls == [LOCATION + "issuing.crt"]


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/metadata/instance", "http://127.0.0.1/pkiops/certs/a.crt", "https://www.microsoft.com/pkiops/certs/a.crt"],
)
def test_host_outside_the_locations_is_not_resolved(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, address: str) -> None:
    leaf = make("metadata.azure.com", scene.issuer, ca=False, addresses=[address])
    assert "url-refused" in refused(scene, backend, caplog, leaf)
    assert not scene.network.resolved


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["169.254.169.254"], ["168.63.129.16"], ["::1"], ["::ffff:127.0.0.1"], [PUBLIC, "10.0.0.1"], ["64:ff9b::a00:1"]],
    ids=repr,
)
def test_rejects_host_with_any_private_address(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, found: list[str]) -> None:
    scene.network.names["www.microsoft.com"] = found
    assert "address-refused" in refused(scene, backend, caplog)
    assert not scene.network.requests


@pytest.mark.parametrize("found", [[], OSError("no such name"), FetchError("timed-out", "slow")], ids=repr)
def test_unresolvable_host_is_only_logged(
    scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, found: list[str] | Exception
) -> None:
    scene.network.names["www.microsoft.com"] = found
    assert "no issuer from" in refused(scene, backend, caplog)
    assert not scene.network.requests


def test_host_name_is_resolved_only_once_per_fetch(scene: Scene, backend: Backend) -> None:
    """The fetcher connects to the address that it checked. A second lookup could return the loopback address."""

    class Fickle(Network):
        def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
            super().resolve(host, timeout_ns)
            return [PUBLIC] if len(self.resolved) == 1 else ["127.0.0.1"]

    network = scene.network = Fickle(scene.network.files)
    scene.verifier(backend, scene.fetcher()).verify(document(scene.leaf))
    assert network.resolved == ["www.microsoft.com"]
    assert network.requests == [(LOCATION + "issuing.crt", PUBLIC)]


def test_tries_a_second_address_of_a_host_but_no_third(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    scene.network.names["www.microsoft.com"] = [f"23.1.2.{number}" for number in range(50)]
    scene.network.files[LOCATION + "issuing.crt"] = OSError("no route")
    assert "no route" in refused(scene, backend, caplog)
    assert [address for _, address in scene.network.requests] == ["23.1.2.0", "23.1.2.1"]


def test_loop_of_issuers_terminates(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """A issued B, and B issued A."""
    one, two = make("One"), make("Two")
    one_by_two = make("One", two, addresses=[LOCATION + "two.crt"])
    two_by_one = make("Two", one, addresses=[LOCATION + "one.crt"])
    leaf = make("metadata.azure.com", one, ca=False, addresses=[LOCATION + "one.crt"])
    scene.network.files |= {LOCATION + "one.crt": one_by_two.der, LOCATION + "two.crt": two_by_one.der}
    refused(scene, backend, caplog, leaf)
    assert scene.network.urls == [LOCATION + "one.crt", LOCATION + "two.crt"]


def test_fetches_at_most_four_issuers_above_each_other(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    above = make("Rung 9", make("Far root", key_of="Stranger"), key_of="One")
    for number in range(8, 0, -1):
        scene.network.files[f"{LOCATION}{number + 1}.crt"] = above.der
        above = make(f"Rung {number}", above, key_of=("One", "Two")[number % 2], addresses=[f"{LOCATION}{number + 1}.crt"])
    scene.network.files[LOCATION + "1.crt"] = above.der
    leaf = make("metadata.azure.com", above, ca=False, addresses=[LOCATION + "1.crt"])
    refused(scene, backend, caplog, leaf)
    assert scene.network.urls == [f"{LOCATION}{number}.crt" for number in range(1, MAX_HOPS + 1)]


def test_requests_only_few_addresses_of_one_certificate(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    leaf = make("metadata.azure.com", scene.issuer, ca=False, addresses=[f"{LOCATION}{number}.crt" for number in range(300)])
    refused(scene, backend, caplog, leaf)
    assert scene.network.urls == [f"{LOCATION}{number}.crt" for number in range(4)]


def test_all_fetches_share_one_time_limit(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Each response takes four of the ten seconds. The third one is too late, and the fourth is not requested."""

    def slowly(der: bytes) -> Callable[[], bytes]:
        def response() -> bytes:
            scene.clock.advance(4)
            return der

        return response

    test_fetches_at_most_four_issuers_above_each_other(scene, backend, caplog)
    scene.network.files = {url: slowly(der) for url, der in scene.network.files.items() if isinstance(der, bytes)}
    scene.network.requests.clear()
    leaf_issuer = x509.load_der_x509_certificate(scene.network.files[LOCATION + "1.crt"]())  # type: ignore[operator]  # slowly made
    leaf = make("metadata.azure.com", Made(leaf_issuer, key("Two")), ca=False, addresses=[LOCATION + "1.crt"])
    assert "timed-out" in refused(scene, backend, caplog, leaf)
    assert scene.network.urls == [f"{LOCATION}{number}.crt" for number in range(1, 4)]
