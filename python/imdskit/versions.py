"""Tables of the api-versions of IMDS. They list all versions, and the first version that has each
endpoint, each member of the instance document, and each member of attested documents.

The parts of a path are separated by dots. ``[]`` follows the name of an array:
``network.interface[]`` is the array itself, and ``network.interface[].macAddress`` is a member of
each of its elements. The instance document for an older api-version has the same form as the newest
one, but lacks the members that were added later. Only the preview version 2017-03-01 has another
form.

Sources: IMDS documentation, "Versions" and the tables of "Instance metadata"; the published
interface descriptions; recorded responses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_API_VERSIONS = """
    2017-03-01 2017-04-02 2017-08-01 2017-10-01 2017-12-01
    2018-02-01 2018-04-02 2018-10-01
    2019-02-01 2019-03-11 2019-04-30 2019-06-01 2019-06-04 2019-08-01 2019-08-15 2019-11-01
    2020-06-01 2020-07-15 2020-09-01 2020-10-01 2020-12-01
    2021-01-01 2021-02-01 2021-03-01 2021-05-01 2021-08-01 2021-10-01 2021-11-01 2021-11-15 2021-12-13
    2023-07-01 2023-11-15
    2024-03-15 2024-07-17
    2025-04-07
"""

API_VERSIONS: tuple[str, ...] = tuple(_API_VERSIONS.split())
"""Every version that ``/metadata/versions`` lists, ascending."""

PREVIEW = "2017-03-01"
"""Preview version. In ``network`` it has other names of members. In ``compute`` it has the members
of the first general version, 2017-04-02."""

SCHEDULED_EVENTS_VERSIONS: tuple[str, ...] = (
    "2017-03-01",
    "2017-08-01",
    "2017-11-01",
    "2019-01-01",
    "2019-04-01",
    "2019-08-01",
    "2020-07-01",
    "2024-07-09",
)
"""Api-versions of ``/metadata/scheduledevents``, ascending."""

SCHEDULED_EVENTS_USUAL = "2020-07-01"
"""Newest api-version of scheduled events that all Azure hosts have supported for years. There is
only one newer version, which adds an event type for spot machines."""

ENDPOINTS: Mapping[str, str] = {
    "instance": "2017-03-01",
    "identity": "2018-02-01",
    "attested": "2018-10-01",
    "loadbalancer": "2020-10-01",
}
"""Maps an endpoint to its first version. The endpoint ``versions`` has no api-version, and
:data:`SCHEDULED_EVENTS_VERSIONS` lists the versions of ``scheduledevents``."""

_COMPUTE: Mapping[str, str] = {
    "2017-04-02": """
        location name offer osType platformFaultDomain platformUpdateDomain publisher sku version vmId vmSize""",
    "2017-08-01": "placementGroupId resourceGroupName subscriptionId tags",
    "2017-12-01": "vmScaleSetName zone",
    "2018-04-02": "plan.name plan.product plan.publisher publicKeys[] publicKeys[].keyData publicKeys[].path",
    "2018-10-01": "azEnvironment provider",
    "2019-02-01": "customData",
    "2019-03-11": "resourceId",
    "2019-06-04": "tagsList[] tagsList[].name tagsList[].value",
    "2020-06-01": "isHostCompatibilityLayerVm securityProfile.secureBootEnabled securityProfile.virtualTpmEnabled",
    "2020-07-15": "osProfile.adminUsername osProfile.computerName",
    "2020-09-01": "licenseType",
    "2020-10-01": "osProfile.disablePasswordAuthentication",
    "2020-12-01": "evictionPolicy priority",
    "2021-01-01": "userData",
    "2021-03-01": "extendedLocation.name extendedLocation.type virtualMachineScaleSet.id",
    "2021-10-01": "platformSubFaultDomain",
    "2021-11-01": "additionalCapabilities.hibernationEnabled securityProfile.encryptionAtHost",
    "2021-11-15": "host.id hostGroup.id",
    "2021-12-13": "securityProfile.securityType",
    "2023-11-15": "isVmInStandbyPool physicalZone",
}

_STORAGE: Mapping[str, str] = {
    "2019-06-01": """
        dataDisks[] dataDisks[].caching dataDisks[].createOption dataDisks[].diskSizeGB dataDisks[].image.uri dataDisks[].lun
        dataDisks[].managedDisk.id dataDisks[].managedDisk.storageAccountType dataDisks[].name dataDisks[].vhd.uri
        dataDisks[].writeAcceleratorEnabled
        imageReference.id imageReference.offer imageReference.publisher imageReference.sku imageReference.version
        osDisk.caching osDisk.createOption osDisk.diskSizeGB osDisk.encryptionSettings.enabled osDisk.image.uri
        osDisk.managedDisk.id osDisk.managedDisk.storageAccountType osDisk.name osDisk.osType osDisk.vhd.uri
        osDisk.writeAcceleratorEnabled""",
    "2019-08-01": "osDisk.diffDiskSettings.option",
    "2021-02-01": "resourceDisk.size",
    "2021-05-01": """
        dataDisks[].bytesPerSecondThrottle dataDisks[].diskCapacityBytes dataDisks[].isSharedDisk dataDisks[].isUltraDisk
        dataDisks[].opsPerSecondThrottle""",
    "2021-11-01": """
        osDisk.encryptionSettings.diskEncryptionKey.secretUrl osDisk.encryptionSettings.diskEncryptionKey.sourceVault.id
        osDisk.encryptionSettings.keyEncryptionKey.keyUrl osDisk.encryptionSettings.keyEncryptionKey.sourceVault.id""",
    "2023-07-01": "imageReference.communityGalleryImageId imageReference.exactVersion imageReference.sharedGalleryImageId",
}

_INTERFACE: Mapping[str, str] = {
    "2017-04-02": """
        ipv4.ipAddress[] ipv4.ipAddress[].privateIpAddress ipv4.ipAddress[].publicIpAddress
        ipv4.subnet[] ipv4.subnet[].address ipv4.subnet[].prefix
        ipv6.ipAddress[] ipv6.ipAddress[].privateIpAddress
        macAddress""",
}


def _paths(prefix: str, table: Mapping[str, str]) -> dict[str, str]:
    return {prefix + name: version for version, names in table.items() for name in names.split()}


INSTANCE: Mapping[str, str] = {
    **_paths("compute.", _COMPUTE),
    **_paths("compute.storageProfile.", _STORAGE),
    "network.interface[]": "2017-04-02",
    **_paths("network.interface[].", _INTERFACE),
}
"""Maps the path of a member of the instance document to the first version that has this member."""

OPTIONAL: Mapping[str, str] = {
    "network.interface[].ipv6.ipAddress[].publicIpAddress": "2017-04-02",
}
"""Maps an undocumented member that was observed on some machines to its first version, which is
inferred. The emulator returns these members only if a scenario contains them.
"""

NEWER: Mapping[str, str] = {
    "network.interface[].interfaceCompartmentID": "2025-07-24",
    "compute.interconnectGroupId": "2025-11-11",
    "compute.interconnectSubgroupId": "2025-11-11",
}
"""Maps a member to its first version, which is newer than the last one in :data:`API_VERSIONS`.
Some programs request these members with that version.

