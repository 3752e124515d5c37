"""Unknown issuers, fetched: what a verifier with a fetcher accepts, and what an adversary gets out of it."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.errors import FetchError, VerificationError
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier, pem
from imdskit.verify.aia import AiaFetcher, FetchBudget, Location, Response, Target
from imdskit.verify.aia.fetcher import MAX_HOPS, check_issuer
from imdskit.verify.aia.outcomes import CAPACITY, Outcomes
from imdskit.verify.intermediate_cache import IntermediateCache
from imdskit.verify.issuers import signer_of

AT = 1_790_000_000
SECOND = 1_000_000_000
PLACE = "http://www.microsoft.com/pkiops/certs/"
PUBLIC = "23.1.2.3"


class Made(NamedTuple):
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


class Pki:
    """Makes certificates with few keys, which are slow to make."""

    def __init__(self) -> None:
        self._keys: dict[str, rsa.RSAPrivateKey] = {}

    def key(self, name: str) -> rsa.RSAPrivateKey:
        if name not in self._keys:
            self._keys[name] = rsa.generate_private_key(public_exponent=65537, key_size=1024 if name == "weak" else 2048)
        return self._keys[name]

    def make(
        self,
        name: str,
        issuer: Made | None = None,
        *,
        key: str | None = None,
        addresses: Sequence[str] = (),
        ca: bool = True,
        identifiers: bool = True,
        signed_by: rsa.RSAPrivateKey | None = None,
    ) -> Made:
        own = self.key(key or name)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.fromtimestamp(AT, UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if identifiers:
            above = (issuer.key if issuer else own).public_key()
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
            builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
        if addresses:
            entries = [
                x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(address))
                for address in addresses
            ]
            builder = builder.add_extension(x509.AuthorityInformationAccess(entries), critical=False)
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("metadata.azure.com")]), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return Made(builder.sign(signed_by or (issuer.key if issuer else own), SHA256()), own)


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


def document(leaf: Made, nonce: str = "4071882193") -> bytes:
    """Signed as the service signs: no signed attributes, the leaf alone."""

    def stamp(second: int) -> str:
        return datetime.fromtimestamp(second, UTC).strftime("%m/%d/%y %H:%M:%S -0000")

    content = {
        "nonce": nonce,
        "plan": {"name": "", "product": "", "publisher": ""},
        "timeStamp": {"createdOn": stamp(AT), "expiresOn": stamp(AT + 6 * 3600)},
        "vmId": "00000000-0000-4000-8000-000000000001",
    }
    builder = pkcs7.PKCS7SignatureBuilder().set_data(json.dumps(content, separators=(",", ":")).encode())
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]
    der = builder.add_signer(leaf.certificate, leaf.key, SHA256()).sign(Encoding.DER, options)
    return base64.b64encode(der)


class Network:
    """Resolver and transport in one: names and files as they are given, and a list of what was asked.

    Attributes:
        files: body, whole answer, error or function, by address.
        names: addresses of a host, or an error; a public address by default.
    """

    def __init__(self, files: dict[str, bytes | Response | Exception | Callable[[], bytes]] | None = None) -> None:
        self.files = files or {}
        self.names: dict[str, Sequence[str] | Exception] = {}
        self.resolved: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
        assert timeout_ns > 0
        self.resolved.append(host)
        found = self.names.get(host, [PUBLIC])
        if isinstance(found, Exception):
            raise found
        return found

    def get(self, target: Target, address: str, *, limit: int, timeout_ns: int) -> Response:
        assert limit == 16 * 1024
        assert 0 < timeout_ns <= 10 * SECOND
        url = f"http://{target.host}{target.path}"
        self.asked.append((url, address))
        found = self.files.get(url, Response(404, b""))
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Response):
            return found
        return Response(200, found if isinstance(found, bytes) else found())

    @property
    def urls(self) -> list[str]:
        return [url for url, _ in self.asked]


class Scene:
    """A root that is trusted, an authority below it that is not known, and a leaf that names where it is to be had."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self.root = pki.make("Root")
        self.issuer = pki.make("Issuing CA", self.root, addresses=[PLACE + "root.crt"])
        self.leaf = pki.make("metadata.azure.com", self.issuer, ca=False, addresses=[PLACE + "issuing.crt"])
        self.clock = ManualClock(AT)
        self.network = Network({PLACE + "issuing.crt": self.issuer.der, PLACE + "root.crt": self.root.der})

    def fetcher(self, **options: object) -> AiaFetcher:
        settings: dict[str, object] = {"budget": FetchBudget(clock=self.clock), **options}
        return AiaFetcher(resolver=self.network, transport=self.network, clock=self.clock, **settings)  # type: ignore[arg-type]  # by name

    def verifier(self, backend: Backend, aia: AiaFetcher | None, policy: Policy | None = None) -> Verifier:
        return Verifier(Trust((self.root.der,)), policy or Policy.offline_audit(), backend=backend, clock=self.clock, aia=aia)


