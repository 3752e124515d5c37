"""Chains with the subject names of Azure's authorities and keys of the tests, and documents that they sign."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from imdskit.verify import Trust

AT = 1_796_000_000
"""2026-11-29."""

PLACE = "http://www.microsoft.com/pkiops/certs/"


@cache
def bundled_names() -> dict[str, x509.Name]:
    """Subjects of the bundled certificates by common name."""
    trust = Trust.bundled()
    subjects = [x509.load_der_x509_certificate(der).subject for der in (*trust.anchors, *trust.intermediates)]
    return {str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value): subject for subject in subjects}


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Made(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


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
    signed_by: ec.EllipticCurvePrivateKey | None = None,
) -> Made:
    """A certificate that is valid from and to so many days after ``AT``; without an issuer it signs itself."""
    own = key(name)
    subject = bundled_names().get(name) or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    above = issuer or Made(None, own)  # type: ignore[arg-type]  # its certificate is not looked at
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(AT, UTC) + timedelta(days=days[0]))
        .not_valid_after(datetime.fromtimestamp(AT, UTC) + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, ca and key_usage, ca, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()), critical=False)
    )
    if issuer:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if addresses:
        entries = [
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(address))
            for address in addresses
        ]
        builder = builder.add_extension(x509.AuthorityInformationAccess(entries), critical=False)
    if not ca:
        names = [x509.DNSName("westeurope.metadata.azure.com"), x509.DNSName("metadata.azure.com")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if padding:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(padding)), False)
    return Made(builder.sign(signed_by or above.key, SHA256()), own)


def leaf(issuer: Made, *addresses: str, days: tuple[int, int] = (-30, 150)) -> Made:
    return make("metadata.azure.com", issuer, ca=False, addresses=addresses, days=days)


def document(signer: Made, *, at: int = AT) -> bytes:
    """Signed as the service signs: no signed attributes, the leaf alone."""

    def stamp(second: int) -> str:
        return datetime.fromtimestamp(second, UTC).strftime("%m/%d/%y %H:%M:%S -0000")

    content = {
        "nonce": "4071882193",
        "plan": {"name": "", "product": "", "publisher": ""},
        "timeStamp": {"createdOn": stamp(at), "expiresOn": stamp(at + 6 * 3600)},
        "vmId": "00000000-0000-4000-8000-000000000001",
    }
    builder = pkcs7.PKCS7SignatureBuilder().set_data(json.dumps(content, separators=(",", ":")).encode())
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]
    der = builder.add_signer(signer.certificate, signer.key, SHA256()).sign(Encoding.DER, options)
    return json.dumps({"encoding": "pkcs7", "signature": base64.b64encode(der).decode()}).encode()


class Azure:
    """Test certificates in the shape of Azure's newest chain: DigiCert Global Root G2, which has certified Microsoft TLS RSA Root G2."""

    def __init__(self) -> None:
        self.digicert = make("DigiCert Global Root G2", days=(-3000, 3000))
        self.root = make("Microsoft TLS RSA Root G2", days=(-300, 3000))
        self.cross = make("Microsoft TLS RSA Root G2", self.digicert, days=(-300, 900), addresses=["http://cacerts.digicert.com/r.crt"])

    def ocsp(self, number: int, **changes: object) -> Made:
        name = f"Microsoft TLS G2 RSA CA OCSP {number:02}"
        members: dict[str, object] = {"path_length": 0, "addresses": [PLACE + "Microsoft%20TLS%20RSA%20Root%20G2%20-%20xsign.crt"]}
        return make(name, self.cross, **(members | changes))  # type: ignore[arg-type]  # the members are those of `make`
