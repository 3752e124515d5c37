"""Expansion of a scenario: this module completes a scenario with defaults, so that it describes a
whole machine.

Identifiers that a scenario does not give are derived from a seed, so the same seed and scenario
give the same machine. A machine has public addresses only if its scenario gives them.

This module decides which value a missing member gets. :mod:`imdskit.protocol.instance_shape`
decides which members an api-version shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imdskit import clouds, versions
from imdskit.emulator.machine.seeded_values import Seeded
from imdskit.emulator.scenario.scenario import SHAPE, Scenario
from imdskit.protocol.instance_shape import Member, Object, tree

_TREE = tree(versions.INSTANCE)

_REGIONS = {
    clouds.PUBLIC: "westeurope",
    clouds.US_GOVERNMENT: "usgovvirginia",
    clouds.CHINA: "chinanorth2",
    clouds.GERMANY: "germanycentral",
}

_LINUX_IMAGE = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "24.04.202504080"}
_WINDOWS_IMAGE = {
    "publisher": "MicrosoftWindowsServer",
    "offer": "WindowsServer",
    "sku": "2022-datacenter-azure-edition",
    "version": "20348.3453.250306",
}

_RESOLVER = "168.63.129.16"
"""Address of Azure's own name server. Only the preview api-version 2017-03-01 shows name servers."""


@dataclass(frozen=True, slots=True)
class ExpandedMachine:
    """A scenario with every value filled in.

    The instance document, the identities and the load balancer are derived from it.

    Attributes:
        scenario: the scenario from which the machine was expanded.
        seed: seed of the values that the scenario does not give.
        seeded: source of these values.
        shared: source of the values that all machines of a fleet have in common.
        document: the instance document in its newest shape with every member, including
            ``extended``. A classic machine has no ``compute``. A member that is neither given nor
            derivable is ``""``, as in the service's documents. A member that is given as null is
            omitted.
        compute: the ``compute`` object. A classic machine has this object, too, because its
            attested documents need values from it. No response of a classic machine shows the
            object itself.
    """

    scenario: Scenario
    seed: int
    seeded: Seeded
    shared: Seeded
    document: Object
    compute: Object

    @property
    def region(self) -> str:
        """The machine's location, or the default region of its cloud if the machine has no
        location."""
        return self.text("location") or _REGIONS[self.scenario.cloud]

    def text(self, name: str) -> str:
        """Return a member of ``compute``, or ``""`` if it is absent or not text."""
        value = self.compute.get(name, "")
        return value if isinstance(value, str) else ""


def expand(scenario: Scenario, seed: int, shared: int | None = None, kept: Mapping[str, str] | None = None) -> ExpandedMachine:
    """Return the machine that a scenario describes, completed with default values and with values
    from the seed.

    Args:
        scenario: the scenario.
        seed: seed of the values that the scenario does not give.
        shared: seed of the machine's fleet. None if the machine is not in a fleet.
        kept: values that an earlier emulator generated, from a snapshot. See :class:`Seeded`.
    """
    seeded = Seeded(seed, kept)
    common = seeded if shared in (None, seed) else Seeded(shared, kept)
    given = scenario.given.get("compute") or {}
    merged = _merged(_compute(scenario, given, seeded), {**given, **_tags(given)})
    if merged["storageProfile"] is not None:
        merged["storageProfile"] = _storage(merged, seeded)
    compute = filled(merged, _TREE.members["compute"])
    network = scenario.given.get("network", {})
    extended = {"compute": {"hasCustomData": False, "ppsType": "None"}}
    whole: dict[str, Any] = {
        "compute": None if scenario.classic else compute,
        **{name: value for name, value in scenario.given.items() if name not in SHAPE.members},
        "network": None if network is None else filled(_network(network, seeded), _TREE.members["network"]),
        "extended": _without_nulls(_merged(extended, scenario.given.get("extended") or {})),
    }
    shown = {name: value for name, value in whole.items() if value is not None and scenario.given.get(name, value) is not None}
    return ExpandedMachine(scenario, seed, seeded, common, shown, compute)


