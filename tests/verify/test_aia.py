"""A verifier with a fetcher: which documents it accepts, and when it sends requests."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imdskit.backends.contract import Backend
from imdskit.errors import VerificationError
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier, pem
from imdskit.verify.aia import AiaFetcher, FetchBudget, Location, Response, Target

from .aia_scene import LOCATION, PUBLIC, Network, Scene, document, make, reason


def test_without_a_fetcher_nothing_is_fetched(scene: Scene, backend: Backend) -> None:
    assert reason(scene.verifier(backend, None), document(scene.leaf)) is Reason.UNKNOWN_ISSUER


def test_an_unknown_issuer_is_fetched_and_the_document_accepted(scene: Scene, backend: Backend) -> None:
    attestation = scene.verifier(backend, scene.fetcher()).verify(document(scene.leaf))
    assert attestation.chain == (scene.leaf.der, scene.issuer.der, scene.root.der)
    assert scene.network.requests == [(LOCATION + "issuing.crt", PUBLIC)]
    assert scene.network.resolved == ["www.microsoft.com"]


def test_fetched_issuer_is_reused_for_the_next_document(scene: Scene, backend: Backend) -> None:
    verifier = scene.verifier(backend, scene.fetcher())
    for nonce in ("1", "2", "3"):
        verifier.verify(document(scene.leaf, nonce))
        scene.clock.advance(3600)
    assert len(scene.network.requests) == 1


def test_verify_many_fetches_unknown_issuers(scene: Scene, backend: Backend) -> None:
    stranger = make("metadata.azure.com", make("Stranger"), ca=False)
    verifier = scene.verifier(backend, scene.fetcher())
    for _ in range(2):
        verdicts = verifier.verify_many([document(scene.leaf), document(stranger), b"x", document(scene.leaf)])
        assert [getattr(verdict, "reason", None) for verdict in verdicts] == [None, Reason.UNKNOWN_ISSUER, Reason.BAD_BASE64, None]
    assert len(scene.network.requests) == 1


def test_report_includes_fetched_issuers(scene: Scene, backend: Backend) -> None:
    assert scene.verifier(backend, scene.fetcher()).explain(document(scene.leaf)).ok
    assert not scene.verifier(backend, None).explain(document(scene.leaf)).ok


def test_tries_the_second_address_if_the_first_fails(scene: Scene, backend: Backend) -> None:
    other = "http://caissuers.microsoft.com/pkiops/certs/issuing.crt"
    leaf = make("metadata.azure.com", scene.issuer, ca=False, addresses=[LOCATION + "gone.crt", "http://evil.example/a.crt", other])
    scene.network.files[other] = scene.issuer.der
    scene.verifier(backend, scene.fetcher()).verify(document(leaf))
    assert scene.network.urls == [LOCATION + "gone.crt", other]


def test_fetches_several_issuers_above_each_other(scene: Scene, backend: Backend) -> None:
    middle = make("Middle", scene.root, key_of="Issuing CA")
    low = make("Low", middle, addresses=[LOCATION + "middle.crt"])
    leaf = make("metadata.azure.com", low, ca=False, addresses=[LOCATION + "low.crt"])
    scene.network.files |= {LOCATION + "low.crt": low.der, LOCATION + "middle.crt": middle.der}
    attestation = scene.verifier(backend, scene.fetcher()).verify(document(leaf))
    assert attestation.chain[1:] == (low.der, middle.der, scene.root.der)
    assert scene.network.urls == [LOCATION + "low.crt", LOCATION + "middle.crt"]


def test_genuine_documents_verify_with_only_roots_and_a_fetcher(shared: Path, backend: Backend) -> None:
    """The corpus serves every intermediate at the address that the certificate names."""
    certificates = [der for path in sorted((shared / "corpus" / "certs").glob("*.pem")) for der in pem.certificates(path.read_bytes(), "")]
    by_name: dict[str, list[bytes]] = {}
    for der in certificates:
        by_name.setdefault(parse_certificate(der).subject.common_names[-1], []).append(der)

    class Corpus(Network):
        """Network that serves the corpus. A file has the name of its authority; "xsign" marks the cross-signed one of two certificates."""

        def get(self, target: Target, address: str, *, limit: int, timeout_ns: int) -> Response:  # as in the protocol
            self.requests.append((target.path, address))
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
    assert count == len(network.requests) >= 11


@pytest.mark.parametrize("part", ["content", "signature"])
def test_nothing_is_fetched_before_the_signature_is_good(scene: Scene, backend: Backend, part: str) -> None:
    data = bytearray(base64.b64decode(document(scene.leaf)))
    position = data.index(b"4071882193") if part == "content" else len(data) - 20
    data[position] ^= 1
    assert reason(scene.verifier(backend, scene.fetcher()), bytes(data)) is Reason.BAD_SIGNATURE
    assert not scene.network.resolved


def test_nothing_is_fetched_if_all_issuers_are_known(scene: Scene, backend: Backend) -> None:
    trust = Trust((scene.root.der,), (scene.issuer.der,))
    Verifier(trust, Policy.offline_audit(), backend=backend, clock=scene.clock, aia=scene.fetcher()).verify(document(scene.leaf))
    assert not scene.network.resolved


def test_nothing_is_fetched_for_any_other_refusal(scene: Scene, backend: Backend) -> None:
    verifier = scene.verifier(backend, scene.fetcher())
    self_signed = make("metadata.azure.com", key_of="Stranger", ca=False, addresses=[LOCATION + "issuing.crt"])
    assert reason(verifier, document(self_signed)) is not Reason.UNKNOWN_ISSUER
    assert reason(verifier, b"{") is Reason.BAD_JSON
    assert not scene.network.resolved


def test_document_of_a_fetched_issuer_passes_all_further_checks(scene: Scene, backend: Backend) -> None:
    verifier = scene.verifier(backend, scene.fetcher())
    with pytest.raises(VerificationError) as refusal:
        verifier.verify(document(scene.leaf), nonce="another")
    assert refusal.value.reason is Reason.NONCE_MISMATCH
    scene.clock.advance(7 * 3600)
    assert reason(verifier, document(scene.leaf)) is Reason.DOCUMENT_EXPIRED


def test_a_fetched_root_is_not_trusted(scene: Scene, backend: Backend) -> None:
    """All issuers up to the root can be fetched from an allowed location, but the root is not trusted."""
    other = Trust((make("Other root").der,))
    verifier = Verifier(other, Policy.offline_audit(), backend=backend, clock=scene.clock, aia=scene.fetcher())
    with pytest.raises(VerificationError) as refusal:
        verifier.verify(document(scene.leaf))
    assert refusal.value.reason in (Reason.UNKNOWN_ISSUER, Reason.UNTRUSTED_ROOT)
    assert refusal.value.stage == "chain"


def test_emulated_documents_verify_with_only_the_emulator_root(backend: Backend) -> None:
    """The test uses real sockets, the system resolver and the emulator. The emulator listens on loopback, which must be allowed."""
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
