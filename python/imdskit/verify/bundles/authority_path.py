"""The path from an authority to an anchor, validated as far as RFC 5280 applies to a CA certificate that signs nothing yet."""

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
    """Return the first good path from ``certificate`` to an anchor, both included, or the reason why there is none.

    The authority is checked like the signer of a document, except that it needs ``keyCertSign`` and no purpose, and that a signer below
    it must fit into the path lengths above it.

    Args:
        certificate: of the authority; it may be an anchor itself.
        anchors: certificates that are trusted.
        intermediates: certificates that may stand in between.
        at: Unix seconds.
    """
    inputs = Inputs(at, key_usage=frozenset({"keyCertSign"}), any_purpose=True)
    if certificate.basic_constraints is not None and not certificate.basic_constraints.ca:
        return Reason.NOT_A_CA
    try:
        found = building.build(certificate, anchors=anchors, intermediates=intermediates, inputs=inputs, limits=Limits())
    except VerificationError as refusal:
        return refusal.reason
    for index, above in enumerate(found[1:], 1):
        # The signer below comes on top of what the search saw (RFC 5280 section 4.2.1.9).
        limit = above.basic_constraints.path_length if above.basic_constraints else None
        if limit is not None and sum(not c.self_issued for c in found[:index]) > limit:
            return Reason.PATH_LENGTH
    return found


def display_name(certificate: Certificate) -> str:
    """Return the common name of the subject, or the beginning of the Name in hexadecimal digits if it has none."""
    names = certificate.subject.common_names
    return names[-1] if names else certificate.subject.der.hex()[:40]
