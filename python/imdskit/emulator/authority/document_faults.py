"""Deliberate faults of attested documents, with which tests check that a verifier refuses faulty
documents."""

from __future__ import annotations

from enum import StrEnum


class DocumentFault(StrEnum):
    """A single fault of an attested document. Everything else about the document is correct."""

    BROKEN_SIGNATURE = "broken-signature"
    """One bit of the signature is flipped."""
    EXPIRED_LEAF = "expired-leaf"
    """The signer's certificate has expired."""
    ROTATED_ISSUER = "rotated-issuer"
    """The signer's certificate comes from a second issuing authority under the same root.

    That authority's certificate can be downloaded, but no trust file contains it. The document
    itself is valid, but a verifier that pins the first issuing authority refuses it.
    """
    UNKNOWN_ROOT = "unknown-root"
    """The certificate chain leads to a second root, which no trust file contains."""
    MISSING_INTERMEDIATE = "missing-intermediate"
    """As ``ROTATED_ISSUER``, but the issuer's address in the signer's certificate returns 404, so
    the issuer cannot be downloaded."""
