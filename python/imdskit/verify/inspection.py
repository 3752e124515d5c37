"""Inspection of a document for people: content, signature, certificates, chain, and every check with its outcome.

This module shows what is there and decides nothing. The report of the checks, which do decide, is part of the result.
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
from imdskit.pki.x509.certificate import Certificate, Name
from imdskit.pki.x509.host_names import dns_names
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason
from imdskit.verify import signed_content
from imdskit.verify.policy import Policy
from imdskit.verify.report import Report
from imdskit.verify.trust import Trust
from imdskit.verify.verifier import Verifier


def inspect_document(verifier: Verifier, document: bytes, nonce: str | None = None) -> dict[str, Any]:
    """Return everything that can be said about one document now, as JSON values.

    Args:
        verifier: whose trust, policy and clock count.
        document: the service's JSON, bare base64, or DER; it may be anything.
        nonce: that it must carry; None for any.

    Returns:
        ``report``: as :meth:`imdskit.verify.report.Report.to_json`; ``content``, ``signature``: None where the message cannot be read;
        ``certificates``: those in the message; ``chain``: signer first, anchor last, whether or not the signature is good; None where there is none.
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
    """The signed octets as text, and as JSON where they are an object; this is for people, the check of the claims is stricter."""
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
    """Whether the check of the chain found a path, if only one that is revoked. Where it found none, the search is not made again."""
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
    """Times are Unix seconds; ``fingerprint`` is the SHA-256 of the DER."""
    constraints = certificate.basic_constraints
    return {
        "subject": _name(certificate.subject),
        "issuer": _name(certificate.issuer),
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


def _name(name: Name) -> str:
    return name.common_names[-1] if name.common_names else name.der.hex()


__all__ = ["inspect_document"]
