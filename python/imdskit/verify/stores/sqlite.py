"""Used keys in a file of SQLite: for several processes on one machine, and for those that must outlive a restart."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

from imdskit.clock import Clock, SystemClock
from imdskit.errors import StoreError
from imdskit.verify.stores.store import check_arguments, now_before

_SCHEMA = """
CREATE TABLE IF NOT EXISTS used (key BLOB NOT NULL PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS used_by_expiry ON used (expires_at);
"""

# One statement, so one transaction: of all processes that try, SQLite lets one write the row. An expired row counts as none.
_CONSUME = """
INSERT INTO used (key, expires_at) VALUES (:key, :expires_at)
ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at WHERE used.expires_at < :now
"""

_PURGE = "DELETE FROM used WHERE key IN (SELECT key FROM used WHERE expires_at < :now ORDER BY expires_at LIMIT 2048)"

PURGE_EVERY = 256
"""Calls between two purges of a process; a purge removes eight times as many rows, so the file keeps its size."""


class SqliteStore:
    """Used keys in one file. The file must be on a local disk: the write-ahead log needs memory shared between processes, and locks that
    work.

    Every admission is on the disk before ``consume`` returns (``synchronous=FULL``).

    Args:
        path: of the file; made if it is absent. Whoever can write it, or its directory, can admit replays.
        clock: where "now" comes from.
        busy_seconds: how long to wait for other processes before giving up.

    Raises:
        StoreError: ``store-unreachable``, or ``store-broken``: the file is not a database, or not ours.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None, busy_seconds: float = 5.0) -> None:
        self._path = Path(path).absolute()
        self._clock = clock or SystemClock()
        self._busy_seconds = busy_seconds
        self._lock = threading.Lock()
        self._connections: dict[int, sqlite3.Connection] = {}
        self._calls = 0
        with self._lock:
            try:
                self._connection()
            except sqlite3.Error as error:
                raise self._failure(error) from error

    def consume(self, key: bytes, expires_at: int) -> bool:
        """See :meth:`imdskit.verify.stores.NonceStore.consume`."""
        check_arguments(key, expires_at)
        with self._lock:
            now = now_before(expires_at, self._clock)
            try:
                connection = self._connection()
                if self._calls % PURGE_EVERY == 0:
                    connection.execute(_PURGE, {"now": now})
                self._calls += 1
                return connection.execute(_CONSUME, {"key": key, "expires_at": expires_at, "now": now}).rowcount == 1
            except sqlite3.Error as error:
                raise self._failure(error) from error

    def close(self) -> None:
        """Close the file. A store that is used again opens it again."""
        with self._lock:
            connection = self._connections.pop(os.getpid(), None)
            if connection is not None:
                connection.close()

    def _connection(self) -> sqlite3.Connection:
        """The connection of this process. One that came over a fork stays untouched, as SQLite demands ("How to corrupt", section 2.6)."""
        connection = self._connections.get(os.getpid())
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except sqlite3.Error:
                connection.close()
                raise
            self._connections[os.getpid()] = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous=FULL")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.strip().split("\n"):
            connection.execute(statement)
        connection.execute("COMMIT")

    def _failure(self, error: sqlite3.Error) -> StoreError:
        hint = "Nothing is admitted until the store answers again."
        code = "store-unreachable" if isinstance(error, sqlite3.OperationalError) else "store-broken"
        return StoreError(code, f"SQLite: {error}.", location=str(self._path), hint=hint)


__all__ = ["SqliteStore"]
