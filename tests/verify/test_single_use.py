"""One document, one nonce, one admission; and nothing is admitted that a store cannot vouch for."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from imdskit.asn1 import writer as der
from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.emulator.authority.certificates import RSA_ENCRYPTION, algorithm
from imdskit.errors import FreshnessError, StoreError, UsageError, VerificationError
from imdskit.protocol import attested
from imdskit.reasons import Reason, Stage
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.nonces import NonceIssuer
from imdskit.verify.stores import MemoryStore
from imdskit.verify.verifier import MARGIN

AT = 1_790_000_000
NONCE = "4071882193"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=11)


def content(nonce: str = NONCE, created_on: int = AT, vm_id: str = "00000000-0000-4000-8000-000000000001") -> bytes:
    return attested.content({"vmId": vm_id}, "2021-02-01", created_on, nonce)


def verifier(authority: Authority, backend: Backend, clock: ManualClock, policy: Policy | None = None) -> Verifier:
    return Verifier(Trust((authority.root,), (authority.issuing,)), policy or Policy.online(), backend=backend, clock=clock)


def replayed(verifier: Verifier, document: bytes, nonce: str | None, store: MemoryStore) -> str:
    with pytest.raises(VerificationError) as refusal:
        verifier.verify_once(document, nonce, store)
    assert refusal.value.reason is Reason.REPLAYED
    assert refusal.value.stage is Stage.CLAIMS
    return refusal.value.location


def test_a_document_is_accepted_once(authority: Authority, backend: Backend) -> None:
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())
    assert judge.verify_once(document, NONCE, store).claims.nonce == NONCE
    assert replayed(judge, document, NONCE, store) == "content"
    assert judge.verify_once(signed_document.message(authority.signer(), content("other")), "other", store).claims.nonce == "other"
    judge.verify(document, nonce=NONCE)  # verification alone remembers nothing


def test_other_wrapping_does_not_make_it_another_document(authority: Authority, backend: Backend) -> None:
    """Base64, white space, JSON, certificates in the bag and unsigned attributes can be changed by whoever has seen the document."""
    signer = authority.signer()
    message = signed_document.message(signer, content())
    text = base64.b64encode(message)
    digest = algorithm(signed_document.SHA256_WITH_RSA)
    signed = (der.integer(1), der.sequence(signer.issuer, der.integer(signer.serial)), digest, algorithm(RSA_ENCRYPTION))
    attribute = der.sequence(der.oid("1.2.3.4"), der.set_of(der.integer(7)))
    loose = der.sequence(*signed, der.octet_string(signer.sign(content())), der.explicit(1, attribute))
    encapsulated = der.sequence(der.oid(signed_document.DATA), der.explicit(0, der.octet_string(content())))
    rewrapped = der.sequence(
        der.oid(signed_document.SIGNED_DATA),
        der.explicit(
            0,
            der.sequence(
                der.integer(1), der.set_of(digest), encapsulated, der.explicit(0, authority.issuing + signer.certificate), der.set_of(loose)
            ),
        ),
    )
    wrappings: tuple[bytes, ...] = (
        message,
        text,
        b"\r\n".join(text[at : at + 64] for at in range(0, len(text), 64)),
        attested.envelope(message),
        rewrapped,
    )
    wrappings += (json.dumps({"signature": text.decode(), "encoding": "pkcs7"}, indent=4).encode(),)
    assert len(set(wrappings)) == 6
    for first in (message, rewrapped):
        clock = ManualClock(AT)
        judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
        judge.verify_once(first, NONCE, store)
        for other in wrappings:
            assert replayed(judge, other, NONCE, store) == "content"


def test_a_second_document_for_the_same_nonce_is_refused(authority: Authority, backend: Backend) -> None:
    """The machine asked the service twice with one challenge."""
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
    judge.verify_once(signed_document.message(authority.signer(), content()), NONCE, store)
    assert replayed(judge, signed_document.message(authority.signer(), content(created_on=AT + 1)), NONCE, store) == "content.nonce"


def test_without_a_nonce_the_document_alone_is_used_up(authority: Authority, backend: Backend) -> None:
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock, Policy()), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())
    judge.verify_once(document, None, store)
    assert replayed(judge, document, None, store) == "content"
    assert replayed(judge, document, NONCE, store) == "content"
    judge.verify_once(signed_document.message(authority.signer(), content(created_on=AT + 1)), None, store)


def test_a_refused_document_is_not_used_up(authority: Authority, backend: Backend) -> None:
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())
    for nonce, reason in (("other", Reason.NONCE_MISMATCH), (None, Reason.NONCE_REQUIRED)):
        with pytest.raises(VerificationError) as refusal:
            judge.verify_once(document, nonce, store)
        assert refusal.value.reason is reason
    assert len(store) == 0
    judge.verify_once(document, NONCE, store)


@pytest.mark.parametrize(
    "policy", [Policy(), Policy.online(max_age=300), Policy(skew=0), Policy(max_age=7 * 3600)], ids=["6 h", "5 min", "no skew", "7 h"]
)
def test_it_is_remembered_for_longer_than_it_could_be_accepted(authority: Authority, backend: Backend, policy: Policy) -> None:
    """To the last second of acceptance, and by clocks that are ten minutes apart."""
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock, policy), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())
    judge.verify_once(document, NONCE, store)
    last = min(6 * 3600, policy.max_age or 6 * 3600) + policy.skew
    clock.advance(last)
    assert replayed(judge, document, NONCE, store) == "content"
    behind = verifier(authority, backend, ManualClock(AT + last), policy)
    clock.advance(MARGIN)
    assert replayed(behind, document, NONCE, store) == "content"
    with pytest.raises(VerificationError) as refusal:
        judge.verify_once(document, NONCE, store)
    assert refusal.value.reason in (Reason.DOCUMENT_EXPIRED, Reason.DOCUMENT_TOO_OLD)


def test_a_store_that_would_forget_at_once_admits_nothing(authority: Authority, backend: Backend) -> None:
    judge = verifier(authority, backend, ManualClock(AT))
    with pytest.raises(StoreError) as refusal:
        judge.verify_once(signed_document.message(authority.signer(), content()), NONCE, MemoryStore(clock=ManualClock(AT + 24 * 3600)))
    assert refusal.value.code == "store-clock"


class Away:
    """Answers some calls, then no more."""

    def __init__(self, answers: int) -> None:
        self.answers = answers

    def consume(self, key: bytes, expires_at: int) -> bool:  # the protocol's
        if not self.answers:
            raise StoreError("store-unreachable", "away")
        self.answers -= 1
        return True


@pytest.mark.parametrize("answers", [0, 1], ids=["from the start", "between content and nonce"])
def test_a_store_that_is_away_admits_nothing(authority: Authority, backend: Backend, answers: int) -> None:
    judge = verifier(authority, backend, ManualClock(AT))
    with pytest.raises(StoreError):
        judge.verify_once(signed_document.message(authority.signer(), content()), NONCE, Away(answers))


def test_a_policy_without_times_cannot_go_with_single_use(authority: Authority, backend: Backend) -> None:
    judge = verifier(authority, backend, ManualClock(AT), Policy(check_times=False))
    with pytest.raises(UsageError):
        judge.verify_once(signed_document.message(authority.signer(), content()), NONCE, MemoryStore())


def test_of_many_threads_with_one_document_one_is_admitted(authority: Authority, backend: Backend) -> None:
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())

    def admit(_: int) -> bool:
        try:
            judge.verify_once(document, NONCE, store)
        except VerificationError as refusal:
            return refusal.reason is not Reason.REPLAYED
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(admit, range(16))) == 1


def test_a_bound_challenge_from_end_to_end(authority: Authority, backend: Backend) -> None:
    """Nothing is stored when the nonce is issued; the store sees only what was admitted."""
    clock = ManualClock(AT)
    issuer, store = NonceIssuer([b"k" * 32], clock=clock), MemoryStore(clock=clock)
    judge = verifier(authority, backend, clock)

    def admit(document: bytes, nonce: str, request: bytes) -> str:
        issuer.check(nonce, request)
        return judge.verify_once(document, nonce, store).claims.vm_id

    nonce = issuer.issue(b"customer 7")
    document = signed_document.message(authority.signer(), content(nonce))
    with pytest.raises(FreshnessError):
        admit(document, nonce, b"customer 8")
    assert admit(document, nonce, b"customer 7") == "00000000-0000-4000-8000-000000000001"
    with pytest.raises(VerificationError):
        admit(document, nonce, b"customer 7")
    clock.advance(301)
    with pytest.raises(FreshnessError):
        admit(signed_document.message(authority.signer(), content(nonce, AT + 301)), nonce, b"customer 7")
