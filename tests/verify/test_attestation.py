"""An attestation behaves like an immutable value, although the backend converts its attributes only on request."""

from __future__ import annotations

import base64
import copy
import pickle

import pytest
from attested_vectors import CASES, SETTING, TRUST

from imdskit import backends
from imdskit.backends.contract import Backend
from imdskit.verify import Attestation, Policy, Verifier

JSON, DER = (base64.b64decode(case["document"]) for name in ("envelope/json", "envelope/der") for case in CASES if case["id"] == name)


@pytest.fixture
def attestation(backend: Backend) -> Attestation:
    return Verifier(TRUST, Policy.offline_audit(), backend=backend).verify(JSON, at=SETTING["at"])


def test_same_document_in_another_envelope_gives_equal_attestation(backend: Backend, attestation: Attestation) -> None:
    other = Verifier(TRUST, Policy.offline_audit(), backend=backend).verify(DER, at=SETTING["at"])
    assert other == attestation
    assert len({other, attestation}) == 1
    assert Verifier(TRUST, Policy.offline_audit(), backend=backend).verify(DER, at=SETTING["at"] + 1) != attestation
    assert attestation != attestation.claims


def test_attestation_can_be_pickled_and_copied(attestation: Attestation) -> None:
    for other in (pickle.loads(pickle.dumps(attestation)), copy.deepcopy(attestation)):
        assert other == attestation
        assert other.to_json() == attestation.to_json()
        assert other.replay_key == attestation.replay_key


def test_backends_give_equal_attestations_except_for_the_name(attestation: Attestation) -> None:
    specification = Verifier(TRUST, Policy.offline_audit(), backend=backends.get("python")).verify(JSON, at=SETTING["at"])
    assert attestation.to_json() | {"backend": ""} == specification.to_json() | {"backend": ""}


def test_attestation_is_immutable(attestation: Attestation) -> None:
    for name in ("claims", "cloud", "name", "chain", "content", "at", "backend", "relaxed", "another"):
        with pytest.raises(AttributeError):
            setattr(attestation, name, None)
    assert attestation.claims is attestation.claims


def test_repr_of_an_attestation_contains_no_bytes(attestation: Attestation) -> None:
    shown = repr(attestation)
    assert shown.startswith("Attestation(claims=Claims(vm_id='00000000-0000-4000-8000-000000000002'")
    assert "\\x" not in shown
