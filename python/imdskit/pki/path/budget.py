"""Budget for the work of a search for a path. The unit of ``Limits.work`` is one RSA-2048 verification; the budget counts thousandths of it.

The prices are those of this code on one machine: an RSA-2048 verification takes 0.15 ms, one on P-256 about 2 ms. They are part of the contract:
the Rust twin counts in the same units although its ratios differ, so that both give up at the same point. What is remembered from an earlier
search is paid for again, so that memory never changes an answer.
"""

from __future__ import annotations

from typing import Protocol

from imdskit.errors import VerificationError
from imdskit.pki.x509.certificate import EcPublicKey, PublicKey, RsaPublicKey
from imdskit.reasons import Reason

STEP, PLACE = 20, 6
"""Of looking at one candidate for the next issuer, and of each certificate that is on the path already."""
ITEM = 30
"""Of looking at one name, subtree or policy of a certificate while a path is validated."""
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
    """What is left of ``work`` units. Belongs to one search. Every method raises VerificationError(``budget-spent``) when nothing is left."""

    __slots__ = ("left",)

    def __init__(self, work: int) -> None:
        self.left = work * 1000

    def _spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise VerificationError(Reason.BUDGET_SPENT, location="chain")

    def spend_signature(self, key: PublicKey) -> None:
        """One verification with this key: for RSA, as many multiplications as the exponent has bits, each quadratic in the size of the modulus. Keys
        of other kinds verify nothing and cost nothing."""
        match key:
            case RsaPublicKey():
                self._spend(1000 * key.bits * key.bits * max(key.exponent.bit_length(), 17) // (2048 * 2048 * 17))
            case EcPublicKey():
                self._spend(CURVES[key.curve])
            case _:
                return

    def spend_step(self, length: int) -> None:
        """One candidate looked at, for a path of so many certificates."""
        self._spend(STEP + PLACE * length)

    def spend_items(self, items: int) -> None:
        """So many names, subtrees or policies gone through."""
        self._spend(ITEM * items)

    def exhaust(self) -> None:
        """Nothing is left: some other bound on work was passed."""
        self._spend(self.left + 1)
