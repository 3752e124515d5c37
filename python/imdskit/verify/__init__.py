"""Decide whether Azure signed an attested document, for which machine, and when.

The names in ``__all__`` and the modules that ``docs/api.md`` lists are public. All other modules
are internal. :mod:`imdskit.backends` implements the checks of a document.
"""

from imdskit.backends.contract import Claims, Limits
from imdskit.verify.attestation import Attestation
from imdskit.verify.nonces import NonceIssuer
from imdskit.verify.policy import PRESETS, Policy
from imdskit.verify.report import Report
from imdskit.verify.stores import MemoryStore, NonceStore
from imdskit.verify.trust import Trust
from imdskit.verify.verifier import Verifier

__all__ = [
    "PRESETS",
    "Attestation",
    "Claims",
    "Limits",
    "MemoryStore",
    "NonceIssuer",
    "NonceStore",
    "Policy",
    "Report",
    "Trust",
    "Verifier",
]
