"""Builders for the attested documents of the vectors: content, CMS and envelope. An argument can replace each field with a wrong one."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence

import malformed
import pki
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509

SIGNED_DATA, DATA = "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.1"
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.5"

CREATED = pki.AT - 600


def stamp(seconds: int) -> str:
    return time.strftime("%m/%d/%y %H:%M:%S -0000", time.gmtime(seconds))


def claims(**changes: object) -> dict[str, object]:
    """Return the members of a document of 2020-09-01 or later. A change to None removes the member."""
    members: dict[str, object] = {
        "licenseType": "",
        "nonce": "4071882193",
        "plan": {"name": "", "product": "", "publisher": ""},
        "sku": "22_04-lts",
        "subscriptionId": "00000000-0000-4000-8000-000000000001",
        "timeStamp": {"createdOn": stamp(CREATED), "expiresOn": stamp(CREATED + 6 * 3600)},
        "vmId": "00000000-0000-4000-8000-000000000002",
    }
    return {name: value for name, value in (members | changes).items() if value is not None}


def content(**changes: object) -> bytes:
    return json.dumps(claims(**changes), separators=(",", ":")).encode()


CONTENT = content()

QUIRK = x509.algorithm(pki.SHA256_RSA)
"""Digest algorithm as in genuine documents. The service uses the identifier of a signature algorithm in its place."""


def issuer_and_serial(issuer: bytes = pki.ISSUING, serial: bytes = der.integer(0x1234567890ABCDEF)) -> bytes:
    return der.sequence(issuer, serial)


def signer_info(
    *,
    version: bytes = der.integer(1),
    sid: bytes | None = None,
    digest: bytes = QUIRK,
    attributes: bytes = b"",
    signature_algorithm: bytes = x509.algorithm(pki.RSA),
    signature: bytes,
    unsigned: bytes = b"",
) -> bytes:
    return malformed.signer_info(
        signature,
        sid=sid or issuer_and_serial(),
        version=version,
        digest=digest,
        attributes=attributes,
        algorithm=signature_algorithm,
        tail=unsigned,
    )


def signed_data(
    *,
    version: bytes = der.integer(1),
    digests: bytes | None = None,
    content_type: str = DATA,
    econtent: bytes | None = None,
    certificates: Sequence[bytes] | None = None,
    certificates_field: bytes | None = None,
    crls: bytes = b"",
    signers: Sequence[bytes] | None = None,
    outer_type: str = SIGNED_DATA,
    tail: bytes = b"",
    signed: bytes = CONTENT,
    key: pki.Key | None = None,
    **signer: object,
) -> bytes:
    """Return the ContentInfo of a SignedData (RFC 5652 section 5.1). Other keywords are passed to the SignerInfo."""
    if econtent is None:
        econtent = der.explicit(0, der.octet_string(signed))
    if certificates_field is None:
        chosen = [pki.leaf()] if certificates is None else certificates
        certificates_field = der.explicit(0, *chosen) if chosen else b""
    if signers is None:
        signer.setdefault("signature", pki.sign(signed, key or pki.key("leaf")))
        signers = [signer_info(**signer)]  # type: ignore[arg-type]  # the members are those of `signer_info`
    return malformed.signed_data(
        *signers,
        version=version,
        digests=digests if digests is not None else der.set_of(QUIRK),
        content_type=content_type,
        content=econtent,
        certificates=certificates_field,
        crls=crls,
        outer_type=outer_type,
        tail=tail,
    )


def with_attributes(
    *attributes: bytes, digest: str = "sha256", digest_algorithm: bytes = QUIRK, order: bool = True, **changes: object
) -> bytes:
    """Return a SignedData whose signature covers signed attributes."""
    body = b"".join(sorted(attributes) if order else attributes)
    signature = pki.sign(der.element(0x31, body), pki.key("leaf"), digest)
    return signed_data(attributes=der.element(0xA0, body), signature=signature, digest=digest_algorithm, **changes)  # type: ignore[arg-type]


def envelope(message: bytes) -> bytes:
    return json.dumps({"encoding": "pkcs7", "signature": base64.b64encode(message).decode()}, separators=(",", ":")).encode()
