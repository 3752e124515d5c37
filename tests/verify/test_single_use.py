"""Single use: each document and nonce is admitted once, and nothing is admitted if the store fails."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imdskit.asn1 import writer as der
from imdskit.backends.contract import MAX_SKEW, Backend
from imdskit.clock import Clock, ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.emulator.authority.certificates import RSA_ENCRYPTION, algorithm
from imdskit.errors import FreshnessError, StoreError, UsageError, VerificationError
from imdskit.protocol import attested
from imdskit.reasons import Reason, Stage
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.nonces import MAX_LIFETIME, NonceIssuer
from imdskit.verify.stores import MemoryStore, NonceStore
from imdskit.verify.stores.redis import RedisStore
from imdskit.verify.stores.sqlite import PURGE_EVERY, SqliteStore
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
        verifier.verify_once(document, nonce=nonce, store=store)
    assert refusal.value.reason is Reason.REPLAYED
    assert refusal.value.stage is Stage.CLAIMS
    return refusal.value.location


def test_a_document_is_accepted_once(authority: Authority, backend: Backend) -> None:
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())
    assert judge.verify_once(document, nonce=NONCE, store=store).claims.nonce == NONCE
    assert replayed(judge, document, NONCE, store) == "content"
    assert (
        judge.verify_once(signed_document.message(authority.signer(), content("other")), nonce="other", store=store).claims.nonce == "other"
    )
    judge.verify(document, nonce=NONCE)  # verification alone stores nothing


def test_reencoded_document_is_the_same_document(authority: Authority, backend: Backend) -> None:
    """Anybody with a copy can change its base64, white space, JSON, certificates and unsigned attributes."""
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
        judge.verify_once(first, nonce=NONCE, store=store)
        for other in wrappings:
            assert replayed(judge, other, NONCE, store) == "content"


def test_a_second_document_for_the_same_nonce_is_refused(authority: Authority, backend: Backend) -> None:
    """The machine requested two documents with one challenge."""
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
    judge.verify_once(signed_document.message(authority.signer(), content()), nonce=NONCE, store=store)
    assert replayed(judge, signed_document.message(authority.signer(), content(created_on=AT + 1)), NONCE, store) == "content.nonce"


def test_without_a_nonce_the_document_alone_is_used_up(authority: Authority, backend: Backend) -> None:
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock, Policy()), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())
    judge.verify_once(document, nonce=None, store=store)
    assert replayed(judge, document, None, store) == "content"
    assert replayed(judge, document, NONCE, store) == "content"
    judge.verify_once(signed_document.message(authority.signer(), content(created_on=AT + 1)), nonce=None, store=store)


def test_a_refused_document_is_not_used_up(authority: Authority, backend: Backend) -> None:
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())
    for nonce, reason in (("other", Reason.NONCE_MISMATCH), (None, Reason.NONCE_REQUIRED)):
        with pytest.raises(VerificationError) as refusal:
            judge.verify_once(document, nonce=nonce, store=store)
        assert refusal.value.reason is reason
    assert len(store) == 0
    judge.verify_once(document, nonce=NONCE, store=store)


@pytest.mark.parametrize(
    "policy", [Policy(), Policy.online(max_age=300), Policy(skew=0), Policy(max_age=7 * 3600)], ids=["6 h", "5 min", "no skew", "7 h"]
)
def test_document_is_stored_longer_than_it_can_be_accepted(authority: Authority, backend: Backend, policy: Policy) -> None:
    """It is stored to the last second of acceptance, even by clocks that differ by ten minutes."""
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock, policy), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())
    judge.verify_once(document, nonce=NONCE, store=store)
    last = min(6 * 3600, policy.max_age or 6 * 3600) + policy.skew
    clock.advance(last)
    assert replayed(judge, document, NONCE, store) == "content"
    behind = verifier(authority, backend, ManualClock(AT + last), policy)
    clock.advance(MARGIN)
    assert replayed(behind, document, NONCE, store) == "content"
    with pytest.raises(VerificationError) as refusal:
        judge.verify_once(document, nonce=NONCE, store=store)
    assert refusal.value.reason in (Reason.DOCUMENT_EXPIRED, Reason.DOCUMENT_TOO_OLD)


def test_store_with_a_clock_ahead_admits_nothing(authority: Authority, backend: Backend) -> None:
    judge = verifier(authority, backend, ManualClock(AT))
    with pytest.raises(StoreError) as refusal:
        judge.verify_once(
            signed_document.message(authority.signer(), content()), nonce=NONCE, store=MemoryStore(clock=ManualClock(AT + 24 * 3600))
        )
    assert refusal.value.code == "store-clock"


class Away:
    """Store that fails after some calls."""

    def __init__(self, responses: int) -> None:
        self.responses = responses

    def consume(self, key: bytes, expires_at: int) -> bool:  # as in the protocol
        if not self.responses:
            raise StoreError("store-unreachable", "away")
        self.responses -= 1
        return True


@pytest.mark.parametrize("responses", [0, 1], ids=["from the start", "between content and nonce"])
def test_unreachable_store_admits_nothing(authority: Authority, backend: Backend, responses: int) -> None:
    judge = verifier(authority, backend, ManualClock(AT))
    with pytest.raises(StoreError):
        judge.verify_once(signed_document.message(authority.signer(), content()), nonce=NONCE, store=Away(responses))


def test_policy_without_times_is_refused_for_single_use(authority: Authority, backend: Backend) -> None:
    judge = verifier(authority, backend, ManualClock(AT), Policy(check_times=False))
    with pytest.raises(UsageError):
        judge.verify_once(signed_document.message(authority.signer(), content()), nonce=NONCE, store=MemoryStore())


def test_one_of_many_threads_with_one_document_is_admitted(authority: Authority, backend: Backend) -> None:
    clock = ManualClock(AT)
    judge, store = verifier(authority, backend, clock), MemoryStore(clock=clock)
    document = signed_document.message(authority.signer(), content())

    def admit(_: int) -> bool:
        try:
            judge.verify_once(document, nonce=NONCE, store=store)
        except VerificationError as refusal:
            return refusal.reason is not Reason.REPLAYED
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(admit, range(16))) == 1


def test_a_bound_challenge_from_end_to_end(authority: Authority, backend: Backend) -> None:
    """Issuing a nonce stores nothing. The store contains only admitted documents and nonces."""
    clock = ManualClock(AT)
    issuer, store = NonceIssuer([b"k" * 32], clock=clock), MemoryStore(clock=clock)
    judge = verifier(authority, backend, clock)

    def admit(document: bytes, nonce: str, request: bytes) -> str:
        issuer.check(nonce, request)
        return judge.verify_once(document, nonce=nonce, store=store).claims.vm_id

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


# Policies, clocks and restarts


class SetClock:
    """Clock that can be set to any second."""

    def __init__(self, second: int) -> None:
        self.second = second

    def now(self) -> int:
        return self.second

    def monotonic_ns(self) -> int:
        return self.second * 1_000_000_000


def policy_pairs() -> list[tuple[Policy, Policy, int]]:
    """Return triples: a policy that marks a document as used, another policy, and the seconds after createdOn when that one accepts it."""
    wide = Policy(skew=MAX_SKEW)
    return [
        (Policy.online(), Policy.online(max_age=3600), 300 + 120 + 600 + 1),
        (Policy.online(max_age=0), Policy(), 6 * 3600 + 120),
        (Policy(skew=0), wide, 6 * 3600 + MAX_SKEW),
        (Policy.online(max_age=300), wide, 6 * 3600 + MAX_SKEW),
    ]


@pytest.mark.parametrize(("first", "second", "later"), policy_pairs(), ids=["wider age", "no age", "more skew", "both"])
@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_storage_time_of_a_document_does_not_depend_on_the_policy(
    authority: Authority, backend: Backend, kind: str, tmp_path: Path, first: Policy, second: Policy, later: int
) -> None:
    clock = ManualClock(AT)
    store: NonceStore = {
        "memory": lambda: MemoryStore(clock=clock),
        "sqlite": lambda: SqliteStore(tmp_path / "used.db", clock=clock),
        "redis": lambda: RedisStore(Server(clock), OSError, clock=clock),
    }[kind]()
    document = signed_document.message(authority.signer(), content())
    verifier(authority, backend, clock, first).verify_once(document, nonce=NONCE, store=store)
    clock.advance(later)
    assert verifier(authority, backend, clock, second).verify(document, nonce=NONCE).claims.nonce == NONCE
    with pytest.raises(VerificationError) as refusal:
        verifier(authority, backend, clock, second).verify_once(document, nonce=NONCE, store=store)
    assert (refusal.value.reason, refusal.value.location) == (Reason.REPLAYED, "content")
    if isinstance(store, SqliteStore):
        store.close()


class Server:
    """Fake Redis server with the one command that the store uses."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.keys: dict[str, int] = {}

    def set(self, name: str, value: bytes, *, px: int, nx: bool) -> object:
        now = self.clock.now() * 1000
        if self.keys.get(name, now) > now:
            return None
        self.keys[name] = now + px
        return True


