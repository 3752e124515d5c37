"""Any input gets a documented reason within a short time."""

from __future__ import annotations

import base64
import time

import pytest

from imdskit.backends.contract import Backend
from imdskit.errors import UsageError, VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Verifier

AT = 1_790_000_000
MIB = 1024 * 1024

CASES: dict[str, tuple[object, Reason]] = {
    "nothing": (b"", Reason.EMPTY),
    "white space": (b" \r\n\t ", Reason.EMPTY),
    "empty text": ("", Reason.EMPTY),
    "ten mebibytes of letters": (b"A" * 10 * MIB, Reason.TOO_LARGE),
    "ten mebibytes of braces": (b"{" * 10 * MIB, Reason.TOO_LARGE),
    "one byte over the limit": (b"A" * (64 * 1024 + 1), Reason.TOO_LARGE),
    "exactly the limit": (b"A" * (64 * 1024), Reason.BAD_DER),
    "an opening brace": (b"{", Reason.BAD_JSON),
    "deep nesting": (b'{"a":' * 9000 + b"1", Reason.BAD_JSON),
    "deep arrays": (b'{"a":' + b"[" * 60_000, Reason.BAD_JSON),
    "a member twice": (b'{"encoding":"pkcs7","signature":"QUJD","signature":"QUJD"}', Reason.BAD_JSON),
    "not a number": (b'{"encoding":NaN}', Reason.BAD_JSON),
    "a lone surrogate": (b'{"encoding":"\\ud800","signature":""}', Reason.BAD_JSON),
    "not UTF-8 in JSON": (b'{"encoding":"\xff"}', Reason.BAD_JSON),
    "two JSON values": (b'{"encoding":"pkcs7","signature":"QUJD"} x', Reason.BAD_JSON),
    "an empty object": (b"{}", Reason.BAD_ENVELOPE),
    "a signature that is a number": (b'{"encoding":"pkcs7","signature":1}', Reason.BAD_ENVELOPE),
    "a signature that is null": (b'{"encoding":"pkcs7","signature":null}', Reason.BAD_ENVELOPE),
    "an encoding that is a list": (b'{"encoding":["pkcs7"],"signature":"QUJD"}', Reason.BAD_ENVELOPE),
    "an error body": (b'{ "error": "Bad request" }', Reason.BAD_ENVELOPE),
    "another encoding": (b'{"encoding":"jws","signature":"QUJD"}', Reason.BAD_ENCODING),
    "an empty signature": (b'{"encoding":"pkcs7","signature":""}', Reason.EMPTY),
    "a signature of non-ASCII letters": ('{"encoding":"pkcs7","signature":"\u00e9"}', Reason.BAD_BASE64),
    "not UTF-8": (b"\xff\xfe\x00\x01", Reason.BAD_BASE64),
    "text with a lone surrogate": ("\ud800", Reason.BAD_BASE64),
    "the URL alphabet": (b"MIIL-_==", Reason.BAD_BASE64),
    "padding missing": (b"MII", Reason.BAD_BASE64),
    "padding in the middle": (b"MQ==MQ==", Reason.BAD_BASE64),
    "unused bits set": (b"MR==", Reason.BAD_BASE64),
    "an HTML page": (b"<!DOCTYPE html><html></html>", Reason.BAD_BASE64),
    "a JSON list": (b'["pkcs7"]', Reason.BAD_BASE64),
    "a byte order mark": (b'\xef\xbb\xbf{"encoding":"pkcs7"}', Reason.BAD_BASE64),
    "an empty sequence": (b"\x30\x00", Reason.BAD_DER),
    "a truncated sequence": (b"\x30\x82\x0b\x91\x06\x09", Reason.BAD_DER),
    "an indefinite length": (b"\x30\x80\x00\x00", Reason.BAD_DER),
    "a length of four gibibytes": (b"\x30\x84\xff\xff\xff\xff", Reason.BAD_DER),
    "deep sequences": (b"\x30\x80" * 30_000, Reason.BAD_DER),
    "base64 of something else": (base64.b64encode(b"something else"), Reason.BAD_DER),
}


@pytest.mark.parametrize(("document", "reason"), CASES.values(), ids=CASES.keys())
def test_bad_input_is_refused_quickly_with_a_reason(document: bytes | str, reason: Reason, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    start = time.process_time()
    with pytest.raises(VerificationError) as refusal:
        verifier.verify(document, at=AT)
    assert time.process_time() - start < 1
    assert refusal.value.reason is reason
    assert refusal.value.location
    report = verifier.explain(document, at=AT)
    assert report.error is not None
    assert report.error.reason is reason


@pytest.mark.parametrize("document", [None, 1, ["x"], {"encoding": "pkcs7"}], ids=repr)
def test_a_document_of_the_wrong_type_is_a_usage_error(document: object, backend: Backend) -> None:
    with pytest.raises(UsageError):
        Verifier(policy=Policy.offline_audit(), backend=backend).verify(document, at=AT)  # type: ignore[arg-type]  # the mistake is the subject


@pytest.mark.parametrize("at", ["2026-01-01", 1.5, True], ids=repr)
def test_a_time_of_the_wrong_type_is_a_usage_error(at: object, backend: Backend) -> None:
    with pytest.raises(UsageError):
        Verifier(policy=Policy.offline_audit(), backend=backend).verify(b"x", at=at)  # type: ignore[arg-type]  # the mistake is the subject
