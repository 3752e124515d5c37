"""Certificates and documents for tests, created with the ``cryptography`` library.

``malformed.py`` creates those that no library would create.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from imdskit.pki.x509.certificate import Certificate
from imdskit.pki.x509.parser import parse_certificate

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Extension: TypeAlias = tuple[x509.ExtensionType, bool]
"""An extension and its critical flag."""

DAY = 86_400
USAGES = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign encipher_only decipher_only"


@cache
def key(label: str, bits: int = 0) -> PrivateKey:
    """Return a P-256 key, or an RSA key of ``bits`` bits. The same label and size give the same
    key, which is generated once per process."""
    return rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())


class Made(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def parsed(self) -> Certificate:
        return parse_certificate(self.der)


def make(
    subject: str | x509.Name,
    issuer: Made | str | None = None,
    extensions: Iterable[Extension] = (),
    *,
    valid: tuple[int, int],
    own: PrivateKey | None = None,
    signer: PrivateKey | None = None,
    serial: int | None = None,
    digest: HashAlgorithm | None = None,
) -> Made:
    """Create a certificate.

    Args:
        subject: a name, or a common name. Unless ``own`` is given, the text is also the label of
            the key (:func:`key`).
        issuer: a certificate, or a common name, which is then also the label of the issuer's key.
            None makes a self-signed certificate.
        valid: start and end of the validity period in Unix seconds.
        signer: the signing key, if it is not the issuer's.
    """
    own = own or key(str(subject))
    subject = name(subject) if isinstance(subject, str) else subject
    match issuer:
        case None:
            above, default = subject, own
        case str():
            above, default = name(issuer), signer or key(issuer)
        case _:
            above, default = issuer.certificate.subject, issuer.key
    start, end = (datetime.fromtimestamp(second, UTC) for second in valid)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(above).public_key(own.public_key())
    builder = builder.serial_number(serial or x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Made(builder.sign(signer or default, digest or SHA256()), own)


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def usage(*bits: str) -> Extension:
    """Return a key usage with these bits."""
    return x509.KeyUsage(**{bit: bit in bits for bit in USAGES.split()}), True


def basic(ca: bool, path_length: int | None = None) -> Extension:
    return x509.BasicConstraints(ca, path_length), True


CA, END_ENTITY = basic(True), basic(False)
SIGNS_ALL, SIGNS_DOCUMENTS = usage("key_cert_sign", "crl_sign"), usage("digital_signature")
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False


def identifiers(own: PrivateKey, above: PrivateKey) -> tuple[Extension, Extension]:
    """Return the key identifiers of a certificate and of its issuer."""
    return (
        (x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False),
    )


def dns_names(*names: str) -> Extension:
    return x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False


def issuers_at(*addresses: str) -> list[Extension]:
    """Return the extension with the URLs of the issuer's certificate, or nothing if there are no
    URLs."""
    at = [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(one)) for one in addresses]
    return [(x509.AuthorityInformationAccess(at), False)] if at else []


def document(signer: Made, *, at: int, nonce: str = "4071882193") -> bytes:
    """Return an attested document in base64. Like the service, it is signed without signed
    attributes and contains only the signer's certificate."""
    created, expires = (datetime.fromtimestamp(second, UTC).strftime("%m/%d/%y %H:%M:%S -0000") for second in (at, at + 6 * 3600))
    content = {
        "nonce": nonce,
        "plan": {"name": "", "product": "", "publisher": ""},
        "timeStamp": {"createdOn": created, "expiresOn": expires},
        "vmId": "00000000-0000-4000-8000-000000000001",
    }
    builder = pkcs7.PKCS7SignatureBuilder().set_data(json.dumps(content, separators=(",", ":")).encode())
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]
    return base64.b64encode(builder.add_signer(signer.certificate, signer.key, SHA256()).sign(Encoding.DER, options))
