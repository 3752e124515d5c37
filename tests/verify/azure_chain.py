"""Test chains with the subject names of Azure's authorities, and documents signed with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import certificates
from certificates import DAY, Extension, Made, PrivateKey, basic, dns_names, identifiers, issuers_at, key, usage
from cryptography import x509
from cryptography.x509.oid import NameOID

from imdskit.verify import Trust

__all__ = ["AT", "Azure", "Made", "document", "key", "leaf", "make"]

AT = 1_796_000_000
"""2026-11-29."""

LOCATION = "http://www.microsoft.com/pkiops/certs/"


@cache
def bundled_names() -> dict[str, x509.Name]:
    """Return the subjects of the bundled certificates, by common name."""
    trust = Trust.bundled()
    subjects = [x509.load_der_x509_certificate(der).subject for der in (*trust.anchors, *trust.intermediates)]
    return {str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value): subject for subject in subjects}


def make(
    name: str,
    issuer: Made | None = None,
    *,
    ca: bool = True,
    addresses: Sequence[str] = (),
    days: tuple[int, int] = (-30, 900),
    path_length: int | None = None,
    key_usage: bool = True,
    padding: int = 0,
    signed_by: PrivateKey | None = None,
) -> Made:
    """Return a certificate whose validity is given in days relative to ``AT``. Without an issuer, it is self-signed."""
    own = key(name)
    signs = ["key_cert_sign"] * key_usage + ["crl_sign"] if ca else []
    extensions: list[Extension] = [
        basic(ca, path_length if ca else None),
        usage("digital_signature", *signs),
        *identifiers(own, issuer.key if issuer else own),
        *([certificates.SERVER] if issuer else []),
        *issuers_at(*addresses),
        *([] if ca else [dns_names("westeurope.metadata.azure.com", "metadata.azure.com")]),
    ]
    if padding:
        extensions.append((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(padding)), False))
    valid = AT + days[0] * DAY, AT + days[1] * DAY
    return certificates.make(bundled_names().get(name) or name, issuer, extensions, valid=valid, own=own, signer=signed_by)


def leaf(issuer: Made, *addresses: str, days: tuple[int, int] = (-30, 150)) -> Made:
    return make("metadata.azure.com", issuer, ca=False, addresses=addresses, days=days)


def document(signer: Made, *, at: int = AT) -> bytes:
    return certificates.document(signer, at=at)


class Azure:
    """Test certificates like Azure's newest chain, in which DigiCert Global Root G2 certifies Microsoft TLS RSA Root G2."""

    def __init__(self) -> None:
        self.digicert = make("DigiCert Global Root G2", days=(-3000, 3000))
        self.root = make("Microsoft TLS RSA Root G2", days=(-300, 3000))
        self.cross = make("Microsoft TLS RSA Root G2", self.digicert, days=(-300, 900), addresses=["http://cacerts.digicert.com/r.crt"])

    def ocsp(self, number: int, **changes: object) -> Made:
        name = f"Microsoft TLS G2 RSA CA OCSP {number:02}"
        members: dict[str, object] = {"path_length": 0, "addresses": [LOCATION + "Microsoft%20TLS%20RSA%20Root%20G2%20-%20xsign.crt"]}
        return make(name, self.cross, **(members | changes))  # type: ignore[arg-type]  # the members are those of `make`
