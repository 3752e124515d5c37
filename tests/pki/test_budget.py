"""Costs in the work budget."""

from __future__ import annotations

import pytest

from imdskit.errors import VerificationError
from imdskit.pki.path.budget import Budget
from imdskit.pki.x509.certificate import EcPublicKey, PublicKey, RsaPublicKey, UnsupportedPublicKey
from imdskit.reasons import Reason


@pytest.mark.parametrize(
    ("key", "units"),
    [
        (RsaPublicKey(1 << 2047, 65537), 1),
        (RsaPublicKey(1 << 2047, 3), 1),
        (RsaPublicKey(1 << 4095, 65537), 4),
        (RsaPublicKey(1 << 8191, (1 << 32) - 1), 30),
        (EcPublicKey("secp256r1", 0, 0), 15),
        (EcPublicKey("secp384r1", 0, 0), 30),
        (EcPublicKey("secp521r1", 0, 0), 60),
        (UnsupportedPublicKey("1.2", "none"), 0),
    ],
)
def test_cost_of_a_signature_depends_on_the_key(key: PublicKey, units: int) -> None:
    budget = Budget(1000)
    budget.spend_signature(key)
    assert (1000 * 1000 - budget.left) // 1000 == units


def test_spending_reduces_the_budget() -> None:
    budget = Budget(1)
    budget.spend_items(10)
    budget.spend_step(8)
    with pytest.raises(VerificationError) as refusal:
        budget.spend_signature(RsaPublicKey(1 << 2047, 65537))
    assert (refusal.value.reason, refusal.value.location) == (Reason.BUDGET_SPENT, "chain")
    with pytest.raises(VerificationError):
        Budget(1).exhaust()
