"""Store of used documents and nonces in Redis or Valkey, for services on several machines. The
caller provides the client library."""

from __future__ import annotations

from typing import Protocol

from imdskit import arguments
from imdskit.clock import Clock, SystemClock
from imdskit.errors import StoreError
from imdskit.verify.stores.store import check_arguments, now_before

CLOCK_SECONDS = 24 * 60 * 60
"""Additional time in seconds for which the server keeps a key.

The server removes keys according to its own clock, and it does not report that it has removed a
key. Without the additional time, a server whose clock jumps ahead would remove keys too early. For
example, a change of the time zone can put a clock ahead by up to 14 hours.
"""


class RedisClient(Protocol):
    """Client of a Redis or Valkey server. ``redis.Redis`` and ``valkey.Valkey`` have this
    interface. ``set`` is the only method that the store calls."""

    def set(self, name: str, value: bytes, *, px: int, nx: bool) -> object:
        """Send the command ``SET name value PX px NX``. Return True or ``OK`` if the server set the
        key, and None if the key already existed."""


class RedisStore:
    """Store of the keys of used documents and nonces in Redis or Valkey. The store marks a key as
    used with one atomic command, ``SET key value NX PX milliseconds``.

    The server must not remove keys before they expire, so its ``maxmemory-policy`` must be
    ``noeviction``. After a failover, the new server may lack the latest keys; ``docs/freshness.md``
    explains the consequences.

    The server stores a key for one day longer than necessary. Each document is therefore admitted
    only once, even if the clock of the verifier or of the server is ahead of the true time. Both
    errors together may be up to one day.

    Args:
        client: a connected client. Set its ``socket_timeout``; otherwise a call may wait forever.
        errors: exceptions that the client raises if the server cannot be reached, such as
            ``redis.RedisError``.
        prefix: prefix of the keys on the server.
        clock: the source of the current time; the system clock by default. The server uses its own
            clock to remove expired keys.

    Raises:
        UsageError: an argument is of the wrong type.
    """

    def __init__(
        self,
        client: RedisClient,
        errors: type[Exception] | tuple[type[Exception], ...],
        *,
        prefix: str = "imdskit:used:",
        clock: Clock | None = None,
    ) -> None:
        self._client = arguments.methods(client, "client", "set")
        self._errors: tuple[type[Exception], ...] = (OSError, *errors) if isinstance(errors, tuple) else (OSError, errors)
        if not all(isinstance(one, type) and issubclass(one, Exception) for one in self._errors):
            raise arguments.mistake("errors", "a class of exceptions, or a tuple of them", errors)
        self._prefix = arguments.instance(prefix, "prefix", str)
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "now")

    def consume(self, key: bytes, expires_at: int) -> bool:
        """See :meth:`imdskit.verify.stores.NonceStore.consume`."""
        check_arguments(key, expires_at)
        milliseconds = (expires_at - now_before(expires_at, self._clock) + 1 + CLOCK_SECONDS) * 1000
        try:
            response = self._client.set(self._prefix + key.hex(), b"1", px=milliseconds, nx=True)
        except self._errors as error:
            hint = "Admit no document until the store responds again."
            raise StoreError("store-unreachable", f"{type(error).__name__}: {error}.", location="redis", hint=hint) from error
        if response is None or response is False:
            return False
        if response is True or response in ("OK", b"OK"):
            return True
        hint = "Pass a plain client, not a pipeline or an asynchronous one."
        raise StoreError(
            "store-broken",
            f"The client returned an object of type {type(response).__name__} instead of a response.",
            location="redis",
            hint=hint,
        )


__all__ = ["RedisClient", "RedisStore"]
