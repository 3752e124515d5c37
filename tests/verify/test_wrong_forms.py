"""Wrong forms of a document: the reason of the refusal is unchanged, and the hint names the form and a remedy."""

from __future__ import annotations

import base64
import gzip
import json
import quopri
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attested_vectors import ANCHORS, AT, TRUST
from attested_vectors import case as case_of
from hypothesis import given
from hypothesis import strategies as st

from imdskit.backends.contract import Backend
from imdskit.errors import VerificationError
from imdskit.reasons import Reason, Stage
from imdskit.verify import Policy, Trust, Verifier, wrong_forms

TEXT: str = case_of("revocation/none-revoked")["document"]
DER = base64.b64decode(TEXT)
WRAPPED = "\n".join(TEXT[start : start + 64] for start in range(0, len(TEXT), 64))
JSON = json.dumps({"encoding": "pkcs7", "signature": TEXT}, separators=(",", ":"))
PRETTY = json.dumps({"encoding": "pkcs7", "signature": TEXT}, indent=4)
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(ANCHORS[0]).decode() + "-----END CERTIFICATE-----\n"
URL = TEXT.replace("+", "-").replace("/", "_")
assert TEXT.count("+") % 4 or TEXT.replace("+", "", 1)


def pem(label: str) -> str:
    return f"-----BEGIN {label}-----\n{WRAPPED}\n-----END {label}-----\n"


def content(members: dict[str, Any]) -> str:
    return json.dumps(members)


ACCEPTED: dict[str, str | bytes] = {
    "the service's JSON": JSON,
    "JSON over several lines": PRETTY,
    "line ends of Windows": PRETTY.replace("\n", "\r\n") + "\r\n",
    "members that the service does not send": content({"a": 1, "encoding": "pkcs7", "signature": TEXT, "b": {}}),
    "base64": TEXT,
    "base64 in lines": WRAPPED + "\n",
    "base64 in lines of Windows": WRAPPED.replace("\n", "\r\n"),
    "base64 with blanks around": f"  {TEXT}\n\n",
    "escapes of JSON": JSON.replace("/", "\\/").replace("+", "\\u002b"),
    "DER": DER,
}

