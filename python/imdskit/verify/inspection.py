"""Description of a document for human readers: content, signature, certificates, chain, and the
outcome of every check.

This module makes no decision. The verdict on the document comes from the report of the verifier,
which is part of the description.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import Any

from imdskit.backends import envelope
from imdskit.errors import DerError, VerificationError
from imdskit.pki import cms
from imdskit.pki.path import building
from imdskit.pki.path.validation import Inputs
from imdskit.pki.signatures import signature
from imdskit.pki.x509.certificate import Certificate
from imdskit.pki.x509.host_names import dns_names
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason
from imdskit.verify import signed_content
from imdskit.verify.policy import Policy
from imdskit.verify.report import Report
from imdskit.verify.trust import Trust
from imdskit.verify.verifier import Verifier


def inspect_document(verifier: Verifier, document: bytes, nonce: str | None = None) -> dict[str, Any]:
    """Return a description of a document, as JSON values.

    Args:
        verifier: verifier whose policy, trust and clock are used.
        document: the metadata service's JSON, bare base64, or DER. If the bytes are something else,
            the report says so.
        nonce: the nonce that the document must contain; None for any.

    Returns:
        A dict with five members. ``report`` is the result of
        :meth:`imdskit.verify.report.Report.to_json`. ``content`` is None if the message cannot be
        read or has no content. ``signature`` is None if the message cannot be read or does not have
        exactly one signer. ``certificates`` lists the certificates in the message. ``chain`` lists
        the certificates from the signer to the anchor, or is None if there is no path. There can be
        a chain even if the signature of the document is invalid.
    """
    report = verifier.explain(document, nonce=nonce)
    shown: dict[str, Any] = {"report": report.to_json(), "content": None, "signature": None, "certificates": [], "chain": None}
    try:
        message = cms.parse(envelope.decode(document, verifier.policy.limits))
    except (VerificationError, DerError):
        return shown
    if message.content is not None:
        shown["content"] = _content(message.content, verifier.policy.limits.json_brackets)
    anchors = set(verifier.trust.anchors)
    shown["certificates"] = [_certificate(one, trusted=one.der in anchors) for one in message.certificates]
    if len(message.signers) == 1:
        signer = message.signers[0]
        shown["signature"] = {
            "digestAlgorithm": signer.digest_algorithm.oid,
            "signatureAlgorithm": signer.signature_algorithm.oid,
            "value": signer.signature.hex(),
        }
        found = cms.find_certificate(signer, message.certificates)
        chain = (
            None
            if found is None or not _has_path(report)
            else _chain(found, message.certificates, verifier.trust, verifier.policy, report.at)
        )
        shown["chain"] = None if chain is None else [_certificate(one, trusted=one.der in anchors) for one in chain]
    return shown


def _content(content: bytes, brackets: int) -> dict[str, Any]:
    """Return the signed bytes as text, and also as JSON if they are a JSON object. This function is
    less strict than the verifier's parser of the claims."""
    text = content.decode("utf-8", "replace")
    members = None
    if text.count("{") + text.count("[") <= brackets:
        with suppress(ValueError):
            members = signed_content.loads(text)
    return {
        "bytes": len(content),
        "sha256": sha256(content).hexdigest(),
        "text": text,
        "members": members if isinstance(members, dict) else None,
    }


def _has_path(report: Report) -> bool:
    """Return True if the check of the chain found a path, even if a certificate on the path is
    revoked or its status is unknown. If the check found no path, another search would find none
    either."""
    errors = [outcome.error for outcome in report if outcome.check == "chain" and outcome.error is not None]
    return all(error.reason in (Reason.REVOKED, Reason.REVOCATION_UNKNOWN) for error in errors)


def _chain(
    signer: Certificate, certificates: tuple[Certificate, ...], trust: Trust, policy: Policy, at: int
) -> tuple[Certificate, ...] | None:
    try:
        return building.build(
            signer,
            anchors=[parse_certificate(der) for der in trust.anchors],
            intermediates=[*certificates, *(parse_certificate(der) for der in trust.intermediates)],
            inputs=Inputs(at, common_names=policy.allow_common_name),
            limits=policy.limits,
            min_rsa_bits=policy.min_rsa_bits,
        )
    except VerificationError:
        return None


def _certificate(certificate: Certificate, *, trusted: bool) -> dict[str, Any]:
    """Return the fields of a certificate. Times are Unix seconds, and ``fingerprint`` is the
    SHA-256 of the DER."""
    constraints = certificate.basic_constraints
    return {
        "subject": certificate.subject.shown,
        "issuer": certificate.issuer.shown,
        "serial": f"{certificate.serial:x}",
        "notBefore": certificate.not_before,
        "notAfter": certificate.not_after,
        "key": signature.describe_key(certificate.public_key),
        "authority": constraints is not None and constraints.ca,
        "names": list(dns_names(certificate)),
        "keyUsage": sorted(certificate.key_usage or ()),
        "caIssuers": list(certificate.ca_issuers),
        "fingerprint": sha256(certificate.der).hexdigest(),
        "trusted": trusted,
    }


__all__ = ["inspect_document"]
