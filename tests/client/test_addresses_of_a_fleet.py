"""Tests that every operation of the client works at the address of a machine in a fleet, which has a path."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from imdskit.client import AsyncClient, Client
from imdskit.client.detect import detect
from imdskit.emulator import Fleet


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(count=20, seed=1, rate_limit=False) as running:
        yield running


def test_every_operation_reaches_the_machine(fleet: Fleet) -> None:
    client = Client(fleet.machine(17).url)
    vm_id = fleet.machine(17).app.machine.expanded.text("vmId")
    assert client.get("compute/vmId", "text") == client.instance()["compute"]["vmId"] == vm_id
    assert len(client.versions()) == 35
    assert client.attest().document
    assert client.attested_document("4071882193")
    assert client.token("https://vault.azure.net").access_token
    assert client.probe(5).state == "there"
    event_id = fleet.machine(17).events.schedule("Freeze")
    assert next(client.events()).id == event_id
    client.acknowledge(event_id)
    assert fleet.machine(17).events.list()[0].started
    assert detect(client, root="/nonexistent").vm_id == vm_id
    assert asyncio.run(AsyncClient(fleet.machine(17).url).instance())["compute"]["vmId"] == vm_id
    assert Client(fleet.machine(3).url).instance()["compute"]["vmId"] != vm_id


@pytest.mark.parametrize("name", ["AZURE_POD_IDENTITY_AUTHORITY_HOST", "IMDS_ENDPOINT"])
def test_environment_can_contain_the_address_of_a_machine(name: str, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", raising=False)
    monkeypatch.setenv(name, fleet.machine(5).url + "/")
    assert Client().get("compute/name", "text") == "vm-00005"
