"""The instance document has exactly the members of its api-version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit import versions
from imdskit.emulator.scenario import Scenario
from imdskit.errors import ScenarioError

Services = Callable[..., Any]

FULL = {
    "compute": {"tags": {"a": "b"}, "storageProfile": {"dataDisks": [{}]}},
    "network": {"interface": [{"ipv6": {"ipAddress": [{"privateIpAddress": "2001:db8::4"}]}}]},
}


def paths(value: Any, prefix: str = "") -> set[str]:
    """Return the dotted paths of all leaves. Paths through arrays have ``[]``."""
    if isinstance(value, dict):
        return {path for name, inner in value.items() for path in paths(inner, f"{prefix}.{name}" if prefix else name)}
    if isinstance(value, list):
        return {f"{prefix}[]"} | {path for inner in value for path in paths(inner, f"{prefix}[]")}
    return {prefix}


@pytest.fixture(scope="module")
def full(service: Services) -> Any:
    return service(FULL)


@pytest.mark.parametrize("version", versions.API_VERSIONS)
def test_each_version_has_exactly_the_members_of_the_contract(version: str, full: Any, shared: Path) -> None:
    fields = json.loads((shared / "spec" / "fields.json").read_text(encoding="utf-8"))["instance"]
    predicted = {
        entry["path"] + ("[]" if entry["type"] == "array" else "")
        for entry in fields
        if not entry["path"].startswith("extended")
        and (entry["since"] <= version <= entry.get("until", version) or version in entry.get("also_in", ()))
    }
    found = paths(full.get("/metadata/instance", version).json)
    if version == versions.PREVIEW:  # Here fields.json lists only leaves, and one array as if it were a leaf.
        found = {path.replace("ipv6.ipaddress[].ipaddress", "ipv6.ipaddress") for path in found if not path.endswith("[]")}
    assert found == predicted


@pytest.mark.parametrize("version", versions.API_VERSIONS)
def test_every_value_is_text_and_keys_are_sorted(version: str, full: Any) -> None:
    def check(value: Any) -> None:
        if isinstance(value, dict):
            assert list(value) == sorted(value)
            for inner in value.values():
                check(inner)
        elif isinstance(value, list):
            for inner in value:
                check(inner)
        else:
            assert isinstance(value, str)

    response = full.get("/metadata/instance", version)
    check(response.json)
    assert response.body == json.dumps(response.json, separators=(",", ":"), ensure_ascii=False).encode()


CAPTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "real-instance-2017-04-02.json": ("2017-04-02", {}),
    "real-instance-2017-08-01.json": ("2017-08-01", {}),
    "real-instance-2019-06-01.json": ("2019-06-01", {}),
    "real-instance-2019-08-15.json": ("2019-08-15", {}),
    "real-instance-2021-12-13.json": ("2021-12-13", {}),
    # This machine had no physicalZone, though the documentation says that the version has it.
    "real-instance-2023-11-15-extended.json": ("2023-11-15", {"physicalZone": None}),
}


@pytest.mark.parametrize(("name", "version", "absent"), [(name, *rest) for name, rest in CAPTURES.items()], ids=CAPTURES)
def test_a_captured_document_used_as_scenario_is_reproduced(
    name: str, version: str, absent: dict[str, Any], shared: Path, service: Services
) -> None:
    text = (shared / "spec" / "samples" / name).read_text(encoding="utf-8")
    document = json.loads(text)
    machine = service({**document, "compute": {**document["compute"], **absent}})
    extended = {"extended": "true"} if "extended" in document else {}
    body = machine.get("/metadata/instance", version, **extended).body
    assert body == json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("name", Scenario.names())
def test_every_built_in_scenario_supports_every_version(name: str, service: Services) -> None:
    machine = service(name)
    for version in versions.API_VERSIONS:
        document = machine.get("/metadata/instance", version).json
        assert list(document) == (["network"] if name == "classic" else ["compute", "network"])


def test_the_extended_part_comes_last_and_has_a_boolean(full: Any) -> None:
    body = full.get("/metadata/instance", "2021-08-01", extended="true").body
    assert body.endswith(b',"extended":{"compute":{"hasCustomData":false,"ppsType":"None"}}}')
    assert b'extended"' not in full.get("/metadata/instance", "2021-08-01", extended="false").body


def test_the_extended_part_is_available_only_on_request(full: Any) -> None:
    assert full.get("/metadata/instance/extended/compute/ppsType", extended="true", format="text").body == b"None"
    assert full.get("/metadata/instance/extended").status == 404


def test_refuses_the_extended_part_in_older_versions(full: Any) -> None:
    assert full.get("/metadata/instance", "2021-05-01", extended="true").status == 400
    assert full.get("/metadata/instance", "2021-05-01", extended="false").status == 200


def test_encodes_text_as_utf_8(service: Services) -> None:
    machine = service({"compute": {"name": "héalth\u2603"}})
    assert "héalth\u2603".encode() in machine.get("/metadata/instance").body
    assert machine.get("/metadata/instance/compute/name", format="text").body == "héalth\u2603".encode()


def test_rejects_a_machine_that_is_too_large_to_serve(service: Services) -> None:
    with pytest.raises(ScenarioError):
        service({"network": {"interface": [{"ipv6": {"ipAddress": [{}] * 100_001}}]}})


def test_a_future_version_has_the_newest_shape(service: Services) -> None:
    machine = service({"apiVersions": ["2025-04-07", "2030-01-01"]})
    assert machine.get("/metadata/instance", "2030-01-01").body == machine.get("/metadata/instance", "2025-04-07").body
    assert machine.get("/metadata/versions").json == {"apiVersions": ["2025-04-07", "2030-01-01"]}
    assert machine.get("/metadata/instance", "2021-02-01").status == 400
