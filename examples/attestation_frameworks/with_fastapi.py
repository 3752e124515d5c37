"""Activation of Azure machines with FastAPI: ``uvicorn with_fastapi:app``."""

from attestation import activate, issuer
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from imdskit.errors import StoreError

app = FastAPI()


class Activation(BaseModel):
    """Body of an activation request."""

    nonce: str
    document: str


# FastAPI runs functions without `async` in a thread pool, so neither verification nor the store blocks the event loop.
@app.post("/challenge")
def challenge() -> dict[str, str]:
    """Issue a nonce."""
    return {"nonce": issuer.issue()}


@app.post("/activate")
def activation(body: Activation) -> dict[str, str | None]:
    """Activate a machine that proves its identity."""
    try:
        attestation = activate(body.nonce, body.document)
    except StoreError:
        raise HTTPException(503, "unavailable") from None
    if attestation is None:
        raise HTTPException(403, "refused")
    return {"vmId": attestation.claims.vm_id, "subscriptionId": attestation.claims.subscription_id}
