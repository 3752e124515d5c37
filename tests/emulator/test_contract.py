"""Members of the instance document, the attested document and the token, with their types and order, in each api-version.

The expected members are those in ``spec/fields.json`` of the shared data, a list that is independent of imdskit. The tests call it the
contract. :data:`NOT_SENT` and :data:`NOT_JSON_TYPES` contain the members that the tests ignore, each with the reason.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit import versions

Services = Callable[..., Any]

FULL = {
    "compute": {"tags": {"a": "b"}, "storageProfile": {"dataDisks": [{}]}},
    "network": {"interface": [{"ipv6": {"ipAddress": [{"privateIpAddress": "2001:db8::4"}]}}]},
    "identity": {"systemAssigned": {}},
}
OBJECT_ID = "a0a0a0a0-0000-4000-8000-000000000001"
RESOURCE_ID = (
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"
)
TOKEN = "/metadata/identity/oauth2/token"
NOT_SENT = {"refresh_token": "it occurs in a sample of Microsoft's documentation, but in no recorded response"}
NOT_JSON_TYPES = {"network.interface[].ipv6.ipaddress": "an array that the contract lists as a leaf, without the members inside it"}


def shape(value: Any, path: str = "") -> dict[str, str]:
    """Return the type of each value that is not an object, by its dotted path, in the order of the document."""
    if isinstance(value, dict):
        return {key: kind for name, inner in value.items() for key, kind in shape(inner, f"{path}.{name}" if path else name).items()}
    if isinstance(value, list):
        inside = {key: kind for inner in value for key, kind in shape(inner, f"{path}[]").items()}
        return {path: "array", **inside}
    return {path: {str: "string", bool: "boolean"}.get(type(value), type(value).__name__)}


def in_order(value: Any) -> bool:
    """Return whether the names in every object are in alphabetical order."""
    if isinstance(value, dict):
        return list(value) == sorted(value) and all(map(in_order, value.values()))
    return all(map(in_order, value)) if isinstance(value, list) else True


@pytest.fixture(scope="module")
def contract(shared: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads((shared / "spec" / "fields.json").read_text(encoding="utf-8"))
    return found


def predicted(fields: list[dict[str, Any]], version: str, prefix: str = "") -> dict[str, str]:
    """Return the type of each member of a version, by its path. ``since``, ``until`` and ``also_in`` say which versions have a member."""
    return {
        field["path"].removeprefix(prefix): field["type"]
        for field in fields
        if field["path"].startswith(prefix)
        and (field["since"] <= version <= field.get("until", version) or version in field.get("also_in", ()))
    }


@pytest.fixture(scope="module")
def machine(service: Services) -> Any:
    return service(FULL)


def test_thirty_five_api_versions_are_tested() -> None:
    assert len(versions.API_VERSIONS) == 35


@pytest.mark.parametrize("version", versions.API_VERSIONS)
def test_instance_document_has_the_members_of_its_version(version: str, machine: Any, contract: Any) -> None:
    fields = [field for field in contract["instance"] if not field["path"].startswith("extended.")]
    answer = machine.get("/metadata/instance", version)
    document, expected = answer.json, predicted(fields, version)
    if version == versions.PREVIEW:
        expected = {path: kind for path, kind in expected.items() if path not in NOT_JSON_TYPES}
    found = shape(document)
    arrays = {path for path, kind in found.items() if kind == "array"}
    if version == versions.PREVIEW:  # the contract lists no arrays of this version, only the members inside them, and one exception
        assert arrays == {prefix for path in predicted(fields, version) for prefix in above(path)} | set(NOT_JSON_TYPES)
        found = {path: kind for path, kind in found.items() if kind != "array" and not path.startswith(tuple(NOT_JSON_TYPES))}
        expected = {path: kind for path, kind in expected.items() if kind != "array"}
    assert found == expected
    assert in_order(document)
    assert list(document) == ["compute", "network"]
    assert answer.body == json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def above(path: str) -> set[str]:
    """Return the arrays that a path goes through."""
    parts = path.split("[]")
    return {"[]".join(parts[: count + 1]) for count in range(len(parts) - 1)}


@pytest.mark.parametrize("version", versions.API_VERSIONS)
def test_extended_part_has_the_members_of_its_version(version: str, machine: Any, contract: Any) -> None:
    answer = machine.get("/metadata/instance", version, extended="true")
    expected = predicted(contract["instance"], version, "extended.")
    if not expected:
        assert answer.status == 400
        return
    extended = answer.json["extended"]
    assert (shape(extended), in_order(extended)) == (expected, True)


@pytest.mark.parametrize("version", versions.API_VERSIONS)
def test_attested_document_has_the_members_of_its_version(version: str, machine: Any, contract: Any) -> None:
    answer = machine.get("/metadata/attested/document", version)
    outside = predicted(contract["attested"], version, "$.")
    if not outside:
        assert answer.status in (400, 404)
        return
    assert (shape(answer.json), in_order(answer.json)) == (outside, True)
    content = json.loads(base64.b64decode(answer.json["signature"]).removeprefix(b"signed:"))
    assert (shape(content), in_order(content)) == (predicted(contract["attested"], version, "$content."), True)


@pytest.mark.parametrize("version", versions.API_VERSIONS)
@pytest.mark.parametrize("selector", [{}, {"object_id": OBJECT_ID}, {"msi_res_id": RESOURCE_ID}], ids=["none", "object_id", "msi_res_id"])
def test_token_has_the_members_of_its_version(version: str, selector: dict[str, str], service: Services, contract: Any) -> None:
    identity = {"userAssigned": [{"objectId": OBJECT_ID, "resourceId": RESOURCE_ID}]}
    answer = service({"identity": identity}).get(TOKEN, version, resource="https%3A%2F%2Fvault.azure.net", **selector)
    fields = [field for field in contract["identity_token"] if field["path"].removeprefix("$.") not in NOT_SENT]
    expected = predicted(fields, version, "$.")
    if not expected:
        assert answer.status in (400, 404)
        return
    absent = {"object_id", "msi_res_id"} - selector.keys()  # the service repeats only the selector of the request
    assert shape(answer.json) == {path: kind for path, kind in expected.items() if path not in absent}
    assert in_order(answer.json)


def test_comparison_detects_another_type_member_or_order(machine: Any, contract: Any) -> None:
    document = machine.get("/metadata/instance", "2021-08-01").json
    expected = predicted([field for field in contract["instance"] if not field["path"].startswith("extended.")], "2021-08-01")
    assert shape(document) == expected
    changes: list[Callable[[Any], object]] = [
        lambda compute: compute.update(vmId=1),
        lambda compute: compute.update(isHostCompatibilityLayerVm=True),
        lambda compute: compute.pop("zone"),
        lambda compute: compute.update(zzz=""),
        lambda compute: compute.update(tagsList={"name": "a", "value": "b"}),
    ]
    for change in changes:
        other = json.loads(json.dumps(document))
        change(other["compute"])
        assert shape(other) != expected
    assert not in_order({"compute": {"b": "", "a": ""}})
