"""Tests that the tables of versions agree with the specification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imdskit import versions


def fields(shared: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads((shared / "spec" / "fields.json").read_text(encoding="utf-8"))
    return found


def listed(shared: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared / "spec" / "versions.json").read_text(encoding="utf-8"))
    return found


def test_versions_agree_with_the_specification(shared: Path) -> None:
    contract = listed(shared)
    assert list(versions.API_VERSIONS) == [entry["version"] for entry in contract["api_versions"]]
    documented = [entry["version"] for entry in contract["scheduledevents_versions"]]
    assert list(versions.SCHEDULED_EVENTS_VERSIONS) == [*documented, "2024-07-09"]  # the last one is from the page on spot machines


def test_thirty_five_versions_are_in_ascending_order() -> None:
    assert len(versions.API_VERSIONS) == len(set(versions.API_VERSIONS)) == 35
    assert list(versions.API_VERSIONS) == sorted(versions.API_VERSIONS)
    assert list(versions.SCHEDULED_EVENTS_VERSIONS) == sorted(versions.SCHEDULED_EVENTS_VERSIONS)


def test_table_has_every_instance_member_with_its_version(shared: Path) -> None:
    contract = {
        entry["path"] + ("[]" if entry["type"] == "array" else ""): entry["since"]
        for entry in fields(shared)["instance"]
        if "until" not in entry and not entry["path"].startswith("extended")
    }
    assert dict(versions.INSTANCE) == contract


def test_preview_members_agree_with_the_specification(shared: Path) -> None:
    instance = fields(shared)["instance"]
    assert set(versions.PREVIEW_NETWORK) == {entry["path"] for entry in instance if entry.get("until") == versions.PREVIEW}
    assert set(versions.PREVIEW_COMPUTE) == {entry["path"] for entry in instance if versions.PREVIEW in entry.get("also_in", ())}


def test_extended_members_agree_with_the_specification(shared: Path) -> None:
    contract = {entry["path"]: entry["since"] for entry in fields(shared)["instance"] if entry["path"].startswith("extended")}
    assert dict(versions.EXTENDED) == contract
    assert set(contract.values()) == {versions.EXTENDED_SINCE}


def test_table_has_every_attested_member_with_its_version(shared: Path) -> None:
    contract = {
        entry["path"].removeprefix("$content."): entry["since"]
        for entry in fields(shared)["attested"]
        if entry["path"].startswith("$content.")
    }
    assert dict(versions.ATTESTED) == contract
    assert list(versions.ATTESTED) == sorted(versions.ATTESTED)


@pytest.mark.parametrize("path", [*versions.INSTANCE, *versions.OPTIONAL, *versions.EXTENDED, *versions.ATTESTED])
def test_every_first_version_exists(path: str) -> None:
    tables = {**versions.INSTANCE, **versions.OPTIONAL, **versions.EXTENDED, **versions.ATTESTED}
    assert tables[path] in versions.API_VERSIONS


def test_the_first_version_of_every_endpoint_exists() -> None:
    assert set(versions.ENDPOINTS.values()) <= set(versions.API_VERSIONS)


def test_newest_returns_three_versions_newest_first() -> None:
    assert versions.newest(versions.API_VERSIONS) == ("2025-04-07", "2024-07-17", "2024-03-15")
    assert versions.newest(("2019-06-01", "2020-06-01")) == ("2020-06-01", "2019-06-01")
