"""Nonces, which prove that an attested document is fresh and was created for one particular
service.

In this module, "service" means the service that wants to identify a machine. It sends a nonce to
the machine. The machine requests an attested document with this nonce from the metadata service,
and sends the document to the service. The service then checks that the document contains the nonce.

This module issues nonces and checks them. To accept each nonce only once, use a store
(:mod:`imdskit.verify.stores`).

**Form of a nonce.** A nonce consists of 20 bytes in lower-case base32 (RFC 4648 section 6), without
padding. The text has 32 characters from ``a`` to ``z`` and ``2`` to ``7``. The reasons for this
form are:

- The API description of the metadata service permits it in every version since 2018-10-01 ("up to
  32 random alphanumeric characters").
- Three other programs send nonces of the same length to the metadata service: kops (in
  hexadecimal), Teleport and SPIRE (both in base64url).
- Other documentation of the metadata service mentions a "10-digit string". Ten digits have only 33
  bits, which is not enough for a bound nonce (see :class:`NonceIssuer`). No metadata service is
  known that accepts only digits.
- A nonce contains only lower-case letters and digits, because software between the service and the
  machine may not preserve letter case.
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

KEY_BYTES = 32
"""Minimum length of a key in bytes. It is the output length of HMAC-SHA256, as RFC 2104 section 3
recommends."""

MAX_LIFETIME = 6 * 3600
"""Maximum lifetime of a bound nonce in seconds. It is equal to the lifetime of a genuine
document."""

_FORM = re.compile(r"[a-z2-7]{32}", re.ASCII)
_NONCE_BYTES = 20
_TIME, _SALT, _TAG = 4, 5, 11
_LABEL = b"imdskit nonce 1\x00"
"""Prefix of the input of the HMAC. Because of the prefix, an HMAC that was computed with the same
key for another purpose is not valid in a nonce.

