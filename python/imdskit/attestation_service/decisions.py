"""Decisions on documents: whether the service accepts a document, and the reason if it does not.

**Use of nonces and documents.** The service marks a nonce and a document as used only when it
accepts the document. A nonce therefore stays valid if the service refuses a document with it. If a
refusal used up the nonce, an attacker who learns a nonce could invalidate it by sending an
arbitrary document. It is safe to keep the nonce valid, because the service accepts only a genuine
document that contains it.

When the service accepts a document, it first records the document in the store, then the nonce, and
then sends the response. If the process ends before it sends the response, or if the response is
lost, the client does not receive the decision. The document is marked as used nevertheless, so the
client must request another nonce and another document. The service never accepts a document twice.
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
    """Decision on a document.

    Attributes:
        result: attestation of an accepted document; otherwise the error that says why the document
            was not accepted.
        document: document as received.
    """

    result: Attestation | VerificationError | FreshnessError | StoreError
    document: str

    @property
    def outcome(self) -> str:
        """The decision: ``accepted``, ``refused``, or ``undecided`` if the store could not tell
        whether the document was used before."""
        if isinstance(self.result, Attestation):
            return ACCEPTED
        return UNDECIDED if isinstance(self.result, StoreError) else REFUSED

    @property
    def reason(self) -> str:
        """The code of the error; ``""`` if the document was accepted."""
        return "" if isinstance(self.result, Attestation) else self.result.code

    def entry(self, operation: str, key: Key) -> Entry:
        """Return the entry for the audit log."""
        entry = Entry(operation, self.outcome, key.name, sha256(self.document.encode("utf-8")).hexdigest())
        result = self.result
        if isinstance(result, Attestation):
            claims = result.claims
            return entry._replace(vm_id=claims.vm_id, subscription_id=claims.subscription_id or "", cloud=result.cloud.name)
        stage, detail = (result.stage.value, result.detail) if isinstance(result, VerificationError) else ("freshness", result.message)
        return entry._replace(reason=result.code, stage=stage, location=result.location, detail=detail)


def nonce_binding(key: Key, binding: str) -> bytes:
    """Return the bytes to which a nonce is bound: the name of the key, a NUL, and the caller's
    text. The name of a key never contains a NUL, so different pairs give different bytes."""
    return key.name.encode("ascii") + b"\x00" + binding.encode("utf-8")


def attest(request: AttestationRequest, key: Key, issuer: NonceIssuer, verifier: Verifier, store: NonceStore) -> Decision:
    """Verify a document that a machine has requested with a nonce of this service. If the document
    is accepted, mark it and its nonce as used."""
    try:
        issuer.check(request.nonce, nonce_binding(key, request.binding))
        return Decision(verifier.verify_once(request.document, nonce=request.nonce, store=store), request.document)
    except (FreshnessError, VerificationError, StoreError) as error:
        return Decision(error, request.document)


def audit(request: Audited, now: int, verifier: Verifier) -> Decision:
    """Verify a stored document as of the time when it was received. Neither the document nor its
    nonce is marked as used."""
    try:
        at = now if request.at is None else request.at
        return Decision(verifier.verify(request.document, at=at, nonce=request.nonce), request.document)
    except VerificationError as error:
        return Decision(error, request.document)


def accepted_members(attestation: Attestation) -> dict[str, Any]:
    """Return the members of the response for an accepted document. If the api-version of the
    document does not have a claim, its member is null."""
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
    """Return the members of the verdict on a document. For a refused document, they contain the
    reason, which only operators may see."""
    result = decision.result
    if isinstance(result, Attestation):
        return accepted_members(result)
    assert isinstance(result, VerificationError), "an audit uses neither the store nor nonces of this service"
    return {
        "decision": REFUSED,
        "reason": result.code,
        "stage": result.stage.value,
        "location": result.location,
        "message": result.message,
        "hint": result.hint,
    }
