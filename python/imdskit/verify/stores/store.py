"""What a store of used keys must do, and the checks that all of ours share."""

from __future__ import annotations

from typing import Protocol

from imdskit.clock import Clock
from imdskit.errors import StoreError, UsageError

KEY_BYTES = 64
"""The longest key. Ours are SHA-256 digests."""

_END = 1 << 40
"""Unix second in the year 36812. The two-digit years of a document end in 2099."""


class NonceStore(Protocol):
    """Remembers keys until they expire. Safe to share between threads; some also between processes and machines."""

    def consume(self, key: bytes, expires_at: int) -> bool:
        """Use a key. True for exactly one of all callers with this key until it expires, False for every other.

        Args:
            key: 1 to 64 octets, such as :attr:`imdskit.verify.Attestation.replay_key`.
            expires_at: Unix second; the key is remembered to its end, and may be forgotten after it.

        Raises:
            StoreError: the store cannot tell. Nothing may be admitted; the key may have been used up or not.
            UsageError: an argument is of the wrong type or size.
        """


def check_arguments(key: bytes, expires_at: int) -> None:
    """Raises UsageError."""
    if not isinstance(key, bytes) or not 1 <= len(key) <= KEY_BYTES:
        raise UsageError("bad-argument", f"A key must have 1 to {KEY_BYTES} bytes.", location="key")
    if isinstance(expires_at, bool) or not isinstance(expires_at, int) or not 0 <= expires_at < _END:
        raise UsageError("bad-argument", "A time of expiry must be whole Unix seconds.", location="expires_at")


def refuse_forgotten(expires_at: int, purged_at: int) -> None:
    """Raise StoreError if a key that ends at ``expires_at`` may have been used and purged already.

    A clock that jumps forward makes a store purge keys that are still needed. When the clock is set back, their documents are accepted again, so
    every key that ended before the latest purge is refused, whether it was used or not.

    Args:
        expires_at: end of the key, Unix second.
        purged_at: latest time at which the store purged keys, by its own clock; 0 if it never did.

    Raises:
        StoreError: ``store-clock``.
    """
    if expires_at < purged_at:
        message = (
            f"The key ends {purged_at - expires_at} s before the store last purged keys, so the store cannot tell whether it was used."
        )
        hint = "The store's clock was ahead and was set back. Request a new document. docs/freshness.md says how to start over."
        raise StoreError("store-clock", message, location="expires_at", hint=hint)


def forked(location: str) -> StoreError:
    """Return the error of a store that a child process cannot use."""
    hint = "Create the store in each process after the fork. Use SqliteStore or RedisStore if several processes admit documents."
    return StoreError("store-forked", "The store was created before a fork and cannot be used in the child.", location=location, hint=hint)


def now_before(expires_at: int, clock: Clock) -> int:
    """The present second, if a key can still be remembered.

    Raises:
        StoreError: ``store-clock``: it would be forgotten at once, so a second use would not be noticed.
    """
    now = clock.now()
    if now > expires_at:
        hint = "The clocks of verifier and store differ by minutes: set them by NTP."
        raise StoreError("store-clock", f"The key expired {now - expires_at} s ago.", location="expires_at", hint=hint)
    return now
