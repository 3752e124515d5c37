"""Adapter of the kind cms. A case has a SignedData message whose signature must be valid. If it has a chain, the signer must be trusted
too."""

from __future__ import annotations

from scoring import ACCEPT, Case, Suite, Verdict

from adapters import chain
from imdskit.errors import DerError, VerificationError
from imdskit.pki import cms
from imdskit.pki.x509.certificate import Certificate
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason

SIGNER_USAGE = frozenset({"digitalSignature", "nonRepudiation"})
"""The signer of a message must have one of these key usages, if its certificate limits the key usage (RFC 8550 section 4.4.2)."""


def judge(case: Case, suite: Suite) -> Verdict:
    """Return the verdict on the signature alone. All signers must have valid signatures. Weak digests and keys are accepted."""
    try:
        message = cms.parse(suite.blob(case["cms"]))
        if not case.get("parse_only"):
            _signed_by(message, case, suite)
    except (DerError, VerificationError) as error:
        return Verdict(False, str(error))
    return ACCEPT


def judge_chain(case: Case, suite: Suite, *, crls: bool = False) -> Verdict:
    """Return the verdict on signature, path and name of every signer. ``crls`` is the same as in :func:`adapters.chain.judge`."""
    try:
        message = cms.parse(suite.blob(case["cms"]))
        signers = _signed_by(message, case, suite)
    except (DerError, VerificationError) as error:
        return Verdict(False, str(error))
    for signer in signers:
        verdict = chain.judge_path(signer, message.certificates, case, suite, SIGNER_USAGE, crls=crls)
        if not verdict.accepted:
            return verdict
    return ACCEPT


def _signed_by(message: cms.SignedData, case: Case, suite: Suite) -> list[Certificate]:
    """Return the certificates of all signers, after verifying their signatures.

    Raises:
        DerError: a certificate of the case cannot be parsed.
        VerificationError: there is no signer, or a signature is not valid.
    """
    extra = [parse_certificate(suite.blob(key)) for key in case["extra_certs"]]
    # If a case requires a particular signer, the signer's certificate is in the case and not in the
    # message.
    certificates = extra if case.get("require_signer") else (*message.certificates, *extra)
    content = message.content if case["content"] is None else suite.blob(case["content"])
    if content is None:
        raise VerificationError(Reason.NO_CONTENT)
    if case.get("expected_content") and content != suite.blob(case["expected_content"]):
        raise VerificationError(Reason.NO_CONTENT, detail="not the content that was signed")
    if not message.signers:
        raise VerificationError(Reason.SIGNER_COUNT)
    found = []
    for signer in message.signers:
        certificate = cms.find_certificate(signer, certificates)
        if certificate is None:
            raise VerificationError(Reason.SIGNER_NOT_FOUND)
        cms.check_signature(signer, message.content_type, content, certificate)
        found.append(certificate)
    return found
