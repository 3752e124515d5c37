"""Work budget of a search for a certification path. It ensures that a document from an attacker
cannot cause an arbitrarily long search.

The unit of ``Limits.work`` is the work of one signature verification with RSA-2048. The constants
in this module are costs in thousandths of this unit.

The costs follow from measurements of the Python code on one machine: a verification takes 0.15 ms
with RSA-2048 and about 2 ms with P-256. The Rust backend uses the same costs, although its
operations take different amounts of time. Both backends therefore end a search at the same point. A
result from a cache costs as much as a new result, so caching never changes a verdict.
"""

from __future__ import annotations

from typing import Protocol

from imdskit.errors import VerificationError
from imdskit.pki.x509.certificate import EcPublicKey, PublicKey, RsaPublicKey
from imdskit.reasons import Reason

STEP, PLACE = 20, 6
"""Costs of examining one candidate for the next certificate of a path. Each candidate costs
``STEP``, and additionally ``PLACE`` for each certificate that is already on the path."""
ITEM = 30
"""Cost of processing one name, name constraint or policy of a certificate when a path is
validated."""
CURVES = {"secp256r1": 15_000, "secp384r1": 30_000, "secp521r1": 60_000}
"""Costs of verifying one ECDSA signature, by the curve of the key."""


class SearchLimits(Protocol):
    """Bounds of one search for a path, such as :class:`imdskit.backends.contract.Limits`."""

    @property
    def path_certificates(self) -> int:
        """Maximum number of certificates on a path, including signer and anchor."""

    @property
    def work(self) -> int:
        """Budget of the search. The unit is one signature verification with RSA-2048."""


class Budget:
    """Remaining budget of one search. Each method charges the budget, and raises VerificationError
    (``budget-spent``) if it is used up.

    Args:
        work: budget in units of one signature verification with RSA-2048.
    """

    __slots__ = ("left",)

    def __init__(self, work: int) -> None:
        self.left = work * 1000

    def _spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise VerificationError(Reason.BUDGET_SPENT, location="chain")

    def spend_signature(self, key: PublicKey) -> None:
        """Charge for one signature verification with this key.

        For RSA, the cost is proportional to the number of bits of the exponent, because this number
        determines the number of multiplications. The cost is also proportional to the square of the
        size of the modulus. A key of an unsupported type costs nothing, because no signature can be
        verified with it.
        """
        match key:
            case RsaPublicKey():
                self._spend(1000 * key.bits * key.bits * max(key.exponent.bit_length(), 17) // (2048 * 2048 * 17))
            case EcPublicKey():
                self._spend(CURVES[key.curve])
            case _:
                return

    def spend_step(self, length: int) -> None:
        """Charge for examining one candidate for the next certificate of a path that has ``length``
        certificates so far."""
        self._spend(STEP + PLACE * length)

    def spend_items(self, items: int) -> None:
        """Charge for processing ``items`` names, name constraints or policies."""
        self._spend(ITEM * items)

    def exhaust(self) -> None:
        """Use up the whole budget, which ends the search. Callers use this method if the search
        exceeds another limit."""
        self._spend(self.left + 1)
