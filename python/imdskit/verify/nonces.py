"""Nonces, which prove that an attested document is fresh and was made for one service.

The service sends a nonce to a machine, and the machine's attested document must contain this nonce.

This module issues nonces and checks them. To accept each nonce only once, use a store (:mod:`imdskit.verify.stores`).

**Form of a nonce**: 20 bytes in lower-case base32 (RFC 4648 section 6), without padding. The text has 32 characters from ``a`` to ``z`` and
``2`` to ``7``.

- The API description of the service permits this form in every version since 2018-10-01 ("up to 32 random alphanumeric characters").
- kops (hexadecimal), Teleport and SPIRE (base64url) send nonces of the same length to the real service.
- Other documentation mentions a "10-digit string". Its 33 bits are too few for a bound nonce (see :class:`NonceIssuer`), and no
  implementation is known that accepts only digits.
- The form uses only one letter case, because software between service and machine may not preserve the case of letters.
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
"""Length of every nonce in characters. The metadata service does not accept a longer nonce."""

KEY_BYTES = 32
"""Minimum length of a key in bytes: the output length of HMAC-SHA256 (RFC 2104 section 3)."""

MAX_LIFETIME = 6 * 3600
"""Maximum lifetime of a bound nonce in seconds. A genuine document has the same lifetime."""

_FORM = re.compile(r"[a-z2-7]{32}", re.ASCII)
_NONCE_BYTES = 20
_TIME, _SALT, _TAG = 4, 5, 11
_LABEL = b"imdskit nonce 1\x00"
"""Prefix of the HMAC input, so that other uses of the same key cannot produce a valid tag.

Label, time and salt have fixed lengths, so the request that follows them needs no length field.
"""


class NonceIssuer:
    """Issuer of nonces. It can be shared between threads.

    Without a key, a nonce consists of 160 random bits. The service must store it until the document arrives.

    With a key, a nonce is *bound*, and the service need not store it. It consists of the time of issue (32 bits), a random salt (40 bits),
    and a tag (88 bits of HMAC-SHA256 over label, time, salt and request). An attacker guesses a bound nonce with a probability of 2**-88
    per trial, or 2**-87 while two keys are accepted.

    **Until a bound nonce expires, a document with this nonce can be presented any number of times**, by anybody who has a copy. Only a
    store makes it valid for a single use; see :meth:`imdskit.verify.Verifier.verify_once`.

    Args:
        keys: no key, one key of at least 32 bytes, or two keys during a key rotation. Nonces are issued with the first key and accepted
            with either. Share the keys between the processes of one service, and keep them secret.
        lifetime: time in seconds for which a bound nonce is accepted, inclusive; at most :data:`MAX_LIFETIME`.
        skew: time in seconds by which the clock of another process of the same service may be ahead of this process's clock; at most
            :data:`imdskit.backends.contract.MAX_SKEW`.
        clock: the source of the current time; the system clock by default.
        random: function that returns a given number of random bytes; for tests.

    Raises:
        UsageError: a key is too short, there are more than two keys, or another argument is of the wrong type or out of range.
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
        # bytes and str are sequences as well, but their items (int and str) are not keys.
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
        """True if the issuer has a key, so that nonces can be checked without being stored."""
        return bool(self._keys)

    def issue(self, request: bytes = b"") -> str:
        """Return a new nonce.

        Args:
            request: data to which a bound nonce is tied, such as the name of the customer or a digest of the order. :meth:`check` must be
                called with the same bytes.

        Raises:
            UsageError: ``request`` is not bytes, or it is not empty although there is no key.
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
            return _text(self._random(_NONCE_BYTES))
        now = self._clock.now()
        if not 0 <= now < 1 << 8 * _TIME:
            raise UsageError("bad-argument", "The clock must be between the years 1970 and 2106.", location="clock")
        head = now.to_bytes(_TIME, "big") + self._random(_SALT)
        return _text(head + _tag(self._keys[0], head, request))

    def check(self, nonce: str, request: bytes = b"") -> int:
        """Check that a bound nonce was issued by this service, for this request, and has not expired.

        This method does not check a document. Pass the same nonce to ``verify`` or ``verify_once`` as well.

        Args:
            nonce: the nonce that the machine returned.
            request: the bytes that were passed to :meth:`issue`.

        Returns:
            The time of issue in Unix seconds.

        Raises:
            FreshnessError: ``nonce-unknown`` if the nonce has another form, or was issued with another key or for another request;
                ``nonce-expired`` if its lifetime is over; ``nonce-not-yet`` if the time of issue is in the future.
            UsageError: there is no key, or an argument is of the wrong type.
        """
        if not self._keys:
            hint = "Give a key, or compare the nonce with the one that you have stored."
            raise UsageError(
                "bad-argument", "`check` needs a key, because a random nonce does not show who issued it.", location="keys", hint=hint
            )
        arguments.instance(nonce, "nonce", str)
        arguments.instance(request, "request", bytes)
        decoded = base64.b32decode(nonce.upper()) if _FORM.fullmatch(nonce) else bytes(_NONCE_BYTES)
        head, tag = decoded[: _TIME + _SALT], decoded[_TIME + _SALT :]
        # Try every key, so that the duration does not reveal which key matched.
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
    """Return the truncated HMAC. RFC 2104 section 5 permits truncation to 80 bits or more."""
    return hmac.digest(key, _LABEL + head + request, "sha256")[:_TAG]


def _text(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").lower()