def test_a_policy_cannot_have_more_skew_than_stores_allow_for() -> None:
    assert Policy(skew=MAX_SKEW).skew == MAX_SKEW
    with pytest.raises(UsageError) as refusal:
        Policy(skew=MAX_SKEW + 1)
    assert "from 0 to 3600; got 3601" in refusal.value.message


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_clock_that_jumps_forward_and_back_allows_no_replay(authority: Authority, kind: str, tmp_path: Path) -> None:
    """The store purges by a clock that is six hours ahead. When the clock is set back, the document would be acceptable again."""
    clock = SetClock(AT)
    store: NonceStore = MemoryStore(clock=clock) if kind == "memory" else SqliteStore(tmp_path / "used.db", clock=clock)
    judge = Verifier(Trust((authority.root,), (authority.issuing,)), Policy(skew=MAX_SKEW), clock=clock)
    document = signed_document.message(authority.signer(), content())
    judge.verify_once(document, nonce=NONCE, store=store)
    clock.second = AT + 2 * 3600 + 6 * 3600
    for number in range(PURGE_EVERY):
        late = signed_document.message(authority.signer(), content(str(number), AT + 2 * 3600, f"00000000-0000-4000-8000-{number:012}"))
        judge.verify_once(late, nonce=None, store=store)
        if kind == "memory":
            break
    clock.second = AT + 2 * 3600
    judge.verify(document)
    with pytest.raises(StoreError) as refusal:
        judge.verify_once(document, nonce=NONCE, store=store)
    assert refusal.value.code == "store-clock"
    fresh = signed_document.message(authority.signer(), content("fresh", AT + 2 * 3600))
    assert judge.verify_once(fresh, nonce="fresh", store=store).claims.nonce == "fresh"
    if isinstance(store, SqliteStore):
        store.close()
        assert not raises_store_clock(SqliteStore(tmp_path / "used.db", clock=clock), AT + 9 * 3600)
        assert raises_store_clock(
            SqliteStore(tmp_path / "used.db", clock=clock), AT + 8 * 3600 - 1
        )  # the record of the purge survives a restart