@pytest.fixture
def scene(pki: Pki) -> Scene:
    return Scene(pki)


def reason(verifier: Verifier, document: bytes) -> Reason:
    with pytest.raises(VerificationError) as refusal:
        verifier.verify(document)
    return refusal.value.reason


# What it is for


def test_without_a_fetcher_nothing_is_fetched(scene: Scene, backend: Backend) -> None:
    assert reason(scene.verifier(backend, None), document(scene.leaf)) is Reason.UNKNOWN_ISSUER


def test_an_unknown_issuer_is_fetched_and_the_document_accepted(scene: Scene, backend: Backend) -> None:
    attestation = scene.verifier(backend, scene.fetcher()).verify(document(scene.leaf))
    assert attestation.chain == (scene.leaf.der, scene.issuer.der, scene.root.der)
    assert scene.network.asked == [(PLACE + "issuing.crt", PUBLIC)]
    assert scene.network.resolved == ["www.microsoft.com"]


def test_what_was_fetched_for_one_document_serves_the_next(scene: Scene, backend: Backend) -> None:
    verifier = scene.verifier(backend, scene.fetcher())
    for nonce in ("1", "2", "3"):
        verifier.verify(document(scene.leaf, nonce))
        scene.clock.advance(3600)
    assert len(scene.network.asked) == 1


def test_a_verifier_of_many_fetches_too(scene: Scene, backend: Backend) -> None:
    stranger = scene.pki.make("metadata.azure.com", scene.pki.make("Stranger"), ca=False)
    verifier = scene.verifier(backend, scene.fetcher())
    for _ in range(2):
        verdicts = verifier.verify_many([document(scene.leaf), document(stranger), b"x", document(scene.leaf)])
        assert [getattr(verdict, "reason", None) for verdict in verdicts] == [None, Reason.UNKNOWN_ISSUER, Reason.BAD_BASE64, None]
    assert len(scene.network.asked) == 1


def test_the_report_is_made_with_what_was_fetched(scene: Scene, backend: Backend) -> None:
    assert scene.verifier(backend, scene.fetcher()).explain(document(scene.leaf)).ok
    assert not scene.verifier(backend, None).explain(document(scene.leaf)).ok


def test_the_second_address_is_tried_if_the_first_has_nothing(scene: Scene, backend: Backend) -> None:
    other = "http://caissuers.microsoft.com/pkiops/certs/issuing.crt"
    leaf = scene.pki.make("metadata.azure.com", scene.issuer, ca=False, addresses=[PLACE + "gone.crt", "http://evil.example/a.crt", other])
    scene.network.files[other] = scene.issuer.der
    scene.verifier(backend, scene.fetcher()).verify(document(leaf))
    assert scene.network.urls == [PLACE + "gone.crt", other]


def test_several_hops_are_climbed(scene: Scene, backend: Backend) -> None:
    middle = scene.pki.make("Middle", scene.root, key="Issuing CA")
    low = scene.pki.make("Low", middle, addresses=[PLACE + "middle.crt"])
    leaf = scene.pki.make("metadata.azure.com", low, ca=False, addresses=[PLACE + "low.crt"])
    scene.network.files |= {PLACE + "low.crt": low.der, PLACE + "middle.crt": middle.der}
    attestation = scene.verifier(backend, scene.fetcher()).verify(document(leaf))
    assert attestation.chain[1:] == (low.der, middle.der, scene.root.der)
    assert scene.network.urls == [PLACE + "low.crt", PLACE + "middle.crt"]


