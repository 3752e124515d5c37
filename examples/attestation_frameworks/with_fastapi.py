"""Activation of Azure machines with FastAPI: ``uvicorn with_fastapi:app``."""

from attestation import activate, issuer
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from imdskit.errors import StoreError

app = FastAPI()


class Activation(BaseModel):
    """Body of a request from a machine."""

    nonce: str
    document: str


# Functions without `async` run in FastAPI's pool of threads, so neither verification nor the store blocks the event loop.
@app.post("/challenge")
def challenge() -> dict[str, str]:
    """Issue a nonce."""
    return {"nonce": issuer.issue()}


@app.post("/activate")
def activation(body: Activation) -> dict[str, str | None]:
    """Admit a machine whose attested document is accepted."""
    try:
        attestation = activate(body.nonce, body.document)
    except StoreError:
        raise HTTPException(503, "unavailable") from None
    if attestation is None:
        raise HTTPException(403, "refused")
    return {"vmId": attestation.claims.vm_id, "subscriptionId": attestation.claims.subscription_id}
