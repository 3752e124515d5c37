"""The signed content of an attested document, and the JSON response that contains the document.

Source: genuine documents from 2018 to 2026, all of which have this order of members and these time
formats; IMDS documentation, "Attested data".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from imdskit import versions
from imdskit.protocol.json_writer import compact

LIFETIME = 6 * 60 * 60
"""Seconds between ``createdOn`` and ``expiresOn`` in every genuine document."""

NONCE_CHARACTERS = 32
"""Maximum length of a nonce.

It is unknown how the real service responds to a longer nonce. The emulator refuses it.
"""

_NONCE = re.compile(rf"[A-Za-z0-9._~-]{{1,{NONCE_CHARACTERS}}}", re.ASCII)


def valid_nonce(nonce: str) -> bool:
    """Return whether ``nonce`` consists of 1 to 32 unreserved characters (RFC 3986 section 2.3).

    The IMDS documentation mentions ten digits in one place, and 32 alphanumeric characters in
    another. Existing programs send base64url, and the service accepts it. We infer that it accepts
    the other unreserved characters, too.
    """
    return _NONCE.fullmatch(nonce) is not None


def timestamp(at: int) -> str:
    """Format Unix seconds as in the signed content: ``MM/DD/YY HH:MM:SS -0000``, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%m/%d/%y %H:%M:%S -0000")


def default_nonce(created_on: int) -> str:
    """Return the nonce of a document that was requested without a nonce.

    It is ``expiresOn`` as ``YYYYMMDD-HHMMSS``, in UTC.

    The IMDS documentation says that this nonce is the current time. However, in every genuine
    document it is the time of expiry.
    """
    return datetime.fromtimestamp(created_on + LIFETIME, UTC).strftime("%Y%m%d-%H%M%S")


def content(facts: Mapping[str, str], version: str, created_on: int, nonce: str | None) -> bytes:
    """Return the bytes to sign: compact JSON with the keys in alphabetical order.

    Args:
        facts: values of members by path. The paths are keys of :data:`imdskit.versions.ATTESTED`. A
            member without a value in ``facts`` is ``""``. The nonce and the times never come from
            ``facts``.
        version: api-version of the request. It determines which members the content has.
        created_on: time of creation in Unix seconds.
        nonce: nonce of the request. None selects the result of :func:`default_nonce`.
    """
    made = {
        "nonce": default_nonce(created_on) if nonce is None else nonce,
        "timeStamp.createdOn": timestamp(created_on),
        "timeStamp.expiresOn": timestamp(created_on + LIFETIME),
    }
    members: dict[str, Any] = {}
    for path, since in versions.ATTESTED.items():
        if since <= version:
            group, _, name = path.rpartition(".")
            owner = members.setdefault(group, {}) if group else members
            owner[name] = made.get(path, facts.get(path, ""))
    return compact(members)


def envelope(signed_data: bytes) -> bytes:
    """Return the body of the response to a request for an attested document.

    It contains ``signed_data``, the DER of a SignedData, in standard base64 with padding, on one
    line.
    """
    return compact({"encoding": "pkcs7", "signature": base64.b64encode(signed_data).decode("ascii")})
