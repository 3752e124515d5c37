"""Store of used documents and nonces in an SQLite file, for several processes on one machine, and
for services that restart."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imdskit import arguments
from imdskit.clock import Clock, SystemClock
from imdskit.errors import StoreError
from imdskit.fork import ForkAware
from imdskit.verify.stores.store import check_arguments, forked, now_before, refuse_forgotten

FORMAT = 1
"""``PRAGMA user_version`` of the files that this release writes. The files of older releases have
version 0; the store converts them."""

WAL_ATTEMPTS = 100
"""Maximum number of attempts to switch a new file to a write-ahead log. An attempt can fail if
another process opens the file at the same moment."""

APPLICATION_ID = 0x696D6473
"""``PRAGMA application_id`` of the files. It consists of the ASCII letters "imds"."""

MIGRATION_SECONDS = 7 * 3600 + 600
"""Time in seconds that is added to the expiry of each key when a file of format 0 is converted.

In format 0, the expiry of a key depended on the policy. It could be as early as ten minutes after
``createdOn``. A key must be stored until its document expires, which is six hours after
``createdOn`` for a genuine document. One hour of clock skew and ten minutes of margin are added.
"""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS used (key BLOB NOT NULL PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS used_by_expiry ON used (expires_at);
CREATE TABLE purges (purged_at INTEGER NOT NULL);
INSERT INTO purges VALUES (0);
"""

_COLUMNS = "SELECT one.name, its.name, its.type FROM sqlite_master AS one, pragma_table_info(one.name) AS its WHERE one.type = 'table'"
_COLUMNS_OF_FORMAT_0 = [("used", "key", "BLOB"), ("used", "expires_at", "INTEGER")]

_PURGE = "DELETE FROM used WHERE key IN (SELECT key FROM used WHERE expires_at < :now ORDER BY expires_at LIMIT 2048)"

PURGE_EVERY = 256
"""The first of every 256 calls of ``consume`` on a store purges the file. A purge removes up to
2048 expired rows. This is eight times as many as 256 calls can add, so expired rows do not
accumulate."""

PREPARE_SECONDS = 5
"""A fork waits until no other thread uses the file. It waits for at most this number of seconds
plus ``busy_seconds``."""


