"""Access tokens: signed JSON Web Tokens, the OpenID documents that publish the public key, and the
service's token cache.

This module emulates the part of Entra ID that a machine sees. The tokens have Entra's version 1.0
format, as all tokens of managed identities do. The emulator signs them with its own key, which
nobody trusts by default. The claim ``iss`` is an address of the emulator. The OpenID configuration
below this address says where the public key is.

Source: RFC 7515, RFC 7517 to RFC 7519, OpenID Connect Discovery 1.0. The claims come from published
tokens, and from activity logs of managed identities.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from imdskit.clock import LAST_SECOND, Clock
from imdskit.emulator.authority.keys import Keys, RsaKey
from imdskit.emulator.json_input import Format
from imdskit.emulator.machine.identity import Identities, Identity
from imdskit.emulator.machine.seeded_values import Seeded
from imdskit.errors import UsageError
from imdskit.protocol.json_writer import compact

LIFETIME = 24 * 60 * 60
"""Seconds from issue to ``expires_on``."""
BACKDATED = 300
"""Seconds by which ``not_before``, ``nbf`` and ``iat`` precede the issue.

Recorded tokens of 2023 and 2024 are valid for 86700 seconds in all, which is :data:`LIFETIME` plus
these 300 seconds.
"""
RENEWED_BEFORE = 300
"""Remaining validity in seconds below which the service replaces a cached token (inferred)."""
EXTENDED = "86399"
"""Value of ``ext_expires_in``, the same in every recorded response."""
CACHED = 1024
"""Maximum number of cached tokens per machine. The cache evicts the oldest one first."""

JSON_TYPE = "application/json; charset=utf-8"

_TOKEN = ("clientId", "resource", "issued", "number")
_SNAPSHOT = Format(
    "The snapshot of tokens",
    partial(UsageError, "bad-argument"),
    "Do not edit the tokens of a snapshot.",
    root="/",
    unknown_at_object=True,
)
_TENANT = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


class Issuer:
    """Token issuer that signs with RS256 (RFC 7518 section 3.3) and publishes its public key.

    Safe to share between threads.

    Args:
        base_url: function that returns the address at which the emulator serves :meth:`download`.
            It is called on each use, because the port may not be known yet.
        seed: seed of the key. None means a random key. The key is generated on first use, which
            takes a quarter of a second.
        keys: cache of keys, from which the issuer takes the key for its seed.
        issuer: prefix of the claim ``iss``. None means ``/oidc`` below the base address.
    """

    def __init__(
        self, base_url: Callable[[], str], seed: int | None = None, keys: Keys | None = None, *, issuer: str | None = None
    ) -> None:
        self._issuer = issuer
        self._base_url = base_url
        self._keys = (keys or Keys()).ring(seed)

    def prepare(self) -> None:
        """Generate the key now, so that the first client does not wait for it."""
        self._keys.key("tokens")

    def address(self, tenant: str) -> str:
        """Return the claim ``iss`` of a tenant's tokens.

        The OpenID configuration of the tenant is at ``.well-known/openid-configuration`` below this
        address.
        """
        return f"{self._issuer or self._own_address}/{tenant}/"

    @property
    def _own_address(self) -> str:
        return self._base_url().rstrip("/") + "/oidc"

    def sign(self, claims: dict[str, object]) -> str:
        """Return the claims as a signed token: a JSON Web Signature in compact form (RFC 7515
        section 3.1)."""
        header = {"typ": "JWT", "alg": "RS256", "kid": self.public_key["kid"]}
        signed = f"{_base64url(compact(header))}.{_base64url(compact(claims))}"
        return f"{signed}.{_base64url(self._key.sign(signed.encode('ascii')))}"

    def download(self, path: str) -> tuple[str, bytes] | None:
        """Return the OpenID document at a path below ``/oidc/`` as (media type, JSON), or None if
        there is none at the path.

        Each tenant has ``.well-known/openid-configuration`` and ``discovery/keys``. Both documents
        also exist with ``v2.0`` in the path, as in Entra.
        """
        match path.strip("/").split("/"):
            case ["oidc", tenant, "discovery", "keys"] | ["oidc", tenant, "discovery", "v2.0", "keys"] if _TENANT.fullmatch(tenant):
                return JSON_TYPE, compact({"keys": [self.public_key]})
            case ["oidc", tenant, ".well-known", "openid-configuration"] if _TENANT.fullmatch(tenant):
                return JSON_TYPE, self._configuration(self.address(tenant), f"{self._own_address}/{tenant}/discovery/keys")
            case ["oidc", tenant, "v2.0", ".well-known", "openid-configuration"] if _TENANT.fullmatch(tenant):
                return JSON_TYPE, self._configuration(f"{self.address(tenant)}v2.0", f"{self._own_address}/{tenant}/discovery/v2.0/keys")
        return None

    @cached_property
    def public_key(self) -> dict[str, str]:
        """The public key as a JSON Web Key (RFC 7517 section 4).

        Its ``kid`` is the key's thumbprint (RFC 7638).
        """
        key = {"e": _number(self._key.exponent), "kty": "RSA", "n": _number(self._key.modulus)}
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _base64url(hashlib.sha256(compact(key)).digest()), **key}

    @property
    def _key(self) -> RsaKey:
        return self._keys.key("tokens")

    def _configuration(self, issuer: str, keys: str) -> bytes:
        """Return the OpenID configuration of an issuer.

        It has no authorization endpoint, because nobody can log in here. RFC 8414 section 2
        requires an authorization endpoint only if a grant type uses it.
        """
        return compact(
            {
                "issuer": issuer,
                "jwks_uri": keys,
                "grant_types_supported": [],
                "response_types_supported": [],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )


@dataclass(frozen=True, slots=True)
class Token:
    """One access token.

    Attributes:
        text: the JWT. ``""`` means that the token comes from a snapshot and is signed again when a
            client requests it.
        issued: time of issue in Unix seconds.
        number: number of tokens that the machine issued before. The claim ``uti``, which identifies
            the token, is derived from it.
    """

    text: str
    issued: int
    number: int

    @property
    def expires_on(self) -> int:
        """Unix time at which the token expires."""
        return self.issued + LIFETIME


class TokenCache:
    """Token cache of one machine.

    It keeps each token until shortly before it expires. Safe to share between threads.

    Args:
        issuer: issuer that signs new tokens.
        clock: the emulator's clock.
        machine_id: Resource Manager id of the resource that the identities are assigned to: the
            machine, or its uniform scale set.
        seed: seed of the tokens' identifiers.
    """

    def __init__(self, issuer: Issuer, clock: Clock, machine_id: str, seed: int) -> None:
        self._issuer = issuer
        self._clock = clock
        self._machine_id = machine_id
        self._seeded = Seeded(seed)
        self._count = 0
        self._lock = threading.Lock()
        self._tokens: dict[tuple[Identity, str], Token] = {}

    def token(self, identity: Identity, resource: str, *, bypass: bool = False) -> Token:
        """Return a token of ``identity`` for ``resource``, from the cache if possible.

        The token is new if the cache has none, if the cached one is about to expire, or if
        ``bypass`` is true.
        """
        key = identity, resource
        with self._lock:
            now = self._clock.now()
            token = self._tokens.pop(key, None)
            if token is None or bypass or token.expires_on - now < RENEWED_BEFORE:
                token = self._issue(identity, resource, now, self._count)
                self._count += 1
            elif not token.text:
                token = self._issue(identity, resource, token.issued, token.number)
            self._tokens[key] = token
            if len(self._tokens) > CACHED:
                del self._tokens[next(iter(self._tokens))]
            return token

    def answer(self, identity: Identity, resource: str, selectors: dict[str, str], *, bypass: bool = False) -> bytes:
        """Return the body of the response to a token request: compact JSON whose members are all
        text, in alphabetical order.

        Args:
            identity: the identity that the token is for.
            resource: the requested resource.
            selectors: ``object_id`` and ``msi_res_id`` as the client gave them. The response
                repeats them.
            bypass: whether to issue a new token even if the cache has one.
        """
        token = self.token(identity, resource, bypass=bypass)
        members = {
            "access_token": token.text,
            "client_id": identity.client_id,
            "expires_in": str(token.expires_on - self._clock.now()),
            "expires_on": str(token.expires_on),
            "ext_expires_in": EXTENDED,
            "not_before": str(token.issued - BACKDATED),
            "resource": resource,
            "token_type": "Bearer",
            **selectors,
        }
        return compact(dict(sorted(members.items())))

    def snapshot(self) -> dict[str, Any]:
        """Return the cache as JSON for :meth:`restore`.

        The snapshot contains the facts from which each token can be created again. It does not
        contain the tokens themselves, which are as secret as passwords.
        """
        with self._lock:
            return {
                "made": self._count,
                "tokens": [
                    {"clientId": identity.client_id, "resource": resource, "issued": token.issued, "number": token.number}
                    for (identity, resource), token in self._tokens.items()
                ],
            }

    def restore(self, snapshot: object, identities: Identities) -> None:
        """Resume from a snapshot.

        If the issuer has the same key and address as before, a client gets the same tokens as
        before.

        Tokens of identities that no longer exist are dropped.

        Raises:
            UsageError: the value is not a snapshot. The cache is then unchanged.
        """
        members = _SNAPSHOT.of(snapshot).members(("made", "tokens"), required=("made", "tokens"))
        made = members["made"].integer(0, LAST_SECOND)
        tokens: dict[tuple[Identity, str], Token] = {}
        for one in members["tokens"].elements()[:CACHED]:
            each = one.members(_TOKEN, required=_TOKEN)
            client_id, resource = each["clientId"].text(), each["resource"].text()
            token = Token("", each["issued"].integer(0, LAST_SECOND), each["number"].integer(0, LAST_SECOND))
            identity = identities.find("client_id", client_id)
            if identity is not None:
                tokens[identity, resource] = token
        with self._lock:
            self._count, self._tokens = made, tokens

    def _issue(self, identity: Identity, resource: str, now: int, number: int) -> Token:
        issuer = self._issuer.address(identity.tenant_id)
        unique = self._seeded.bytes_for(f"token {number}", 16)
        claims: dict[str, object] = {
            "aud": resource,
            "iss": issuer,
            "iat": now - BACKDATED,
            "nbf": now - BACKDATED,
            "exp": now + LIFETIME,
            "appid": identity.client_id,
            "appidacr": "2",
            "idp": issuer,
            "idtyp": "app",
            "oid": identity.object_id,
            "sub": identity.object_id,
            "tid": identity.tenant_id,
            "uti": _base64url(unique),
            "ver": "1.0",
        }
        if identity.resource_id.lower() != self._machine_id.lower():
            claims["xms_az_rid"] = _lower_group(self._machine_id)
        claims["xms_mirid"] = _lower_group(identity.resource_id)
        return Token(self._issuer.sign(claims), now, number)


def _lower_group(resource_id: str) -> str:
    """Return a resource id with ``resourcegroups`` in lower case, as in tokens."""
    return resource_id.replace("/resourceGroups/", "/resourcegroups/")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
