"""Decide whether an attested document was signed by Azure, for whom, and when.

What belongs here: trust, policy, and the answer in a form for callers. How a document is checked is in :mod:`imdskit.backends`.
"""

from imdskit.verify.attestation import Attestation
from imdskit.verify.nonces import NonceIssuer
from imdskit.verify.policy import Policy
from imdskit.verify.report import Report
from imdskit.verify.stores import MemoryStore, NonceStore
from imdskit.verify.trust import Trust
from imdskit.verify.verifier import Verifier

__all__ = ["Attestation", "MemoryStore", "NonceIssuer", "NonceStore", "Policy", "Report", "Trust", "Verifier"]
