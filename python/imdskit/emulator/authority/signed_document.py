"""The SignedData message around the content of an attested document, as the service makes it, byte for byte except for the values.

:mod:`imdskit.protocol.attested` makes the content and the JSON of the response.
"""

from __future__ import annotations

from imdskit.asn1 import writer as der
from imdskit.emulator.authority.authority import Signer
from imdskit.emulator.authority.certificates import RSA_ENCRYPTION, algorithm
from imdskit.emulator.authority.document_faults import DocumentFault

SIGNED_DATA = "1.2.840.113549.1.7.2"
DATA = "1.2.840.113549.1.7.1"

SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
"""What the service puts where RFC 5652 wants the OID of a digest, in every genuine document."""


def message(signer: Signer, content: bytes, fault: DocumentFault | None = None) -> bytes:
    """ContentInfo of type SignedData over ``content``, in DER (RFC 5652 sections 3 and 5).

    As the service does it, and unlike what most libraries make: the OID of sha256WithRSAEncryption for the digest, one certificate (the
    signer's), no signed attributes, so that the signature is over the content octets themselves.

    Of all flaws only ``BROKEN_SIGNATURE`` makes a difference here; the others are the signer's.
    """
    signature = signer.sign(content)
    if fault is DocumentFault.BROKEN_SIGNATURE:
        signature = signature[:-1] + bytes((signature[-1] ^ 1,))
    digest_algorithm = algorithm(SHA256_WITH_RSA)
    signer_info = der.sequence(
        der.integer(1),
        der.sequence(signer.issuer, der.integer(signer.serial)),
        digest_algorithm,
        algorithm(RSA_ENCRYPTION),
        der.octet_string(signature),
    )
    signed_data = der.sequence(
        der.integer(1),
        der.set_of(digest_algorithm),
        der.sequence(der.oid(DATA), der.explicit(0, der.octet_string(content))),
        der.explicit(0, signer.certificate),
        der.set_of(signer_info),
    )
    return der.sequence(der.oid(SIGNED_DATA), der.explicit(0, signed_data))