def filled(value: dict[str, Any], node: Member) -> Object:
    """Return ``value`` completed with every member of ``node``. Members that are None are removed.

    A missing leaf becomes ``""``. A missing array becomes ``[]``. A missing object becomes an
    object whose members are filled in the same way.
    """
    complete: Object = {}
    for name in sorted(node.members.keys() | value.keys()):
        inner = node.members.get(name)
        content = value.get(name, _missing(inner))
        if content is None:
            continue
        if inner is not None and inner.kind == "object":
            content = filled(content, inner)
        elif inner is not None and inner.kind == "array":
            content = [filled(element, inner) for element in content]
        complete[name] = content
    return complete


def _missing(node: Member | None) -> Any:
    return None if node is None else {"leaf": "", "object": {}, "array": []}[node.kind]


def _compute(scenario: Scenario, given: dict[str, Any], seeded: Seeded) -> dict[str, Any]:
    windows = (given.get("osType") or "Linux").lower() == "windows"
    name = given.get("name") or ("windows-vm" if windows else "linux-vm")
    scale_set = given.get("vmScaleSetName") or ""
    subscription = given.get("subscriptionId") or seeded.uuid("subscription")
    group = given.get("resourceGroupName") or "imdskit"
    number = name.removeprefix(f"{scale_set}_")
    uniform = bool(scale_set) and number != name and number.isdecimal()
    host = f"{scale_set}{number:>06}" if uniform else name
    user = (given.get("osProfile") or {}).get("adminUsername") or "azureuser"
    provider = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute"
    set_id = f"{provider}/virtualMachineScaleSets/{scale_set}"
    key = {"keyData": seeded.public_key(user, host), "path": f"/home/{user}/.ssh/authorized_keys"}
    return {
        "additionalCapabilities": {"hibernationEnabled": "false"},
        "azEnvironment": scenario.cloud.environment,
        "isHostCompatibilityLayerVm": "false",
        "location": _REGIONS[scenario.cloud],
        "name": name,
        "osProfile": {
            "adminUsername": user,
            "computerName": host,
            "disablePasswordAuthentication": "" if windows else "true",
        },
        "osType": "Windows" if windows else "Linux",
        "placementGroupId": seeded.uuid("placement group") if uniform else "",
        "platformFaultDomain": "0",
        "platformUpdateDomain": "0",
        "provider": "Microsoft.Compute",
        "publicKeys": [] if windows else [key],
        "resourceGroupName": group,
        "resourceId": f"{set_id}/virtualMachines/{number}" if uniform else f"{provider}/virtualMachines/{name}",
        "securityProfile": {
            "encryptionAtHost": "false",
            "secureBootEnabled": "true",
            "securityType": "TrustedLaunch",
            "virtualTpmEnabled": "true",
        },
        "storageProfile": {},
        "subscriptionId": subscription,
        "virtualMachineScaleSet": {"id": set_id if scale_set and not uniform else ""},
        "vmId": seeded.uuid("machine"),
        "vmSize": "Standard_D2s_v5",
        **(_WINDOWS_IMAGE if windows else _LINUX_IMAGE),
    }


def _tags(given: dict[str, Any]) -> dict[str, Any]:
    """Return ``tags`` and ``tagsList``, two representations of the same tags.

    If only one is given, the other is derived from it.
    """
    tags, listed = given.get("tags"), given.get("tagsList")
    if isinstance(tags, dict):
        pairs = sorted(tags.items())
        tags = ";".join(f"{name}:{value}" for name, value in pairs)
    elif listed is not None:
        pairs = [(entry.get("name") or "", entry.get("value") or "") for entry in listed]
    else:
        pairs = [(name, value) for name, _, value in (part.partition(":") for part in (tags or "").split(";") if part)]
    derived: dict[str, Any] = {
        "tags": ";".join(f"{name}:{value}" for name, value in pairs) if "tags" not in given else tags,
        "tagsList": [{"name": name, "value": value} for name, value in pairs] if "tagsList" not in given else listed,
    }
    return derived