def raises_store_clock(store: SqliteStore, expires_at: int) -> bool:
    try:
        store.consume(b"key %d" % expires_at, expires_at)
    except StoreError as error:
        return error.code == "store-clock"
    finally:
        store.close()
    return False


def test_reused_expired_row_counts_as_purged(tmp_path: Path) -> None:
    clock = SetClock(AT)
    store = SqliteStore(tmp_path / "used.db", clock=clock)
    assert store.consume(b"first", AT + 10_000)
    assert store.consume(b"key", AT + 10)
    clock.second = AT + 100
    assert store.consume(b"key", AT + 1000)
    clock.second = AT
    with pytest.raises(StoreError):
        store.consume(b"other", AT + 99)
    assert store.consume(b"other", AT + 100)
    store.close()


@pytest.mark.parametrize("ahead", [0, 7 * 3600, 12 * 3600])
def test_redis_keeps_a_key_used_with_a_clock_ahead(ahead: int) -> None:
    """A verifier clock that is ahead shortens the time that is sent to the server, and the server's clock may be ahead, too."""
    true, server = SetClock(AT), SetClock(AT)
    client = Server(server)
    end = AT + 13 * 3600
    true.second = AT + ahead
    assert RedisStore(client, OSError, clock=true).consume(b"key", end)
    true.second = server.second = AT + 12 * 3600
    server.second += 11 * 3600
    assert not RedisStore(client, OSError, clock=true).consume(b"key", end)


def test_used_nonce_stays_used_after_a_clock_was_ahead(authority: Authority, backend: Backend) -> None:
    """A bound nonce is valid for six hours. The clock is ahead by seven hours for a moment, then correct again."""
    clock = SetClock(AT)
    store = MemoryStore(clock=clock)
    issuer = NonceIssuer([b"k" * 32], lifetime=MAX_LIFETIME, clock=clock)
    judge = Verifier(Trust((authority.root,), (authority.issuing,)), Policy(skew=MAX_SKEW), backend=backend, clock=clock)
    nonce = issuer.issue()
    judge.verify_once(signed_document.message(authority.signer(), content(nonce, AT)), nonce=nonce, store=store)
    later = AT + 5 * 3600
    clock.second = later + 7 * 3600
    judge.verify_once(signed_document.message(authority.signer(), content("other", later)), nonce="other", store=store)
    clock.second = later
    issuer.check(nonce)
    with pytest.raises(VerificationError) as refusal:
        judge.verify_once(signed_document.message(authority.signer(), content(nonce, later)), nonce=nonce, store=store)
    assert refusal.value.location == "content.nonce"


@pytest.mark.parametrize("times", [{"lifetime": MAX_LIFETIME + 1}, {"skew": MAX_SKEW + 1}], ids=repr)
def test_nonce_lifetime_and_skew_are_limited(times: dict[str, int]) -> None:
    with pytest.raises(UsageError) as refusal:
        NonceIssuer([b"k" * 32], **times)
    assert refusal.value.location in times
