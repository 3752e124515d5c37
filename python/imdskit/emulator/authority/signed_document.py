"""The SignedData message around the content of an attested document.

Its encoding is the same as that of the service's messages, byte for byte. Only the values differ.

:mod:`imdskit.protocol.attested` creates the content and the JSON of the response.
"""

from __future__ import annotations

from imdskit.asn1 import writer as der
from imdskit.emulator.authority.authority import Signer
from imdskit.emulator.authority.certificates import RSA_ENCRYPTION, algorithm
from imdskit.emulator.authority.document_faults import DocumentFault

SIGNED_DATA = "1.2.840.113549.1.7.2"
DATA = "1.2.840.113549.1.7.1"

SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
"""Algorithm in the field digestAlgorithm of every genuine document.

It is a signature algorithm, although RFC 5652 requires a digest algorithm there.
"""


def message(signer: Signer, content: bytes, fault: DocumentFault | None = None) -> bytes:
    """Return a ContentInfo of type SignedData over ``content`` in DER (RFC 5652 sections 3 and 5).

    The message has the service's form, which differs from that of most libraries. The digest
    algorithm is the OID of sha256WithRSAEncryption. The signer's certificate is the only
    certificate. There are no signed attributes, so the signature covers the content bytes directly.

    Args:
        signer: the leaf that signs.
        content: the signed JSON.
        fault: Only ``BROKEN_SIGNATURE`` has an effect here. The other faults concern the signer's
            certificate chain.
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
