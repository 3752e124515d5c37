"""Machines with api-versions and members that imdskit does not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit import versions
from imdskit.client.models import Instance
from imdskit.emulator import Emulator, Scenario
from imdskit.emulator.scenario import merge_patch
from imdskit.errors import ScenarioError

Services = Callable[..., Any]

NEW = ["2021-02-01", "2025-04-07", "2025-11-11", "2026-05-05"]
UNKNOWN = {
    "apiVersions": NEW,
    "compute": {
        "systemFaultDomain": "3",
        "accelerator": {"count": 4, "healthy": True, "modes": ["a", None, {"z": 1, "b": 1.5}]},
        "securityProfile": {"newMode": "on"},
        "storageProfile": {"dataDisks": [{"lun": "0", "tier": "P10"}], "osDisk": {"tier": "P20"}},
    },
    "network": {"interface": [{"rate": "100"}], "fabric": "east"},
    "placement": {"row": "7"},
}


@pytest.mark.parametrize("name", ["w01-compartment", "w01-interconnect", "w01-newer-version"])
def test_emulates_machines_that_were_observed_in_use(name: str, shared: Path, service: Services) -> None:
    file = shared / "cases" / "scenarios" / f"{name}.json"
    given = json.loads(file.read_text(encoding="utf-8"))
    machine = service(Scenario.load(file))
    newest = machine.ask("/metadata/versions").json["apiVersions"][-1]
    shown = machine.get("/metadata/instance", newest).json
    assert given.get("compute", {}).items() <= shown["compute"].items()
    if "network" in given:
        assert shown["network"]["interface"][0]["interfaceCompartmentID"] == "nc-1"
    old = machine.get("/metadata/instance", "2025-04-07").body
    for member in (b"interconnect", b"systemFaultDomain", b"interfaceCompartmentID"):
        assert member not in old


def test_a_member_of_a_newer_version_enables_that_version(service: Services) -> None:
    machine = service({"network": {"interface": [{"interfaceCompartmentID": "nc-1"}]}})
    assert machine.ask("/metadata/versions").json["apiVersions"] == [*versions.API_VERSIONS, "2025-07-24"]
    assert machine.get("/metadata/instance/network/interface/0/interfacecompartmentid", "2025-07-24", format="text").body == b"nc-1"


@pytest.mark.parametrize("name", Scenario.names())
def test_builtin_scenarios_have_the_same_versions_as_before(name: str) -> None:
    assert Scenario.load(name).api_versions == versions.API_VERSIONS


@pytest.mark.parametrize("version", NEW)
def test_unknown_members_are_shown_since_the_first_unknown_version(version: str, service: Services) -> None:
    machine = service(UNKNOWN)
    shown = machine.get("/metadata/instance", version).json
    if version < "2025-11-11":
        assert (
            shown
            == service({**UNKNOWN, "compute": {"storageProfile": {"dataDisks": [{"lun": "0"}]}}, "network": {}, "placement": None})
            .get("/metadata/instance", version)
            .json
        )
        return
    assert shown["compute"]["systemFaultDomain"] == "3"
    assert shown["compute"]["accelerator"] == UNKNOWN["compute"]["accelerator"]
    assert shown["compute"]["securityProfile"]["newMode"] == "on"
    assert shown["compute"]["storageProfile"]["dataDisks"][0]["tier"] == "P10"
    assert shown["compute"]["storageProfile"]["osDisk"]["tier"] == "P20"
    assert (shown["network"]["interface"][0]["rate"], shown["network"]["fabric"], shown["placement"]) == ("100", "east", {"row": "7"})
    assert list(shown["compute"]) == sorted(shown["compute"])
    assert "dnsservers" not in json.dumps(shown)
    assert "extended" not in shown
    assert machine.get("/metadata/instance/COMPUTE/SystemFaultDomain", version, format="text").body == b"3"
    assert machine.get("/metadata/instance/compute/accelerator/count", version, format="text").body == b"4"
    model = Instance.from_json(shown)
    assert model.to_json() == shown


def test_unknown_members_survive_a_patch_and_a_snapshot() -> None:
    scenario = Scenario.of(UNKNOWN)
    assert Scenario.of(merge_patch.to_json(scenario)).given == scenario.given
    with Emulator(scenario, seed=1, rate_limit=False) as imds:
        imds.patch({"compute": {"name": "other"}})
        assert imds.state()["placement"] == {"row": "7"}
        imds.restore(imds.snapshot())
        assert imds.state()["compute"]["systemFaultDomain"] == "3"


REFUSED: dict[str, tuple[Any, str]] = {
    "without a newer version": ({"compute": {"systemFaultDomain": "3"}}, "/compute/systemFaultDomain"),
    "with known versions only": ({"apiVersions": ["2025-04-07"], "compute": {"new": "3"}}, "/compute/new"),
    "an unknown part": ({"placement": {}}, "/placement"),
    "a known member of another type": ({"apiVersions": NEW, "compute": {"vmSize": 3}}, "/compute/vmSize"),
    "an unknown member of imdskit's identity object": ({"apiVersions": NEW, "identity": {"new": "x"}}, "/identity/new"),
    "text that is not Unicode": ({"apiVersions": NEW, "compute": {"new": ["\ud800"]}}, "/compute/new/0"),
    "too deep": ({"apiVersions": NEW, "compute": {"new": json.loads("[" * 200 + "]" * 200)}}, "/compute/new" + "/0" * 25),
}


@pytest.mark.parametrize(("given", "location"), REFUSED.values(), ids=REFUSED)
def test_rejects_mistakes_in_scenarios_with_unknown_members(given: Any, location: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.of(given)
    assert (caught.value.code, caught.value.location) == ("bad-scenario", location)