The emulator returns them only if a scenario contains them. Sources:
Azure/azure-container-networking (CNS) for the first member, kubernetes-sigs/cloud-provider-azure
for the other two.
"""

PREVIEW_COMPUTE: tuple[str, ...] = tuple(path for path, version in _paths("compute.", _COMPUTE).items() if version == "2017-04-02")
"""Members of ``compute`` in the preview version. They are the members of the first general version,
2017-04-02."""

PREVIEW_NETWORK: Mapping[str, str] = {
    "network.interface[].ipv4.ipaddress[].ipaddress": "network.interface[].ipv4.ipAddress[].privateIpAddress",
    "network.interface[].ipv4.ipaddress[].publicip": "network.interface[].ipv4.ipAddress[].publicIpAddress",
    "network.interface[].ipv4.subnet[].address": "network.interface[].ipv4.subnet[].address",
    "network.interface[].ipv4.subnet[].dnsservers[].ipaddress": "",
    "network.interface[].ipv4.subnet[].prefix": "network.interface[].ipv4.subnet[].prefix",
    "network.interface[].ipv6.ipaddress": "network.interface[].ipv6.ipAddress[]",
    "network.interface[].mac": "network.interface[].macAddress",
}
"""Maps a path in the preview version to the path of the same member in all other versions. The
value is ``""`` if the other versions do not have the member."""

EXTENDED: Mapping[str, str] = {
    "extended.compute.hasCustomData": "2021-08-01",
    "extended.compute.ppsType": "2021-08-01",
}
"""Maps an undocumented member to its first version. A response contains these members only if the
request has the query parameter ``extended=true``. ``hasCustomData`` is a JSON boolean."""

EXTENDED_SINCE = "2021-08-01"
"""First api-version of the members in :data:`EXTENDED`."""

ATTESTED: Mapping[str, str] = {
    "licenseType": "2020-09-01",
    "nonce": "2018-10-01",
    "plan.name": "2018-10-01",
    "plan.product": "2018-10-01",
    "plan.publisher": "2018-10-01",
    "sku": "2019-11-01",
    "subscriptionId": "2019-04-30",
    "timeStamp.createdOn": "2018-10-01",
    "timeStamp.expiresOn": "2018-10-01",
    "vmId": "2018-10-01",
}
"""Maps a member of the signed content to its first version. The members are in the order in which
the service writes them."""


def newest(versions: Sequence[str], count: int = 3) -> tuple[str, ...]:
    """Return the ``count`` newest of ``versions``, the newest first. The service's error for an
    unsupported api-version lists them in this way."""
    return tuple(sorted(versions, reverse=True)[:count])


__all__ = [
    "API_VERSIONS",
    "ATTESTED",
    "ENDPOINTS",
    "EXTENDED",
    "EXTENDED_SINCE",
    "INSTANCE",
    "OPTIONAL",
    "PREVIEW",
    "SCHEDULED_EVENTS_VERSIONS",
    "newest",
]
