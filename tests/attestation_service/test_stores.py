"""Tests of ``open_store``, which opens the configured store. It refuses a Redis server that may
discard keys."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imdskit.attestation_service import Settings
from imdskit.attestation_service.stores import open_store
from imdskit.clock import SystemClock
from imdskit.errors import StoreError, UsageError
from imdskit.verify.stores import MemoryStore
from imdskit.verify.stores.redis import RedisStore
from imdskit.verify.stores.sqlite import SqliteStore


def settings(store: str) -> Settings:
    return Settings.read(environment={}, overrides={"keys_file": "keys", "store": store, "store_timeout": "1"})


@pytest.fixture
def redis_port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    binary = shutil.which("redis-server")
    if binary is None:
        (pytest.fail if request.config.getoption("--require-programs") else pytest.skip)("not installed: redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        assert any(b"Ready to accept connections" in line for line in process.stdout)
        yield port
        process.kill()


def test_opens_memory_and_sqlite_stores(tmp_path: Path) -> None:
    assert isinstance(open_store(settings("memory"), SystemClock()), MemoryStore)
    store = open_store(settings(f"sqlite:{tmp_path / 'used.db'}"), SystemClock())
    assert isinstance(store, SqliteStore)
    store.close()
    with pytest.raises(StoreError):
        open_store(settings(f"sqlite:{tmp_path / 'absent' / 'used.db'}"), SystemClock())


def test_opens_redis_store(redis_port: int) -> None:
    store = open_store(settings(f"redis://127.0.0.1:{redis_port}/0"), SystemClock())
    expires_at = SystemClock().now() + 600
    assert [store.consume(b"key", expires_at) for _ in range(2)] == [True, False]
    assert isinstance(store, RedisStore)
    # A command whose response was lost may have been executed. A retry would find the key, and the service would refuse a valid document.
    assert store._client.get_retry().get_retries() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_refuses_server_that_discards_keys(redis_port: int, policy: str) -> None:
    import redis

    with redis.Redis(port=redis_port) as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", 0)
        open_store(settings(f"redis://127.0.0.1:{redis_port}"), SystemClock())  # Without a memory limit, the server discards nothing.
        client.config_set("maxmemory", 100_000_000)
        with pytest.raises(UsageError, match=policy):
            open_store(settings(f"redis://127.0.0.1:{redis_port}"), SystemClock())


def test_unreachable_server_at_start_accepts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(settings("redis://127.0.0.1:1/0"), SystemClock())
    assert "its maxmemory-policy was not checked" in caplog.text
    with pytest.raises(StoreError):
        store.consume(b"key", SystemClock().now() + 600)


@pytest.mark.parametrize(("url", "package"), [("rediss://store", "redis"), ("valkeys://store", "valkey")])
def test_error_names_the_missing_client_library(url: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError) as refusal:
        open_store(settings(url), SystemClock())
    assert f"pip install {package}" in refusal.value.hint


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port/0", "redis://127.0.0.1?socket_timeout=soon"])
def test_refuses_url_that_the_client_library_refuses(url: str) -> None:
    with pytest.raises(UsageError):
        open_store(settings(url), SystemClock())


def test_messages_do_not_contain_the_password() -> None:
    assert "geheim" not in repr(settings("redis://:geheim@store/0"))