class SqliteStore(ForkAware):
    """Store of the keys of used documents and nonces in one file.

    The file must be on a local disk, because the write-ahead log of SQLite needs shared memory and
    reliable locks. Before ``consume`` returns, the key is on the disk (``synchronous=FULL``).

    A store that was opened before a fork works in the parent and in the child. Its connection is
    closed before the fork, and each process opens a new connection.

    Args:
        path: path of the file, which is created if it does not exist. Only trusted users may have
            write access to the file and its directory, because a user who removes a key from the
            file allows a replay.
        clock: the source of the current time; the system clock by default.
        busy_seconds: maximum time to wait for other processes, 0 to 3600 seconds.

    Raises:
        UsageError: an argument is of the wrong type or out of range.
        StoreError: ``store-unreachable``: the file cannot be opened; ``store-broken``: the file is
            not a database, or belongs to another program; ``store-format``: a newer release of
            imdskit wrote it.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None, busy_seconds: float = 5.0) -> None:
        super().__init__()
        self._path = arguments.path(path, "path")
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "now")
        self._busy_seconds = arguments.number(busy_seconds, "busy_seconds", 0, 3600)
        self._connection: sqlite3.Connection | None = None
        self._calls = 0
        self._forked = False
        try:
            self._path = self._path.absolute()  # the process may change its working directory later
            with self._lock:
                self._open()
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error
        self.watch_forks()

    def consume(self, key: bytes, expires_at: int) -> bool:
        """See :meth:`imdskit.verify.stores.NonceStore.consume`."""
        check_arguments(key, expires_at)
        if self._forked:
            raise forked(str(self._path))
        with self._lock:
            now = now_before(expires_at, self._clock)
            try:
                connection = self._open()
                # SQLite allows only one writer at a time. If several processes consume the same
                # key, exactly one of them therefore inserts the row.
                with _transaction(connection):
                    return self._consume(connection, key, expires_at, now)
            except sqlite3.Error as error:
                raise self._failure(error) from error

    def close(self) -> None:
        """Close the file. The next call of ``consume`` opens it again."""
        with self._lock:
            self._close()

    def prepare_fork(self) -> bool:
        """Close the connection before a fork; see :class:`imdskit.fork.ForkAware`.

        A child must not use or even close a connection of its parent ("How To Corrupt An SQLite
        Database File", section 2.6).
        """
        if not self._lock.acquire(timeout=self._busy_seconds + PREPARE_SECONDS):
            return False
        self._close()
        return True

    def resume_in_parent(self) -> None:
        """See :class:`imdskit.fork.ForkAware`."""
        self._lock.release()

    def renew_in_child(self, prepared: bool) -> None:
        """See :class:`imdskit.fork.ForkAware`."""
        super().renew_in_child(prepared)
        self._forked = self._forked or not prepared

    def _consume(self, connection: sqlite3.Connection, key: bytes, expires_at: int, now: int) -> bool:
        values = {"key": key, "expires_at": expires_at, "now": now}
        refuse_forgotten(expires_at, _value(connection, "SELECT purged_at FROM purges"))
        purged = connection.execute(_PURGE, values).rowcount if self._calls % PURGE_EVERY == 0 else 0
        self._calls += 1
        # An expired row of this key is removed first, so that the result does not depend on when
        # the last purge ran.
        purged += connection.execute("DELETE FROM used WHERE key = :key AND expires_at < :now", values).rowcount
        if purged:
            connection.execute("UPDATE purges SET purged_at = max(purged_at, :now)", values)
        return connection.execute("INSERT OR IGNORE INTO used (key, expires_at) VALUES (:key, :expires_at)", values).rowcount == 1

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except (sqlite3.Error, StoreError):
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous=FULL")
        with _transaction(connection, "DEFERRED"):  # one view of the file, although another process may be preparing it
            found = self._format(connection)  # this check precedes the first write, because the file may belong to another program
        _use_wal(connection)
        if found == FORMAT:
            return
        with _transaction(connection):
            if self._format(connection) == FORMAT:
                return  # another process has converted the file in the meantime
            for statement in _SCHEMA.strip().split("\n"):
                connection.execute(statement)
            connection.execute("UPDATE used SET expires_at = expires_at + ?", (MIGRATION_SECONDS,))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    def _format(self, connection: sqlite3.Connection) -> int:
        """Return the format of the file. It is 0 for an empty file.

        Raises:
            StoreError: ``store-broken`` or ``store-format``.
        """
        owner, version = _value(connection, "PRAGMA application_id"), _value(connection, "PRAGMA user_version")
        if owner == APPLICATION_ID and version == FORMAT:
            return FORMAT
        location = str(self._path)
        if owner == APPLICATION_ID and version > FORMAT:
            message = f"The store has format {version}; this release of imdskit reads format {FORMAT}."
            hint = "Use the release that wrote it, in every process. A new file would not know which documents were used."
            raise StoreError("store-format", message, location=location, hint=hint)
        columns = connection.execute(_COLUMNS).fetchall()
        if (owner, version) != (0, 0) or columns not in ([], _COLUMNS_OF_FORMAT_0):
            hint = "Give the store a separate file."
            raise StoreError("store-broken", "The file is a database of another program.", location=location, hint=hint)
        return 0

    def _failure(self, error: sqlite3.Error | OSError) -> StoreError:
        hint = "Admit no document until the store responds again."
        code = "store-unreachable" if isinstance(error, sqlite3.OperationalError | OSError) else "store-broken"
        return StoreError(code, f"SQLite: {error}.", location=str(self._path), hint=hint)


def _value(connection: sqlite3.Connection, query: str) -> Any:
    """Return the only value of the only row. ``fetchall`` is necessary, because PyPy cannot commit
    a transaction while a statement has unread rows."""
    ((value,),) = connection.execute(query).fetchall()
    return value


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log, unless it has one.

    If two processes open a new file at the same time, SQLite fails in one of them without waiting.
    This process then waits for the lock with a transaction, which respects ``busy_seconds``, and
    tries again.

    Raises:
        sqlite3.OperationalError: the file is read-only, or it remains locked.
    """
    attempts = WAL_ATTEMPTS
    while _value(connection, "PRAGMA journal_mode") != "wal":
        try:
            _value(connection, "PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            attempts -= 1
            if not attempts:
                raise
        with _transaction(connection):
            pass


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Run a transaction, and commit it unless an exception is raised. An immediate transaction holds
    the write lock of the file; a deferred one only reads."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


__all__ = ["SqliteStore"]