def test_genuine_documents_verify_with_roots_alone(shared: Path, backend: Backend) -> None:
    """Every intermediate comes from where the document's own certificate says, served from the corpus."""
    certificates = [der for path in sorted((shared / "corpus" / "certs").glob("*.pem")) for der in pem.certificates(path.read_bytes(), "")]
    by_name: dict[str, list[bytes]] = {}
    for der in certificates:
        by_name.setdefault(parse_certificate(der).subject.common_names[-1], []).append(der)

    class Corpus(Network):
        """A file is called as the authority that it certifies; those with two issuers are told apart by "xsign"."""

        def get(self, target: Target, address: str, *, limit: int, timeout_ns: int) -> Response:  # the protocol's
            self.asked.append((target.path, address))
            name = target.path.rsplit("/", 1)[1].removesuffix(".crt").replace("%20", " ")
            found = by_name[name.removesuffix(" - xsign")]
            wanted = "DigiCert Global Root G2" if name.endswith("xsign") else ""
            return Response(200, next(der for der in found if not wanted or parse_certificate(der).issuer.common_names[-1] == wanted))

    network = Corpus()
    trust = Trust(Trust.bundled().anchors)
    count = 0
    for path in sorted((shared / "corpus" / "attested").glob("[0-9]*.meta.json")):
        meta = json.loads(path.read_text())
        if meta["kind"] == "genuine":
            at = int(datetime.strptime(meta["created_on"], "%m/%d/%y %H:%M:%S -0000").replace(tzinfo=UTC).timestamp()) + 3600
            signed = path.with_name(path.name.replace(".meta", "")).read_bytes()
            with pytest.raises(VerificationError) as refusal:
                Verifier(trust, Policy.offline_audit(), backend=backend).verify(signed, at=at)
            assert refusal.value.reason is Reason.UNKNOWN_ISSUER
            aia = AiaFetcher(resolver=network, transport=network, budget=FetchBudget())
            assert len(Verifier(trust, Policy.offline_audit(), backend=backend, aia=aia).verify(signed, at=at).chain) == 3, meta["id"]
            count += 1
    assert count == len(network.asked) >= 11


# When it asks


@pytest.mark.parametrize("part", ["content", "signature"])
def test_nothing_is_fetched_before_the_signature_is_good(scene: Scene, backend: Backend, part: str) -> None:
    octets = bytearray(base64.b64decode(document(scene.leaf)))
    position = octets.index(b"4071882193") if part == "content" else len(octets) - 20
    octets[position] ^= 1
    assert reason(scene.verifier(backend, scene.fetcher()), bytes(octets)) is Reason.BAD_SIGNATURE
    assert not scene.network.resolved


def test_nothing_is_fetched_for_a_document_that_needs_nothing(scene: Scene, backend: Backend) -> None:
    trust = Trust((scene.root.der,), (scene.issuer.der,))
    Verifier(trust, Policy.offline_audit(), backend=backend, clock=scene.clock, aia=scene.fetcher()).verify(document(scene.leaf))
    assert not scene.network.resolved


def test_nothing_is_fetched_for_any_other_refusal(scene: Scene, backend: Backend) -> None:
    verifier = scene.verifier(backend, scene.fetcher())
    self_signed = scene.pki.make("metadata.azure.com", key="Stranger", ca=False, addresses=[PLACE + "issuing.crt"])
    assert reason(verifier, document(self_signed)) is not Reason.UNKNOWN_ISSUER
    assert reason(verifier, b"{") is Reason.BAD_JSON
    assert not scene.network.resolved


def test_a_document_of_a_fetched_issuer_is_still_checked_to_its_end(scene: Scene, backend: Backend) -> None:
    verifier = scene.verifier(backend, scene.fetcher())
    with pytest.raises(VerificationError) as refusal:
        verifier.verify(document(scene.leaf), nonce="another")
    assert refusal.value.reason is Reason.NONCE_MISMATCH
    scene.clock.advance(7 * 3600)
    assert reason(verifier, document(scene.leaf)) is Reason.DOCUMENT_EXPIRED


def test_a_fetched_root_is_not_trusted(scene: Scene, backend: Backend) -> None:
    """Everything above the leaf can be had from an allowed place, and still nobody here trusts it."""
    other = Trust((scene.pki.make("Other root").der,))
    verifier = Verifier(other, Policy.offline_audit(), backend=backend, clock=scene.clock, aia=scene.fetcher())
    with pytest.raises(VerificationError) as refusal:
        verifier.verify(document(scene.leaf))
    assert refusal.value.reason in (Reason.UNKNOWN_ISSUER, Reason.UNTRUSTED_ROOT)
    assert refusal.value.stage == "chain"


