"""Single use compared with a model, for all stores: of all verifiers that share a store, exactly one accepts a document, and only once.

The state machine has several verifiers with different policies. They restart, their clocks jump both ways, and they present documents and
bound nonces. A verifier and its handle of the store have the same clock, as on one machine; a Redis server has its own.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from imdskit import backends
from imdskit.backends.contract import MAX_SKEW, Backend
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.errors import FreshnessError, StoreError, VerificationError
from imdskit.protocol import attested
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.nonces import MAX_LIFETIME, NonceIssuer
from imdskit.verify.stores import MemoryStore, NonceStore, sqlite
from imdskit.verify.stores.redis import RedisStore

sys.path.insert(0, str(Path(__file__).parent))  # to import neighbouring modules by name

from test_nonce_stores import redis_binary, redis_server, redis_store

AT = 1_790_000_000
HOUR = 3600
DAY = 24 * HOUR


@dataclass
class Clock:
    """Clock with the true time plus an offset."""

    true: list[int]
    ahead: int = 0

    def now(self) -> int:
        return self.true[0] + self.ahead

    def monotonic_ns(self) -> int:
        return self.true[0] * 1_000_000_000


class FakeServer:
    """Fake Redis server with the one command that the store uses, and with an adjustable clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.keys: dict[str, int] = {}

    def set(self, name: str, value: bytes, *, px: int, nx: bool) -> object:
        assert (value, nx) == (b"1", True)
        now = self.clock.now() * 1000
        self.keys = {key: until for key, until in self.keys.items() if until > now}
        if name in self.keys:
            return None
        self.keys[name] = now + px
        return True


@lru_cache
def authority() -> Authority:
    return Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=11)


@lru_cache(maxsize=10_000)
def document(created_on: int, nonce: str, number: int) -> bytes:
    vm_id = f"00000000-0000-4000-8000-{number:012}"
    return signed_document.message(authority().signer(), attested.content({"vmId": vm_id}, "2021-02-01", created_on, nonce))


class Document(NamedTuple):
    data: bytes
    nonce: str


@dataclass
class Worker:
    """Model of a process: a verifier, its clock, and its handle of the store."""

    verifier: Verifier
    clock: Clock
    store: NonceStore
    issuer: NonceIssuer


Opener = Callable[[Clock], NonceStore]


@dataclass
class Place:
    """Shared state of the workers: a function that opens the store, and the clock of its server, if any."""

    opener: Opener
    true: list[int]
    server: Clock | None = None
    most_ahead: int = 30 * DAY
    close: list[Callable[[], None]] = field(default_factory=list)


