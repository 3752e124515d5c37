"""Documents to measure with: today's public chain in shape, with keys that it generates.

Root RSA-2048, intermediate RSA-4096, leaf RSA-2048; certificates with SHA-384, documents with SHA-256; a leaf of about 2 kB with the usual
extensions; 300 octets of JSON; no signed attributes. Keys are OpenSSL's (pyca/cryptography), for making an RSA-4096 key in Python takes its time.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from imdskit.asn1 import writer as der
from imdskit.backends.contract import Setup
from imdskit.protocol import attested

AT = 1_795_000_000
DOMAIN = "metadata.azure.com"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True)
class Chain:
    """Root, intermediate and one leaf."""

    root: Pair
    intermediate: Pair
    leaf: Pair

    @property
    def setup(self) -> Setup:
        return Setup(anchors=(self.root.der,), intermediates=(self.intermediate.der,), names=(("public", DOMAIN),))

    def another_leaf(self) -> Chain:
        """The same with a new leaf."""
        return Chain(self.root, self.intermediate, leaf(self.intermediate))


def chain() -> Chain:
    """New keys throughout."""
    root = _certificate("Bench Root", None, 2048, authority=True)
    intermediate = _certificate("Bench Issuing", root, 4096, authority=True)
    return Chain(root, intermediate, leaf(intermediate))


def leaf(issuer: Pair, key: rsa.RSAPrivateKey | None = None) -> Pair:
    """A new leaf for the metadata service, with a new key unless one is given."""
    return _certificate(f"westeurope.{DOMAIN}", issuer, 2048, authority=False, key=key)


def signers(of: Chain, count: int) -> Iterator[Chain]:
    """The chain with new leaves that share its leaf's key: a certificate is made in a millisecond, a key takes a hundred times as long. They are issued by the
    root, whose shorter key signs faster, so paths have two certificates."""
    for _ in range(count):
        yield Chain(of.root, of.intermediate, leaf(of.root, of.leaf.key))


def documents(of: Chain, count: int, *, whole: bool = False, lengths: int = 1, pss: bool = False) -> Iterator[bytes]:
    """Base64 of SignedData as the service makes it, but for the digest's identifier, which is that of RFC 5754: half of the peers refuse the service's own.
    A ``whole`` one brings its intermediate, as no genuine one does. Messages have as many different ``lengths``. ``pss`` signs with RSASSA-PSS."""
    facts = {
        "vmId": "8f0c5b0a-2b53-4d6c-9d7e-1f2a3b4c5d6e",
        "subscriptionId": "11111111-2222-4333-8444-555555555555",
        "sku": "22_04-lts-gen2",
    }
    sha256 = _algorithm("2.16.840.1.101.3.4.2.1")
    sid = der.sequence(of.leaf.certificate.issuer.public_bytes(), der.integer(of.leaf.certificate.serial_number))
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else padding.PKCS1v15()
    algorithm = _pss() if pss else _algorithm("1.2.840.113549.1.1.1")
    for number in range(count):
        facts["sku"] = "22_04-lts-gen2" + "x" * (number % lengths)
        content = attested.content(facts, "2021-02-01", AT - 60, f"{number:010}")
        signature = of.leaf.key.sign(content, scheme, hashes.SHA256())
        signer = der.sequence(der.integer(1), sid, sha256, algorithm, der.octet_string(signature))
        signed = der.sequence(
            der.integer(1),
            der.set_of(sha256),
            der.sequence(der.oid("1.2.840.113549.1.7.1"), der.explicit(0, der.octet_string(content))),
            der.explicit(0, of.leaf.der + (of.intermediate.der if whole else b"")),
            der.set_of(signer),
        )
        yield base64.b64encode(der.sequence(der.oid("1.2.840.113549.1.7.2"), der.explicit(0, signed)))


def _algorithm(oid: str) -> bytes:
    return der.sequence(der.oid(oid), der.null())


def _pss() -> bytes:
    """RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 bytes of salt (RFC 4055 section 3.1)."""
    sha256 = _algorithm("2.16.840.1.101.3.4.2.1")
    mask = der.sequence(der.oid("1.2.840.113549.1.1.8"), sha256)
    members = der.explicit(0, sha256), der.explicit(1, mask), der.explicit(2, der.integer(32))
    return der.sequence(der.oid("1.2.840.113549.1.1.10"), der.sequence(*members))


def _certificate(name: str, issuer: Pair | None, bits: int, *, authority: bool, key: rsa.RSAPrivateKey | None = None) -> Pair:
    key = key or rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "imdskit"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.fromtimestamp(AT, UTC) - timedelta(days=30)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority=authority), critical=True)
    )
    if issuer:
        for extension in _of_subordinates(issuer):
            builder = builder.add_extension(extension, critical=False)
    if not authority:
        names = [x509.DNSName(name), x509.DNSName(DOMAIN)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        # What stands here in real leaves is a list of signed certificate timestamps, of some 370 octets.
        timestamps = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
        builder = builder.add_extension(x509.UnrecognizedExtension(timestamps, b"\x04\x82\x01\x6e" + os.urandom(366)), critical=False)
    return Pair(builder.sign(issuer.key if issuer else key, hashes.SHA384()), key)


def _of_subordinates(issuer: Pair) -> list[x509.ExtensionType]:
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    address = x509.UniformResourceIdentifier("http://www.example.com/pkiops/certs/bench-issuing.crt")
    lists = x509.UniformResourceIdentifier("http://www.example.com/pkiops/crl/bench-issuing.crl")
    return [
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
        x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, address)]),
        x509.CRLDistributionPoints([x509.DistributionPoint([lists], None, None, None)]),
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.2"), None)]),
    ]


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
