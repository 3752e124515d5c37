"""The content that an attested document signs, and the JSON around the signature.

Source: the genuine documents of 2018 to 2026, whose members, order and times all agree; IMDS documentation, "Attested data".
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
"""The longest nonce. What the service says to a longer one is not known; here it is refused."""

_NONCE = re.compile(r"[A-Za-z0-9._~-]{1,32}", re.ASCII)


def valid_nonce(nonce: str) -> bool:
    """Whether ``nonce`` is 1 to 32 unreserved characters (RFC 3986 section 2.3).

    Documented are ten digits, then 32 alphanumeric characters; base64url is in use and works. The rest of the class is inferred.
    """
    return _NONCE.fullmatch(nonce) is not None


def timestamp(at: int) -> str:
    """Unix seconds as the content writes them: ``MM/DD/YY HH:MM:SS -0000``, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%m/%d/%y %H:%M:%S -0000")


def default_nonce(created_on: int) -> str:
    """The nonce of a request without one: ``expiresOn`` as ``YYYYMMDD-HHMMSS``, UTC.

    The documentation calls it the current time; every genuine document without a caller's nonce carries the time of expiry.
    """
    return datetime.fromtimestamp(created_on + LIFETIME, UTC).strftime("%Y%m%d-%H%M%S")


def content(facts: Mapping[str, str], version: str, created_on: int, nonce: str | None) -> bytes:
    """The signed octets: compact JSON, keys in alphabetical order.

    Args:
        facts: values of the members of :data:`imdskit.versions.ATTESTED` by their path; a missing one is ``""``.
        version: api-version of the request; it decides which members there are.
        created_on: Unix seconds.
        nonce: of the request, or None for the default.
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
    """The body of the answer around the DER of a SignedData: standard base64, padded, on one line."""
    return compact({"encoding": "pkcs7", "signature": base64.b64encode(signed_data).decode("ascii")})


def compact(value: Mapping[str, object] | Object) -> bytes:
    """JSON as the service writes it: no white space, UTF-8, nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