FORMS: dict[str, tuple[str | bytes, str]] = {
    "UTF-16, little endian": (b"\xff\xfe" + JSON.encode("utf-16-le"), "UTF-16"),
    "UTF-16, big endian": (b"\xfe\xff" + JSON.encode("utf-16-be"), "UTF-16"),
    "UTF-16, over several lines": (PRETTY.replace("\n", "\r\n").encode("utf-16"), "UTF-16"),
    "base64 in UTF-16": (TEXT.encode("utf-16"), "UTF-16"),
    "UTF-16 without mark": (JSON.encode("utf-16-le"), "UTF-16"),
    "UTF-16 without mark, big endian": (JSON.encode("utf-16-be"), "UTF-16"),
    "base64 in UTF-16 without mark": (TEXT.encode("utf-16-le"), "UTF-16"),
    "UTF-32": (JSON.encode("utf-32"), "UTF-32"),
    "UTF-8 with mark": (JSON.encode("utf-8-sig"), "byte order mark"),
    "base64 with mark": (TEXT.encode("utf-8-sig"), "byte order mark"),
    "text with mark": ("\ufeff" + JSON, "byte order mark"),
    "a mark read as another encoding": ("\u00ef\u00bb\u00bf" + JSON, "byte order mark"),
    "UTF-16 read as another encoding": ("\u00ff\u00fe" + JSON, "UTF-16"),
    "PEM, PKCS7": (pem("PKCS7"), "PEM"),
    "PEM, CMS": (pem("CMS"), "PEM"),
    "PEM, line ends of Windows": (pem("PKCS7").replace("\n", "\r\n"), "PEM"),
    "PEM, long label": (pem("PKCS #7 SIGNED DATA"), "PEM"),
    "PEM behind a comment": ("subject=CN = metadata\n" + pem("PKCS7"), "PEM"),
    "PEM in JSON": (content({"encoding": "pkcs7", "signature": pem("PKCS7")}), "PEM"),
    "a certificate": (CERTIFICATE, "PEM (CERTIFICATE), not an attested document"),
    "a trusted certificate": (CERTIFICATE.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "not an attested document"),
    "a revocation list": (pem("X509 CRL"), "not an attested document"),
    "a private key": (pem("RSA PRIVATE KEY"), "private key"),
    "a public key": (pem("PUBLIC KEY"), "PEM (PUBLIC KEY)"),
    "a certificate in DER": (ANCHORS[0], "certificate"),
    "a certificate in base64": (base64.b64encode(ANCHORS[0]), "certificate"),
    "base64 in quotes": (json.dumps(TEXT), "quotes"),
    "base64 in quotes and a line end": (json.dumps(TEXT) + "\r\n", "quotes"),
    "base64 in single quotes": (f"'{TEXT}'", "quotes"),
    "JSON in a JSON string": (json.dumps(JSON), "encoded twice"),
    "JSON over lines in a JSON string": (json.dumps("\n" + PRETTY), "encoded twice"),
    "JSON with escaped quotes": (json.dumps(JSON)[1:-1], "escaped"),
    "typographic quotes around base64": (f"\u201c{TEXT}\u201d", "quotes"),
    "typographic quotes in JSON": (JSON.replace('"', "\u201d"), "typographic quotes"),
    "typographic quotes of Windows-1252": (JSON.replace('"', "\u201d").encode("cp1252"), "Windows-1252"),
    "single quotes in JSON": (JSON.replace('"', "'"), "single quotes"),
    "repr of bytes": (repr(JSON.encode()), "Python's repr"),
    "quotes lost": (JSON.replace('"', ""), "quotes are missing"),
    "entities of HTML": (JSON.replace('"', "&quot;"), "HTML entities"),
    "entities in base64": (TEXT.replace("+", "&#43;"), "HTML entities"),
    "a head": ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + JSON, "HTTP response with its header"),
    "a head of HTTP/2": ("HTTP/2 200 \r\ncontent-type: application/json\r\n\r\n" + PRETTY, "HTTP response with its header"),
    "a head without a status line": ("Content-Type: application/json\r\nServer: IMDS\r\n\r\n" + JSON, "HTTP response with its header"),
    "curl -v": ("*   Trying 169.254.169.254:80...\n> GET /metadata HTTP/1.1\n< HTTP/1.1 200 OK\n" + JSON, "HTTP response with its header"),
    "a message of mail": ("MIME-Version: 1.0\nContent-Type: application/pkcs7-mime\n\n" + WRAPPED, "head"),
    "an HTML page": ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML page"),
    "an HTML page, upper case": ("\n<HTML><BODY>502</BODY></HTML>", "HTML page"),
    "XML": ('<?xml version="1.0"?><Error/>', "XML"),
    "Format-List": (f"\r\nencoding  : pkcs7\r\nsignature : {TEXT[:70]}\r\n            {TEXT[70:]}\r\n\r\n", "Format-List"),
    "Format-Table": (f"\nencoding signature\n-------- ---------\npkcs7    {TEXT[:60]}...\n", "listing"),
    "YAML": (f"encoding: pkcs7\nsignature: {TEXT}\n", "YAML"),
    "YAML, the signature first": (f"---\nsignature: >-\n  {TEXT}\nencoding: pkcs7\n", "YAML"),
    "assignments": (f"encoding=pkcs7\nsignature={TEXT}\n", "listing"),
    "plus signs became blanks": (TEXT.replace("+", " "), "plus signs were replaced by blanks"),
    "plus signs became blanks in JSON": (JSON.replace("+", " "), "plus signs were replaced by blanks"),
    "plus signs became blanks in lines": (WRAPPED.replace("+", " "), "plus signs were replaced by blanks"),
    "percent-encoded base64": (urllib.parse.quote(TEXT, safe=""), "percent-encoded"),
    "percent-encoded JSON": (urllib.parse.quote(JSON), "percent-encoded"),
    "percent-encoded signature": (content({"encoding": "pkcs7", "signature": urllib.parse.quote(TEXT, safe="")}), "percent-encoded"),
    "base64url": (URL, "base64url"),
    "base64url without padding": (URL.rstrip("="), "base64url"),
    "base64url in JSON": (content({"encoding": "pkcs7", "signature": URL}), "base64url"),
    "a data URI": ("data:application/pkcs7-mime;base64," + TEXT, "data: URI"),
    "hexadecimal": (DER.hex(), "hexadecimal"),
    "hexadecimal, upper case with colons": (":".join(f"{octet:02X}" for octet in DER), "hexadecimal"),
    "hexadecimal in lines": ("\n".join(DER.hex()[start : start + 60] for start in range(0, len(DER.hex()), 60)), "hexadecimal"),
    "hexadecimal of JSON": ("0x" + JSON.encode().hex(), "hexadecimal"),
    "gzip": (gzip.compress(JSON.encode(), mtime=0), "gzip"),
    "gzip in base64": (base64.b64encode(gzip.compress(JSON.encode(), mtime=0)), "gzip"),
    "base64 of base64": (base64.b64encode(TEXT.encode()), "encoded twice"),
    "base64 of JSON": (base64.b64encode(JSON.encode()), "JSON of the service in base64"),
    "base64 of PEM": (base64.b64encode(pem("PKCS7").encode()), "PEM in base64"),
    "quoted-printable": (quopri.encodestring(TEXT.encode()), "quoted-printable"),
    "backslashes of JSON": (TEXT.replace("+", "\\u002b").replace("/", "\\/"), "backslashes"),
    "a NUL at the end": (JSON + "\0", "NUL"),
    "padding with NUL": (TEXT.encode() + b"\0" * 64, "NUL"),
    "an invisible character": (TEXT[:100] + "\u200b" + TEXT[100:], "U+200B"),
    "a blank that does not break": (TEXT[:100] + "\u00a0" + TEXT[100:], "U+00A0"),
    "cut base64": (TEXT[:-8], "cut off"),
    "cut base64, not in fours": (TEXT[:-7], "cut off"),
    "cut in the middle": (TEXT[: len(TEXT) // 2 // 4 * 4], "cut off"),
    "cut JSON": (JSON[:-50], "cut off"),
    "cut DER": (DER[:-1], "cut off"),
    "a signature that is cut": (content({"encoding": "pkcs7", "signature": TEXT[:400]}), "cut off"),
    "more behind the DER": (DER + b"\n", "1 more after it"),
    "padding lost": (
        base64.b64encode(DER + b"0").decode().rstrip("=") if len(DER) % 3 == 0 else TEXT.rstrip("="),
        "padding" if len(DER) % 3 else "more after it",
    ),
    "a token": (content({"access_token": "eyJ", "token_type": "Bearer"}), "token of a managed identity"),
    "a JSON Web Token": ("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2lnbmF0dXJl", "JSON Web Token"),
    "the instance document": (content({"compute": {"vmId": "x"}, "network": {}}), "the instance document"),
    "an error": (content({"error": "Bad request. api-version was not specified"}), "error of the service"),
    "an error of identity": (content({"error": "invalid_request", "error_description": "Identity not found"}), "error of the service"),
    "scheduled events": (content({"DocumentIncarnation": 1, "Events": []}), "scheduled events"),
    "load balancer": (content({"loadbalancer": {}}), "load balancer"),
    "versions": (content({"apiVersions": ["2021-02-01"]}), "api-versions"),
    "the content alone": (content({"vmId": "x", "nonce": "1", "timeStamp": {}}), "signed content without its signature"),
    "PowerShell's response": (content({"StatusCode": 200, "Content": JSON}), "PowerShell's response object"),
    "a document in an object": (content({"attested": {"encoding": "pkcs7", "signature": TEXT}}), "'attested'"),
    "a document as text in an object": (content({"body": JSON}), "'body'"),
    "names in other letter case": (content({"Encoding": "pkcs7", "Signature": TEXT}), "'Signature'"),
    "an array": (f"[{JSON}]", "JSON array"),
    "Parquet": (b"PAR1" + b"\x15" * 40, "Parquet"),
    "ZIP": (b"PK\x03\x04" + b"\x14" * 40, "ZIP"),
}


def refusal(verifier: Verifier, document: str | bytes) -> VerificationError:
    with pytest.raises(VerificationError) as error:
        verifier.verify(document, at=AT)
    return error.value


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_these_forms_are_accepted(document: str | bytes, backend: Backend) -> None:
    assert Verifier(TRUST, Policy.offline_audit(), backend=backend).verify(document, at=AT).claims.nonce == "4071882193"


@pytest.mark.parametrize(("document", "words"), FORMS.values(), ids=FORMS)
def test_hint_names_the_wrong_form_and_a_remedy(document: str | bytes, words: str, backend: Backend) -> None:
    verifier = Verifier(TRUST, Policy.offline_audit(), backend=backend)
    found = refusal(verifier, document)
    form, _, remedy = found.hint.partition(". ")
    assert form.startswith("The document is ")
    assert words in form
    assert len(remedy) > 10
    assert "\n" not in found.hint
    # Other functions that must give the same result.
    report = verifier.explain(document, at=AT).error
    (listed,) = verifier.verify_many([document], at=AT)
    assert report is not None
    assert isinstance(listed, VerificationError)
    assert {(one.reason, one.location, one.hint) for one in (found, report, listed)} == {(found.reason, found.location, found.hint)}


@pytest.mark.parametrize("document", [document for document, _ in FORMS.values()], ids=FORMS)
def test_wrong_form_keeps_reason_and_location_on_both_backends(document: str | bytes, backend: Backend) -> None:
    verifier = Verifier(TRUST, Policy.offline_audit(), backend=backend)
    data = document.encode() if isinstance(document, str) else document
    with pytest.raises(VerificationError) as bare:
        verifier._configured.checker.check(data, AT, None)
    found = refusal(verifier, document)
    assert (found.reason, found.location, found.detail) == (bare.value.reason, bare.value.location, bare.value.detail)
    python = refusal(Verifier(TRUST, Policy.offline_audit(), backend="python"), document)
    assert (found.reason, found.location, found.hint) == (python.reason, python.location, python.hint)


def test_the_recorded_forms_are_named(shared: Path, backend: Backend) -> None:
    folder = shared / "cases" / "forms"
    verifier = Verifier(Trust.from_pem((folder / "emulator-root.pem").read_bytes()), Policy.offline_audit(), backend=backend)
    words = {
        "curl-i-with-head.txt": "HTTP response",
        "jq-quoted.txt": "quotes",
        "pem-pkcs7.txt": "PEM",
        "powershell51-utf16le-bom.json": "UTF-16",
        "emulator-root.pem": "PEM (CERTIFICATE)",
    }
    for name, form in words.items():
        assert form in refusal(verifier, (folder / name).read_bytes()).hint


@pytest.mark.parametrize(
    "document",
    [b"", b" \r\n", b"something else", base64.b64encode(b"something else"), b"{" * 60_000, b"0", b"\x30\x80\x00\x00"],
)
def test_unknown_form_keeps_the_hint_of_its_reason(document: bytes, backend: Backend) -> None:
    found = refusal(Verifier(TRUST, Policy.offline_audit(), backend=backend), document)
    assert found.hint == found.reason.hint


@given(
    st.binary(max_size=300)
    | st.text(max_size=200)
    | st.sampled_from([value for value, _ in FORMS.values()]).flatmap(
        lambda document: st.integers(0, len(document)).map(lambda at: document[:at] + document[at + 1 :])
    )
)
def test_any_invalid_document_raises_only_verification_error(backend: Backend, document: str | bytes) -> None:
    verifier = Verifier(TRUST, Policy.offline_audit(), backend=backend)
    try:
        verifier.verify(document, at=AT)
    except VerificationError as found:
        assert found.hint
        if found.stage not in (Stage.ENVELOPE, Stage.STRUCTURE):
            assert found.hint == found.reason.hint


GROWING: dict[str, Callable[[int], bytes]] = {
    "blanks": lambda size: b"M" + b" " * size + b"!",
    "lines of blanks": lambda size: b" \n" * (size // 2) + b"x:",
    "BEGIN": lambda size: b"-----BEGIN " * (size // 11),
    "entities": lambda size: b"&#" * (size // 2),
    "percent": lambda size: b"%4" * (size // 2) + b"!",
    "quotes": lambda size: b'"' * size,
    "a string": lambda size: b'{"' + b"\\\\" * (size // 2),
    "digits": lambda size: b'{"a":' + b"9" * size + b"}",
    "brackets": lambda size: b"{" * size,
    "hexadecimal": lambda size: b"3082" * (size // 4),
    "zeros": lambda size: b"a\0" * (size // 2),
    "names of members": lambda size: b"encoding " * (size // 9),
    "base64": lambda size: b"MII+" * (size // 4),
    "letters of the other alphabet": lambda size: b"M-_=" * (size // 4),
    "members": lambda size: b"{" + b",".join(b'"%06d":"{"' % number for number in range(size // 12)) + b"}",
}


@pytest.mark.parametrize("grown", GROWING.values(), ids=GROWING)
def test_detecting_a_form_takes_linear_time(grown: Callable[[int], bytes]) -> None:
    def seconds(document: bytes) -> float:
        best = float("inf")
        for _ in range(5):
            started = time.process_time()
            for _ in range(4):
                wrong_forms.named(document, VerificationError(Reason.BAD_BASE64))
            best = min(best, time.process_time() - started)
        return best

    # The input is 16 times as large: linear time gives 16, quadratic time 256.
    assert seconds(grown(64 * 1024)) < 64 * seconds(grown(4 * 1024)) + 0.02
