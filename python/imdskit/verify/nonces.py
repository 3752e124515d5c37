"""Nonces: what a service sends to a machine so that the attested document which comes back was made for it, and now.

What belongs here: making nonces and knowing them again. Using one only once needs memory: :mod:`imdskit.verify.stores`.

**Form**: 32 characters of ``a``-``z`` and ``2``-``7``, which are 20 octets in base32 (RFC 4648 section 6) in lower case, without padding.
It lies in the alphabet that the service's own API description gives in every version since 2018-10-01 ("up to 32 random alphanumeric
characters") and has the length that kops (hexadecimal), Teleport and SPIRE (base64url) use on the real service. The "10-digit string" of
other documentation has 33 bits, which are too few to bind anything by, and no reader of digits only is known. One letter case only, so that
nothing on the way can change it.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from collections.abc import Callable, Sequence

from imdskit import arguments
from imdskit.backends.contract import MAX_SKEW
from imdskit.clock import Clock, SystemClock
from imdskit.errors import FreshnessError, UsageError

CHARACTERS = 32
"""Length of every nonce; the service takes no longer ones."""

KEY_BYTES = 32
"""The least that a key may have: the length of HMAC-SHA256's output (RFC 2104 section 3)."""

MAX_LIFETIME = 6 * 3600
"""Longest lifetime of a bound nonce, in seconds: that of a genuine document."""

_FORM = re.compile(r"[a-z2-7]{32}", re.ASCII)
_OCTETS = 20
_TIME, _SALT, _TAG = 4, 5, 11
_LABEL = b"imdskit nonce 1\x00"
"""Keeps the key's other uses, if it has any, apart from this one. Fixed in length, as time and salt are: the request needs no length."""


class NonceIssuer:
    """Issues nonces. Safe to share between threads.

    Without keys a nonce is 160 random bits, and whoever issued it must remember it until the answer comes.

    With a key it is *bound*: its time of issue (32 bits), a salt (40 random bits) and a tag (88 bits of HMAC-SHA256 over label, time, salt
    and request), so nothing need be remembered. Guessing one succeeds with probability 2**-88 a trial (2**-87 while two keys are accepted).
    **A bound nonce can be answered again and again until it expires**, by whoever sees it: only a store makes it single use, see
    :meth:`imdskit.verify.Verifier.verify_once`.

    Args:
        keys: none; or one of at least 32 octets; or two while keys are being changed. The first makes nonces, all are accepted. Share
            them between the processes of one service, and with nobody else.
        lifetime: seconds for which a bound nonce is accepted, inclusive; at most :data:`MAX_LIFETIME`.
        skew: seconds by which the clock of another process of the same service may be ahead of this one's; at most
            :data:`imdskit.backends.contract.MAX_SKEW`.
        clock: where "now" comes from.
        random: source of random octets; for tests.

    Raises:
        UsageError: a key is too short, or there are more than two, or another argument is of the wrong type or out of range.
    """

    def __init__(
        self,
        keys: Sequence[bytes] = (),
        *,
        lifetime: int = 300,
        skew: int = 30,
        clock: Clock | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        # Octets and text are sequences, too: of int and str, which are no keys.
        if not isinstance(keys, Sequence) or len(keys) > 2 or any(not isinstance(key, bytes) or len(key) < KEY_BYTES for key in keys):
            hint = "Make one with secrets.token_bytes(32) and keep it."
            raise UsageError("bad-argument", "`keys` must be one or two keys of at least 32 bytes each.", location="keys", hint=hint)
        self._keys = tuple(keys)
        self._lifetime = arguments.whole(lifetime, "lifetime", 0, MAX_LIFETIME)
        self._skew = arguments.whole(skew, "skew", 0, MAX_SKEW)
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "now")
        if not callable(random):
            raise arguments.mistake("random", "a function of a number of bytes", random)
        self._random = random

    @property
    def bound(self) -> bool:
        """Whether nonces can be checked without having been remembered."""
        return bool(self._keys)

    def issue(self, request: bytes = b"") -> str:
        """A new nonce.

        Args:
            request: what a bound nonce shall be good for, for instance the name of the customer or a digest of the order; the same octets
                must be given to :meth:`check`.

        Raises:
            UsageError: a request without a key, or one that is not bytes.
        """
        arguments.instance(request, "request", bytes)
        if not self._keys:
            if request:
                raise UsageError(
                    "bad-argument",
                    "`request` needs a key, because only a nonce with a key can be bound to it.",
                    location="request",
                    hint="Give a key.",
                )
            return _text(self._random(_OCTETS))
        now = self._clock.now()
        if not 0 <= now < 1 << 8 * _TIME:
            raise UsageError("bad-argument", "The clock must be between the years 1970 and 2106.", location="clock")
        head = now.to_bytes(_TIME, "big") + self._random(_SALT)
        return _text(head + _tag(self._keys[0], head, request))

    def check(self, nonce: str, request: bytes = b"") -> int:
        """Whether a bound nonce was issued here, for this request, and lately. Returns the Unix second of its issue.

        This says nothing of a document: pass the same nonce to ``verify`` or ``verify_once``.

        Raises:
            FreshnessError: ``nonce-unknown``: not of our form, or made with another key or for another request; ``nonce-expired``;
                ``nonce-not-yet``.
            UsageError: there is no key, or an argument is of the wrong type.
        """
        if not self._keys:
            hint = "Give a key, or compare the nonce with the one that you have stored."
            raise UsageError(
                "bad-argument", "`check` needs a key, because a random nonce does not show who issued it.", location="keys", hint=hint
            )
        arguments.instance(nonce, "nonce", str)
        arguments.instance(request, "request", bytes)
        octets = base64.b32decode(nonce.upper()) if _FORM.fullmatch(nonce) else bytes(_OCTETS)
        head, tag = octets[: _TIME + _SALT], octets[_TIME + _SALT :]
        # Every key is tried, so that the time taken does not tell which one fits.
        if not sum(hmac.compare_digest(tag, _tag(key, head, request)) for key in self._keys):
            raise FreshnessError(
                "nonce-unknown", "The nonce was not issued here for this request.", location="nonce", hint="Issue a new one."
            )
        issued_at = int.from_bytes(head[:_TIME], "big")
        age = self._clock.now() - issued_at
        if age > self._lifetime:
            raise FreshnessError("nonce-expired", f"The nonce was issued {age} s ago.", location="nonce", hint="Issue a new one.")
        if age < -self._skew:
            hint = "Compare the clocks of the machines that run this service."
            raise FreshnessError("nonce-not-yet", f"The nonce was issued {-age} s in the future.", location="nonce", hint=hint)
        return issued_at


def _tag(key: bytes, head: bytes, request: bytes) -> bytes:
    """RFC 2104 section 5 allows the tag to be cut to 80 bits and more."""
    return hmac.digest(key, _LABEL + head + request, "sha256")[:_TAG]


def _text(octets: bytes) -> str:
    return base64.b32encode(octets).decode("ascii").lower()
