"""Deliberate faults of attested documents, by which verifiers can be shown to refuse them."""

from __future__ import annotations

from enum import StrEnum


class DocumentFault(StrEnum):
    """One thing that is wrong; everything else about the document is right."""

    BROKEN_SIGNATURE = "broken-signature"
    """One bit of the signature is another."""
    EXPIRED_LEAF = "expired-leaf"
    """The signer's certificate has expired some time before now."""
    ROTATED_ISSUER = "rotated-issuer"
    """Signed by another leaf of another issuing authority under the same root: it can be fetched, but is in no trust file. Nothing is wrong
    with such a document; a verifier that pins the old issuing authority refuses it all the same."""
    UNKNOWN_ROOT = "unknown-root"
    """The whole chain is another one, its root in no trust file."""
    MISSING_INTERMEDIATE = "missing-intermediate"
    """As ``ROTATED_ISSUER``, but the certificate of the issuing authority is not where the leaf says it is: 404."""
