"""The budget of the fetcher, its cache, and other sources of issuers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from certificates import Made

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.errors import FetchError, VerificationError
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.aia import AiaFetcher, FetchBudget, Response
from imdskit.verify.aia.outcomes import CAPACITY, Outcomes
from imdskit.verify.intermediate_cache import IntermediateCache
from imdskit.verify.issuers import signer_of

from .aia_scene import AT, LOCATION, SECOND, Network, Scene, document, make, reason


def test_forged_documents_cannot_cause_unlimited_requests(scene: Scene, backend: Backend) -> None:
    """Each document names a new address. When the budget of the process is used up, no request is sent for a while."""
    fetcher = scene.fetcher(budget=FetchBudget(5, 600, clock=scene.clock))
    verifier = scene.verifier(backend, fetcher)
    stranger = make("Stranger")

    def hostile(number: int) -> bytes:
        return document(make("metadata.azure.com", stranger, ca=False, addresses=[f"{LOCATION}{number}.crt"]))

    for number in range(12):
        assert reason(verifier, hostile(number)) is Reason.UNKNOWN_ISSUER
    assert len(scene.network.requests) == 5
    assert reason(verifier, document(scene.leaf)) is Reason.UNKNOWN_ISSUER
    scene.clock.advance(600)
    verifier.verify(document(scene.leaf))  # an address that was not requested is not cached as a failure
    assert len(scene.network.requests) == 6


def test_fetchers_share_the_default_budget() -> None:
    assert AiaFetcher()._budget is AiaFetcher()._budget


def test_the_budget_is_a_sliding_window() -> None:
    clock = ManualClock(AT)
    budget = FetchBudget(2, 10, clock=clock)
    taken = []
    for _ in range(24):
        taken.append(budget.take())
        clock.advance(1)
    assert [second for second, allowed in enumerate(taken) if allowed] == [0, 1, 10, 11, 20, 21]


def issuers(scene: Scene, fetcher: AiaFetcher, leaf: Made | None = None) -> tuple[bytes, ...]:
    return fetcher.issuers((leaf or scene.leaf).der, [scene.root.der])


def test_success_is_cached_for_one_day(scene: Scene) -> None:
    fetcher = scene.fetcher()
    for seconds, requests in ((0, 1), (24 * 3600 - 1, 1), (1, 2)):
        scene.clock.advance(seconds)
        assert issuers(scene, fetcher) == (scene.issuer.der,)
        assert len(scene.network.requests) == requests


def test_failure_is_cached_for_five_minutes(scene: Scene) -> None:
    fetcher = scene.fetcher()
    scene.network.files[LOCATION + "issuing.crt"] = Response(404, b"")
    for seconds, requests in ((0, 1), (299, 1), (1, 2)):
        scene.clock.advance(seconds)
        assert issuers(scene, fetcher) == ()
        assert len(scene.network.requests) == requests


def test_failures_are_limited_and_do_not_evict_successes(scene: Scene) -> None:
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
    assert outcomes.get("good", lambda: pytest.fail("requested again"), SECOND) is good


def test_many_threads_make_one_fetch(scene: Scene) -> None:
    started, release = threading.Event(), threading.Event()

    def wait() -> bytes:
        started.set()
        assert release.wait(30)
        return scene.issuer.der

    scene.network.files[LOCATION + "issuing.crt"] = wait
    fetcher = scene.fetcher()
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(issuers, scene, fetcher) for _ in range(8)]
        assert started.wait(30)
        release.set()
        assert [result.result() for result in results] == [(scene.issuer.der,)] * 8
    assert len(scene.network.requests) == 1


def test_waiting_for_a_fetch_of_another_thread_is_limited(scene: Scene) -> None:
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
            outcomes.get("address", lambda: pytest.fail("requested twice"), SECOND // 50)
        release.set()
        assert leader.result().der == scene.issuer.der
    assert error.value.code == "timed-out"


def test_aborted_fetch_releases_waiting_threads(scene: Scene) -> None:
    outcomes = Outcomes(scene.clock)

    def interrupted() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes.get("address", interrupted, SECOND)  # type: ignore[arg-type]  # it does not return
    with pytest.raises(FetchError) as error:
        outcomes.get("address", lambda: pytest.fail("within five minutes"), SECOND)
    assert error.value.code == "unreachable"
    assert not outcomes._single_flight._calls


def test_issuers_of_accepted_paths_are_stored_for_the_next_process(scene: Scene, backend: Backend, tmp_path: Path) -> None:
    cache = IntermediateCache(tmp_path)
    scene.verifier(backend, scene.fetcher(cache=cache)).verify(document(scene.leaf))
    assert cache.load() == (scene.issuer.der,)
    scene.network = Network()
    scene.verifier(backend, scene.fetcher(cache=cache)).verify(document(scene.leaf))
    assert not scene.network.resolved


def test_issuers_without_a_path_to_an_anchor_are_not_stored(scene: Scene, backend: Backend, tmp_path: Path) -> None:
    cache = IntermediateCache(tmp_path)
    other = Trust((make("Other root").der,))
    with pytest.raises(VerificationError):
        Verifier(other, Policy.offline_audit(), backend=backend, clock=scene.clock, aia=scene.fetcher(cache=cache)).verify(
            document(scene.leaf)
        )
    assert scene.network.requests
    assert cache.load() == ()


class Source:
    """Source of given certificates."""

    def __init__(self, *found: bytes) -> None:
        self.found = found
        self.kept: list[bytes] = []

    def known(self) -> tuple[bytes, ...]:
        return self.found

    def issuers(self, certificate: bytes, anchors: Sequence[bytes]) -> tuple[bytes, ...]:  # as in the protocol
        return self.found

    def keep(self, certificates: Sequence[bytes]) -> None:
        self.kept += certificates


def test_a_source_of_issuers_is_a_protocol(scene: Scene, backend: Backend) -> None:
    verifier = Verifier(Trust((scene.root.der,)), Policy.offline_audit(), backend=backend, clock=scene.clock, aia=Source(scene.issuer.der))
    assert verifier.verify(document(scene.leaf)).chain[1] == scene.issuer.der


def test_invalid_certificates_from_a_source_are_ignored(scene: Scene, backend: Backend) -> None:
    source = Source(b"rubbish")
    verifier = Verifier(Trust((scene.root.der,)), Policy.offline_audit(), backend=backend, clock=scene.clock, aia=source)
    assert reason(verifier, document(scene.leaf)) is Reason.UNKNOWN_ISSUER
    assert not source.kept


@pytest.mark.parametrize("garbage", [b"", b"{", b"MAA=", b"0\x00"], ids=repr)
def test_invalid_document_has_no_signer(garbage: bytes) -> None:
    """A verifier never calls the function with such a document."""
    assert signer_of(garbage, Policy().limits) is None


def test_finds_no_issuer_for_invalid_certificate(scene: Scene) -> None:
    assert scene.fetcher().issuers(b"0\x00", [scene.root.der]) == ()