def _storage(compute: dict[str, Any], seeded: Seeded) -> dict[str, Any]:
    given: dict[str, Any] = compute["storageProfile"]
    windows = compute.get("osType") == "Windows"
    disks = f"{(compute.get('resourceId') or '').partition('/providers/')[0]}/providers/Microsoft.Compute/disks"
    disk = (given.get("osDisk") or {}).get("name") or f"{compute.get('name')}_OsDisk_1_{seeded.bytes_for('os disk', 16).hex()}"
    defaults = {
        "dataDisks": [],
        "imageReference": {
            "exactVersion": compute.get("version"),
            "offer": compute.get("offer"),
            "publisher": compute.get("publisher"),
            "sku": compute.get("sku"),
            "version": "latest" if compute.get("version") else "",
        },
        "osDisk": {
            "caching": "ReadWrite",
            "createOption": "FromImage",
            "diskSizeGB": "127" if windows else "30",
            "encryptionSettings": {"enabled": "false"},
            "managedDisk": {"id": f"{disks}/{disk}", "storageAccountType": "Premium_LRS"},
            "name": disk,
            "osType": compute.get("osType"),
            "writeAcceleratorEnabled": "false",
        },
        "resourceDisk": {"size": "0"},
    }
    storage = _merged(defaults, given)
    if storage["dataDisks"] is not None:
        storage["dataDisks"] = [_data_disk(each, index, f"{compute.get('name')}", disks) for index, each in enumerate(storage["dataDisks"])]
    return storage


def _data_disk(given: dict[str, Any], index: int, machine: str, disks: str) -> dict[str, Any]:
    lun = given.get("lun") or str(index)
    name = given.get("name") or f"{machine}_DataDisk_{lun}"
    defaults = {
        "caching": "None",
        "createOption": "Attach",
        "diskSizeGB": "128",
        "isUltraDisk": "false",
        "lun": lun,
        "managedDisk": {"id": f"{disks}/{name}", "storageAccountType": "Premium_LRS"},
        "name": name,
        "writeAcceleratorEnabled": "false",
    }
    return _merged(defaults, given)


def _network(given: dict[str, Any], seeded: Seeded) -> dict[str, Any]:
    interfaces = given.get("interface", [{}])
    completed = None if interfaces is None else [_interface(each, index, seeded) for index, each in enumerate(interfaces)]
    return {**given, "interface": completed}


def _interface(given: dict[str, Any], index: int, seeded: Seeded) -> dict[str, Any]:
    defaults = {
        "ipv4": {
            "ipAddress": [{"privateIpAddress": f"10.0.{index}.4"}],
            "subnet": [{"address": f"10.0.{index}.0", "prefix": "24"}],
        },
        "macAddress": seeded.mac(index),
    }
    interface = _merged(defaults, given)
    ipv4 = interface["ipv4"]
    if ipv4 is not None and ipv4["subnet"] is not None:
        ipv4["subnet"] = [{"dnsservers": [{"ipaddress": _RESOLVER}], **subnet} for subnet in ipv4["subnet"]]
    return interface


def _merged(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return ``defaults`` updated with ``given``.

    Objects are merged recursively, and arrays are replaced as a whole.
    """
    merged = dict(defaults)
    for name, value in given.items():
        merged[name] = _merged(defaults.get(name) or {}, value) if isinstance(value, dict) else value
    return merged


def _without_nulls(value: dict[str, Any]) -> Object:
    return {name: _without_nulls(inner) if isinstance(inner, dict) else inner for name, inner in value.items() if inner is not None}
