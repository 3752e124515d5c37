"""Detection of common wrong forms of a document, such as PEM, UTF-16, or an HTTP response with its
header.

A verifier accepts only three forms: the metadata service's JSON, bare base64, and DER (decision
0022). If the verifier refuses a document, this module examines the bytes. If the bytes have a known
wrong form, the module sets the hint of the error to a text that names the form and says what to do.
The module never changes the reason or the location of the error.

Documents may come from an attacker, so no function takes more than linear time in the size of the
document.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import NamedTuple

from imdskit.errors import VerificationError
from imdskit.reasons import Reason, Stage

HEAD = 64 * 1024
"""If a document is larger than ``Limits.document_bytes``, this module examines only this number of
bytes at its start."""
MAX_BRACKETS = 256
"""Maximum number of opening braces and brackets. This module does not parse JSON with more of
them."""


class Form(NamedTuple):
    """Wrong form of a document.

    Attributes:
        name: description that completes the sentence "The document is ...".
        remedy: advice to the user, in one or two sentences.
    """

    name: str
    remedy: str


_BODY = "Give the body of the response of /metadata/attested/document as the service sent it."
_TEXT = "Convert it to UTF-8 without a byte order mark; in PowerShell 5.1, write it with `Set-Content -Encoding ascii` instead of `>`."
_RAW = "Write the string without its quotes, for example with `jq -r`."

_MAGIC = (
    (b"\xef\xbb\xbf", Form("UTF-8 text with a byte order mark (BOM)", "Save it without the mark: `sed '1s/^\\xEF\\xBB\\xBF//' FILE`.")),
    (b"\xc3\xaf\xc2\xbb\xc2\xbf", Form("UTF-8 text with a byte order mark (BOM) that was encoded twice", _TEXT)),
    (b"\xff\xfe\x00\x00", Form("UTF-32 text with a byte order mark (BOM)", _TEXT)),
    (b"\x00\x00\xfe\xff", Form("UTF-32 text with a byte order mark (BOM)", _TEXT)),
    (b"\xff\xfe", Form("UTF-16 text with a byte order mark (BOM)", _TEXT)),
    (b"\xfe\xff", Form("UTF-16 text with a byte order mark (BOM)", _TEXT)),
    (b"\xc3\xbf\xc3\xbe", Form("UTF-16 text that was read as another encoding", _TEXT)),
    (b"\x1f\x8b", Form("compressed with gzip", "Decompress it first: `gzip -dc FILE`, or `curl --compressed`.")),
    (b"PK\x03\x04", Form("a ZIP archive", "Unpack it first.")),
    (b"BZh", Form("compressed with bzip2", "Decompress it first: `bzip2 -dc FILE`.")),
    (b"\xfd7zXZ\x00", Form("compressed with xz", "Decompress it first: `xz -dc FILE`.")),
    (b"\x28\xb5\x2f\xfd", Form("compressed with Zstandard", "Decompress it first: `zstd -dc FILE`.")),
    (b"PAR1", Form("a Parquet file", "imdskit.arrow verifies the documents in the columns of the file; see docs/engines.md.")),
    (b"ARROW1", Form("an Apache Arrow file", "imdskit.arrow verifies the documents in the columns of the file; see docs/engines.md.")),
)
_OBJECTS = (
    ("access_token", Form("a token of a managed identity, not an attested document", _BODY)),
    ("compute", Form("the instance document, not an attested document", _BODY)),
    ("network", Form("the instance document, not an attested document", _BODY)),
    (
        "error",
        Form(
            "an error of the service, not an attested document",
            "The member `error` says what was wrong with the request. Correct it, and request the document again.",
        ),
    ),
    ("DocumentIncarnation", Form("the list of scheduled events, not an attested document", _BODY)),
    ("loadbalancer", Form("load balancer metadata, not an attested document", _BODY)),
    ("apiVersions", Form("the list of api-versions, not an attested document", _BODY)),
    ("timeStamp", Form("the signed content without its signature, which proves nothing", _BODY)),
    (
        "StatusCode",
        Form("PowerShell's response object, not the document in it", "Write `$response.Content`, and nothing else, to the file."),
    ),
    (
        "RawContent",
        Form("PowerShell's response object, not the document in it", "Write `$response.Content`, and nothing else, to the file."),
    ),
)
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 #]{1,40})-----")
_HTTP = re.compile(r"(?:[<>*] )?HTTP/[0-9]|[*] +Trying |> (?:GET|POST) ")
_HEADER = re.compile(r"(?:content-|cache-control|mime-version|server|date|transfer-encoding|x-ms-)[A-Za-z-]*: ?[^\n]*\r?\n", re.IGNORECASE)
_LISTING = re.compile(r"^[ \t]*[\"']?(?:encoding|signature)[\"']?[ \t]*[:=]", re.IGNORECASE | re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*encoding[ \t]+signature[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_UNQUOTED = re.compile(r"\{[ \t\r\n]*[A-Za-z]+[ \t\r\n]*[:=]")
_ENTITY = re.compile(r"&(?:quot|amp|#[0-9]{1,4}|#x[0-9A-Fa-f]{1,4});")
_HEX = re.compile(r"(?:0[xX])?[0-9A-Fa-f: \t\r\n]+")
_TYPOGRAPHIC = "\u2018\u2019\u201c\u201d\u00ab\u00bb\u201e\x91\x92\x93\x94"
# Adjacent parts of these two patterns have no common character, so that a match that fails takes
# only linear time.
_ALPHABET = re.compile(r"[A-Za-z0-9+/ \t\r\n]*=*")
_URL_ALPHABET = re.compile(r"[A-Za-z0-9_\- \t\r\n]*=*")


def named(document: bytes, refusal: VerificationError) -> VerificationError:
    """Return ``refusal``. If the document has a known wrong form, set the ``hint`` of the error to
    the name of the form and the remedy."""
    if refusal.stage is Stage.ENVELOPE or refusal.reason in (Reason.BAD_DER, Reason.BAD_CMS):
        form = of(document) if refusal.reason is not Reason.TOO_LARGE else _outside(document[:HEAD])
        if form is not None:
            refusal.hint = f"The document is {form.name}. {form.remedy}"
    return refusal


def of(document: bytes) -> Form | None:
    """Return the form of a refused document, or None if no known form matches."""
    form = _outside(document)
    if form is not None:
        return form
    if document[:1] == b"0" and not document[1:2].isalnum():
        return _der(document)
    try:
        text = document.decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError:
        if any(quote in document for quote in (b"\x91", b"\x92", b"\x93", b"\x94")):
            return Form("text with typographic quotes in Windows-1252", "Use plain quotes, and save it as UTF-8.")
        return None
    if text[:1] == "{":
        return _json(text)
    return _quoted(text) or _base64(text)


def _outside(document: bytes) -> Form | None:
    """Return the form if the first bytes show it, or if the document contains a text that no valid
    document contains. Otherwise, return None."""
    for magic, form in _MAGIC:
        if document.startswith(magic):
            return form
    if b"\0" in document and document[:1] != b"0":
        zeros = max(document[0::2].count(0), document[1::2].count(0))
        if zeros > len(document) // 3:
            return Form("UTF-16 text without a byte order mark", _TEXT)
        return Form("text with NUL bytes", "Write the body alone to the file, without padding or a terminating NUL.")
    text = document.decode("utf-8", "replace").lstrip()
    pem = _PEM.search(text)
    if pem is not None:
        return _pem(pem[1])
    if _HTTP.match(text) or _HEADER.match(text):
        return Form("an HTTP response with its header", "Save the body alone: `curl` without `-i`, `-v` or `--include`.")
    start = text[:16].lower()
    if start.startswith(("<!doctype html", "<html")):
        return Form(
            "an HTML page",
            "A proxy or a portal responded instead of the service. Request the document without a proxy: `curl --noproxy '*'`.",
        )
    if start.startswith("<"):
        return Form("XML or HTML, not JSON", _BODY)
    if start.startswith("data:"):
        return Form("a data: URI", "Give only the base64 after the comma.")
    if start.startswith(("%7b", "%22", "%0a")):
        return _percent_encoded()
    return None


def _pem(label: str) -> Form:
    if "PRIVATE KEY" in label:
        return Form("a private key in PEM, not an attested document", "Do not hand it to anybody. " + _BODY)
    if "PKCS7" in label or "PKCS #7" in label or label == "CMS":
        remedy = "Remove the lines that begin with `-----`, or convert it: `openssl pkcs7 -in FILE -outform DER`."
        return Form(f"a PKCS #7 message in PEM ({label})", remedy)
    if label.endswith(("CERTIFICATE", "CRL")):
        return Form(
            f"PEM ({label}), not an attested document",
            "Certificates go to `--trust` or `--intermediate`, revocation lists to `--crl`. " + _BODY,
        )
    return Form(f"PEM ({label}), not an attested document", _BODY)


def _quoted(text: str) -> Form | None:
    """Return the form of a text that does not begin like a JSON object. Return None if this
    function does not know the form, for example because the text may be base64."""
    if text[:1] == "[":
        return Form(
            "a JSON array, not an object", "Give one element of it. To verify many documents, write one per line and use `--batch`."
        )
    if text[:2] in ("b'", 'b"'):
        return Form("Python's repr of bytes", "Write the bytes themselves to the file.")
    if text[:1] in ('"', "'"):
        if text[1:].lstrip(' \\"nrt')[:1] == "{":
            return Form("JSON inside a JSON string (encoded twice)", "Decode the string once: `jq -r .`.")
        return Form("base64 in quotes, as `jq` writes a string without `-r`", _RAW)
    if text.startswith(tuple(_TYPOGRAPHIC)):
        return Form("text in typographic quotes", "Use plain quotes, or none around base64.")
    if _LISTING.search(text) or _TABLE.search(text):
        return Form(
            "a listing of members, such as the output of PowerShell's Format-List, or YAML",
            "Write JSON: `$document | ConvertTo-Json`, or the signature alone.",
        )
    if _PERCENT.search(text):
        return _percent_encoded()
    return None


def _percent_encoded() -> Form:
    return Form("percent-encoded, as in a URL", "Decode it first, exactly once.")


def _json(text: str) -> Form | None:
    if any(quote in text for quote in _TYPOGRAPHIC):
        return Form("JSON with typographic quotes", 'Use the plain quote, U+0022 (").')
    if text.startswith("{'"):
        return Form("Python's repr of a dict, with single quotes, not JSON", "Write it with `json.dumps`.")
    if text.startswith(('{\\"', "{\\n")):
        return Form("JSON whose quotes are escaped (encoded twice)", "Decode the string once: `jq -r .`.")
    if _ENTITY.search(text):
        return Form("JSON with HTML entities, such as &quot;", "Decode the entities, or take the body from the service again.")
    if _UNQUOTED.match(text):
        return Form("JSON whose quotes are missing", "A shell removed them. Put the document in single quotes, or pass a file.")
    if text.count("{") + text.count("[") > MAX_BRACKETS:
        return None
    try:
        # Numbers stay text, because their values do not matter here, and int() refuses numbers with
        # thousands of digits.
        members = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        if not text.endswith("}"):
            return Form("JSON that is cut off", "Its end is missing. Take the whole body; with `--batch`, each document is on one line.")
        return None
    signature, encoding = members.get("signature"), members.get("encoding")
    if isinstance(signature, str):
        if isinstance(encoding, str):
            pem = _PEM.search(signature)
            return _pem(pem[1]) if pem else _base64(signature)
        return None
    for name, form in _OBJECTS:
        if name in members:
            return form
    for name, value in members.items():
        if name.lower() == "signature":
            return Form(
                f"JSON whose member `signature` is written {name[:20]!r}", "Write the names of members in lower case, as the service does."
            )
        if isinstance(value, dict) and "signature" in value:
            return Form(f"a JSON object whose member {name[:40]!r} contains the document", "Give the value of that member alone.")
        if isinstance(value, str) and value.lstrip()[:1] == "{":
            return Form(
                f"a JSON object whose member {name[:40]!r} contains the document as text", "Give the decoded text of that member alone."
            )
    return None


def _base64(text: str) -> Form | None:
    """Return the form of a text that should be the base64 of a message. Return None if it is not a
    known wrong form."""
    text = text.strip(" \t\r\n")
    if not text.isascii():
        first = next(character for character in text if not character.isascii())
        return Form(f"base64 with the character U+{ord(first):04X}", "Copy it again as plain text; base64 is ASCII.")
    if _ENTITY.search(text):
        return Form("base64 with HTML entities", "Decode the entities; `&#43;` is `+`.")
    if "\\" in text:
        return Form("base64 with backslashes, as in the source of a JSON string", "Decode the string: `jq -r .signature`.")
    if "%" in text:
        return _percent_encoded()
    if text.startswith("eyJ") and text.count(".") == 2:
        return Form("a JSON Web Token, not an attested document", _BODY)
    if "=3D" in text or "=\n" in text.rstrip("\n") or "=\r\n" in text.rstrip("\r\n"):
        return Form("base64 in the quoted-printable encoding of e-mail", "Decode the quoted-printable first.")
    if _HEX.fullmatch(text) and len(text) > 16:
        return _hex(text)
    if ("-" in text or "_" in text) and _URL_ALPHABET.fullmatch(text):
        return Form("base64url, the alphabet with - and _", "Use standard base64: `tr -- '-_' '+/'`, with its padding.")
    if not _ALPHABET.fullmatch(text):
        return None
    return _blanks(text) or _standard(text)


def _hex(text: str) -> Form | None:
    digits = re.sub(r"[: \t\r\n]", "", text.removeprefix("0x").removeprefix("0X"))
    if digits[:2].lower() in ("30", "7b", "2d") or digits[:4].lower() in ("fffe", "4d49"):
        return Form("hexadecimal", "Convert it to bytes: `xxd -r -p FILE`.")
    return None


def _blanks(text: str) -> Form | None:
    """Return the form of base64 in which blanks have replaced the plus signs. Return None unless
    the text is the base64 of exactly one message after the plus signs are put back."""
    line = text.translate({13: None, 10: None})
    if " " in line:
        der = _decoded(line.replace(" ", "+"))
        if der is not None and _declared(der) == len(der):
            remedy = "Encode `+` as `%2B` where the document is sent as a form or in a URL, and decode it only once."
            return Form("base64 whose plus signs were replaced by blanks, as URL decoding does", remedy)
    return None


def _standard(text: str) -> Form | None:
    bare = text.translate({32: None, 9: None, 13: None, 10: None})
    digits = bare.rstrip("=")
    if len(digits) % 4 == 1 and digits.startswith("MI"):
        return Form("base64 that is cut off or altered", "A character is missing, or there is one too many. Take the whole document again.")
    der = _decoded(digits + "=" * (-len(digits) % 4))
    if der is None:
        return None
    for start, name, remedy in (
        (b"{", "the JSON of the service in base64", "Decode it once: `base64 -d FILE`."),
        (b"MI", "base64 of base64 (encoded twice)", "Decode it once: `base64 -d FILE`."),
        (b"-----BEGIN", "PEM in base64", "Decode it once: `base64 -d FILE`, then remove the lines that begin with `-----`."),
        (b"\x1f\x8b", "compressed with gzip, in base64", "Decode and decompress it first: `base64 -d FILE | gzip -dc`."),
    ):
        if der.startswith(start):
            return Form(name, remedy)
    form = _der(der)
    if form is None and len(digits) % 4 and len(bare) != len(digits) + -len(digits) % 4:
        return Form("base64 without its padding, or with too much", "Add or remove `=` at the end, until the length is a multiple of four.")
    return form


def _der(der: bytes) -> Form | None:
    """Return the form of bytes that should be the DER of a message. Return None if they are not a
    known wrong form."""
    declared = _declared(der)
    if declared is None:
        cut = der[:1] == b"0" and 1 < len(der) < 6 and der[1] > 0x80
        return (
            Form(f"cut off after {len(der)} bytes", "Take the whole document; a database field or a terminal may have truncated it.")
            if cut
            else None
        )
    if declared > len(der):
        return Form(
            f"cut off: its DER header declares {declared} bytes, but there are {len(der)}",
            "Take the whole document; a database field or a terminal may have truncated it.",
        )
    if declared < len(der):
        return Form(f"a message of {declared} bytes and {len(der) - declared} more after it", "Remove all bytes after the message.")
    header = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    if der[header : header + 1] == b"0":
        return Form("DER of something else, such as a certificate", "Certificates go to `--trust` or `--intermediate`. " + _BODY)
    return None


def _declared(der: bytes) -> int | None:
    """Return the total size in bytes of the SEQUENCE at the start of ``der``, as its length field
    declares it. Return None if ``der`` does not start with a SEQUENCE."""
    if len(der) < 2 or der[0] != 0x30:
        return None
    if der[1] < 0x80:
        return 2 + der[1]
    size = der[1] & 0x7F
    return 2 + size + int.from_bytes(der[2 : 2 + size], "big") if 1 <= size <= 4 and len(der) >= 2 + size else None


def _decoded(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