POLICIES = st.builds(
    Policy,
    max_age=st.sampled_from([None, 0, 300, HOUR, 7 * HOUR, DAY]),
    skew=st.sampled_from([0, 120, HOUR // 2, MAX_SKEW]),
)
JUMPS = (-7 * HOUR, -300, 300, 5 * HOUR, 6 * HOUR, 7 * HOUR, 30 * DAY)


class SingleUse(RuleBasedStateMachine):
    def __init__(self, open_place: Callable[[list[int]], Place], backend: Backend) -> None:
        super().__init__()
        self.true = [AT]
        self.location = open_place(self.true)
        self.backend = backend
        self.workers: list[Worker] = []
        self.documents: list[Document] = []
        self.accepted: dict[bytes, int] = {}
        self.accepted_nonces: dict[str, int] = {}
        self.calm = True
        self.behind = False

    def worker(self, policy: Policy, ahead: int = 0) -> Worker:
        clock = Clock(self.true, ahead)
        trust = Trust((authority().root,), (authority().issuing,))
        issuer = NonceIssuer([b"k" * 32], lifetime=MAX_LIFETIME, clock=clock, random=bytes)
        return Worker(Verifier(trust, policy, backend=self.backend, clock=clock), clock, self.location.opener(clock), issuer)

    @initialize(policy=POLICIES)
    def start(self, policy: Policy) -> None:
        self.workers = [self.worker(Policy(max_age=300)), self.worker(Policy(skew=MAX_SKEW)), self.worker(policy)]
        self.new_document(False)

    def new_document(self, same_nonce: bool) -> None:
        """Sign a new document with the true time."""
        nonce = self.documents[-1].nonce if same_nonce and self.documents else self.workers[0].issuer.issue()
        self.documents.append(Document(document(self.true[0], nonce, len(self.documents)), nonce))

    @rule(same_nonce=st.booleans())
    def sign(self, same_nonce: bool) -> None:
        self.new_document(same_nonce)

    @rule(seconds=st.sampled_from([1, 299, 1021, HOUR, 2 * HOUR, 7 * HOUR]))
    def wait(self, seconds: int) -> None:
        self.true[0] += seconds

    @rule(number=st.integers(0, 2), policy=POLICIES)
    def restart(self, number: int, policy: Policy) -> None:
        """Restart a worker with another policy. Its clock does not change."""
        old = self.workers[number]
        if isinstance(old.store, sqlite.SqliteStore):
            old.store.close()
        self.workers[number] = self.worker(policy, old.clock.ahead)

    @rule(number=st.integers(0, 2), ahead=st.sampled_from(JUMPS))
    def set_clock(self, number: int, ahead: int) -> None:
        most = self.location.most_ahead
        self.workers[number].clock.ahead = max(min(ahead, most), -most)
        self.calm = self.calm and abs(ahead) <= 300
        self.behind = self.behind or ahead < -HOUR

    @rule(ahead=st.sampled_from(JUMPS))
    def set_clock_of_the_server(self, ahead: int) -> None:
        if self.location.server is not None:
            most = self.location.most_ahead
            self.location.server.ahead = max(min(ahead, most), -most)

    @rule(number=st.integers(0, 2), ahead=st.sampled_from(JUMPS), bound=st.booleans())
    def present_all_while_the_clock_is_wrong(self, number: int, ahead: int, bound: bool) -> None:
        """Present a new document, so that the store purges by the wrong clock, then set the clock back."""
        before = self.workers[number].clock.ahead
        self.set_clock(number, ahead)
        self.new_document(False)
        self.present_all(number, bound)
        self.set_clock(number, before)
        self.present_all(number, bound)

    @rule(number=st.integers(0, 2), bound=st.booleans())
    def present_all(self, number: int, bound: bool) -> None:
        """Present all documents, newest first."""
        for given in self.documents[:-6:-1]:
            self.present(self.workers[number], given, bound)

    def present(self, worker: Worker, given: Document, bound: bool) -> None:
        nonce = given.nonce if bound else None
        try:
            worker.verifier.verify(given.data, nonce=nonce)
            if bound:
                worker.issuer.check(given.nonce)
        except (VerificationError, FreshnessError):
            return
        fresh = given.data not in self.accepted and not (bound and given.nonce in self.accepted_nonces)
        # A document is marked as used even if its nonce then turns out to be used.
        used_up = given.data in self.accepted
        self.accepted.setdefault(given.data, 0)
        try:
            worker.verifier.verify_once(given.data, nonce=nonce, store=worker.store)
        except StoreError as error:
            assert error.code == "store-clock"
            assert not (self.calm and fresh), "a fresh document was not admitted although all clocks were right"
        except VerificationError as refusal:
            assert refusal.reason is Reason.REPLAYED
            assert not fresh or not self.calm
        else:
            assert not used_up, "a document was admitted twice"
            self.accepted[given.data] += 1
            if bound:
                self.accepted_nonces[given.nonce] = self.accepted_nonces.get(given.nonce, 0) + 1

    @invariant()
    def each_document_is_accepted_at_most_once(self) -> None:
        assert all(count <= 1 for count in self.accepted.values())

    @invariant()
    def each_bound_nonce_is_accepted_at_most_once(self) -> None:
        """After a clock was set back by more than an hour, expired nonces are valid again. Then only documents are single-use."""
        assert self.behind or all(count <= 1 for count in self.accepted_nonces.values())

    def teardown(self) -> None:
        for close in reversed(self.location.close):
            close()
        for worker in self.workers:
            if isinstance(worker.store, sqlite.SqliteStore):
                worker.store.close()


class Handle:
    """Handle of a memory store. It is shared, because it belongs to one process, whose clock another worker has set."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self.store, self.clock = store, clock

    def consume(self, key: bytes, expires_at: int) -> bool:
        self.store._clock = self.clock
        return self.store.consume(key, expires_at)


def memory(true: list[int]) -> Place:
    store = MemoryStore()
    return Place(lambda clock: Handle(store, clock), true)


def sqlite_file(true: list[int]) -> Place:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "used.db"
    return Place(lambda clock: sqlite.SqliteStore(path, clock=clock), true, close=[folder.cleanup])


def fake_redis(true: list[int]) -> Place:
    server = Clock(true)
    client = FakeServer(server)
    return Place(lambda clock: RedisStore(client, OSError, clock=clock), true, server, most_ahead=12 * HOUR)


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(redis_binary(), tmp_path_factory.mktemp("redis")) as server:
        yield server.port


@pytest.fixture(params=["memory", "sqlite", "redis", "redis with a clock"])
def open_place(request: pytest.FixtureRequest) -> Callable[[list[int]], Place]:
    match request.param:
        case "memory":
            return memory
        case "sqlite":
            return sqlite_file
        case "redis with a clock":
            return fake_redis
    port: int = request.getfixturevalue("redis_port")
    runs = iter(range(1_000_000))

    def real_redis(true: list[int]) -> Place:
        prefix = f"model {next(runs)}:"
        return Place(lambda clock: redis_store(port, clock, prefix), true, most_ahead=12 * HOUR)

    return real_redis


def test_exactly_one_call_accepts_a_document(open_place: Callable[[list[int]], Place], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PURGE_EVERY", 1)
    run = settings(max_examples=50, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(lambda: SingleUse(open_place, backends.best()), settings=run)  # type: ignore[no-untyped-call]
