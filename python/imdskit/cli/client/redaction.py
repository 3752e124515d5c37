"""Redaction: replaces everything that identifies a machine or its owner, so that a recorded
document can be shared.

Most replacements contain a number, as in ``name-1``. Values are numbered in the order in which the
document contains them. Equal values get equal replacements, so the name of a resource still occurs
in its resource id. Addresses of one network stay in one network. Some values keep a part, such as
the first half of a MAC address. The rest of a replacement is not computed from the value, so nobody
can compute the value from it. Empty values stay empty. Members that the table ``_KINDS`` does not
contain are left out, unless the caller sets ``unknown``.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Container, Mapping
from typing import Any

CATEGORIES: Mapping[str, str] = {
    "ids": "UUIDs, such as those of the machine and the subscription",
    "names": "names of the machine, its user, its resource group, its disks and other resources; URLs of storage accounts",
    "addresses": "IP and MAC addresses",
    "keys": "SSH keys, and URLs of keys and secrets in vaults",
    "user-data": "user data and custom data",
    "tags": "names and values of tags",
}
"""Mapping from a category of replaced values to its description."""

_KINDS: Mapping[str, str] = {
    "plain": """
        compute.additionalCapabilities.hibernationEnabled compute.azEnvironment compute.evictionPolicy compute.extendedLocation.name
        compute.extendedLocation.type compute.isHostCompatibilityLayerVm compute.isVmInStandbyPool compute.licenseType compute.location
        compute.offer compute.osProfile.disablePasswordAuthentication compute.osType compute.physicalZone compute.plan.name compute.plan.product
        compute.plan.publisher compute.platformFaultDomain compute.platformSubFaultDomain compute.platformUpdateDomain compute.priority
        compute.provider compute.publisher compute.securityProfile.encryptionAtHost compute.securityProfile.secureBootEnabled
        compute.securityProfile.securityType compute.securityProfile.virtualTpmEnabled compute.sku
        compute.storageProfile.dataDisks[].bytesPerSecondThrottle compute.storageProfile.dataDisks[].caching
        compute.storageProfile.dataDisks[].createOption compute.storageProfile.dataDisks[].diskCapacityBytes
        compute.storageProfile.dataDisks[].diskSizeGB compute.storageProfile.dataDisks[].isSharedDisk
        compute.storageProfile.dataDisks[].isUltraDisk compute.storageProfile.dataDisks[].lun
        compute.storageProfile.dataDisks[].managedDisk.storageAccountType compute.storageProfile.dataDisks[].opsPerSecondThrottle
        compute.storageProfile.dataDisks[].writeAcceleratorEnabled compute.storageProfile.imageReference.exactVersion
        compute.storageProfile.imageReference.offer compute.storageProfile.imageReference.publisher compute.storageProfile.imageReference.sku
        compute.storageProfile.imageReference.version compute.storageProfile.osDisk.caching compute.storageProfile.osDisk.createOption
        compute.storageProfile.osDisk.diffDiskSettings.option compute.storageProfile.osDisk.diskSizeGB
        compute.storageProfile.osDisk.encryptionSettings.enabled compute.storageProfile.osDisk.managedDisk.storageAccountType
        compute.storageProfile.osDisk.osType compute.storageProfile.osDisk.writeAcceleratorEnabled compute.storageProfile.resourceDisk.size
        compute.version compute.vmSize compute.zone network.interface[].ipv4.subnet[].prefix
        extended.compute.hasCustomData extended.compute.ppsType
        loadbalancer.inboundRules[].protocol loadbalancer.inboundRules[].frontendPort loadbalancer.inboundRules[].backendPort""",
    "name": """
        compute.interconnectGroupId compute.interconnectSubgroupId network.interface[].interfaceCompartmentID
        compute.name compute.osProfile.adminUsername compute.osProfile.computerName compute.placementGroupId compute.resourceGroupName
        compute.storageProfile.dataDisks[].name compute.storageProfile.osDisk.name compute.subscriptionId compute.vmId compute.vmScaleSetName""",
    "resource": """
        compute.host.id compute.hostGroup.id compute.publicKeys[].path compute.resourceId
        compute.storageProfile.dataDisks[].image.uri compute.storageProfile.dataDisks[].managedDisk.id compute.storageProfile.dataDisks[].vhd.uri
        compute.storageProfile.imageReference.communityGalleryImageId compute.storageProfile.imageReference.id
        compute.storageProfile.imageReference.sharedGalleryImageId compute.storageProfile.osDisk.image.uri
        compute.storageProfile.osDisk.managedDisk.id compute.storageProfile.osDisk.vhd.uri
        compute.storageProfile.osDisk.encryptionSettings.diskEncryptionKey.sourceVault.id
        compute.storageProfile.osDisk.encryptionSettings.keyEncryptionKey.sourceVault.id
        compute.virtualMachineScaleSet.id""",
    "key": """
        compute.publicKeys[].keyData compute.storageProfile.osDisk.encryptionSettings.diskEncryptionKey.secretUrl
        compute.storageProfile.osDisk.encryptionSettings.keyEncryptionKey.keyUrl""",
    "data": "compute.customData compute.userData",
    "tag": "compute.tagsList[].name compute.tagsList[].value",
    "tags": "compute.tags",
    "mac": "network.interface[].macAddress",
    "address": """
        network.interface[].ipv4.ipAddress[].privateIpAddress network.interface[].ipv4.ipAddress[].publicIpAddress
        network.interface[].ipv4.subnet[].address network.interface[].ipv4.subnet[].dnsservers[].ipaddress network.interface[].ipv6.ipAddress[].privateIpAddress
        network.interface[].ipv6.ipAddress[].publicIpAddress
        loadbalancer.publicIpAddresses[].frontendIpAddress loadbalancer.publicIpAddresses[].privateIpAddress
        loadbalancer.inboundRules[].frontendIpAddress loadbalancer.inboundRules[].privateIpAddress
        loadbalancer.outboundRules[].frontendIpAddress loadbalancer.outboundRules[].privateIpAddress""",
}
"""Maps a kind of value to the paths of the members that have values of this kind. The kind
determines how a value is replaced. Values of the kind ``plain`` are kept."""
KIND: Mapping[str, str] = {path: kind for kind, paths in _KINDS.items() for path in paths.split()}
"""Mapping from the path of a member, written as in :mod:`imdskit.versions`, to the kind of its
value."""

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_AZURE = "168.63.129.16"
"""Address of the Azure platform and its name server.

