"""The content that an attested document signs, and the JSON around the signature.

Source: genuine documents from 2018 to 2026, which agree in members, order and time formats; IMDS documentation, "Attested data".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from imdskit import versions
from imdskit.protocol.instance_shape import Object

LIFETIME = 6 * 60 * 60
"""Seconds between ``createdOn`` and ``expiresOn`` in every genuine document."""

NONCE_CHARACTERS = 32
"""Maximum length of a nonce. The response of the service to a longer one is unknown; the emulator refuses it."""

_NONCE = re.compile(r"[A-Za-z0-9._~-]{1,32}", re.ASCII)


def valid_nonce(nonce: str) -> bool:
    """Return whether ``nonce`` is 1 to 32 unreserved characters (RFC 3986 section 2.3).

    The documentation mentions ten digits, and elsewhere 32 alphanumeric characters. Existing programs send base64url, and it works. That
    the other characters are accepted is inferred.
    """
    return _NONCE.fullmatch(nonce) is not None


def timestamp(at: int) -> str:
    """Format Unix seconds like the signed content: ``MM/DD/YY HH:MM:SS -0000``, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%m/%d/%y %H:%M:%S -0000")


def default_nonce(created_on: int) -> str:
    """Return the nonce for a request without one: ``expiresOn`` as ``YYYYMMDD-HHMMSS``, UTC.

    The documentation calls it the current time; every genuine document without a caller's nonce contains the time of expiry.
    """
    return datetime.fromtimestamp(created_on + LIFETIME, UTC).strftime("%Y%m%d-%H%M%S")


def content(facts: Mapping[str, str], version: str, created_on: int, nonce: str | None) -> bytes:
    """Return the bytes to sign: compact JSON, keys in alphabetical order.

    Args:
        facts: path of a member of :data:`imdskit.versions.ATTESTED` -> its value; the default is ``""``.
        version: api-version of the request, which selects the members.
        created_on: Unix seconds.
        nonce: nonce of the request, or None for the default.
    """
    made = {
        "nonce": default_nonce(created_on) if nonce is None else nonce,
        "timeStamp.createdOn": timestamp(created_on),
        "timeStamp.expiresOn": timestamp(created_on + LIFETIME),
    }
    members: dict[str, str | dict[str, str]] = {}
    for path, since in versions.ATTESTED.items():
        if since > version:
            continue
        value = made.get(path, facts.get(path, ""))
        name, _, inner = path.partition(".")
        group = members.setdefault(name, {}) if inner else None
        if isinstance(group, dict):
            group[inner] = value
        else:
            members[name] = value
    return compact(members)


def envelope(signed_data: bytes) -> bytes:
    """Return the body of the response with the DER of a SignedData in standard base64, padded, on one line."""
    return compact({"encoding": "pkcs7", "signature": base64.b64encode(signed_data).decode("ascii")})


def compact(value: Mapping[str, object] | Object) -> bytes:
    """Format JSON like the service: no white space, UTF-8, and only necessary escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
