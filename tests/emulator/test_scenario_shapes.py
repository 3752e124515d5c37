"""The members by which programs recognise each kind of machine."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from imdskit.emulator.scenario import Scenario

Services = Callable[..., Any]

SET = "/resourceGroups/imdskit/providers/Microsoft.Compute/virtualMachineScaleSets/web"

SHAPES: dict[str, dict[str, Any]] = {
    "linux": {
        "osType": "Linux",
        "osProfile": {"adminUsername": "azureuser", "computerName": "linux-vm", "disablePasswordAuthentication": "true"},
        "securityProfile/securityType": "TrustedLaunch",
        "vmScaleSetName": "",
        "priority": "",
        "plan": {"name": "", "product": "", "publisher": ""},
        "licenseType": "",
        "userData": "",
    },
    "windows": {
        "osType": "Windows",
        "osProfile/disablePasswordAuthentication": "",
        "publicKeys": [],
        "licenseType": "Windows_Server",
        "storageProfile/osDisk/osType": "Windows",
        "storageProfile/resourceDisk/size": "76800",
    },
    "scale-set": {
        "name": "web_3",
        "vmScaleSetName": "web",
        "osProfile/computerName": "web000003",
        "resourceId": f"{SET}/virtualMachines/3",
        "virtualMachineScaleSet": {"id": ""},
        "platformUpdateDomain": "3",
        "storageProfile/imageReference/publisher": "",
    },
    "scale-set-flexible": {
        "name": "web_4c2ab7e1",
        "vmScaleSetName": "web",
        "osProfile/computerName": "web4QX2KD",
        "resourceId": "/resourceGroups/imdskit/providers/Microsoft.Compute/virtualMachines/web_4c2ab7e1",
        "virtualMachineScaleSet/id": SET,
        "placementGroupId": "",
    },
    "spot": {"priority": "Spot", "evictionPolicy": "Deallocate"},
    "confidential": {
        "vmSize": "Standard_DC2as_v5",
        "securityProfile": {
            "encryptionAtHost": "false",
            "secureBootEnabled": "true",
            "securityType": "ConfidentialVM",
            "virtualTpmEnabled": "true",
        },
    },
    "marketplace-plan": {
        "plan": {"name": "standard", "product": "gateway", "publisher": "contoso"},
        "storageProfile/imageReference/offer": "gateway",
    },
    "user-data": {"customData": "", "userData": "IyEvYmluL3NoCmVjaG8gIkhlbGxvIGZyb20gdXNlciBkYXRhIgo="},
    "fleet": {"name": "vm-00000", "resourceGroupName": "group-000", "tags": "number:0"},
}
"""Expected values by built-in scenario and path below ``compute``. Ids below a subscription lack the part with the subscription."""


@pytest.mark.parametrize("name", SHAPES)
def test_each_kind_of_machine_has_its_characteristic_members(name: str, service: Services) -> None:
    compute = service(name).get("/metadata/instance/compute").json
    for path, expected in SHAPES[name].items():
        found = compute
        for step in path.split("/"):
            found = found[step]
        prefix = f"/subscriptions/{compute['subscriptionId']}"
        assert (found.removeprefix(prefix) if isinstance(found, str) else found) == expected, path


def test_user_data_is_base64_text(service: Services) -> None:
    machine = service("user-data")
    text = machine.get("/metadata/instance/compute/userData", format="text").body
    assert base64.b64decode(text, validate=True).startswith(b"#!/bin/sh\n")
    assert machine.get("/metadata/instance", extended="true").json["extended"]["compute"]["hasCustomData"] is True
    assert "userData" not in machine.get("/metadata/instance/compute", "2020-12-01").json


def test_an_attested_document_contains_the_plan(service: Services) -> None:
    facts = service("marketplace-plan").app.machine.instance.attested_facts()
    assert [facts[f"plan.{name}"] for name in ("name", "product", "publisher")] == ["standard", "gateway", "contoso"]


def test_a_machine_shows_all_of_its_devices(service: Services) -> None:
    machine = service("many-devices")
    first, second, third = machine.get("/metadata/instance/network/interface").json
    assert len(first["ipv4"]["ipAddress"]) == 3
    assert first["ipv6"]["ipAddress"] == [{"privateIpAddress": "2001:db8:0:1::4"}]
    assert second["ipv4"]["ipAddress"] == [{"privateIpAddress": "10.0.1.4", "publicIpAddress": ""}]
    assert third["ipv4"]["ipAddress"] == []
    assert len({each["macAddress"] for each in (first, second, third)}) == 3
    disks = machine.get("/metadata/instance/compute/storageProfile/dataDisks").json
    assert [disk["lun"] for disk in disks] == ["0", "4", "7"]
    assert [disk["isUltraDisk"] for disk in disks] == ["false", "false", "true"]


def test_a_classic_machine_has_no_compute(service: Services) -> None:
    machine = service("classic")
    assert machine.get("/metadata/instance/compute").status == 404
    assert list(machine.get("/metadata/instance").json) == ["network"]


FILLED: dict[str, tuple[str, int, str]] = {
    "number": ("{index}", 17, "17"),
    "zeros": ("vm-{index:04}", 17, "vm-0017"),
    "more digits than the width": ("{index:02}", 1234, "1234"),
    "hexadecimal": ("000D3A{index:06X}", 700_000, "000D3A0AAE60"),
    "lower-case hexadecimal": ("{index:x}", 255, "ff"),
    "group": ("{index/10}", 17, "1"),
    "group with zeros": ("{index/1000:012}", 17_000, "000000000017"),
    "address": ("{ip:10.1.0.0/16}", 17, "10.1.0.21"),
    "IPv6 address": ("{ip:fd00:1::/64}", 17, "fd00:1::15"),
    "last address": ("{ip:10.0.0.0/29}", 2, "10.0.0.6"),
    "two placeholders": ("{index}/{index}", 3, "3/3"),
    "braces": ('{{"a": {index}}}', 3, '{"a": 3}'),
    "braces in braces": ("{{index}}", 3, "{index}"),
    "no placeholder": ("plain", 3, "plain"),
}


@pytest.mark.parametrize(("text", "index", "expected"), FILLED.values(), ids=FILLED)
def test_fills_in_the_placeholders_of_a_template(text: str, index: int, expected: str) -> None:
    scenario = Scenario.of({"template": True, "compute": {"userData": text, "tags": {"{index}": text}}})
    given = scenario.machine(index).given["compute"]
    assert given == {"userData": expected, "tags": {"{index}": expected}}


def test_a_template_outside_of_a_fleet_is_its_first_machine() -> None:
    assert Scenario.of({"template": True, "compute": {"name": "vm-{index}"}}).given == {"compute": {"name": "vm-0"}}


def test_braces_have_no_meaning_without_a_template() -> None:
    given = {"compute": {"name": "vm-{index}", "userData": "}{{"}}
    for scenario in (Scenario.of(given), Scenario.of({**given, "template": False})):
        assert scenario.given == given
        assert scenario.machine(17) is scenario