# Adversaries


def refused(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, leaf: Made | None = None) -> str:
    """The document is refused as if nothing had been fetched, and this is what the log says of why."""
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
def test_an_answer_that_is_no_certificate_is_only_logged(
    scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, found: bytes | Response | Exception, code: str
) -> None:
    scene.network.files[PLACE + "issuing.crt"] = found
    assert code in refused(scene, backend, caplog)


def test_a_certificate_with_anything_after_it_is_refused(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    scene.network.files[PLACE + "issuing.crt"] = scene.issuer.der + b"\x00"
    assert "not-a-certificate" in refused(scene, backend, caplog)


def test_a_bag_of_certificates_is_refused(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """RFC 5280 allows one; no real address serves any."""
    bag = pkcs7.serialize_certificates([scene.issuer.certificate], Encoding.DER)
    scene.network.files[PLACE + "issuing.crt"] = bag
    assert "not-a-certificate" in refused(scene, backend, caplog)


def test_the_wrong_issuer_is_refused(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    make = scene.pki.make
    wrong = {
        "another name": make("Another CA", scene.root, key="Issuing CA"),
        "another key": make("Issuing CA", scene.root, key="Stranger"),
        "another key, no identifiers": make("Issuing CA", scene.root, key="Stranger", identifiers=False),
        "the leaf itself": scene.leaf,
        "no authority": make("Issuing CA", scene.root, ca=False),
        "a weak key": make("Issuing CA", scene.root, key="weak", identifiers=False),
    }
    for name, certificate in wrong.items():
        caplog.clear()
        scene.network.files[PLACE + "issuing.crt"] = certificate.der
        assert "wrong-issuer" in refused(scene, backend, caplog), name
        with pytest.raises(FetchError):
            check_issuer(parse_certificate(certificate.der), parse_certificate(scene.leaf.der))
    check_issuer(parse_certificate(scene.issuer.der), parse_certificate(scene.leaf.der))


def test_a_leaf_that_only_claims_a_real_issuer_costs_one_fetch(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Its name and key identifier are those of the real authority, but that did not sign it: nothing further up is asked for."""
    far = scene.pki.make("Issuing CA", scene.pki.make("Far root", key="Stranger"), addresses=[PLACE + "far.crt"])
    forged = scene.pki.make("metadata.azure.com", far, ca=False, addresses=[PLACE + "issuing.crt"], signed_by=scene.pki.key("Stranger"))
    scene.network.files[PLACE + "issuing.crt"] = far.der
    assert "did not sign" in refused(scene, backend, caplog, forged)
    assert scene.network.urls == [PLACE + "issuing.crt"]


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/metadata/instance", "http://127.0.0.1/pkiops/certs/a.crt", "https://www.microsoft.com/pkiops/certs/a.crt"],
)
def test_a_place_that_is_not_allowed_is_not_even_resolved(
    scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    leaf = scene.pki.make("metadata.azure.com", scene.issuer, ca=False, addresses=[address])
    assert "url-refused" in refused(scene, backend, caplog, leaf)
    assert not scene.network.resolved


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["169.254.169.254"], ["168.63.129.16"], ["::1"], ["::ffff:127.0.0.1"], [PUBLIC, "10.0.0.1"], ["64:ff9b::a00:1"]],
    ids=repr,
)
def test_a_name_that_leads_inside_is_refused_whole(
    scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, found: list[str]
) -> None:
    scene.network.names["www.microsoft.com"] = found
    assert "address-refused" in refused(scene, backend, caplog)
    assert not scene.network.asked


@pytest.mark.parametrize("found", [[], OSError("no such name"), FetchError("timed-out", "slow")], ids=repr)
def test_a_name_that_leads_nowhere_is_only_logged(
    scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture, found: list[str] | Exception
) -> None:
    scene.network.names["www.microsoft.com"] = found
    assert "no issuer from" in refused(scene, backend, caplog)
    assert not scene.network.asked


def test_a_name_that_changes_its_mind_is_asked_once(scene: Scene, backend: Backend) -> None:
    """Checked is what is connected to: there is no second look that could say the loopback."""

    class Fickle(Network):
        def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
            super().resolve(host, timeout_ns)
            return [PUBLIC] if len(self.resolved) == 1 else ["127.0.0.1"]

    network = scene.network = Fickle(scene.network.files)
    scene.verifier(backend, scene.fetcher()).verify(document(scene.leaf))
    assert network.resolved == ["www.microsoft.com"]
    assert network.asked == [(PLACE + "issuing.crt", PUBLIC)]


def test_another_address_of_a_name_is_tried_but_not_many(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    scene.network.names["www.microsoft.com"] = [f"23.1.2.{number}" for number in range(50)]
    scene.network.files[PLACE + "issuing.crt"] = OSError("no route")
    assert "no route" in refused(scene, backend, caplog)
    assert [address for _, address in scene.network.asked] == ["23.1.2.0", "23.1.2.1"]


def test_a_loop_of_authorities_ends(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """A issued B and B issued A: each is the true issuer of the other."""
    one, two = scene.pki.make("One"), scene.pki.make("Two")
    one_by_two = scene.pki.make("One", two, addresses=[PLACE + "two.crt"])
    two_by_one = scene.pki.make("Two", one, addresses=[PLACE + "one.crt"])
    leaf = scene.pki.make("metadata.azure.com", one, ca=False, addresses=[PLACE + "one.crt"])
    scene.network.files |= {PLACE + "one.crt": one_by_two.der, PLACE + "two.crt": two_by_one.der}
    refused(scene, backend, caplog, leaf)
    assert scene.network.urls == [PLACE + "one.crt", PLACE + "two.crt"]


def test_a_ladder_of_authorities_is_climbed_four_rungs(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    above = scene.pki.make("Rung 9", scene.pki.make("Far root", key="Stranger"), key="One")
    for number in range(8, 0, -1):
        scene.network.files[f"{PLACE}{number + 1}.crt"] = above.der
        above = scene.pki.make(f"Rung {number}", above, key=("One", "Two")[number % 2], addresses=[f"{PLACE}{number + 1}.crt"])
    scene.network.files[PLACE + "1.crt"] = above.der
    leaf = scene.pki.make("metadata.azure.com", above, ca=False, addresses=[PLACE + "1.crt"])
    refused(scene, backend, caplog, leaf)
    assert scene.network.urls == [f"{PLACE}{number}.crt" for number in range(1, MAX_HOPS + 1)]


def test_of_many_addresses_in_one_certificate_few_are_asked(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    leaf = scene.pki.make("metadata.azure.com", scene.issuer, ca=False, addresses=[f"{PLACE}{number}.crt" for number in range(300)])
    refused(scene, backend, caplog, leaf)
    assert scene.network.urls == [f"{PLACE}{number}.crt" for number in range(4)]


def test_all_hops_together_have_one_limit_of_time(scene: Scene, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Each answer takes four of the ten seconds: the third is late, and the fourth is not asked for."""

    def slowly(der: bytes) -> Callable[[], bytes]:
        def answer() -> bytes:
            scene.clock.advance(4)
            return der

        return answer

    test_a_ladder_of_authorities_is_climbed_four_rungs(scene, backend, caplog)
    scene.network.files = {url: slowly(der) for url, der in scene.network.files.items() if isinstance(der, bytes)}
    scene.network.asked.clear()
    leaf_issuer = x509.load_der_x509_certificate(scene.network.files[PLACE + "1.crt"]())  # type: ignore[operator]  # slowly made
    leaf = scene.pki.make("metadata.azure.com", Made(leaf_issuer, scene.pki.key("Two")), ca=False, addresses=[PLACE + "1.crt"])
    assert "timed-out" in refused(scene, backend, caplog, leaf)
    assert scene.network.urls == [f"{PLACE}{number}.crt" for number in range(1, 4)]


def test_documents_of_strangers_cannot_make_it_a_cannon(scene: Scene, backend: Backend) -> None:
    """Each names an address that nobody named before. The process has its budget, and then asks nobody until time has passed."""
    fetcher = scene.fetcher(budget=FetchBudget(5, 600, clock=scene.clock))
    verifier = scene.verifier(backend, fetcher)
    stranger = scene.pki.make("Stranger")

    def hostile(number: int) -> bytes:
        return document(scene.pki.make("metadata.azure.com", stranger, ca=False, addresses=[f"{PLACE}{number}.crt"]))

    for number in range(12):
        assert reason(verifier, hostile(number)) is Reason.UNKNOWN_ISSUER
    assert len(scene.network.asked) == 5
    assert reason(verifier, document(scene.leaf)) is Reason.UNKNOWN_ISSUER
    scene.clock.advance(600)
    verifier.verify(document(scene.leaf))  # what was never asked is not held against an address
    assert len(scene.network.asked) == 6


def test_the_budget_is_one_for_all_fetchers_that_are_given_no_other() -> None:
    assert AiaFetcher()._budget is AiaFetcher()._budget


def test_the_budget_is_a_sliding_window() -> None:
    clock = ManualClock(AT)
    budget = FetchBudget(2, 10, clock=clock)
    taken = []
    for _ in range(24):
        taken.append(budget.take())
        clock.advance(1)
    assert [second for second, allowed in enumerate(taken) if allowed] == [0, 1, 10, 11, 20, 21]


# What is remembered


def issuers(scene: Scene, fetcher: AiaFetcher, leaf: Made | None = None) -> tuple[bytes, ...]:
    return fetcher.issuers((leaf or scene.leaf).der, [scene.root.der])


def test_a_good_answer_is_remembered_for_a_day(scene: Scene) -> None:
    fetcher = scene.fetcher()
    for seconds, asked in ((0, 1), (24 * 3600 - 1, 1), (1, 2)):
        scene.clock.advance(seconds)
        assert issuers(scene, fetcher) == (scene.issuer.der,)
        assert len(scene.network.asked) == asked


def test_a_bad_answer_is_remembered_for_five_minutes(scene: Scene) -> None:
    fetcher = scene.fetcher()
    scene.network.files[PLACE + "issuing.crt"] = Response(404, b"")
    for seconds, asked in ((0, 1), (299, 1), (1, 2)):
        scene.clock.advance(seconds)
        assert issuers(scene, fetcher) == ()
        assert len(scene.network.asked) == asked


def test_bad_answers_are_bounded_and_push_out_no_good_one(scene: Scene) -> None:
    outcomes = Outcomes(scene.clock)
    good = parse_certificate(scene.issuer.der)

    def fail() -> None:
        raise FetchError("unreachable", "no")

    assert outcomes.get("good", lambda: good, SECOND) is good
    for number in range(3 * CAPACITY):
        with pytest.raises(FetchError):
            outcomes.get(f"bad {number}", fail, SECOND)  # type: ignore[arg-type]  # it does not return
    assert len(outcomes._bad) == CAPACITY
    assert not outcomes._single_flight._calls
    assert outcomes.get("good", lambda: pytest.fail("asked again"), SECOND) is good


def test_many_threads_make_one_fetch(scene: Scene) -> None:
    started, release = threading.Event(), threading.Event()

    def wait() -> bytes:
        started.set()
        assert release.wait(30)
        return scene.issuer.der

    scene.network.files[PLACE + "issuing.crt"] = wait
    fetcher = scene.fetcher()
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(issuers, scene, fetcher) for _ in range(8)]
        assert started.wait(30)
        release.set()
        assert [result.result() for result in results] == [(scene.issuer.der,)] * 8
    assert len(scene.network.asked) == 1


def test_who_waits_for_another_threads_fetch_waits_no_longer_than_allowed(scene: Scene) -> None:
    outcomes = Outcomes(scene.clock)
    started, release = threading.Event(), threading.Event()

    def fetch() -> object:
        started.set()
        assert release.wait(30)
        return parse_certificate(scene.issuer.der)

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(outcomes.get, "address", fetch, SECOND)  # type: ignore[arg-type]  # an object will do
        assert started.wait(30)
        with pytest.raises(FetchError) as error:
            outcomes.get("address", lambda: pytest.fail("asked twice"), SECOND // 50)
        release.set()
        assert leader.result().der == scene.issuer.der
    assert error.value.code == "timed-out"


def test_a_fetch_that_is_broken_off_leaves_nobody_waiting(scene: Scene) -> None:
    outcomes = Outcomes(scene.clock)

    def interrupted() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes.get("address", interrupted, SECOND)  # type: ignore[arg-type]  # it does not return
    with pytest.raises(FetchError) as error:
        outcomes.get("address", lambda: pytest.fail("within five minutes"), SECOND)
    assert error.value.code == "unreachable"
    assert not outcomes._single_flight._calls


def test_what_led_to_an_anchor_is_kept_on_disk_and_found_by_the_next_process(scene: Scene, backend: Backend, tmp_path: Path) -> None:
    cache = IntermediateCache(tmp_path)
    scene.verifier(backend, scene.fetcher(cache=cache)).verify(document(scene.leaf))
    assert cache.load() == (scene.issuer.der,)
    scene.network = Network()
    scene.verifier(backend, scene.fetcher(cache=cache)).verify(document(scene.leaf))
    assert not scene.network.resolved


def test_what_did_not_lead_to_an_anchor_is_not_kept(scene: Scene, backend: Backend, tmp_path: Path) -> None:
    cache = IntermediateCache(tmp_path)
    other = Trust((scene.pki.make("Other root").der,))
    with pytest.raises(VerificationError):
        Verifier(other, Policy.offline_audit(), backend=backend, clock=scene.clock, aia=scene.fetcher(cache=cache)).verify(
            document(scene.leaf)
        )
    assert scene.network.asked
    assert cache.load() == ()


class Source:
    """Finds what it is told to."""

    def __init__(self, *found: bytes) -> None:
        self.found = found
        self.kept: list[bytes] = []

    def known(self) -> tuple[bytes, ...]:
        return self.found

    def issuers(self, certificate: bytes, anchors: Sequence[bytes]) -> tuple[bytes, ...]:  # the protocol's
        return self.found

    def keep(self, certificates: Sequence[bytes]) -> None:
        self.kept += certificates


def test_a_source_of_issuers_is_a_protocol(scene: Scene, backend: Backend) -> None:
    verifier = Verifier(Trust((scene.root.der,)), Policy.offline_audit(), backend=backend, clock=scene.clock, aia=Source(scene.issuer.der))
    assert verifier.verify(document(scene.leaf)).chain[1] == scene.issuer.der


def test_a_source_that_finds_rubbish_changes_nothing(scene: Scene, backend: Backend) -> None:
    source = Source(b"rubbish")
    verifier = Verifier(Trust((scene.root.der,)), Policy.offline_audit(), backend=backend, clock=scene.clock, aia=source)
    assert reason(verifier, document(scene.leaf)) is Reason.UNKNOWN_ISSUER
    assert not source.kept


@pytest.mark.parametrize("rubbish", [b"", b"{", b"MAA=", b"0\x00"], ids=repr)
def test_what_is_no_document_has_no_signer(rubbish: bytes) -> None:
    """Never reached through a verifier, which asks for documents that it has checked."""
    assert signer_of(rubbish, Policy().limits) is None


def test_a_certificate_that_is_none_has_no_issuers(scene: Scene) -> None:
    assert scene.fetcher().issuers(b"0\x00", [scene.root.der]) == ()


# The emulator's own authority


def test_the_emulators_documents_verify_with_its_root_alone(backend: Backend) -> None:
    """Over real sockets: the system's resolver, our HTTP, the emulator's own server. It is on the loopback, which must be allowed."""
    import urllib.request

    from imdskit.emulator import Emulator

    with Emulator("linux", seed=7) as imds:
        url = f"{imds.url}/metadata/attested/document?api-version=2021-02-01&nonce=4071882193"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        signed = opener.open(urllib.request.Request(url, headers={"Metadata": "true"}), timeout=30).read()  # on the loopback
        port = int(imds.url.rsplit(":", 1)[1])
        trust = Trust((imds.authority.root,))
        places = (Location("127.0.0.1", "/pki/", port),)

        def verifier(allowed: tuple[str, ...]) -> Verifier:
            return Verifier(
                trust,
                Policy.offline_audit(),
                backend=backend,
                aia=AiaFetcher(locations=places, allow_addresses=allowed, budget=FetchBudget()),
            )

        assert reason(verifier(()), signed) is Reason.UNKNOWN_ISSUER
        attestation = verifier(("127.0.0.1",)).verify(signed, nonce="4071882193")
    assert attestation.chain[1:] == (imds.authority.issuing, imds.authority.root)