The input consists of this label, the time of issue, a random salt and the request. The first three
have fixed lengths, so the request needs no length field.
"""


class NonceIssuer:
    """Issuer of nonces. It can be shared between threads.

    Without a key, a nonce consists of 160 random bits. The service must store the nonce until the
    document arrives.

    With a key, a nonce is *bound*: the service can check when it issued the nonce, and for which
    request (see :meth:`issue`). The service therefore need not store the nonce. A bound nonce
    consists of the time of issue (32 bits), a random salt (40 bits), and a tag (the first 88 bits
    of HMAC-SHA256 over label, time, salt and request). An attacker guesses a valid tag with a
    probability of 2**-88 per attempt, or 2**-87 while two keys are accepted.

    **Until a bound nonce expires, anybody who has a copy of a document with this nonce can present
    it any number of times.** To accept the document only once, use a store; see
    :meth:`imdskit.verify.Verifier.verify_once`.

    Args:
        keys: no key, one key of at least 32 bytes, or two keys during a key rotation. Nonces are
            issued with the first key. Nonces that were issued with either key are accepted. All
            processes of one service must have the same keys. Keep them secret.
        lifetime: maximum age in seconds at which a bound nonce is accepted, 0 to
            :data:`MAX_LIFETIME`.
        skew: number of seconds by which the clock of a machine that issues nonces may be ahead of
            the clock of the machine that checks them; at most
            :data:`imdskit.backends.contract.MAX_SKEW`.
        clock: the source of the current time; the system clock by default.
        random: function that returns as many random bytes as its argument says. It can be replaced
            in tests.

    Raises:
        UsageError: a key is too short, there are more than two keys, or another argument is of the
            wrong type or out of range.
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
            hint = "Create a key once with secrets.token_bytes(32), and keep it."
            raise UsageError(
                "bad-argument", "`keys` must be a sequence of at most two keys of at least 32 bytes each.", location="keys", hint=hint
            )
        self._keys = tuple(keys)
        self._lifetime = arguments.whole(lifetime, "lifetime", 0, MAX_LIFETIME)
        self._skew = arguments.whole(skew, "skew", 0, MAX_SKEW)
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "now")
        if not callable(random):
            raise arguments.mistake("random", "a function of a number of bytes", random)
        self._random = random

    @property
    def bound(self) -> bool:
        """True if the issuer has a key, which means that it issues bound nonces."""
        return bool(self._keys)

    def issue(self, request: bytes = b"") -> str:
        """Return a new nonce.

        Args:
            request: data for which a bound nonce is valid, such as the name of a customer or the
                digest of an order. Pass the same bytes to :meth:`check`. Without a key, it must be
                empty.

        Raises:
            UsageError: ``request`` is not bytes, ``request`` is not empty although there is no key,
                or the clock is before 1970 or after 2106.
        """
        arguments.instance(request, "request", bytes)
        if not self._keys:
            if request:
                raise UsageError(
                    "bad-argument",
                    "`request` needs a key, because a nonce without a key cannot be bound to a request.",
                    location="request",
                    hint="Pass a key to NonceIssuer, or leave out `request`.",
                )
            return _text(self._random(_NONCE_BYTES))
        now = self._clock.now()
        if not 0 <= now < 1 << 8 * _TIME:
            raise UsageError(
                "bad-argument",
                f"The clock must be between the years 1970 and 2106; got {arguments.shown(now)} Unix seconds.",
                location="clock",
            )
        head = now.to_bytes(_TIME, "big") + self._random(_SALT)
        return _text(head + _tag(self._keys[0], head, request))

    def check(self, nonce: str, request: bytes = b"") -> int:
        """Check that this service issued a bound nonce for this request, and that the nonce has not
        expired.

        This method does not look at a document. To check that a document contains the nonce, pass
        the nonce to ``verify`` or ``verify_once`` as well.

        Args:
            nonce: the nonce that the machine returned.
            request: the bytes that were passed to :meth:`issue`.

        Returns:
            The time of issue in Unix seconds.

        Raises:
            FreshnessError: ``nonce-unknown``: the text is not a bound nonce, or it was issued with
                another key or for another request; ``nonce-expired``: its lifetime is over;
                ``nonce-not-yet``: its time of issue is more than ``skew`` seconds in the future.
            UsageError: there is no key, or an argument is of the wrong type.
        """
        if not self._keys:
            hint = "Pass a key to NonceIssuer, or compare the nonce with the one that you have stored."
            raise UsageError(
                "bad-argument", "`check` needs a key, because a random nonce does not show who issued it.", location="keys", hint=hint
            )
        arguments.instance(nonce, "nonce", str)
        arguments.instance(request, "request", bytes)
        decoded = base64.b32decode(nonce.upper()) if _FORM.fullmatch(nonce) else bytes(_NONCE_BYTES)
        head, tag = decoded[: _TIME + _SALT], decoded[_TIME + _SALT :]
        # Every key is tried, so that the duration does not reveal which key matched.
        if not sum(hmac.compare_digest(tag, _tag(key, head, request)) for key in self._keys):
            raise FreshnessError(
                "nonce-unknown",
                "The nonce was not issued with a key of this NonceIssuer, or it was issued for another request.",
                location="nonce",
                hint="Issue a new nonce.",
            )
        issued_at = int.from_bytes(head[:_TIME], "big")
        age = self._clock.now() - issued_at
        if age > self._lifetime:
            raise FreshnessError("nonce-expired", f"The nonce was issued {age} s ago.", location="nonce", hint="Issue a new nonce.")
        if age < -self._skew:
            hint = "Compare the clocks of the machines that run this service."
            raise FreshnessError("nonce-not-yet", f"The nonce was issued {-age} s in the future.", location="nonce", hint=hint)
        return issued_at


def _tag(key: bytes, head: bytes, request: bytes) -> bytes:
    """Return the tag, which is the truncated HMAC. RFC 2104 section 5 permits a truncation to 80
    bits or more."""
    return hmac.digest(key, _LABEL + head + request, "sha256")[:_TAG]


def _text(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").lower()
