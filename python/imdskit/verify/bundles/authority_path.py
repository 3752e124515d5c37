"""Validation of the path from an authority's certificate to an anchor. In contrast to the path of a
document, this path has no signer below the authority."""

from __future__ import annotations

from collections.abc import Sequence

from imdskit.backends.contract import Limits
from imdskit.errors import VerificationError
from imdskit.pki.path import building
from imdskit.pki.path.validation import Inputs
from imdskit.pki.x509.certificate import Certificate
from imdskit.reasons import Reason


def authority_path(
    certificate: Certificate, anchors: Sequence[Certificate], intermediates: Sequence[Certificate], at: int
) -> tuple[Certificate, ...] | Reason:
    """Return the first valid path, as the certificates from ``certificate`` to an anchor. If there
    is none, return the reason.

    The authority is checked like the signer of a document, with four differences:

    - The basic constraints, if present, must say that the certificate belongs to an authority.
    - The key usage, if present, must contain ``keyCertSign``.
    - anyExtendedKeyUsage is accepted as an extended key usage.
    - The authority itself counts as an intermediate for the path length constraints of the
      authorities above it, unless it is self-issued.

    Args:
        certificate: certificate of the authority. It may be an anchor itself.
        anchors: trusted certificates.
        intermediates: certificates that may be part of the path.
        at: time of validation in Unix seconds.
    """
    inputs = Inputs(at, key_usage=frozenset({"keyCertSign"}), any_purpose=True)
    if certificate.basic_constraints is not None and not certificate.basic_constraints.ca:
        return Reason.NOT_A_CA
    try:
        found = building.build(certificate, anchors=anchors, intermediates=intermediates, inputs=inputs, limits=Limits())
    except VerificationError as refusal:
        return refusal.reason
    for index, above in enumerate(found[1:], 1):
        # The search treated the authority as the signer, so it did not count as an intermediate. On
        # the path of a real signer, the authority is an intermediate (RFC 5280 section 4.2.1.9).
        limit = above.basic_constraints.path_length if above.basic_constraints else None
        if limit is not None and sum(not c.self_issued for c in found[:index]) > limit:
            return Reason.PATH_LENGTH
    return found
