"""Attested documents for a nonce that is made here, and looked for in what comes back.

The service was seen to answer with an earlier document, nonce and all. Whoever sends such a document to a verifier is refused there; here it
is noticed before. This is no proof: nothing is verified, and :mod:`imdskit.verify` must be asked by whoever wants one.

What belongs here: nonces, and as much of a SignedData (RFC 5652 section 5.1) as lies before its content.
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
"""As documented for the parameter ``nonce``."""

_WAY = ((0x30, 0), (0xA0, 1), (0x30, 0), (0x30, 2), (0xA0, 1), (0x04, 0))
"""From a ContentInfo to its eContent: tag, and how many elements stand before it."""


class Attestation(NamedTuple):
    """A document, and the nonce that it carries.

    Attributes:
        document: the service's JSON unchanged, ready for a verifier.
        nonce: that the verifier must be told.
    """

    document: bytes
    nonce: str


def attest(operations: Operations, nonce: str | None, api_version: str | None) -> Operation[Attestation]:
    """A document that carries the nonce asked for. One with another is asked for once more.

    Raises:
        ClientError: ``wrong-nonce``: both had another.
    """
    for _ in range(2):
        wanted = nonce if nonce is not None else new_nonce()
        document = yield from operations.attested_document(wanted, api_version)
        found = nonce_in(document)
        if found == wanted:
            return Attestation(document, wanted)
    said = "no nonce that could be found" if found is None else f"the nonce {found[:40]!r}"
    hint = "The response is an earlier document, or another program responds. Retry in a minute. Never send such a document to a verifier."
    location = f"{operations.base_url}/metadata/attested/document"
    raise ClientError(
        ClientCode.WRONG_NONCE, f"The document has {said}, not the requested one.", location=location, hint=hint, status=200, body=document
    )


def new_nonce() -> str:
    """Ten digits from the system's source of randomness; of 64 bits, so that no digit is likelier than another by more than 1 in 10**9."""
    return f"{int.from_bytes(os.urandom(8), 'big') % 10**DIGITS:0{DIGITS}}"


def nonce_in(document: bytes) -> str | None:
    """The nonce in the content of a document, or None where there is none to be found.

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
    """The octets of eContent. Raises ValueError or IndexError where the way to it is another."""
    octets = der
    for tag, before in _WAY:
        for _ in range(before):
            _, _, octets = _element(octets)
        found, octets, _ = _element(octets)
        if found != tag:
            raise ValueError("another element")
    return octets


def _element(octets: bytes) -> tuple[int, bytes, bytes]:
    """Tag, contents, and what follows (X.690 section 8.1)."""
    tag, length, start = octets[0], octets[1], 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(octets[2:start], "big")
    if len(octets) < start + length:
        raise ValueError("cut off")
    return tag, octets[start : start + length], octets[start + length :]
