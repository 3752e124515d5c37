"""Used keys in Redis or Valkey: for several machines. The client library is the caller's; nothing is imported here."""

from __future__ import annotations

from typing import Protocol

from imdskit import arguments
from imdskit.clock import Clock, SystemClock
from imdskit.errors import StoreError
from imdskit.verify.stores.store import check_arguments, now_before

CLOCK_SECONDS = 24 * 60 * 60
"""How much longer the server keeps a key than it must, in seconds. The server forgets by its own clock and cannot record that it did, so a clock that
runs ahead must not make it forget too early. A wrong time zone is at most 14 hours."""


class RedisClient(Protocol):
    """The one method that is used of ``redis.Redis`` or ``valkey.Valkey``."""

    def set(self, name: str, value: bytes, *, px: int, nx: bool) -> object:
        """``SET name value PX px NX``: true or ``OK`` if the key was set, None if it was there."""


class RedisStore:
    """Used keys in Redis or Valkey, by ``SET key value NX PX milliseconds``, which the server does as one step.

    The server must not throw keys away before their time: its ``maxmemory-policy`` must be ``noeviction``. A replica that takes over may
    lack the last writes; ``docs/freshness.md`` says what that means.

    Args:
        client: connected, with a time limit of its own (``socket_timeout``), or a call may hang.
        errors: what the client raises when the server cannot be asked, such as ``redis.RedisError``.
        prefix: of the keys on the server.
        clock: where "now" comes from; the server counts the time that remains by its own.

    A key is kept for a day longer than it must be. Each document is admitted once as long as the clocks of verifier and server together are not more
    than a day ahead of the true time.

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
            answer = self._client.set(self._prefix + key.hex(), b"1", px=milliseconds, nx=True)
        except self._errors as error:
            hint = "Admit no document until the store responds again."
            raise StoreError("store-unreachable", f"{type(error).__name__}: {error}.", location="redis", hint=hint) from error
        if answer is None or answer is False:
            return False
        if answer is True or answer in ("OK", b"OK"):
            return True
        hint = "Pass a plain client, not a pipeline or an asynchronous one."
        raise StoreError("store-broken", f"The client responded with {type(answer).__name__}.", location="redis", hint=hint)


__all__ = ["RedisClient", "RedisStore"]
