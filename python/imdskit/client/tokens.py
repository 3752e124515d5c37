"""Tokens of managed identities: requested, cached while they are valid, and renewed before they
expire.

Source: managed identities documentation, "Get a token using HTTP". Tokens are renewed at the same
time as in azure-identity 1.27.0. If the service sends ``refresh_in``, a token is renewed at that
time. Otherwise, a token with a lifetime of two hours or more is renewed after half its lifetime. A
token with a shorter lifetime is renewed five minutes before it expires, but not before half its
lifetime has passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from imdskit.client import responses
from imdskit.client.address import target
from imdskit.client.effects import Operation, Share, send_with_retries
from imdskit.client.operations import Operations, text
from imdskit.client.responses import Json, Response
from imdskit.client.retry import NO_RETRY
from imdskit.errors import ClientError, UsageError

PATH = "/metadata/identity/oauth2/token"
VERSION = "2018-02-01"
"""Api-version of token requests. It is the first version of the service that issues tokens, and
every SDK uses it."""

EARLY = 5 * 60
"""A token whose lifetime is shorter than :data:`LONG` is renewed at most this number of seconds
before it expires."""

LONG = 2 * 60 * 60
"""Lifetime in seconds. A token with at least this lifetime is renewed after half its lifetime."""

PAUSE = 30
"""Number of seconds between a failed early renewal and the next attempt to renew the token."""

SPARE = 10
"""Minimum number of seconds for which a cached token must still be valid when it is returned."""

Key: TypeAlias = tuple[tuple[str, str], ...]
"""Key of a cached token: the names and values of the request's parameters."""


@dataclass(frozen=True, slots=True)
class Token:
    """Access token with its expiry. Its ``repr`` does not show the secret.

    Attributes:
        access_token: the secret token, which a program sends in the header ``Authorization: Bearer
            ...``.
        token_type: type of the token, always ``Bearer``.
        resource: resource that the token is for.
        client_id: client id of the identity. ``""`` if the service does not send it.
        expires_on: Unix time in seconds at which the token expires.
        refresh_on: Unix time in seconds from which on the token should be renewed.
    """

    access_token: str = field(repr=False)
    token_type: str
    resource: str
    client_id: str
    expires_on: int
    refresh_on: int


class Tokens:
    """Token cache of one client. Safe to share between threads.

    Args:
        operations: operations of the client.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._cache: dict[Key, Token] = {}
        self._not_before: dict[Key, int] = {}

    def token(self, resource: str, selectors: Mapping[str, str | None]) -> Operation[Token]:
        """Return a valid token from the cache or from the service.

        A new token is fetched while the old one is still valid. One caller makes a single attempt
        to fetch it, and the other callers get the old token meanwhile. If the attempt fails, the
        caller that made it gets the old token, too.

        Raises:
            ClientError: the cache contains no valid token, and none could be fetched from the
                service.
            UsageError: the resource is missing, or more than one identity is named.
        """
        named = {name: text(value, name) for name, value in selectors.items() if value is not None}
        if len(named) > 1:
            raise UsageError("bad-argument", f"At most one identity can be named; got {', '.join(named)}.", location=", ".join(named))
        key = tuple({"resource": text(resource, "resource"), **named}.items())
        cached, now = self._cache.get(key), self._operations.clock.now()
        if cached is None or now >= cached.expires_on - SPARE:
            token: Token = yield Share((PATH, key, "new"), lambda: self._fetch(key, once=False))
            return token
        if now < max(cached.refresh_on, self._not_before.get(key, 0)):
            return cached
        self._not_before[key] = now + PAUSE
        try:
            renewed: Token = yield Share((PATH, key, "renewed"), lambda: self._fetch(key, once=True))
        except ClientError:
            return cached
        return renewed

    def _fetch(self, key: Key, *, once: bool) -> Operation[Token]:
        """Fetch a token from the service, or return the cached token if another caller has just
        fetched it."""
        cached, now = self._cache.get(key), self._operations.clock.now()
        if cached is not None and now < min(cached.refresh_on, cached.expires_on - SPARE):
            return cached
        url = target(PATH, {"api-version": VERSION, **dict(key)})
        settings = self._operations.settings
        response = yield from send_with_retries(url, "identity", settings._replace(policy=NO_RETRY) if once else settings)
        token = parsed(response, dict(key)["resource"], self._operations.clock.now())
        self._cache[key] = token
        self._not_before.pop(key, None)
        return token


def parsed(response: Response, resource: str, now: int) -> Token:
    """Return the token in a response.

    The service sends times as text. Some other programs that emulate the service send JSON numbers,
    and this function accepts both.

    Args:
        response: a successful response.
        resource: requested resource.
        now: current Unix time in seconds.

    Raises:
        ClientError: ``not-imds``: the response contains no token.
    """
    value = responses.parsed(response)
    members = value if isinstance(value, dict) else {}
    secret, kind = members.get("access_token"), members.get("token_type", "Bearer")
    expires_on, left, refresh_in = (_seconds(members.get(name)) for name in ("expires_on", "expires_in", "refresh_in"))
    if expires_on is None and left is not None:
        expires_on = now + left
    is_token = isinstance(secret, str) and secret.isascii() and secret.isprintable() and secret
    if not is_token or not isinstance(secret, str) or expires_on is None:
        message = "The response contains no token."
        if is_token:
            found = [f"{name} is {str(members[name])[:40]!r}" for name in ("expires_on", "expires_in") if members.get(name) is not None]
            message = (
                f"The response does not say when the token expires: {' and '.join(found) or 'neither expires_on nor expires_in is there'}."
            )
        error = responses.foreign(response, message)
        error.body = b""  # the body may contain a secret
        raise error
    life = max(expires_on - now, 0)
    if refresh_in is None or refresh_in > life:
        refresh_in = life // 2 if life >= LONG else max(life - EARLY, life // 2)
    client_id, named = members.get("client_id"), members.get("resource")
    return Token(
        secret,
        kind if isinstance(kind, str) else "Bearer",
        named if isinstance(named, str) else resource,
        client_id if isinstance(client_id, str) else "",
        expires_on,
        now + refresh_in,
    )


def _seconds(value: Json) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None
