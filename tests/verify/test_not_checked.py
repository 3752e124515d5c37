"""Checks that a verification does not make, as listed in ``docs/verification.md``."""

from __future__ import annotations

import base64
import socket
from typing import Any

import pytest
from attested_vectors import CASES, SETTING, TRUST

from imdskit.backends.contract import Backend
from imdskit.verify import Attestation, Policy, Verifier


def attest(name: str, backend: Backend) -> Attestation:
    case: dict[str, Any] = next(case for case in CASES if case["id"] == name)
    return Verifier(TRUST, Policy.offline_audit(), backend=backend).verify(base64.b64decode(case["document"]), at=SETTING["at"])


def test_no_revocation_data_is_requested(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier opens no socket and resolves no name."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert attest("envelope/json", backend)


def test_other_extensions_are_ignored(backend: Backend) -> None:
    assert attest("leaf/unknown-extension", backend).claims == attest("envelope/json", backend).claims


def test_attributes_that_prove_nothing_are_ignored(backend: Backend) -> None:
    assert attest("attributes/with-time", backend).claims == attest("attributes/bound", backend).claims


def test_claims_are_reported_but_not_evaluated(backend: Backend) -> None:
    """The claims name a machine and a subscription that do not exist."""
    claims = attest("envelope/json", backend).claims
    assert claims.vm_id == "00000000-0000-4000-8000-000000000002"
    assert claims.subscription_id == "00000000-0000-4000-8000-000000000001"
