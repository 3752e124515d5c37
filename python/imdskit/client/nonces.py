"""Attested documents whose nonce is compared with the requested one.

The service was observed to respond with an earlier document and its nonce. A verifier would refuse such a document; this module notices
it before it is sent. It verifies no signature; :mod:`imdskit.verify` does. It parses a SignedData (RFC 5652 section 5.1) only up to its
content.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import NamedTuple

from imdskit.client.effects import Operation
from imdskit.client.operations import Operations
from imdskit.codes import ClientCode
from imdskit.errors import ClientError

DIGITS = 10
"""Number of digits that the documentation gives for the parameter ``nonce``."""

_CONTENT_PATH = ((0x30, 0), (0xA0, 1), (0x30, 0), (0x30, 2), (0xA0, 1), (0x04, 0))
"""Path from a ContentInfo to its eContent: the tag of each element, and the number of elements to skip before it."""


class Attestation(NamedTuple):
    """Document and its nonce.

    Attributes:
        document: JSON of the service, unchanged, for a verifier.
        nonce: nonce to pass to the verifier.
    """

    document: bytes
    nonce: str


def attest(operations: Operations, nonce: str | None, api_version: str | None) -> Operation[Attestation]:
    """Request a document with a nonce. If it carries another nonce, repeat the request once.

    Raises:
        ClientError: ``wrong-nonce``: both documents carry another nonce.
    """
    for _ in range(2):
        wanted = nonce if nonce is not None else new_nonce()
        document = yield from operations.attested_document(wanted, api_version)
        found = nonce_in(document)
        if found == wanted:
            return Attestation(document, wanted)
    found_nonce = "no nonce that could be found" if found is None else f"the nonce {found[:40]!r}"
    hint = "The response is an earlier document, or another program responds. Retry in a minute. Never send such a document to a verifier."
    location = f"{operations.base_url}/metadata/attested/document"
    raise ClientError(
        ClientCode.WRONG_NONCE,
        f"The document has {found_nonce}, not the requested one.",
        location=location,
        hint=hint,
        status=200,
        body=document,
    )


def new_nonce() -> str:
    """Return ten random digits. They are made of 64 random bits, so that the bias is below 1 in 10**9."""
    return f"{int.from_bytes(os.urandom(8), 'big') % 10**DIGITS:0{DIGITS}}"


def nonce_in(document: bytes) -> str | None:
    """Return the nonce in the content of a document, or None if there is none.

    Args:
        document: JSON with a member ``signature``, the base64 of a DER ContentInfo.
    """
    try:
        content = _content(base64.b64decode(json.loads(document)["signature"], validate=True))
        nonce = json.loads(content)["nonce"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, binascii.Error):
        return None
    return nonce if isinstance(nonce, str) else None


def _content(der: bytes) -> bytes:
    """Return the bytes of eContent. Raises ValueError or IndexError if the message has another structure."""
    data = der
    for tag, before in _CONTENT_PATH:
        for _ in range(before):
            _, _, data = _element(data)
        found, data, _ = _element(data)
        if found != tag:
            raise ValueError("another element")
    return data


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag, contents and remaining bytes (X.690 section 8.1)."""
    tag, length, start = data[0], data[1], 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("cut off")
    return tag, data[start : start + length], data[start + length :]
