"""Single use: the same tests for every store, with threads and with processes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from imdskit.clock import Clock, ManualClock, SystemClock
from imdskit.errors import StoreError, UsageError
from imdskit.verify.stores import MemoryStore, NonceStore
from imdskit.verify.stores.redis import CLOCK_SECONDS, RedisStore
from imdskit.verify.stores.sqlite import PURGE_EVERY, SqliteStore

AT = 1_790_000_000
HOUR = 3600


def key(name: object) -> bytes:
    return sha256(repr(name).encode()).digest()


class Redis(NamedTuple):
    """Redis server started by the tests."""

    process: subprocess.Popen[bytes]
    port: int


@contextmanager
def redis_server(binary: str, folder: Path) -> Iterator[Redis]:
    """Start a server on a free loopback port, without persistence, and wait until its output says that it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder), "--daemonize", "no"]
    with subprocess.Popen([binary, *settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        seen = []
        try:
            for line in process.stdout:
                seen.append(line)
                if b"Ready to accept connections" in line:
                    break
            else:
                raise AssertionError(b"".join(seen).decode())
            yield Redis(process, port)
        finally:
            process.terminate()
            process.stdout.close()


def redis_binary() -> str:
    """Return the path of a server. If it is missing, skip the test, or fail in continuous integration."""
    missing = []
    binary = shutil.which("redis-server")
    if binary is None:
        missing.append("redis-server (Debian package redis-server)")
    try:
        import redis  # noqa: F401  # only whether it is there
    except ImportError:
        missing.append("the Python package redis")
    if missing:
        message = "not here: " + ", ".join(missing)
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    assert binary is not None
    return binary


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(redis_binary(), tmp_path_factory.mktemp("redis")) as server:
        yield server.port


def redis_store(port: int, clock: Clock, prefix: str) -> RedisStore:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis.Redis(host="127.0.0.1", port=port, socket_timeout=5, retry=Retry(NoBackoff(), 0))
    return RedisStore(client, redis.RedisError, prefix=prefix, clock=clock)


Factory = Callable[[Clock], NonceStore]
"""Function that opens the same store each time."""


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Callable[..., SqliteStore]]:
    """Yield a function that opens the store in ``used.db``. All stores are closed at the end."""
    with ExitStack() as opened:

        def open_one(clock: Clock, busy_seconds: float = 5) -> SqliteStore:
            store = SqliteStore(tmp_path / "used.db", clock=clock, busy_seconds=busy_seconds)
            opened.callback(store.close)
            return store

        yield open_one


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Factory:
    match request.param:
        case "memory":
            one: dict[str, MemoryStore] = {}
            return lambda clock: one.setdefault("store", MemoryStore(clock=clock))
        case "sqlite":
            factory: Factory = request.getfixturevalue("sqlite")
            return factory
        case _:
            port: int = request.getfixturevalue("redis_port")
            return lambda clock: redis_store(port, clock, f"{tmp_path.name}:")


@pytest.fixture
def store(open_store: Factory) -> NonceStore:
    return open_store(ManualClock(AT))


def test_a_key_is_consumed_once(store: NonceStore) -> None:
    assert store.consume(key("a"), AT + HOUR)
    assert not store.consume(key("a"), AT + HOUR)
    assert not store.consume(key("a"), AT + 2 * HOUR)
    assert store.consume(key("b"), AT + HOUR)


@pytest.mark.parametrize("odd", [b"\x00", b"\x00" * 64, b"'; DROP TABLE used; --", b"\r\nFLUSHALL\r\n", b"\xff" * 32], ids=repr)
def test_any_bytes_are_a_valid_key(store: NonceStore, odd: bytes) -> None:
    assert store.consume(odd, AT + HOUR)
    assert not store.consume(odd, AT + HOUR)
    assert store.consume(odd + b"\x00" if len(odd) < 64 else odd[:-1], AT + HOUR)


def test_a_second_handle_sees_what_the_first_consumed(open_store: Factory) -> None:
    clock = ManualClock(AT)
    assert open_store(clock).consume(key("a"), AT + HOUR)
    assert not open_store(clock).consume(key("a"), AT + HOUR)


@pytest.mark.parametrize(
    ("bad_key", "expires_at"),
    [(b"", AT), (b"x" * 65, AT), ("text", AT), (b"x", -1), (b"x", 1 << 40), (b"x", 1.5), (b"x", True), (b"x", None)],
    ids=repr,
)
def test_arguments_of_the_wrong_kind_are_usage_errors(store: NonceStore, bad_key: bytes, expires_at: int) -> None:
    with pytest.raises(UsageError):
        store.consume(bad_key, expires_at)


def test_expired_key_raises_store_error(store: NonceStore) -> None:
    assert store.consume(key("last second"), AT)
    with pytest.raises(StoreError) as refusal:
        store.consume(key("past"), AT - 1)
    assert refusal.value.code == "store-clock"


def test_exactly_one_of_many_threads_consumes_each_key(open_store: Factory) -> None:
    clock = ManualClock(AT)
    stores = [open_store(clock) for _ in range(2)]
    keys = [key(number) for number in range(50)]
    barrier = threading.Barrier(8)

    def take(number: int) -> list[bytes]:
        barrier.wait()
        return [k for k in keys if stores[number % 2].consume(k, AT + HOUR)]

    with ThreadPoolExecutor(8) as pool:
        winners = [k for won in pool.map(take, range(8)) for k in won]
    assert sorted(winners) == sorted(keys)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_key_is_stored_to_the_end_of_its_last_second(kind: str, sqlite: Factory) -> None:
    clock = ManualClock(AT)
    store: NonceStore = MemoryStore(clock=clock) if kind == "memory" else sqlite(clock)
    assert store.consume(key("a"), AT + 10)
    clock.advance(10)
    assert not store.consume(key("a"), AT + 100)
    clock.advance(1)
    assert store.consume(key("a"), AT + 100)
    assert not store.consume(key("a"), AT + 100)


def test_redis_stores_a_key_to_the_end_of_its_last_second(redis_port: int) -> None:
    import redis

    store = redis_store(redis_port, ManualClock(AT), "expiry:")
    assert store.consume(b"k", AT + 10)
    left = redis.Redis(port=redis_port, socket_timeout=5).pttl("expiry:6b")
    assert isinstance(left, int)
    assert 9_000 < left - CLOCK_SECONDS * 1000 <= 11_000


# Several processes


def consume_all(kind: str, location: str, count: int) -> None:
    """Wait for a line, try to consume every key, and print the successes. The processes of the next test run this function."""
    store: NonceStore = (
        SqliteStore(location, clock=ManualClock(AT), busy_seconds=60)
        if kind == "sqlite"
        else redis_store(int(location), ManualClock(AT), "processes:")
    )
    print("ready", flush=True)
    sys.stdin.readline()
    print(*[number for number in range(count) if store.consume(key(number), AT + HOUR)], flush=True)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_exactly_one_of_several_processes_consumes_each_key(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The processes also open the file at the same time, before it exists."""
    location = str(tmp_path / "used.db") if kind == "sqlite" else str(request.getfixturevalue("redis_port"))
    count = 100
    code = f"import test_nonce_stores; test_nonce_stores.consume_all({kind!r}, {location!r}, {count})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", code]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
        for _ in range(4)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            line = worker.stdout.readline()
            assert line == "ready\n", worker.communicate()[1]
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        won = []
        for worker in workers:
            output, errors = worker.communicate(timeout=60)
            assert worker.returncode == 0, errors
            won.append([int(number) for number in output.split()])
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert sorted(number for numbers in won for number in numbers) == list(range(count))


# Memory


def test_full_memory_store_refuses_and_removes_nothing() -> None:
    clock = ManualClock(AT)
    store = MemoryStore(2, clock=clock)
    assert store.consume(key(1), AT + 10)
    assert store.consume(key(2), AT + 20)
    with pytest.raises(StoreError) as refusal:
        store.consume(key(3), AT + 20)
    assert refusal.value.code == "store-full"
    assert not store.consume(key(1), AT + 20)
    clock.advance(11)
    assert store.consume(key(3), AT + 20)
    assert len(store) == 2


# SQLite


def test_sqlite_keeps_keys_across_a_restart(sqlite: Callable[..., SqliteStore]) -> None:
    first = sqlite(ManualClock(AT))
    assert first.consume(key("a"), AT + HOUR)
    first.close()
    first.close()
    assert not sqlite(ManualClock(AT)).consume(key("a"), AT + HOUR)
    assert not first.consume(key("a"), AT + HOUR)  # opens it again


def test_sqlite_removes_expired_keys(tmp_path: Path, sqlite: Factory) -> None:
    clock = ManualClock(AT)
    store = sqlite(clock)
    for number in range(PURGE_EVERY):
        assert store.consume(key(number), AT + 10)
    clock.advance(11)
    assert store.consume(key("after"), AT + HOUR)
    with sqlite3.connect(tmp_path / "used.db") as connection:
        assert connection.execute("SELECT key FROM used").fetchall() == [(key("after"),)]
    connection.close()


def test_sqlite_writes_each_admission_to_the_disk_at_once(sqlite: Callable[..., SqliteStore]) -> None:
    store = sqlite(ManualClock(AT))
    connection = store._connection
    assert connection is not None
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # the threads are those of pytest-xdist
def test_sqlite_opened_before_a_fork_works_in_parent_and_child(sqlite: Factory) -> None:
    store = sqlite(ManualClock(AT))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=lambda: results.put((store.consume(key(1), AT + HOUR), store.consume(key(2), AT + HOUR))))
    assert store.consume(key(1), AT + HOUR)
    child.start()
    assert results.get(timeout=30) == (False, True)
    child.join()
    assert not store.consume(key(2), AT + HOUR)


def test_sqlite_refuses_while_another_process_locks_the_file(tmp_path: Path, sqlite: Callable[..., SqliteStore]) -> None:
    store = sqlite(ManualClock(AT), busy_seconds=0)
    holder = sqlite3.connect(tmp_path / "used.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as refusal:
        store.consume(key("a"), AT + HOUR)
    assert refusal.value.code == "store-unreachable"
    assert refusal.value.hint
    holder.execute("ROLLBACK")
    holder.close()
    assert store.consume(key("a"), AT + HOUR)


def test_sqlite_rejects_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "used.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError) as refusal:
        SqliteStore(tmp_path / "used.db")
    assert refusal.value.code == "store-broken"


def test_sqlite_rejects_a_path_in_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refusal:
        SqliteStore(tmp_path / "absent" / "used.db")
    assert refusal.value.code == "store-unreachable"


def test_sqlite_rejects_a_table_with_other_columns(tmp_path: Path, sqlite: Factory) -> None:
    with sqlite3.connect(tmp_path / "used.db") as connection:
        connection.execute("CREATE TABLE used (name TEXT)")
    connection.close()
    with pytest.raises(StoreError):
        sqlite(SystemClock()).consume(key("a"), SystemClock().now() + HOUR)


# Redis


class Client:
    """Client with configured behaviour."""

    def __init__(self, response: object) -> None:
        self.response = response
        self.calls: list[tuple[str, bytes, int, bool]] = []

    def set(self, name: str, value: bytes, *, px: int, nx: bool) -> object:
        self.calls.append((name, value, px, nx))
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


@pytest.mark.parametrize(("response", "admitted"), [(True, True), ("OK", True), (b"OK", True), (None, False), (False, False)], ids=repr)
def test_redis_store_sends_one_command_and_uses_its_result(response: object, admitted: bool) -> None:
    client = Client(response)
    assert RedisStore(client, ValueError, clock=ManualClock(AT)).consume(b"\x01\x02", AT + 10) is admitted
    assert client.calls == [("imdskit:used:0102", b"1", 11_000 + CLOCK_SECONDS * 1000, True)]


@pytest.mark.parametrize("response", [0, 1, "QUEUED", b"", object(), [True]], ids=lambda response: repr(response)[:12])
def test_unexpected_response_admits_nothing(response: object) -> None:
    with pytest.raises(StoreError) as refusal:
        RedisStore(Client(response), ValueError, clock=ManualClock(AT)).consume(b"k", AT + 10)
    assert refusal.value.code == "store-broken"


@pytest.mark.parametrize("error", [ValueError("away"), ConnectionResetError("reset"), TimeoutError("slow")], ids=repr)
def test_unreachable_server_admits_nothing(error: Exception) -> None:
    with pytest.raises(StoreError) as refusal:
        RedisStore(Client(error), (ValueError, KeyError), clock=ManualClock(AT)).consume(b"k", AT + 10)
    assert refusal.value.code == "store-unreachable"


def test_stopped_real_server_admits_nothing(tmp_path: Path) -> None:
    with redis_server(redis_binary(), tmp_path) as server:
        store = redis_store(server.port, ManualClock(AT), "gone:")
        assert store.consume(key("a"), AT + HOUR)
        server.process.terminate()
        server.process.wait(timeout=30)
        with pytest.raises(StoreError) as refusal:
            store.consume(key("b"), AT + HOUR)
    assert refusal.value.code == "store-unreachable"


def test_real_server_in_the_wrong_state_admits_nothing(redis_port: int) -> None:
    """A replica refuses writes, and so does a server without free memory."""
    import redis

    with redis.Redis(port=redis_port, socket_timeout=5) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(StoreError) as refusal:
                redis_store(redis_port, ManualClock(AT), "full:").consume(key("a"), AT + HOUR)
        finally:
            client.config_set("maxmemory", 0)
    assert refusal.value.code == "store-unreachable"
