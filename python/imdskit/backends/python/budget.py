"""How much work a search for a path may cost. The unit is one RSA-2048 verification; a thousandth of it is what is counted.

The figures are from this code: an RSA-2048 verification takes 0.14 ms, one on P-256 about 4 ms. The Rust twin counts in the same units although its
ratios differ, so that both give up at the same point.
"""

from __future__ import annotations

from imdskit.backends.python.certificate import EcPublicKey, PublicKey, RsaPublicKey
from imdskit.errors import VerificationError
from imdskit.reasons import Reason

STEP = 20
"""Of looking at one candidate for the next issuer."""
NAME = 10
"""Of comparing one name with one constraint."""
CURVES = {"secp256r1": 30_000, "secp384r1": 70_000, "secp521r1": 140_000}


class Budget:
    """What is left of ``work`` units. Not shared between searches."""

    __slots__ = ("left",)

    def __init__(self, work: int) -> None:
        self.left = work * 1000

    def _spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise VerificationError(Reason.BUDGET_SPENT, location="chain")

    def spend_signature(self, key: PublicKey) -> None:
        """The cost of one verification with this key. Raises VerificationError(``budget-spent``), as all of them do."""
        if isinstance(key, RsaPublicKey):
            self._spend(1000 * key.bits * key.bits * max(key.exponent.bit_length(), 17) // (2048 * 2048 * 17))
        elif isinstance(key, EcPublicKey):
            self._spend(CURVES[key.curve])

    def spend_step(self) -> None:
        self._spend(STEP)

    def spend_names(self, comparisons: int) -> None:
        self._spend(NAME * comparisons)
