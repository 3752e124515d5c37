"""Work budget of a search for a path. The unit of ``Limits.work`` is one RSA-2048 verification. The budget counts thousandths of this unit.

The costs were measured with the Python code on one machine: a verification takes 0.15 ms with RSA-2048 and about 2 ms on P-256. The costs
are part of the contract between the backends. The Rust backend uses the same costs, although the ratios of its own times differ. Both
backends therefore give up at the same point. Results from a cache cost as much as new ones, so that caching never changes a verdict.
"""

from __future__ import annotations

from typing import Protocol

from imdskit.errors import VerificationError
from imdskit.pki.x509.certificate import EcPublicKey, PublicKey, RsaPublicKey
from imdskit.reasons import Reason

STEP, PLACE = 20, 6
"""Costs of examining one candidate for the next issuer: ``STEP``, plus ``PLACE`` for each certificate that is already on the path."""
ITEM = 30
"""Cost of one name, subtree or policy of a certificate during the validation of a path."""
CURVES = {"secp256r1": 15_000, "secp384r1": 30_000, "secp521r1": 60_000}


class SearchLimits(Protocol):
    """Bounds of one search for a path, such as :class:`imdskit.backends.contract.Limits`."""

    @property
    def path_certificates(self) -> int:
        """Maximum number of certificates on a path, signer and anchor included."""

    @property
    def work(self) -> int:
        """Budget of the search; the unit is one RSA-2048 verification."""


class Budget:
    """The remaining budget of one search. Every method raises VerificationError(``budget-spent``) if nothing remains.

    Args:
        work: budget in units of one RSA-2048 verification.
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

        For RSA the cost is proportional to the number of bits in the exponent (the number of multiplications) and to the square of the
        modulus size. Nothing can be verified with a key of an unsupported type, so such a key costs nothing.
        """
        match key:
            case RsaPublicKey():
                self._spend(1000 * key.bits * key.bits * max(key.exponent.bit_length(), 17) // (2048 * 2048 * 17))
            case EcPublicKey():
                self._spend(CURVES[key.curve])
            case _:
                return

    def spend_step(self, length: int) -> None:
        """Charge for examining one candidate for a path that has ``length`` certificates."""
        self._spend(STEP + PLACE * length)

    def spend_items(self, items: int) -> None:
        """Charge for processing a number of names, subtrees or policies."""
        self._spend(ITEM * items)

    def exhaust(self) -> None:
        """Spend everything, because another limit on work was exceeded."""
        self._spend(self.left + 1)
