"""Documents to measure with: today's public chain in shape, with keys that it generates.

Root RSA-2048, intermediate RSA-4096, leaf RSA-2048; certificates with SHA-384, documents with SHA-256; a leaf of about 2 kB with the usual
extensions; 300 octets of JSON; no signed attributes. Keys are OpenSSL's (pyca/cryptography), for making an RSA-4096 key in Python takes its time.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from certificates import DAY, Made, basic, dns_names, identifiers, issuers_at, make, usage  # after the path
from malformed import RSA, SHA256, signed_data, signer_info

from imdskit.asn1 import oids
from imdskit.asn1 import writer as der
from imdskit.backends.contract import Setup
from imdskit.protocol import attested

AT = 1_795_000_000
DOMAIN = "metadata.azure.com"


@dataclass(frozen=True)
class Chain:
    """Root, intermediate and one leaf."""

    root: Made
    intermediate: Made
    leaf: Made

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


def leaf(issuer: Made, key: rsa.RSAPrivateKey | None = None) -> Made:
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
    sid = der.sequence(of.leaf.certificate.issuer.public_bytes(), der.integer(of.leaf.certificate.serial_number))
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else padding.PKCS1v15()
    algorithm = _pss() if pss else RSA
    for number in range(count):
        facts["sku"] = "22_04-lts-gen2" + "x" * (number % lengths)
        content = attested.content(facts, "2021-02-01", AT - 60, f"{number:010}")
        signature = of.leaf.key.sign(content, scheme, hashes.SHA256())
        yield base64.b64encode(
            signed_data(
                signer_info(signature, sid=sid, algorithm=algorithm),
                content=der.explicit(0, der.octet_string(content)),
                certificates=der.explicit(0, of.leaf.der + (of.intermediate.der if whole else b"")),
            )
        )


def _pss() -> bytes:
    """RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 bytes of salt (RFC 4055 section 3.1)."""
    mask = der.sequence(der.oid(oids.MGF1), SHA256)
    members = der.explicit(0, SHA256), der.explicit(1, mask), der.explicit(2, der.integer(32))
    return der.sequence(der.oid(oids.RSASSA_PSS), der.sequence(*members))


def _certificate(name: str, issuer: Made | None, bits: int, *, authority: bool, key: rsa.RSAPrivateKey | None = None) -> Made:
    own = key or rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "imdskit"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier, of_issuer = identifiers(own, issuer.key if issuer else own)
    signs = ("key_cert_sign", "crl_sign") if authority else ("key_encipherment",)
    extensions = [identifier, basic(authority), usage("digital_signature", *signs)]
    if issuer:
        lists = x509.UniformResourceIdentifier("http://www.example.com/pkiops/crl/bench-issuing.crl")
        extensions += [
            of_issuer,
            *issuers_at("http://www.example.com/pkiops/certs/bench-issuing.crt"),
            (x509.CRLDistributionPoints([x509.DistributionPoint([lists], None, None, None)]), False),
            (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.2"), None)]), False),
        ]
    if not authority:
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        # What stands here in real leaves is a list of signed certificate timestamps, of some 370 octets.
        timestamps = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), b"\x04\x82\x01\x6e" + os.urandom(366))
        extensions += [dns_names(name, DOMAIN), (x509.ExtendedKeyUsage(purposes), False), (timestamps, False)]
    return make(subject, issuer, extensions, valid=(AT - 30 * DAY, AT + 335 * DAY), own=own, digest=hashes.SHA384())
