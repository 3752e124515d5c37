"""Validation of scenarios when they are loaded, and the values that complete them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imdskit import clouds, versions
from imdskit.emulator.machine.expansion import expand
from imdskit.emulator.scenario.scenario import MAX_BYTES, Scenario
from imdskit.errors import ScenarioError

WRONG: dict[str, tuple[object, str]] = {
    "not an object": ([], ""),
    "unknown part": ({"computer": {}}, "/computer"),
    "unknown member": ({"compute": {"vmID": "x"}}, "/compute/vmID"),
    "unknown nested member": ({"compute": {"storageProfile": {"osDisk": {"lun": "0"}}}}, "/compute/storageProfile/osDisk/lun"),
    "unknown member in an array": ({"network": {"interface": [{}, {"mac": "x"}]}}, "/network/interface/1/mac"),
    "number": ({"compute": {"platformFaultDomain": 0}}, "/compute/platformFaultDomain"),
    "boolean": ({"compute": {"isHostCompatibilityLayerVm": False}}, "/compute/isHostCompatibilityLayerVm"),
    "text instead of a boolean": ({"extended": {"compute": {"hasCustomData": "false"}}}, "/extended/compute/hasCustomData"),
    "text instead of an object": ({"compute": {"plan": ""}}, "/compute/plan"),
    "object instead of text": ({"compute": {"vmId": {}}}, "/compute/vmId"),
    "object instead of an array": ({"compute": {"publicKeys": {}}}, "/compute/publicKeys"),
    "text in an array": ({"compute": {"publicKeys": [{}, "ssh-rsa"]}}, "/compute/publicKeys/1"),
    "null in an array": ({"network": {"interface": [None]}}, "/network/interface/0"),
    "number as a tag": ({"compute": {"tags": {"a/b~c": 1}}}, "/compute/tags/a~1b~0c"),
    "lone surrogate": ({"compute": {"name": "\ud800"}}, "/compute/name"),
    "unknown cloud": ({"cloud": "mars"}, "/cloud"),
    "cloud that is not text": ({"cloud": ["public"]}, "/cloud"),
    "unknown environment": ({"compute": {"azEnvironment": "AzureMarsCloud"}}, "/compute/azEnvironment"),
    "unknown kind": ({"kind": "quantum"}, "/kind"),
    "description that is not text": ({"description": 1}, "/description"),
    "no version": ({"apiVersions": []}, "/apiVersions"),
    "versions that are not a list": ({"apiVersions": "2021-02-01"}, "/apiVersions"),
    "version that is not a date": ({"apiVersions": ["2021-02-01", "latest"]}, "/apiVersions/1"),
    "schema that is not text": ({"$schema": 1}, "/$schema"),
    "template that is not a boolean": ({"template": "yes"}, "/template"),
    "unknown placeholder of a template": ({"template": True, "compute": {"tags": {"a/b": "{number}"}}}, "/compute/tags/a~1b"),
    "single brace": ({"template": True, "network": {"interface": [{"macAddress": "{"}]}}, "/network/interface/0/macAddress"),
    "invalid network": ({"template": True, "compute": {"name": "{ip:10.0.0.1/8}"}}, "/compute/name"),
    "network too small": ({"template": True, "compute": {"name": "{ip:10.0.0.0/30}"}}, "/compute/name"),
    "width that is not two digits": ({"template": True, "compute": {"name": "{index:4}"}}, "/compute/name"),
    "division by zero": ({"template": True, "compute": {"name": "{index/0}"}}, "/compute/name"),
    "version twice": ({"apiVersions": ["2021-02-01", "2021-02-01"]}, "/apiVersions"),
}


@pytest.mark.parametrize(("value", "location"), WRONG.values(), ids=WRONG)
def test_reports_the_location_of_a_mistake(value: object, location: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.of(value)
    assert caught.value.code == "bad-scenario"
    assert caught.value.location == location
    assert caught.value.hint


def test_suggests_a_correction_for_a_misspelt_member() -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.of({"compute": {"vmsize": "x"}})
    assert caught.value.hint == "Did you mean vmSize?"


TEXTS: dict[str, bytes] = {
    "empty": b"",
    "cut": b'{"compute": {',
    "not UTF-8": b'{"description": "\xff"}',
    "member twice": b'{"compute": {"name": "a", "name": "b"}}',
    "deep": b"[" * 100_000,
    "huge": b" " * (MAX_BYTES + 1),
    "long number": b"9" * 100_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_rejects_input_that_is_not_json(text: bytes) -> None:
    with pytest.raises(ScenarioError):
        Scenario.parse(text)


def test_rejects_missing_files_and_unknown_names(tmp_path: Path) -> None:
    for name in (tmp_path / "absent.json", str(tmp_path / "absent.json"), tmp_path, "nosuch", "a\0b/c", ""):
        with pytest.raises(ScenarioError):
            Scenario.load(name)


def test_loads_a_file_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"description": "Mine.", "cloud": "AzureChinaCloud", "apiVersions": ["2021-02-01", "2019-06-01"]}', encoding="utf-8")
    for given in (path, str(path)):
        scenario = Scenario.load(given)
        assert (scenario.name, scenario.description, scenario.cloud) == ("mine", "Mine.", clouds.CHINA)
        assert scenario.api_versions == ("2019-06-01", "2021-02-01")


def test_every_built_in_scenario_has_a_description() -> None:
    assert Scenario.names() == (
        "china",
        "classic",
        "confidential",
        "fleet",
        "germany",
        "identities",
        "linux",
        "load-balanced",
        "many-devices",
        "marketplace-plan",
        "scale-set",
        "scale-set-flexible",
        "spot",
        "us-government",
        "user-data",
        "windows",
    )
    for name in Scenario.names():
        assert Scenario.load(name).description.endswith(".")


def test_the_documentation_lists_every_built_in_scenario() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "scenarios.md").read_text(encoding="utf-8")
    for name in Scenario.names():
        assert f"| `{name}` | {Scenario.load(name).description} |" in page


def whole(value: object, seed: int = 1) -> Any:
    return expand(Scenario.of(value), seed).document


def test_the_same_seed_gives_the_same_machine() -> None:
    assert whole({}, 1) == whole({}, 1)
    first, second = whole({}, 1), whole({}, 2)
    assert first["compute"]["vmId"] != second["compute"]["vmId"]
    assert first["network"]["interface"][0]["macAddress"] != second["network"]["interface"][0]["macAddress"]


def test_generated_values_have_the_format_of_real_values() -> None:
    document = whole({"network": {"interface": [{}, {}]}})
    assert len({interface["macAddress"] for interface in document["network"]["interface"]}) == 2
    for interface in document["network"]["interface"]:
        assert len(interface["macAddress"]) == 12
        assert set(interface["macAddress"]) <= set("0123456789ABCDEF")
    assert document["compute"]["vmId"][14] == "4"
    assert document["compute"]["vmId"] == document["compute"]["vmId"].lower()


def test_derives_values_from_other_values() -> None:
    compute = whole({"compute": {"name": "m", "resourceGroupName": "g", "subscriptionId": "s", "sku": "k"}})["compute"]
    assert compute["resourceId"] == "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m"
    assert compute["osProfile"]["computerName"] == "m"
    assert compute["storageProfile"]["imageReference"]["sku"] == "k"
    assert compute["storageProfile"]["osDisk"]["managedDisk"]["id"].startswith("/subscriptions/s/resourceGroups/g/")


def test_an_instance_of_a_uniform_scale_set_has_its_naming_scheme() -> None:
    compute = whole(json.loads('{"compute": {"name": "web_3", "vmScaleSetName": "web"}}'))["compute"]
    assert compute["osProfile"]["computerName"] == "web000003"
    assert compute["resourceId"].endswith("/virtualMachineScaleSets/web/virtualMachines/3")
    assert compute["placementGroupId"]
    assert compute["virtualMachineScaleSet"] == {"id": ""}


def test_windows_has_neither_keys_nor_a_password_setting() -> None:
    compute = whole({"compute": {"osType": "Windows"}})["compute"]
    assert compute["publicKeys"] == []
    assert compute["osProfile"]["disablePasswordAuthentication"] == ""
    assert compute["storageProfile"]["osDisk"]["osType"] == "Windows"


TAGS: dict[str, tuple[dict[str, Any], str, list[tuple[str, str]]]] = {
    "none": ({}, "", []),
    "as an object": ({"tags": {"b": "2", "a": "1:x"}}, "a:1:x;b:2", [("a", "1:x"), ("b", "2")]),
    "as text": ({"tags": "a:1:x;b:2"}, "a:1:x;b:2", [("a", "1:x"), ("b", "2")]),
    "as a list": ({"tagsList": [{"name": "b", "value": "2"}, {"name": "a"}]}, "b:2;a:", [("b", "2"), ("a", "")]),
    "both": ({"tags": "x", "tagsList": [{"name": "y", "value": "z"}]}, "x", [("y", "z")]),
}


@pytest.mark.parametrize(("compute", "tags", "listed"), TAGS.values(), ids=TAGS)
def test_derives_one_representation_of_tags_from_the_other(compute: dict[str, Any], tags: str, listed: list[tuple[str, str]]) -> None:
    made = whole({"compute": compute})["compute"]
    assert made["tags"] == tags
    assert [(entry["name"], entry["value"]) for entry in made["tagsList"]] == listed


def test_null_omits_a_member() -> None:
    value: dict[str, Any] = {
        "compute": {"physicalZone": None, "plan": {"name": None}, "storageProfile": {"dataDisks": None, "resourceDisk": None}},
        "network": {"interface": [{"ipv4": {"ipAddress": [{"publicIpAddress": None}]}, "ipv6": None}]},
        "extended": None,
    }
    document = whole(value)
    assert list(document) == ["compute", "network"]
    assert "physicalZone" not in document["compute"]
    assert list(document["compute"]["plan"]) == ["product", "publisher"]
    assert list(document["compute"]["storageProfile"]) == ["imageReference", "osDisk"]
    assert document["network"]["interface"][0]["ipv4"]["ipAddress"] == [{"privateIpAddress": ""}]
    assert "ipv6" not in document["network"]["interface"][0]


OUTSIDE_ARRAYS = [path.removesuffix("[]") for path in versions.INSTANCE if path.count("[]") == path.endswith("[]")]


@pytest.mark.parametrize("member", OUTSIDE_ARRAYS)
def test_any_member_can_be_null(member: str) -> None:
    path = member.split(".")
    value: Any = None
    for step in reversed(path):
        value = {step: value}
    node = whole(value)
    for step in path[:-1]:
        node = node[step]
    assert path[-1] not in node


def test_completes_incomplete_elements() -> None:
    compute = whole({"compute": {"publicKeys": [{"keyData": "k"}], "storageProfile": {"dataDisks": [{}, {"lun": "9"}]}}})["compute"]
    assert compute["publicKeys"] == [{"keyData": "k", "path": ""}]
    assert [disk["lun"] for disk in compute["storageProfile"]["dataDisks"]] == ["0", "9"]
    assert compute["storageProfile"]["dataDisks"][1]["name"] == "linux-vm_DataDisk_9"


def test_the_cloud_determines_environment_and_region() -> None:
    regions = {}
    for name in ("linux", "us-government", "china", "germany"):
        scenario = Scenario.load(name)
        compute = expand(scenario, 1).compute
        assert compute["azEnvironment"] == scenario.cloud.environment
        regions[scenario.cloud] = compute["location"]
    assert len(set(regions.values())) == len(clouds.CLOUDS)


def test_the_environment_determines_the_cloud() -> None:
    assert Scenario.of({"compute": {"azEnvironment": "AzureUSGovernmentCloud"}}).cloud is clouds.US_GOVERNMENT
