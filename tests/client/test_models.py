"""Tests of the models: they have every member of every version, keep unknown members, and write the JSON that they read."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit import versions
from imdskit.client import Client, models
from imdskit.client.models import (
    ApiVersions,
    AttestedContent,
    AttestedDocument,
    Compute,
    Instance,
    LoadBalancerResponse,
    Model,
    ScheduledEvents,
    Token,
)
from imdskit.client.models.reader import members
from imdskit.emulator import Emulator
from imdskit.errors import ClientError

MODELS: list[type[Model]] = [kind for name in models.__all__ if (kind := getattr(models, name)) is not Model]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator("many-devices", seed=1, rate_limit=False) as running:
        yield running


def paths(model: type[Model], prefix: str = "") -> Iterator[str]:
    """Yield the path of every member of a model, written as in :mod:`imdskit.versions`."""
    for name, member in members(model).items():
        path = f"{prefix}{name}{'[]' if member.is_array else ''}"
        if issubclass(member.kind, Model):
            if member.is_array:
                yield path
            yield from paths(member.kind, path + ".")
        else:
            yield path


OTHERS = {f"network.interface[].{array}[]" for array in ("ipv4.ipaddress", "ipv4.subnet[].dnsservers", "ipv6.ipaddress")}
"""Paths of arrays in the preview version. The tables in :mod:`imdskit.versions` do not list
them."""


def test_instance_has_exactly_the_members_of_all_versions() -> None:
    every = {*versions.INSTANCE, *versions.OPTIONAL, *versions.NEWER, *versions.EXTENDED, *versions.PREVIEW_NETWORK}
    # One class represents IPv4 and IPv6 addresses, with the member names of all versions.
    both = {
        f"network.interface[].{family}.{array}[].{leaf}"
        for family, array in itertools.product(("ipv4", "ipv6"), ("ipAddress", "ipaddress"))
        for leaf in ("privateIpAddress", "publicIpAddress", "ipaddress", "publicip")
    }
    found = set(paths(Instance))
    assert every - found == {"network.interface[].ipv6.ipaddress"}  # PREVIEW_NETWORK writes this array without "[]"
    assert found - every == (both | OTHERS) - every


def test_attested_content_has_exactly_the_members_of_all_versions() -> None:
    assert set(paths(AttestedContent)) == set(versions.ATTESTED)


def test_every_member_of_the_specification_has_a_field(shared: Path) -> None:
    fields = json.loads((shared / "spec" / "fields.json").read_text())
    assert len(fields["instance"]) > 100
    known = {path.replace("[]", "") for path in paths(Instance)}
    assert {entry["path"] for entry in fields["instance"] if entry["path"].replace("[]", "") not in known} == set()
    signed = {f"$content.{path}" for path in paths(AttestedContent)} | {f"$.{path}" for path in paths(AttestedDocument)}
    assert {entry["path"] for entry in fields["attested"]} == signed
    assert {entry["path"] for entry in fields["identity_token"]} == {f"$.{path}" for path in paths(Token)}


SAMPLES: dict[str, type[Model]] = {
    "doc-attested-content-seed.json": AttestedContent,
    "doc-identity-token.json": Token,
    "doc-instance-newest-linux.json": Instance,
    "doc-instance-newest-windows.json": Instance,
    "doc-instance-seed-era.json": Instance,
    "doc-loadbalancer.json": LoadBalancerResponse,
    "doc-versions.json": ApiVersions,
    "real-attested-2018-10-01.json": AttestedDocument,
    "real-attested-2019-08-15.json": AttestedDocument,
    "real-compute-2018-02-01.json": Compute,
    "real-instance-2017-04-02.json": Instance,
    "real-instance-2017-08-01.json": Instance,
    "real-instance-2019-06-01.json": Instance,
    "real-instance-2019-08-15.json": Instance,
    "real-instance-2021-12-13.json": Instance,
    "real-instance-2023-11-15-extended.json": Instance,
    "real-loadbalancer-no-rules.json": LoadBalancerResponse,
}


@pytest.mark.parametrize(("name", "model"), SAMPLES.items(), ids=SAMPLES.keys())
def test_recorded_and_documented_responses_round_trip(shared: Path, name: str, model: type[Model]) -> None:
    value = json.loads((shared / "spec" / "samples" / name).read_text())
    read = model.from_json(value)
    assert read.to_json() == value
    assert unknown(read) == []


def unknown(value: Any) -> list[str]:
    """Return the names of all members without a field, at any depth."""
    if isinstance(value, tuple):
        return [name for item in value for name in unknown(item)]
    if not isinstance(value, Model):
        return []
    return [*value.extra, *(name for field in dataclasses.fields(value) for name in unknown(getattr(value, field.name)))]


@pytest.mark.parametrize("version", versions.API_VERSIONS)
def test_every_version_of_the_instance_round_trips(emulator: Emulator, version: str) -> None:
    client = Client(emulator.url, api_version=version)
    value = client.get("instance", extended="true") if version >= versions.EXTENDED_SINCE else client.get("instance")
    read = Instance.from_json(value)
    assert read.to_json() == value
    assert unknown(read) == []
    assert hash(read) == hash(Instance.from_json(copy.deepcopy(value)))


def test_fields_have_python_names(emulator: Emulator) -> None:
    instance = Instance.from_json(Client(emulator.url).get("instance", api_version="2021-02-01"))
    assert instance.compute is not None
    assert instance.network is not None
    assert instance.compute.storage_profile is not None
    assert instance.compute.storage_profile.data_disks is not None
    assert [disk.lun for disk in instance.compute.storage_profile.data_disks] == ["0", "4", "7"]
    assert instance.compute.storage_profile.data_disks[0].disk_size_gb is not None
    assert instance.compute.storage_profile.data_disks[0].is_ultra_disk is None  # the member is newer than the version
    assert instance.compute.custom_data == ""
    assert instance.compute.vm_id == Client(emulator.url).get("compute/vmId", "text")


def test_events_and_load_balancers_have_numbers() -> None:
    events = {"DocumentIncarnation": 2, "Events": [{"EventId": "A", "Resources": ["vm"], "DurationInSeconds": -1, "NotBefore": ""}]}
    read = ScheduledEvents.from_json(events)
    assert read.events is not None
    assert (read.document_incarnation, read.events[0].duration_in_seconds, read.events[0].resources) == (2, -1, ("vm",))
    assert read.to_json() == events
    rules = {"loadbalancer": {"publicIpAddresses": [], "inboundRules": [{"protocol": "tcp", "frontendPort": 80, "backendPort": 8080}]}}
    balancer = LoadBalancerResponse.from_json(rules).loadbalancer
    assert balancer is not None
    assert balancer.inbound_rules is not None
    assert (balancer.inbound_rules[0].backend_port, balancer.outbound_rules) == (8080, None)
    assert LoadBalancerResponse.from_json(rules).to_json() == rules


def test_unknown_members_are_preserved() -> None:
    value = {"compute": {"name": "vm", "quantumLink": {"a": [None, 1.5]}}, "attestation": True}
    instance = Instance.from_json(value)
    assert instance.compute is not None
    assert (dict(instance.extra), dict(instance.compute.extra)) == ({"attestation": True}, {"quantumLink": {"a": [None, 1.5]}})
    assert instance.to_json() == value


def test_member_names_are_case_sensitive() -> None:
    assert dict(Compute.from_json({"vmid": "x", "vm_id": "y", "extra": "z"}).extra) == {"vmid": "x", "vm_id": "y", "extra": "z"}


WRONG: dict[str, tuple[type[Model], object, str]] = {
    "an array instead of an object": (Instance, [], "/"),
    "an object that is text": (Instance, {"compute": "x"}, "/compute"),
    "text that is a number": (Instance, {"compute": {"vmId": 1}}, "/compute/vmId"),
    "an element that is null": (Instance, {"network": {"interface": [None]}}, "/network/interface/0"),
    "an array that is an object": (Instance, {"network": {"interface": {}}}, "/network/interface"),
    "an element that is text": (Instance, {"network": {"interface": [{}, "x"]}}, "/network/interface/1"),
    "deep": (
        Instance,
        {"network": {"interface": [{"ipv4": {"ipAddress": [{"privateIpAddress": 4}]}}]}},
        "/network/interface/0/ipv4/ipAddress/0/privateIpAddress",
    ),
    "a boolean that is text": (Instance, {"extended": {"compute": {"hasCustomData": "true"}}}, "/extended/compute/hasCustomData"),
    "a number that is a boolean": (ScheduledEvents, {"DocumentIncarnation": True}, "/DocumentIncarnation"),
    "a number that is text": (ScheduledEvents, {"Events": [{"DurationInSeconds": "9"}]}, "/Events/0/DurationInSeconds"),
    "a list with a number": (ApiVersions, {"apiVersions": ["2021-02-01", 1]}, "/apiVersions/1"),
}


@pytest.mark.parametrize("value", [{"compute": {name: None}} for name in ("publicKeys", "plan", "zone")] + [{"network": None}], ids=str)
def test_null_equals_an_absent_member(value: dict[str, Any]) -> None:
    """Read null members, which the agent of Azure Arc writes for empty lists."""
    model = Instance.from_json(value)
    assert (model.compute or Compute()).public_keys is model.network is (model.compute or Compute()).zone is None
    assert model.to_json() == value


@pytest.mark.parametrize(("model", "value", "position"), WRONG.values(), ids=WRONG.keys())
def test_wrong_type_is_an_error_with_its_location(model: type[Model], value: object, position: str) -> None:
    with pytest.raises(ClientError) as error:
        model.from_json(value)
    assert (error.value.code, error.value.location) == ("not-imds", position)
    assert error.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["compute", "vmId", "interface", "Events", "x"]), below),
    max_leaves=8,
)


@given(st.data())
def test_any_json_round_trips_or_is_refused(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from(MODELS))
    names = st.sampled_from([*members(model), "unknown"])
    value = data.draw(JSON | st.dictionaries(names, JSON, max_size=4))
    try:
        read = model.from_json(value)
    except ClientError as error:
        assert error.code == "not-imds"
    else:
        assert read.to_json() == value


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_models_are_frozen_and_picklable(model: type[Model]) -> None:
    one = model.from_json({"unknown": [1]})
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.extra = {}  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash(model())
    assert not hasattr(one, "__dict__")


def test_token_repr_hides_the_secret() -> None:
    token = Token.from_json({"access_token": "hush", "refresh_token": "secret", "resource": "https://vault.azure.net"})
    assert token.access_token == "hush"
    assert "hush" not in repr(token)
    assert "secret" not in f"{token}"
    assert "vault" in repr(token)


def test_importing_the_client_does_not_import_the_models() -> None:
    package = Path(__file__).parents[2] / "python"
    program = f"import sys; sys.path.insert(0, {str(package)!r}); import imdskit.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=30, check=True)
    loaded = set(done.stdout.split())
    assert "imdskit.client.client" in loaded
    assert not loaded & {"imdskit.client.models", "dataclasses", "inspect"}
