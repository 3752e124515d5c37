"""Requests for attested documents, with a check that each document carries the requested nonce.

The service was observed to respond with an earlier document, which carries the nonce of an earlier
request. A verifier would refuse such a document. This module detects it before the client sends it
to a verifier. It does not verify the signature; :mod:`imdskit.verify` does that. It parses the
SignedData (RFC 5652 section 5.1) only up to the signed content.
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
"""Number of digits in a generated nonce.

The IMDS documentation describes the parameter ``nonce`` as ten digits.
"""

_CONTENT_PATH = ((0x30, 0), (0xA0, 1), (0x30, 0), (0x30, 2), (0xA0, 1), (0x04, 0))
"""Path from a ContentInfo to its eContent.

Each step is the tag of an element and the number of elements to skip before that element.
"""


class UnverifiedDocument(NamedTuple):
    """Attested document that contains the requested nonce. Its signature was not verified.

    Attributes:
        document: JSON of the service's response, unchanged. Send it to the verifier.
        nonce: nonce that the document carries. Pass it to the verifier.
    """

    document: bytes
    nonce: str


def attest(operations: Operations, nonce: str | None, api_version: str | None) -> Operation[UnverifiedDocument]:
    """Request a document with a nonce.

    If the document carries another nonce, send the request a second time.

    Raises:
        ClientError: ``wrong-nonce``: both documents carry another nonce than the requested one.
    """
    for _ in range(2):
        wanted = nonce if nonce is not None else new_nonce()
        document = yield from operations.attested_document(wanted, api_version)
        found = nonce_in(document)
        if found == wanted:
            return UnverifiedDocument(document, wanted)
    problem = "but no nonce was found in it" if found is None else f"but it contains the nonce {found[:40]!r}"
    hint = "The response is an earlier document, or another program responds. Retry in a minute. Never send such a document to a verifier."
    location = f"{operations.base_url}/metadata/attested/document"
    raise ClientError(
        ClientCode.WRONG_NONCE,
        f"The document must contain the requested nonce, {problem}.",
        location=location,
        hint=hint,
        status=200,
        body=document,
    )


def new_nonce() -> str:
    """Return ten random digits.

    They are computed from 64 random bits, so each number is almost equally likely (bias below 1 in
    10**9).
    """
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
    """Return the bytes of eContent.

    Raise ValueError or IndexError if ``der`` is not a SignedData with content.
    """
    data = der
    for tag, before in _CONTENT_PATH:
        for _ in range(before):
            _, _, data = _element(data)
        found, data, _ = _element(data)
        if found != tag:
            raise ValueError("another element")
    return data


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return the tag and the contents of the first element, and the bytes after it (X.690 section
    8.1)."""
    tag, length, start = data[0], data[1], 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("cut off")
    return tag, data[start : start + length], data[start + length :]