It is the same on every machine, so it identifies no machine.
"""
_PUBLIC = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24")
"""Networks reserved for documentation (RFC 5737)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network


class Redactor:
    """Redactor of one document.

    Args:
        keep: categories of values that are not replaced.
        unknown: whether to keep members that the table ``_KINDS`` does not contain.
        networks: networks as ``address/prefix``. Each network is replaced by another one, but the
            addresses in it keep their host part.

    Attributes:
        counts: mapping from a category to the number of distinct values that were replaced.
        dropped: paths of members that were left out. The table does not contain them, or their
            value is not text.
    """

    def __init__(self, keep: Container[str] = (), networks: tuple[str, ...] = (), *, unknown: bool = False) -> None:
        self._keep = keep
        self._unknown = unknown
        self._known: dict[tuple[str, str], str] = {}
        self.counts: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
        self.dropped: list[str] = []
        self._networks = _renumbered(networks)
        self._makers: Mapping[str, Callable[[str], str]] = {
            "name": self._name,
            "resource": self._resource,
            "key": lambda value: self._one("keys", "key", value, lambda number: f"redacted-key-{number}"),
            "data": lambda value: self._one("user-data", "data", value, _data),
            "tag": lambda value: self._one("tags", "tag", value, lambda number: f"tag-{number}"),
            "tags": self._tags,
            "mac": self._mac,
            "address": self._address,
        }

    def document(self, value: Any, path: str = "") -> Any:
        """Return a copy of ``value`` with identifying values replaced.

        ``value`` is the parsed JSON at ``path`` in the document.
        """
        if isinstance(value, dict):
            prefix = path + "." if path else ""
            done = {}
            for name, item in value.items():
                if _is_known(prefix + name):
                    done[name] = self.document(item, prefix + name)
                elif self._unknown:
                    done[name] = item
                elif item is not None:
                    self.dropped.append(prefix + name)
            return {name: item for name, item in done.items() if item is not None}
        if isinstance(value, list):
            return [self.document(item, path + "[]") for item in value]
        kind = KIND.get(path)
        if value is None:  # the service sends null for an empty list (observed); it means the same as an absent member
            return None
        if kind == "plain":
            return value
        if kind is None or not isinstance(value, str):
            self.dropped.append(path)
            return None
        return self._makers[kind](value) if value else ""

    def _one(self, category: str, kind: str, value: str, make: Callable[[int], str]) -> str:
        """Return the replacement of ``value``, or ``value`` itself if its category is kept.

        Values that differ only in letter case get equal replacements, because Azure ignores letter
        case in resource names.
        """
        if category in self._keep:
            return value
        key = kind, value.lower()
        if key not in self._known:
            self.counts[category] += 1
            number = 1 + sum(other == kind for other, _ in self._known)
            self._known[key] = make(number)
        return self._known[key]

    def _name(self, value: str) -> str:
        """Replace a name or a UUID.

        A number after an underscore at the end, as in ``SET_7``, is kept.
        """
        if _UUID.fullmatch(value):
            return self._one("ids", "id", value, lambda number: f"00000000-0000-4000-8000-{number:012}")
        if "names" in self._keep:
            return _UUID.sub(lambda found: self._name(found[0]), value)
        if member := re.fullmatch(r"(.+)_([0-9]{1,6})", value, re.ASCII):
            return f"{self._name(member[1])}_{member[2]}"
        return self._one("names", "name", value, lambda number: f"name-{number}")

    def _resource(self, value: str) -> str:
        """Replace the names in an Azure resource id, a path or a URL.

        Resource types and schemes are kept.
        """
        parts = value.split("/")
        if not value.startswith("/") or parts[1].lower() == "home":
            kept = {"https", "http", "home", ".ssh", "authorized_keys", ""}
            return "/".join(part if part.removesuffix(":") in kept else self._name(part) for part in parts)
        done, index = [""], 1
        while index < len(parts):
            word, rest = parts[index], parts[index + 1 : index + 2]
            literal = word.lower() in ("providers", "versions")
            done += [word, *(rest if literal else [self._name(name) if name else "" for name in rest])]
            index += 2
        return "/".join(done)

    def _tags(self, value: str) -> str:
        """Replace the tags in ``name:value;name:value``.

        The parts of a tag that contains ``:`` or ``;`` are replaced separately, because this form
        is ambiguous.
        """
        pairs = [pair.partition(":") for pair in value.split(";")]
        return ";".join("".join((self._tag(name), mark, self._tag(text))) for name, mark, text in pairs)

    def _tag(self, text: str) -> str:
        return self._makers["tag"](text) if text else ""

    def _mac(self, value: str) -> str:
        """Replace a MAC address except for its first half, which identifies the manufacturer."""
        return self._one("addresses", "mac", value, lambda number: f"{value[:6]}{number:06X}")

    def _address(self, value: str) -> str:
        if value == _AZURE:
            return value
        bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
        try:
            address: Address = ipaddress.ip_address(bare)
        except ValueError:
            return self._one("addresses", "no-address", value, lambda number: f"address-{number}")
        done = self._one("addresses", "address", str(address), lambda number: self._renumber(address, number))
        return f"[{done}]" if bare != value else done

    def _renumber(self, address: Address, number: int) -> str:
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.IPv6Address("2001:db8::") + number)
        for old, new in self._networks:
            if address in old:
                return str(new.network_address + (int(address) - int(old.network_address)))
        if address.is_private:
            return str(ipaddress.IPv4Address("10.255.0.0") + number)
        network = ipaddress.IPv4Network(_PUBLIC[number // 254 % len(_PUBLIC)])
        return str(network.network_address + 1 + number % 254)


def _is_known(path: str) -> bool:
    return any(known == path or known.startswith((path + ".", path + "[].")) for known in KIND)


def _renumbered(networks: tuple[str, ...]) -> tuple[tuple[Network, Network], ...]:
    """Return pairs of a network and its replacement.

    The replacement has the address ``10.N.0.0``, where N counts the networks from 0, and the same
    prefix length. Networks with the longest prefixes come first.
    """
    found: list[tuple[Network, Network]] = []
    for text in dict.fromkeys(networks):
        try:
            old = ipaddress.IPv4Network(text, strict=False)
        except ValueError:
            continue
        if old.prefixlen >= 16 and len(found) < 255:
            found.append((old, ipaddress.IPv4Network(f"10.{len(found)}.0.0/{old.prefixlen}")))
    return tuple(sorted(found, key=lambda pair: -pair[0].prefixlen))


def _data(number: int) -> str:
    return base64.b64encode(f"redacted {number}".encode()).decode()
