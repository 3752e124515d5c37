"""Documents for the benches. Their certification path has the same structure as that of genuine
documents, but its keys are generated.

The root has an RSA-2048 key, the intermediate RSA-4096, and the leaf RSA-2048. Certificates are
signed with SHA-384 and documents with SHA-256. The leaf has the usual extensions and takes about 2
kB. The content is 300 bytes of JSON. There are no signed attributes. OpenSSL (pyca/cryptography)
generates the keys, because Python takes too long for an RSA-4096 key.
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

from certificates import DAY, Made, basic, dns_names, identifiers, issuers_at, make, usage  # needs the path above
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
        """Return the same chain with a new leaf."""
        return Chain(self.root, self.intermediate, leaf(self.intermediate))


def chain() -> Chain:
    """Return a chain in which all keys are new."""
    root = _certificate("Bench Root", None, 2048, authority=True)
    intermediate = _certificate("Bench Issuing", root, 4096, authority=True)
    return Chain(root, intermediate, leaf(intermediate))


def leaf(issuer: Made, key: rsa.RSAPrivateKey | None = None) -> Made:
    """Return a new leaf for the metadata service, with a new key unless one is given."""
    return _certificate(f"westeurope.{DOMAIN}", issuer, 2048, authority=False, key=key)


def signers(of: Chain, count: int) -> Iterator[Chain]:
    """Yield copies of the chain, each with a new leaf. All these leaves have the key of the leaf in
    the given chain.

    Creating a certificate takes a millisecond, and generating a key takes a hundred times as long.
    The root issues these leaves, because its shorter key signs faster. Their paths therefore have
    two certificates.
    """
    for _ in range(count):
        yield Chain(of.root, of.intermediate, leaf(of.root, of.leaf.key))


def documents(of: Chain, count: int, *, whole: bool = False, lengths: int = 1, pss: bool = False) -> Iterator[bytes]:
    """Yield messages in base64 that have the form of genuine messages, except for the identifier of
    the digest algorithm.

    They use the identifier of RFC 5754, because half of the programs in the comparison refuse the
    identifier that the service uses.

    Args:
        of: the chain whose leaf signs.
        count: number of messages.
        whole: include the intermediate in the message. Genuine messages do not include it.
        lengths: number of different message lengths.
        pss: sign with RSASSA-PSS.

    """
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
    """Return the algorithm identifier of RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of
    32 bytes (RFC 4055 section 3.1)."""
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
        # The list of signed certificate timestamps that genuine leaves contain takes about 370
        # bytes. These random bytes have the same size.
        timestamps = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), b"\x04\x82\x01\x6e" + os.urandom(366))
        extensions += [dns_names(name, DOMAIN), (x509.ExtendedKeyUsage(purposes), False), (timestamps, False)]
    return make(subject, issuer, extensions, valid=(AT - 30 * DAY, AT + 335 * DAY), own=own, digest=hashes.SHA384())
