"""The format of the SQLite store: its version, files of older and newer releases, and files of other programs."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from imdskit.clock import ManualClock
from imdskit.errors import StoreError, UsageError
from imdskit.verify.stores import sqlite
from imdskit.verify.stores.sqlite import APPLICATION_ID, FORMAT, MIGRATION_SECONDS, SqliteStore

AT = 1_790_000_000
HOUR = 3600

FORMAT_0 = """
CREATE TABLE used (key BLOB NOT NULL PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX used_by_expiry ON used (expires_at);
"""


def write(path: Path, statements: str, rows: int = 0) -> None:
    """Create a file as an older release or another program leaves it."""
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode=WAL;" + statements)
    if rows:
        connection.executemany("INSERT INTO used VALUES (?, ?)", [(b"key %d" % number, AT + number) for number in range(rows)])
    connection.commit()
    connection.close()


def read(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


def refused(path: Path) -> StoreError:
    with pytest.raises(StoreError) as refusal:
        SqliteStore(path)
    assert refusal.value.location == str(path)
    return refusal.value


def test_new_file_contains_application_id_and_format(tmp_path: Path) -> None:
    path = tmp_path / "used.db"
    SqliteStore(path).close()
    assert read(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert read(path, "PRAGMA user_version") == [(FORMAT,)]
    assert path.read_bytes()[68:72] == b"imds"  # the location that file(1) reads


def test_old_file_is_migrated_with_its_used_keys(tmp_path: Path) -> None:
    """The policy determined when old keys expire. A migration extends them until no policy accepts their documents."""
    path = tmp_path / "used.db"
    write(path, FORMAT_0, rows=500)
    clock = ManualClock(AT)
    store = SqliteStore(path, clock=clock)
    assert read(path, "SELECT min(expires_at), max(expires_at), count(*) FROM used") == [
        (AT + MIGRATION_SECONDS, AT + 499 + MIGRATION_SECONDS, 500)
    ]
    assert store.consume(b"fresh", AT + HOUR)
    clock.advance(MIGRATION_SECONDS - 1)
    assert not store.consume(b"key 0", AT + 2 * MIGRATION_SECONDS)
    store.close()
    again = SqliteStore(path, clock=clock)  # the file is migrated only once
    assert not again.consume(b"key 0", AT + 2 * MIGRATION_SECONDS)
    again.close()
    assert read(path, "SELECT expires_at FROM used WHERE key = CAST('key 7' AS BLOB)") == [(AT + 7 + MIGRATION_SECONDS,)]


def test_several_processes_migrate_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "used.db"
    write(path, FORMAT_0, rows=2000)
    program = (
        "import sys\n"
        "from imdskit.clock import ManualClock\n"
        "from imdskit.verify.stores.sqlite import SqliteStore\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        f"store = SqliteStore(sys.argv[1], clock=ManualClock({AT}), busy_seconds=60)\n"
        f"print(store.consume(b'key 3', {AT + HOUR}), store.consume(b'one', {AT + HOUR}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
        )
        for _ in range(5)
    ]  # fmt: skip
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        said = []
        for worker in workers:
            output, errors = worker.communicate(timeout=120)
            assert worker.returncode == 0, errors
            said.append(output.strip())
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert sorted(said) == ["False False"] * 4 + ["False True"]
    assert read(path, "SELECT max(expires_at) FROM used") == [(AT + 1999 + MIGRATION_SECONDS,)]
    assert read(path, "SELECT count(*) FROM purges") == [(1,)]


def test_aborted_migration_leaves_the_old_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "used.db"
    write(
        path,
        FORMAT_0
        + f"INSERT INTO used VALUES (x'00', {2**63 - 1}); CREATE TRIGGER t BEFORE UPDATE ON used BEGIN SELECT RAISE(ABORT, 'full'); END;",
    )
    assert refused(path).code == "store-broken"
    assert read(path, "PRAGMA user_version") == [(0,)]
    assert read(path, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("used",)]


def test_file_of_a_newer_release_is_refused_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "used.db"
    SqliteStore(path).close()
    write(path, f"PRAGMA user_version = {FORMAT + 1};")
    before = path.read_bytes()
    error = refused(path)
    assert error.code == "store-format"
    assert error.message == f"The store has format {FORMAT + 1}; this release of imdskit reads format {FORMAT}."
    assert error.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statements",
    [
        "CREATE TABLE customers (name TEXT);",
        "CREATE TABLE used (name TEXT);",
        FORMAT_0 + "CREATE TABLE customers (name TEXT);",
        'CREATE TABLE "o\'dd ""name" (x);',
        FORMAT_0 + "PRAGMA application_id = 252006674;",
        FORMAT_0 + "PRAGMA user_version = 7;",
        f"PRAGMA application_id = {APPLICATION_ID};",
    ],
    ids=["other tables", "other columns", "more tables", "odd names", "application", "version", "application id without a version"],
)
def test_file_of_another_program_is_refused_and_unchanged(tmp_path: Path, statements: str) -> None:
    path = tmp_path / "used.db"
    write(path, statements)
    before = path.read_bytes()
    error = refused(path)
    assert (error.code, bool(error.hint)) == ("store-broken", True)
    assert path.read_bytes() == before


def test_invalid_path_raises_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="without NUL"):
        SqliteStore("used\x00.db")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(StoreError) as refusal:
        SqliteStore("used.db")
    assert refusal.value.code == "store-unreachable"


def test_file_migrated_meanwhile_by_another_process_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "used.db"
    write(path, FORMAT_0, rows=1)
    SqliteStore(path).close()
    seen = iter([0, FORMAT])  # before and after taking the lock of the file
    monkeypatch.setattr(SqliteStore, "_format", lambda *_: next(seen))
    SqliteStore(path).close()
    assert read(path, "SELECT expires_at FROM used") == [(AT + MIGRATION_SECONDS,)]


def test_a_new_file_can_be_opened_by_many_at_the_same_moment(tmp_path: Path) -> None:
    """SQLite does not wait when two connections switch the same new file to a write-ahead log."""
    for number in range(5):
        path, start = tmp_path / f"{number}.db", Barrier(8)

        def consume(index: int, path: Path = path, start: Barrier = start) -> bool:
            start.wait(30)
            with closing(SqliteStore(path, clock=ManualClock(AT))) as store:
                return store.consume(b"key %d" % (index // 2), AT + HOUR)

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(consume, range(8))) == 4  # two connections consume each key


@pytest.mark.parametrize("attempts", [1, sqlite.WAL_ATTEMPTS])
def test_a_file_that_remains_locked_is_reported(attempts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAL_ATTEMPTS", attempts)
    path = tmp_path / "used.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.executescript(FORMAT_0 + "INSERT INTO used VALUES (x'01', 1); BEGIN; SELECT * FROM used;")
        reader.execute("SELECT * FROM used").fetchall()
        with pytest.raises(StoreError, match="database is locked"):
            SqliteStore(path, busy_seconds=0.1)
