"""Generator of attested documents: claims as JSON, the CMS message around them, and the envelope around the message."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import time
from dataclasses import dataclass, replace
from typing import Any

import malformed
from chain_grammar import AT, DAY
from der_tree import TEXTS
from keyring import RSA_ALGORITHMS, Algorithm, Keyring
from malformed import attribute

from imdskit.asn1 import oids
from imdskit.asn1 import writer as der

NONCE = "4071882193"
QUIRK = RSA_ALGORITHMS["rsa-sha256"].identifier
"""The digest algorithm as the service writes it: the identifier of a signature algorithm."""
WITH_RSA = (oids.RSA_ENCRYPTION, oids.SHA1_WITH_RSA, oids.SHA512_WITH_RSA)
MD5 = "1.2.840.113549.2.5"
DIGESTS = {"sha1": oids.SHA1, "sha224": oids.SHA224, "sha256": oids.SHA256, "sha384": oids.SHA384, "sha512": oids.SHA512}

# Claims.


def stamp(seconds: int) -> str:
    return time.strftime("%m/%d/%y %H:%M:%S -0000", time.gmtime(seconds))


def claims(rng: random.Random, at: int = AT) -> dict[str, Any]:
    """Return the members of a current document. Optional members vary as they do between api-versions."""
    created = at - rng.choice((0, 10, 60, 250, 250, 600, 6 * 3600))
    members: dict[str, Any] = {
        "licenseType": rng.choice(("", "Windows_Server")),
        "nonce": NONCE if rng.random() < 0.97 else "20261130-112233",
        "plan": {"name": rng.choice(("", "a")), "product": "", "publisher": ""},
        "sku": rng.choice(("22_04-lts", "2022-datacenter")),
        "subscriptionId": f"00000000-0000-4000-8000-{rng.randrange(10**12):012}",
        "timeStamp": {"createdOn": stamp(created), "expiresOn": stamp(created + 6 * 3600)},
        "vmId": f"00000000-0000-4000-8000-{rng.randrange(10**12):012}",
    }
    for optional in ("licenseType", "sku", "plan", "subscriptionId"):
        if rng.random() < 0.1:
            del members[optional]
    return members


def compact(members: object) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


VALUES = (
    None, True, False, 0, -1, 1.5, "", [], {}, [[]], {"a": {"b": []}}, "x" * 300, "\ud800", "\ud83d\ude00", "\x00", "\u2028", "a\\\"/b\b", *TEXTS[:10],
)  # fmt: skip
NUMBERS = (
    b"-0",
    b"1e999",
    b"-1e-999",
    b"0.1e+5",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"0x1",
    b"NaN",
    b"-Infinity",
    b"9" * 30,
    b"9" * 5000,
    b"1E400",
    b"1e",
    b"-",
    b"2.50",
)
TIME_TEXTS = (
    "11/30/26 00:00:00 -0000", "11/30/26 00:00:00 +0000", "2026-11-30T00:00:00Z", "02/30/26 00:00:00 -0000", "13/01/26 00:00:00 -0000",
    "11/30/26 24:00:00 -0000",
    "11/30/26 00:00:60 -0000", "11/30/26 0:00:00 -0000", "00/00/00 00:00:00 -0000", "12/31/99 23:59:59 -0000", "02/29/28 00:00:00 -0000",
    " 11/30/26 00:00:00 -0000",
    "11/30/26 00:00:00 -0000\n", "\u0661\u0661/30/26 00:00:00 -0000", "",
)  # fmt: skip


def altered_claims(rng: random.Random, at: int) -> bytes:
    """Return claims with one to three changes of members, values, numbers or the JSON text."""
    members = claims(rng, at)
    for _ in range(rng.choice((1, 1, 2))):
        holder = rng.choice((members, members, members.get("plan"), members.get("timeStamp")))
        if not isinstance(holder, dict) or not holder:
            continue
        key = rng.choice(list(holder))
        match rng.randrange(7):
            case 0:
                del holder[key]
            case 1:
                holder[key] = rng.choice(VALUES)
            case 2:
                holder[rng.choice(("extra", key.upper(), key + " ", "", "\u0000", "ｖｍId", "environment"))] = rng.choice(VALUES)
            case 3:
                stamps = members.get("timeStamp")
                if isinstance(stamps, dict):
                    stamps[rng.choice(("createdOn", "expiresOn"))] = rng.choice(TIME_TEXTS)
            case 4:
                start = at + rng.choice((-DAY, -1, 0, 119, 120, 121, 3600))
                end = at + rng.choice((-3600, -121, -120, -119, 0, 1, 6 * 3600))
                members["timeStamp"] = {"createdOn": stamp(start), "expiresOn": stamp(end)}
            case 5:
                members["nonce"] = rng.choice((NONCE, NONCE + "0", "", NONCE[:-1], "é", "\u0000"))
            case _:
                members[key] = rng.choice(("", "A" * rng.randrange(40), holder[key]))
    return _rewritten(compact(members), rng) if rng.random() < 0.5 else compact(members)


def _rewritten(text: bytes, rng: random.Random) -> bytes:
    """Change the JSON text below the level of members and values."""
    match rng.randrange(12):
        case 0:
            return text[:-1] + b',"n":' + rng.choice(NUMBERS) + b"}"
        case 1:
            opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
            deep = rng.choice((1, 10, 55, 60, 61, 62, 63, 64, 65, 500, 520, 985, 1000, 1200))
            return text[:-1] + b',"d":' + opening * deep + rng.choice((b"1", b"1e999", *NUMBERS[:4])) + closing * deep + b"}"
        case 2:
            return text[:-1] + b"," + rng.choice((b'"vmId":"b"', b'"nonce":"4071882193"', b'"vm\\u0049d":"b"', b'"a":1,"a":2')) + b"}"
        case 3:
            return rng.choice((b" ", b"\n\t\r", b"\xef\xbb\xbf", b"\x0c", b"\xc2\xa0")) + text
        case 4:
            return text + rng.choice((b" ", b"\n", b"x", b"{}", b"\x00", b","))
        case 5:
            return text.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-16-le", "utf-8-sig", "utf-32")))
        case 6:
            return text.replace(b'"', rng.choice((b"'", b'\\"', b'" ', b' "')), rng.choice((1, 2, -1)))
        case 7:
            return text.replace(b"vmId", rng.choice((b"vm\\u0049d", b"vm\\u0049D", b"\\u0076mId", b"vm\\uD800Id", b"vmId\\")))
        case 8:
            at = rng.randrange(len(text))
            return (
                text[:at]
                + rng.choice(
                    (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\x1f", b"\x7f", b"\\u12", b"\\x", b"[", b"{", b"\xf4\x90\x80\x80")
                )
                + text[at:]
            )
        case 9:
            at = rng.randrange(len(text))
            return text[:at] + text[at + rng.choice((1, 2, 5)) :]
        case 10:
            return json.dumps(json.loads(text.decode("utf-8", "replace")), indent=rng.choice((None, 1)), ensure_ascii=True).encode()
        case _:
            return rng.choice((b"", b"null", b"[]", b"1", b'"a"', b"{}", b"{", b"[" * 100, b"9" * 400))


# Messages.


@dataclass(frozen=True)
class Message:
    """Description of a SignedData before it is signed. ``None`` leaves an optional member out."""

    content: bytes
    key: str
    certificates: tuple[bytes, ...]
    issuer_and_serial: bytes
    algorithm: Algorithm = RSA_ALGORITHMS["rsa-sha256"]
    key_identifier: bytes | None = None
    version: int = 1
    digest: bytes = QUIRK
    listed: bytes | None = None
    signature_algorithm: bytes | None = None
    content_type: str = oids.DATA
    detached: bool = False
    attributes: tuple[bytes, ...] | None = None
    sorted_attributes: bool = True
    crls: bytes = b""
    unsigned: bytes = b""
    signers: int = 1
    forged: bool = False
    signer_version: int | None = None


def digest_algorithm(name: str, rng: random.Random) -> bytes:
    if name == "sha256" and rng.random() < 0.6:
        return QUIRK
    return der.sequence(der.oid(DIGESTS[name]), rng.choice((der.null(), b"")))


def encode(message: Message, keys: Keyring) -> bytes:
    """Return the signed ContentInfo."""
    signed, attributes = message.content, b""
    if message.attributes is not None:
        body = b"".join(sorted(message.attributes) if message.sorted_attributes else message.attributes)
        signed, attributes = der.element(0x31, body), der.element(0xA0, body)
    signature = keys.signature(b"another message" if message.forged else signed, message.key, message.algorithm)
    return assemble(message, attributes, signature)


def assemble(message: Message, attributes: bytes, signature: bytes) -> bytes:
    by_key = message.key_identifier is not None
    version = message.signer_version if message.signer_version is not None else 3 if by_key else 1
    sid = der.implicit(0, message.key_identifier or b"") if by_key else message.issuer_and_serial
    info = malformed.signer_info(
        signature,
        sid=sid,
        version=der.integer(version),
        digest=message.digest,
        attributes=attributes,
        algorithm=message.signature_algorithm or message.algorithm.identifier,
        tail=message.unsigned,
    )
    return malformed.signed_data(
        *[info] * message.signers,
        version=der.integer(message.version),
        digests=der.element(0x31, message.listed if message.listed is not None else message.digest),
        content_type=message.content_type,
        content=b"" if message.detached else der.explicit(0, der.octet_string(message.content)),
        certificates=der.explicit(0, *message.certificates) if message.certificates else b"",
        crls=message.crls,
    )


def signed_attributes(message: Message, rng: random.Random) -> tuple[bytes, ...]:
    """Return the attributes to sign. In most cases they are valid."""
    hashed = hashlib.new(message.algorithm.digest, message.content).digest()
    found = [attribute(oids.CONTENT_TYPE, der.oid(message.content_type)), attribute(oids.MESSAGE_DIGEST, der.octet_string(hashed))]
    if rng.random() < 0.5:
        found.append(attribute(oids.SIGNING_TIME, der.time(AT)))
    draw = rng.random()
    if draw < 0.05:
        del found[rng.randrange(len(found))]
    elif draw < 0.1:
        found.append(rng.choice(found))
    elif draw < 0.15:
        found[0] = attribute(oids.CONTENT_TYPE, der.oid(oids.SIGNED_DATA))
    elif draw < 0.2:
        found[1] = attribute(oids.MESSAGE_DIGEST, der.octet_string(bytes(len(hashed))))
    elif draw < 0.25:
        found[1] = attribute(oids.MESSAGE_DIGEST, der.octet_string(hashed), der.octet_string(b""))
    elif draw < 0.3:
        found.append(attribute("1.2.3", der.null(), der.sequence()))
    return tuple(found)


def dressed(message: Message, rng: random.Random, strange: float, key_identifier: bytes | None) -> Message:
    """Return the message with its optional forms chosen. ``strange`` is the share of unusual ones."""
    changes: dict[str, Any] = {"digest": digest_algorithm(message.algorithm.digest, rng)}
    pkcs1 = message.algorithm.form == "pkcs1"
    if pkcs1 and rng.random() < 0.6:
        changes["signature_algorithm"] = der.sequence(der.oid(oids.RSA_ENCRYPTION), rng.choice((der.null(), der.null(), b"")))
    if rng.random() < 0.15 and key_identifier is not None:
        changes["key_identifier"] = key_identifier
    message = replace(message, **changes)
    if rng.random() < 0.3:
        message = replace(message, attributes=signed_attributes(message, rng), sorted_attributes=rng.random() > 0.05)
    options: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("version", (0, 3, 4, 5, 2, -1)),
        ("listed", (b"", digest_algorithm("sha384", rng), digest_algorithm("sha384", rng) + QUIRK, message.digest * 2)),
        ("content_type", (oids.SIGNED_DATA, "1.2.3")),
        ("detached", (True,)),
        ("crls", (der.explicit(1), der.explicit(1, der.sequence()), der.explicit(1, der.null()), der.explicit(1, der.explicit(1, der.oid("1.2"))))),
        ("unsigned", (der.explicit(1), der.explicit(1, attribute("1.2.3", der.null())), der.explicit(1, *[attribute("1.2.3", der.null())] * 2))),
        ("signers", (0, 2)),
        ("forged", (True,)),
        ("signer_version", (0, 1, 2, 3)),
        ("digest", tuple(der.sequence(der.oid(oid), der.null()) for oid in (*DIGESTS.values(), MD5, "1.2.3"))),
        ("signature_algorithm", tuple(der.sequence(der.oid(oid), der.null()) for oid in (*WITH_RSA, "1.2.3"))),
        ("key_identifier", (b"", bytes(20))),
    )  # fmt: skip
    for field, values in options:
        if rng.random() < strange * 0.12:
            message = replace(message, **{field: rng.choice(values)})
    return message


# Envelopes.


def enveloped(message: bytes, rng: random.Random, strange: float = 0.0) -> bytes:
    """Return the document in an accepted form, or with probability ``strange`` in an unusual or refused one."""
    if rng.random() < strange:
        return _odd_envelope(message, rng)
    text = base64.b64encode(message)
    match rng.randrange(5):
        case 0:
            return message
        case 1:
            return text
        case 2:
            return b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + b"\n"
        case _:
            return b'{"encoding":"pkcs7","signature":"' + text + b'"}'


def _odd_envelope(message: bytes, rng: random.Random) -> bytes:
    text = base64.b64encode(message)
    whole = b'{"encoding":"pkcs7","signature":"' + text + b'"}'
    at = rng.randrange(len(text))
    match rng.randrange(16):
        case 0:
            return rng.choice((b"", b" ", b"\n", b"{}", b"[]", b"0", b"00", b"{", b"null", b"\xef\xbb\xbf" + whole, b"\xff\xfe" + whole))
        case 1:
            return whole.replace(b"pkcs7", rng.choice((b"PKCS7", b"", b"pkcs\\u0037", b"pkcs7 ", b"x" * 50, b"\\ud800", "\u00e9".encode())))
        case 2:
            return whole.replace(b'"pkcs7"', rng.choice((b"null", b"1", b"[]", b'"pkcs7","encoding":"pkcs7"')))
        case 3:
            return b'{"signature":' + rng.choice((b"null", b'""', b"[]", b"{}", b"1e999")) + b',"encoding":"pkcs7"}'
        case 4:
            return (
                whole[:-1]
                + rng.choice((b',"a":' + b"[" * 63 + b"]" * 63, b',"a":1e999', b',"signature":"MII="', b',"a":"\\ud800"', b","))
                + b"}"
            )
        case 5:
            return b"-----BEGIN PKCS7-----\n" + base64.encodebytes(message) + b"-----END PKCS7-----\n"
        case 6:
            return (
                text[:at]
                + rng.choice((b"=", b" ", b"\n", b"-", b"_", b"\x00", b"\xff", b"\t\t", b"==", b"%2B", "\u00e9".encode(), b"\x0b"))
                + text[at:]
            )
        case 7:
            return text[:at] + text[at + 1 :]
        case 8:
            return text.rstrip(b"=") + rng.choice((b"", b"=", b"==", b"===", b"A=", b"\n="))
        case 9:
            return whole.replace(
                text[at : at + 8], rng.choice((b"\\u002b", b"\\/", b"\\n", b" ", text[at : at + 8].swapcase(), "\u00e9".encode()))
            )
        case 10:
            return whole.decode().encode(rng.choice(("utf-16", "utf-8-sig", "utf-16-be")))
        case 11:
            return text.replace(b"+", b" ") if rng.randrange(2) else text.replace(b"+", b"-").replace(b"/", b"_")
        case 12:
            return b'"' + text + b'"'
        case 13:
            return whole + rng.choice((b"\n", b" ", b"x", b"\x00"))
        case 14:
            return message + rng.choice((b"\x00", b"\n", message[:5]))
        case _:
            return text + b" " * rng.choice((1, 3, 66_000))
