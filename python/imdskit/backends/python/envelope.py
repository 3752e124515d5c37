"""From what the caller holds to the DER of the message: the service's JSON, bare base64, or the DER itself."""

from __future__ import annotations

import binascii

from imdskit.backends.contract import Limits
from imdskit.backends.python import strict_json
from imdskit.errors import VerificationError
from imdskit.reasons import Reason

WHITE_SPACE = b" \t\r\n"
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def decode(document: bytes, limits: Limits) -> bytes:
    """The message inside ``document``.

    DER begins with 0x30, which is also the digit 0; no base64 of a message does, and the second octet of DER is no letter of base64.

    Raises:
        VerificationError: of stage ``envelope``.
    """
    if len(document) > limits.document_bytes:
        raise VerificationError(
            Reason.TOO_LARGE, location="document", detail=f"{len(document)} bytes, at most {limits.document_bytes} are read"
        )
    if document[:1] == b"0" and len(document) > 1 and document[1] not in _BASE64 and document[1] not in WHITE_SPACE:
        return document
    start = document.lstrip(WHITE_SPACE)[:1]
    if not start:
        raise VerificationError(Reason.EMPTY, location="document")
    if start == b"{":
        return _decode_base64(_signature_member(document, limits), "signature")
    return _decode_base64(document, "document")


def _signature_member(document: bytes, limits: Limits) -> bytes:
    try:
        envelope = strict_json.loads(document, limits.json_brackets)
    except strict_json.JsonError as error:
        raise VerificationError(Reason.BAD_JSON, location="document", detail=str(error)) from None
    assert isinstance(envelope, dict)  # it starts with a brace
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


def _decode_base64(text: bytes, location: str) -> bytes:
    """RFC 4648 section 4, strictly, but white space: one holder of genuine documents stored one with blanks, others wrap lines."""
    try:
        message = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        text = text.translate(None, WHITE_SPACE)
        try:
            message = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error as error:
            raise VerificationError(Reason.BAD_BASE64, location=location, detail=str(error)) from None
    if len(text) != (len(message) + 2) // 3 * 4:
        # Strict as it is called, a2b_base64 of older Pythons lets this pass (python/cpython#118314).
        raise VerificationError(Reason.BAD_BASE64, location=location, detail="padding after a whole group")
    rest = len(message) % 3
    if rest and binascii.b2a_base64(message[-rest:], newline=False) != text[-4:]:
        raise VerificationError(Reason.BAD_BASE64, location=location, detail="unused bits of the last character are set")
    if not message:
        raise VerificationError(Reason.EMPTY, location=location)
    return message
