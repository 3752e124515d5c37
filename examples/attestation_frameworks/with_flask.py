"""Activation of Azure machines with Flask: ``gunicorn with_flask:app``."""

from attestation import activate, issuer
from flask import Flask, abort, request

from imdskit.errors import StoreError

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 98_304


@app.post("/challenge")
def challenge() -> dict[str, str]:
    """Issue a nonce."""
    return {"nonce": issuer.issue()}


@app.post("/activate")
def activation() -> dict[str, str | None]:
    """Admit a machine whose attested document is accepted."""
    body = request.get_json()
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in ("nonce", "document")):
        abort(400)
    try:
        attestation = activate(body["nonce"], body["document"])
    except StoreError:
        abort(503)
    if attestation is None:
        abort(403)
    return {"vmId": attestation.claims.vm_id, "subscriptionId": attestation.claims.subscription_id}
