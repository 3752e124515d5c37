"""Protocol of a store of used keys, and the checks that all stores of imdskit share."""

from __future__ import annotations

from typing import Protocol

from imdskit import arguments
from imdskit.clock import Clock
from imdskit.errors import StoreError, UsageError

KEY_BYTES = 64
"""Maximum length of a key in bytes. The keys of imdskit are SHA-256 digests, which have 32
bytes."""

_END = 1 << 40
"""Upper limit of a time of expiry in Unix seconds, in the year 36812. Documents expire long before,
because their years have two digits."""


class NonceStore(Protocol):
    """Store of used keys. A key is a digest that stands for a document or a nonce. The store keeps
    each key until it expires. Every store can be shared between threads. Some stores can also be
    shared between processes and machines."""

    def consume(self, key: bytes, expires_at: int) -> bool:
        """Mark a key as used. Return True for the first call with this key, and False for all
        others until the key expires.

        Args:
            key: 1 to 64 bytes, such as :attr:`imdskit.verify.Attestation.replay_key`.
            expires_at: Unix second until which the key must be stored, inclusive.

        Raises:
            StoreError: the store cannot determine whether the key was used before. The caller must
                not admit the document. This call may or may not have marked the key as used.
            UsageError: an argument is of the wrong type or size.
        """


def check_arguments(key: bytes, expires_at: int) -> None:
    """Raise UsageError if an argument of ``consume`` is of the wrong type or size."""
    if not isinstance(key, bytes) or not 1 <= len(key) <= KEY_BYTES:
        raise UsageError(
            "bad-argument", f"`key` must be bytes with a length of 1 to {KEY_BYTES}; got {arguments.shown(key)}.", location="key"
        )
    if isinstance(expires_at, bool) or not isinstance(expires_at, int) or not 0 <= expires_at < _END:
        raise UsageError(
            "bad-argument", f"`expires_at` must be whole Unix seconds; got {arguments.shown(expires_at)}.", location="expires_at"
        )


def refuse_forgotten(expires_at: int, purged_at: int) -> None:
    """Raise StoreError if a key that expires at ``expires_at`` may already have been used and
    purged.

    If the clock of a store is ahead for some time, the store purges keys that are still needed.
    When the clock is correct again, the store would accept the documents with these keys a second
    time. Therefore every key whose expiry is before the latest purge is refused, whether it was
    used or not.

    Args:
        expires_at: Unix second until which the key must be stored.
        purged_at: latest time at which the store purged keys, by its own clock, in Unix seconds; 0
            if it never did.

    Raises:
        StoreError: ``store-clock``.
    """
    if expires_at < purged_at:
        message = f"The store cannot tell whether the document or nonce was used: its record expires {purged_at - expires_at} s before the last purge."
        hint = "The store's clock was ahead and has been set back. Request a new document. docs/freshness.md says how to reset the store."
        raise StoreError("store-clock", message, location="expires_at", hint=hint)


def forked(location: str) -> StoreError:
    """Return the error for a store that a child process cannot use."""
    hint = "Create the store in each process after the fork. Use SqliteStore or RedisStore if several processes admit documents."
    return StoreError("store-forked", "The store was created before a fork and cannot be used in the child.", location=location, hint=hint)


def now_before(expires_at: int, clock: Clock) -> int:
    """Return the current time in Unix seconds, or raise an error if ``expires_at`` is already in
    the past.

    Raises:
        StoreError: ``store-clock``: the store would remove the key at once, so it could not detect
            a second use.
    """
    now = clock.now()
    if now > expires_at:
        hint = "The clocks of the verifier and the store differ by minutes. Synchronize them with NTP."
        raise StoreError(
            "store-clock",
            f"The record of this document or nonce would have expired {now - expires_at} s ago.",
            location="expires_at",
            hint=hint,
        )
    return now
