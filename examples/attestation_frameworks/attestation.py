"""Shared parts of the three applications. Each process creates an issuer of nonces, a verifier and a store once."""

import logging
import os
from pathlib import Path

from imdskit.errors import FreshnessError, VerificationError
from imdskit.verify import Attestation, NonceIssuer, Policy, Trust, Verifier
from imdskit.verify.stores.sqlite import SqliteStore

log = logging.getLogger(__name__)

trust = Trust.bundled()
if "VERIFIER_TRUST" in os.environ:
    trust = Trust.from_pem([Path(os.environ["VERIFIER_TRUST"]).read_bytes()])

issuer = NonceIssuer([bytes.fromhex(os.environ["NONCE_SECRET"])])
verifier = Verifier(trust, Policy.online())
store = SqliteStore(os.environ.get("USED_DOCUMENTS", "used.db"))


def activate(nonce: str, document: str) -> Attestation | None:
    """Return the attestation, or None if the document is refused.

    Raises:
        StoreError: the store is unavailable, so there is no decision. Do not admit the machine.
    """
    try:
        issuer.check(nonce)
        return verifier.verify_once(document, nonce=nonce, store=store)
    except (FreshnessError, VerificationError) as refusal:
        log.warning("refused: %r", str(refusal))
        return None
