"""Tests of the members that each version has, and of the names in the preview."""

from __future__ import annotations

import pytest

from imdskit import versions
from imdskit.protocol import instance_shape
from imdskit.protocol.instance_shape import Object

INTERFACE: Object = {
    "ipv4": {
        "ipAddress": [{"privateIpAddress": "10.0.0.4", "publicIpAddress": "203.0.113.1"}, {"privateIpAddress": "10.0.0.5"}],
        "subnet": [{"address": "10.0.0.0", "dnsservers": [{"ipaddress": "10.0.0.2"}], "prefix": "24"}],
    },
    "ipv6": {"ipAddress": [{"privateIpAddress": "2001:db8::4", "publicIpAddress": ""}]},
    "macAddress": "000D3A000001",
}


def test_newer_members_are_left_out_and_keys_are_sorted() -> None:
    document: Object = {"compute": {"zone": "1", "vmId": "v", "tags": "", "plan": {"name": ""}, "location": "l"}}
    assert instance_shape.at_version(document, "2017-04-02") == {"compute": {"location": "l", "vmId": "v"}}
    compute = instance_shape.member(instance_shape.at_version(document, "2018-04-02"), "compute")
    assert list(compute) == ["location", "plan", "tags", "vmId", "zone"]


def test_object_appears_with_its_first_member() -> None:
    document: Object = {"compute": {"securityProfile": {"encryptionAtHost": "", "secureBootEnabled": "", "securityType": ""}}}
    shown = {
        version: list(
            instance_shape.member(instance_shape.member(instance_shape.at_version(document, version), "compute"), "securityProfile")
        )
        for version in ("2019-11-01", "2020-06-01", "2021-11-01", "2021-12-13")
    }
    assert shown == {
        "2019-11-01": [],
        "2020-06-01": ["secureBootEnabled"],
        "2021-11-01": ["encryptionAtHost", "secureBootEnabled"],
        "2021-12-13": ["encryptionAtHost", "secureBootEnabled", "securityType"],
    }


def test_elements_of_arrays_are_filtered() -> None:
    document: Object = {"network": {"interface": [INTERFACE, INTERFACE]}}
    shown = instance_shape.objects(instance_shape.member(instance_shape.at_version(document, "2017-04-02"), "network")["interface"])
    assert len(shown) == 2
    assert instance_shape.member(shown[0], "ipv4")["subnet"] == [{"address": "10.0.0.0", "prefix": "24"}]


def test_preview_has_its_own_names() -> None:
    document: Object = {"compute": {"vmId": "v", "zone": "1"}, "network": {"interface": [INTERFACE]}}
    assert instance_shape.at_version(document, versions.PREVIEW) == {
        "compute": {"vmId": "v"},
        "network": {
            "interface": [
                {
                    "ipv4": {
                        "ipaddress": [{"ipaddress": "10.0.0.4", "publicip": "203.0.113.1"}, {"ipaddress": "10.0.0.5"}],
                        "subnet": [{"address": "10.0.0.0", "dnsservers": [{"ipaddress": "10.0.0.2"}], "prefix": "24"}],
                    },
                    "ipv6": {"ipaddress": [{"ipaddress": "2001:db8::4"}]},
                    "mac": "000D3A000001",
                }
            ]
        },
    }


def test_document_without_compute_stays_without_it() -> None:
    for version in ("2017-03-01", "2021-02-01"):
        assert list(instance_shape.at_version({"network": {"interface": []}}, version)) == ["network"]


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("COMPUTE/VMID", "2021-02-01", "compute/vmId"),
        ("compute/storageprofile/OSDISK", "2021-02-01", "compute/storageProfile/osDisk"),
        ("network/interface/0/ipv4/ipaddress/0/publicipaddress", "2021-02-01", "network/interface/0/ipv4/ipAddress/0/publicIpAddress"),
        ("network/interface/0/ipv4/ipAddress/0/publicIp", "2017-03-01", "network/interface/0/ipv4/ipaddress/0/publicip"),
        ("network/interface/0/MAC", "2017-03-01", "network/interface/0/mac"),
        ("Extended/Compute/PpsType", "2021-08-01", "extended/compute/ppsType"),
        ("compute/nosuch/-1", "2021-02-01", "compute/nosuch/-1"),
    ],
)
def test_keys_have_the_spelling_of_the_document(path: str, version: str, expected: str) -> None:
    assert "/".join(instance_shape.spelled(tuple(path.split("/")), version)) == expected


def test_no_two_names_differ_only_in_case() -> None:
    names = {name for path in {**versions.INSTANCE, **versions.OPTIONAL} for name in path.replace("[]", "").split(".")}
    assert len(names) == len({name.lower() for name in names})
