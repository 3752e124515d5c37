"""Decisions on documents: whether one is accepted, for whom, and, for the audit log and operators, why not.

**What is used up.** A nonce and a document are used up when the document is accepted, and only then. A refused document leaves both as they
were: whoever learns of a nonce could otherwise make it useless by sending rubbish with it. Nothing is lost by that, since only a genuine document
that carries the nonce is ever accepted.

Content and nonce are recorded one after the other, before the response is sent. If the process ends in between, or the response is lost, the
document has been used up although nobody learnt of it. The client then requests another nonce. No document is ever accepted twice.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

from imdskit.attestation_service.audit_log import Entry
from imdskit.attestation_service.configuration.keys import Key
from imdskit.attestation_service.http.bodies import AttestationRequest, Audited
from imdskit.errors import FreshnessError, StoreError, VerificationError
from imdskit.verify import Attestation, NonceIssuer, NonceStore, Verifier

ACCEPTED, REFUSED, UNDECIDED = "accepted", "refused", "undecided"


class Decision(NamedTuple):
    """A decision on a document.

    Attributes:
        result: the attestation of an accepted document, or the error that says why it was not accepted.
        document: as it was sent.
    """

    result: Attestation | VerificationError | FreshnessError | StoreError
    document: str

    @property
    def outcome(self) -> str:
        """``accepted``, ``refused``, or ``undecided`` if the store could not tell whether the document was used before."""
        if isinstance(self.result, Attestation):
            return ACCEPTED
        return UNDECIDED if isinstance(self.result, StoreError) else REFUSED

    @property
    def reason(self) -> str:
        """Code of the error; ``""`` if the document was accepted."""
        return "" if isinstance(self.result, Attestation) else self.result.code

    def entry(self, operation: str, key: Key) -> Entry:
        """Return the line of the audit log."""
        entry = Entry(operation, self.outcome, key.name, sha256(self.document.encode("utf-8")).hexdigest())
        result = self.result
        if isinstance(result, Attestation):
            claims = result.claims
            return entry._replace(vm_id=claims.vm_id, subscription_id=claims.subscription_id or "", cloud=result.cloud.name)
        stage, detail = (result.stage.value, result.detail) if isinstance(result, VerificationError) else ("freshness", result.message)
        return entry._replace(reason=result.code, stage=stage, place=result.location, detail=detail)


def nonce_binding(key: Key, binding: str) -> bytes:
    """Return what a nonce is good for: the key that requested it, and a text of the caller's. A key's name has no NUL."""
    return key.name.encode("ascii") + b"\x00" + binding.encode("utf-8")


def attest(request: AttestationRequest, key: Key, issuer: NonceIssuer, verifier: Verifier, store: NonceStore) -> Decision:
    """Verify a document that was requested with a nonce of ours, and use both up."""
    try:
        issuer.check(request.nonce, nonce_binding(key, request.binding))
        return Decision(verifier.verify_once(request.document, nonce=request.nonce, store=store), request.document)
    except (FreshnessError, VerificationError, StoreError) as error:
        return Decision(error, request.document)


def audit(request: Audited, now: int, verifier: Verifier) -> Decision:
    """Verify a stored document at the time of its receipt. Nothing is used up."""
    try:
        at = now if request.at is None else request.at
        return Decision(verifier.verify(request.document, at=at, nonce=request.nonce), request.document)
    except VerificationError as error:
        return Decision(error, request.document)


def accepted_members(attestation: Attestation) -> dict[str, Any]:
    """Return the response for an accepted document. Members that its api-version does not have are null."""
    claims = attestation.claims
    plan = None if claims.plan is None else dict(zip(("name", "product", "publisher"), claims.plan, strict=True))
    return {
        "decision": ACCEPTED,
        "cloud": attestation.cloud.name,
        "signer": attestation.name,
        "claims": {
            "vmId": claims.vm_id,
            "subscriptionId": claims.subscription_id,
            "sku": claims.sku,
            "licenseType": claims.license_type,
            "plan": plan,
            "nonce": claims.nonce,
            "createdOn": claims.created_on,
            "expiresOn": claims.expires_on,
        },
    }


def verdict_members(decision: Decision) -> dict[str, Any]:
    """Return what an operator learns of a document."""
    result = decision.result
    if isinstance(result, Attestation):
        return accepted_members(result)
    assert isinstance(result, VerificationError), "an audit uses neither the store nor our nonces"
    return {
        "decision": REFUSED,
        "reason": result.code,
        "stage": result.stage.value,
        "location": result.location,
        "message": result.message,
        "hint": result.hint,
    }
