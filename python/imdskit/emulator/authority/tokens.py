"""Access tokens: real JSON Web Tokens, the addresses at which their key is published, and the service's cache of them.

This module plays Entra ID, as far as a machine sees it. The tokens are those of Entra's version 1.0, which the service gets for managed
identities. A key of the emulator signs them, which nobody trusts by default; ``iss`` is an address of the emulator that leads to that key.

Source: RFC 7515, RFC 7517 to RFC 7519, OpenID Connect Discovery 1.0; published tokens and activity logs of managed identities for the claims.
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

from imdskit.clock import Clock
from imdskit.emulator.authority.keys import Keys, RsaKey
from imdskit.emulator.json_input import LATEST, Format
from imdskit.emulator.machine.identity import Identities, Identity
from imdskit.emulator.machine.seeded_values import Seeded
from imdskit.errors import UsageError
from imdskit.protocol.attested import compact

LIFETIME = 24 * 60 * 60
"""Seconds from issue to ``expires_on``."""
BACKDATED = 300
"""Seconds by which ``not_before``, ``nbf`` and ``iat`` precede the issue: recordings of 2023 and 2024 span 86700 seconds."""
RENEWED_BEFORE = 300
"""Seconds of validity below which a cached token is replaced (inferred)."""
EXTENDED = "86399"
"""``ext_expires_in`` in every recording."""
CACHED = 1024
"""Tokens remembered for a machine; the oldest is forgotten."""

JSON_TYPE = "application/json; charset=utf-8"

_TOKEN = ("clientId", "resource", "issued", "number")
_SNAPSHOT = Format(
    "The snapshot of tokens",
    partial(UsageError, "bad-argument"),
    "A snapshot contains it; do not edit it.",
    root="/",
    unknown_at_object=True,
)
_TENANT = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


class Issuer:
    """Signs tokens with RS256 (RFC 7518 section 3.3) and publishes the public half of its key. Safe to share between threads.

    Args:
        base_url: gives the address under which the emulator serves :meth:`download`; asked each time, for a port that is not known yet.
        seed: of the key; None makes one that nobody can guess. The key is made when it is needed first, in a quarter of a second.
        keys: that were made before, of which that of the same seed is taken.
        issuer: address below which tokens name their issuer; None: ``/oidc`` below the base address.
    """

    def __init__(
        self, base_url: Callable[[], str], seed: int | None = None, keys: Keys | None = None, *, issuer: str | None = None
    ) -> None:
        self._issuer = issuer
        self._base_url = base_url
        self._seed = seed
        self._keys = keys or Keys()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the key now, so that the first client does not wait for it."""
        with self._lock:
            _ = self._made

    def address(self, tenant: str) -> str:
        """``iss`` of a tenant's tokens. ``.well-known/openid-configuration`` lies below it."""
        return f"{self._issuer or self._own}/{tenant}/"

    @property
    def _own(self) -> str:
        return self._base_url().rstrip("/") + "/oidc"

    def sign(self, claims: dict[str, object]) -> str:
        """A JSON Web Signature in compact form (RFC 7515 section 3.1)."""
        header = {"typ": "JWT", "alg": "RS256", "kid": self.public_key["kid"]}
        signed = f"{_base64url(compact(header))}.{_base64url(compact(claims))}"
        return f"{signed}.{_base64url(self._key.sign(signed.encode('ascii')))}"

    def download(self, path: str) -> tuple[str, bytes] | None:
        """What lies at a path below ``/oidc/``: (media type, JSON), or None if there is nothing.

        For each tenant ``.well-known/openid-configuration`` and ``discovery/keys``; as Entra has them, also with ``v2.0`` in their paths.
        """
        match path.strip("/").split("/"):
            case ["oidc", tenant, "discovery", "keys"] | ["oidc", tenant, "discovery", "v2.0", "keys"] if _TENANT.fullmatch(tenant):
                return JSON_TYPE, compact({"keys": [self.public_key]})
            case ["oidc", tenant, ".well-known", "openid-configuration"] if _TENANT.fullmatch(tenant):
                return JSON_TYPE, self._configuration(self.address(tenant), f"{self._own}/{tenant}/discovery/keys")
            case ["oidc", tenant, "v2.0", ".well-known", "openid-configuration"] if _TENANT.fullmatch(tenant):
                return JSON_TYPE, self._configuration(f"{self.address(tenant)}v2.0", f"{self._own}/{tenant}/discovery/v2.0/keys")
        return None

    @cached_property
    def public_key(self) -> dict[str, str]:
        """JSON Web Key (RFC 7517 section 4): public members only. ``kid`` is its thumbprint (RFC 7638)."""
        modulus = self._key.modulus
        key = {"e": _number(self._key.exponent), "kty": "RSA", "n": _number(modulus)}
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _base64url(hashlib.sha256(compact(key)).digest()), **key}

    @property
    def _key(self) -> RsaKey:
        with self._lock:
            return self._made

    @cached_property
    def _made(self) -> RsaKey:
        return self._keys.key(self._seed, "tokens")

    def _configuration(self, issuer: str, keys: str) -> bytes:
        """Nobody can log in here, so there are no addresses to do it at (RFC 8414 section 2 demands them only of those who can)."""
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
        text: the JWT; ``""``: it is signed when it is requested.
        issued: Unix seconds.
        number: of all tokens of the machine, from 0; its identifier follows from it.
    """

    text: str
    issued: int
    number: int

    @property
    def expires_on(self) -> int:
        return self.issued + LIFETIME


class TokenCache:
    """Gets tokens for the identities of one machine, and keeps them until shortly before they expire. Safe to share between threads.

    Args:
        issuer: signs.
        clock: of the emulator.
        machine_id: id in Resource Manager of the machine, or of its uniform scale set: the resource that has the identities.
        seed: of the tokens' identifiers.
    """

    def __init__(self, issuer: Issuer, clock: Clock, machine_id: str, seed: int) -> None:
        self._issuer = issuer
        self._clock = clock
        self._machine_id = machine_id
        self._seeded = Seeded(seed)
        self._made = 0
        self._lock = threading.Lock()
        self._tokens: dict[tuple[Identity, str], Token] = {}

    def token(self, identity: Identity, resource: str, *, bypass: bool = False) -> Token:
        """A token of ``identity`` for ``resource``: a new one if there is none, ``bypass`` says so, or the cached one is about to expire."""
        key = identity, resource
        with self._lock:
            now = self._clock.now()
            token = self._tokens.pop(key, None)
            if token is None or bypass or token.expires_on - now < RENEWED_BEFORE:
                token = self._issue(identity, resource, now, self._made)
                self._made += 1
            elif not token.text:
                token = self._issue(identity, resource, token.issued, token.number)
            self._tokens[key] = token
            if len(self._tokens) > CACHED:
                del self._tokens[next(iter(self._tokens))]
            return token

    def answer(self, identity: Identity, resource: str, asked: dict[str, str], *, bypass: bool = False) -> bytes:
        """The body of the service's answer: every member is text, in alphabetical order, compact.

        Args:
            identity: whose token.
            resource: as requested.
            asked: ``object_id`` and ``msi_res_id`` as they were given; they come back.
            bypass: the cache.
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
            **asked,
        }
        return compact(dict(sorted(members.items())))

    def snapshot(self) -> dict[str, Any]:
        """Return what is cached as JSON for :meth:`restore`: not the tokens, which are as good as passwords, but what they are made of."""
        with self._lock:
            return {
                "made": self._made,
                "tokens": [
                    {"clientId": identity.client_id, "resource": resource, "issued": token.issued, "number": token.number}
                    for (identity, resource), token in self._tokens.items()
                ],
            }

    def restore(self, snapshot: object, identities: Identities) -> None:
        """Resume from a snapshot: with the same key and address the same tokens are made again when they are requested.

        Tokens of identities that no longer exist are left out. Raises UsageError if it is not a snapshot; then nothing has changed.
        """
        members = _SNAPSHOT.of(snapshot).members(("made", "tokens"), required=("made", "tokens"))
        made = members["made"].integer(0, LATEST)
        tokens: dict[tuple[Identity, str], Token] = {}
        for one in members["tokens"].elements()[:CACHED]:
            each = one.members(_TOKEN, required=_TOKEN)
            client_id, resource = each["clientId"].text(), each["resource"].text()
            token = Token("", each["issued"].integer(0, LATEST), each["number"].integer(0, LATEST))
            identity = identities.find("client_id", client_id)
            if identity is not None:
                tokens[identity, resource] = token
        with self._lock:
            self._made, self._tokens = made, tokens

    def _issue(self, identity: Identity, resource: str, now: int, number: int) -> Token:
        issuer = self._issuer.address(identity.tenant_id)
        unique = self._seeded.octets(f"token {number}", 16)
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
    """Ids in tokens have ``resourcegroups`` in lower case."""
    return resource_id.replace("/resourceGroups/", "/resourcegroups/")


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
