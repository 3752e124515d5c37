"""Extraction of the DER message from a document. A document is the JSON response of the metadata
service, only the base64 in this response, or the DER message itself."""

from __future__ import annotations

import binascii

from imdskit import strict_json
from imdskit.backends.contract import Limits
from imdskit.errors import VerificationError
from imdskit.reasons import Reason

WHITE_SPACE = b" \t\r\n"
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def find(document: bytes, limits: Limits) -> tuple[bytes, str]:
    """Return the message inside ``document`` without decoding it. For a document in JSON or base64,
    the result is the base64 of the message and its location in the document. For a document in DER,
    the result is the document itself and ``""``.

    A DER message begins with the byte 0x30, which is also the base64 character ``0``. Therefore the
    function looks at the second byte as well: the document is DER only if this byte is neither a
    base64 character nor white space.

    Raises:
        VerificationError: the stage of its reason is ``envelope``.
    """
    if len(document) > limits.document_bytes:
        raise VerificationError(
            Reason.TOO_LARGE, location="document", detail=f"{len(document)} bytes, at most {limits.document_bytes} are read"
        )
    if document[:1] == b"0" and len(document) > 1 and document[1] not in _BASE64 and document[1] not in WHITE_SPACE:
        return document, ""
    start = document.lstrip(WHITE_SPACE)[:1]
    if not start:
        raise VerificationError(Reason.EMPTY, location="document")
    if start == b"{":
        return _signature_member(document, limits), "signature"
    return document, "document"


def decode(document: bytes, limits: Limits) -> bytes:
    """Return the DER of the message inside ``document``.

    Raises:
        VerificationError: the stage of its reason is ``envelope``.
    """
    found, location = find(document, limits)
    return decode_base64(found, location) if location else found


def decode_base64(text: bytes, location: str) -> bytes:
    """Return the message whose base64 is ``text``. The text may contain white space anywhere.

    White space is allowed because some published genuine documents have line breaks or blanks in
    their base64.

    Raises:
        VerificationError: the stage of its reason is ``envelope``.
    """
    try:
        message = decode_strictly(text)
    except binascii.Error:
        try:
            message = decode_strictly(text.translate(None, WHITE_SPACE))
        except binascii.Error as error:
            raise VerificationError(Reason.BAD_BASE64, location=location, detail=str(error)) from None
    if not message:
        raise VerificationError(Reason.EMPTY, location=location)
    return message


def decode_strictly(text: bytes) -> bytes:
    """Decode standard base64 (RFC 4648 section 4). The function accepts only the canonical
    encoding, so each sequence of bytes has exactly one accepted text.

    Raises:
        binascii.Error: the text is not the canonical base64 of any bytes.
    """
    decoded = binascii.a2b_base64(text, strict_mode=True)
    if len(text) != (len(decoded) + 2) // 3 * 4:
        # Older versions of Python accept excess padding even in strict mode
        # (python/cpython#118314).
        raise binascii.Error("padding after a whole group")
    rest = len(decoded) % 3
    if rest and binascii.b2a_base64(decoded[-rest:], newline=False) != text[-4:]:
        raise binascii.Error("unused bits of the last character are set")
    return decoded


def _signature_member(document: bytes, limits: Limits) -> bytes:
    try:
        envelope = strict_json.loads(document, limits.json_brackets)
    except strict_json.JsonError as error:
        raise VerificationError(Reason.BAD_JSON, location="document", detail=str(error)) from None
    assert isinstance(envelope, dict)  # because the text starts with a brace
    signature = envelope.get("signature")
    encoding = envelope.get("encoding")
    if not isinstance(signature, str):
        raise VerificationError(Reason.BAD_ENVELOPE, location="signature", detail="absent or not a string")
    if not isinstance(encoding, str):
        raise VerificationError(Reason.BAD_ENVELOPE, location="encoding", detail="absent or not a string")
    if encoding != "pkcs7":
        raise VerificationError(Reason.BAD_ENCODING, location="encoding", detail=repr(encoding[:40]))
    try:
        return signature.encode("ascii")
    except UnicodeEncodeError as error:
        raise VerificationError(Reason.BAD_BASE64, location=f"signature@{error.start}", detail="not ASCII") from None


def decoded_size(text: bytes) -> int:
    """Return the number of bytes encoded by ``text``, which must be well-formed base64 without
    white space."""
    return len(text) // 4 * 3 - text[-2:].count(b"=")
