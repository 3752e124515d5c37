"""Tests of ``machine.py`` with the fixtures ``imds`` and ``imds_factory``."""

from __future__ import annotations

import sys
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from imdskit.testing import assert_no_refusals, assert_requested

sys.path.insert(0, str(Path(__file__).parent))
from machine import compute


@pytest.fixture(autouse=True)
def program_uses_the_emulator(imds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINE_IMDS", imds.url)


def test_program_returns_the_metadata(imds: Any) -> None:
    assert compute()["vmId"] == "e13068dc-0395-4f41-bce2-fdb1c8d88017"
    assert_requested(imds, 1, path="/metadata/instance/compute")
    assert_no_refusals(imds)


@pytest.mark.imds(scenario="windows")
def test_program_recognises_windows() -> None:
    assert compute()["osType"] == "Windows"


@pytest.mark.imds(faults=[{"match": {"category": "instance"}, "times": 2, "fault": {"status": 503}}])
def test_program_retries_while_the_service_is_busy(imds: Any) -> None:
    waited: list[float] = []
    assert compute(waited.append)["osType"] == "Linux"
    assert waited == [1.0, 2.0]
    assert_requested(imds, 3)


@pytest.mark.imds(faults=[{"match": {"category": "instance"}, "times": 5, "fault": {"status": 500}}])
def test_program_gives_up_after_five_attempts(imds: Any) -> None:
    with pytest.raises(urllib.error.HTTPError):
        compute(lambda seconds: None)
    assert_requested(imds, 5, fault="status")


def test_azure_identity_gets_a_token_without_configuration(imds: Any) -> None:
    identity = pytest.importorskip("azure.identity", reason="azure-identity is not installed")
    with identity.ManagedIdentityCredential() as credential:
        token = credential.get_token("https://management.azure.com/.default")
    assert token.token.count(".") == 2
    (request,) = assert_requested(imds, category="identity", status=200)
    assert request.parameter("resource") == "https://management.azure.com"
