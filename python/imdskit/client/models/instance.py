"""Models of ``/metadata/instance``: the whole document, with the members of every api-version.

Numbers, sizes and booleans are text, because the service sends them as text.
:data:`imdskit.versions.INSTANCE` names the first version of each member. Members of the storage
profile exist from api-version 2019-06-01 unless stated otherwise. The preview is the api-version
2017-03-01. In that version, members of ``network`` have other names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from imdskit.client.models.reader import Model

_SIZE: Mapping[str, str] = {"disk_size_gb": "diskSizeGB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference(Model):
    """Another resource, identified by its Azure resource id."""

    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob(Model):
    """Image or disk in a storage account. Only machines with unmanaged disks have this object."""

    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedDisk(Model):
    """Managed disk, which is a separate resource."""

    id: str | None = None
    storage_account_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDisk(Model):
    """Data disk.

    Five members exist from 2021-05-01: ``bytes_per_second_throttle``, ``ops_per_second_throttle``,
    ``disk_capacity_bytes``, ``is_shared_disk`` and ``is_ultra_disk``.
    """

    NAMES: ClassVar[Mapping[str, str]] = _SIZE

    bytes_per_second_throttle: str | None = None
    caching: str | None = None
    create_option: str | None = None
    disk_capacity_bytes: str | None = None
    disk_size_gb: str | None = None
    image: Blob | None = None
    is_shared_disk: str | None = None
    is_ultra_disk: str | None = None
    lun: str | None = None
    managed_disk: ManagedDisk | None = None
    name: str | None = None
    ops_per_second_throttle: str | None = None
    vhd: Blob | None = None
    write_accelerator_enabled: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference(Model):
    """Image that the machine was created from.

    The ids of gallery images and ``exact_version`` exist from 2023-07-01.
    """

    community_gallery_image_id: str | None = None
    exact_version: str | None = None
    id: str | None = None
    offer: str | None = None
    publisher: str | None = None
    shared_gallery_image_id: str | None = None
    sku: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskEncryptionKey(Model):
    """Disk encryption secret in a key vault."""

    secret_url: str | None = None
    source_vault: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEncryptionKey(Model):
    """Key in a key vault that encrypts the disk encryption secret."""

    key_url: str | None = None
    source_vault: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionSettings(Model):
    """Encryption settings of the operating system's disk.

    The members for the keys exist from 2021-11-01.
    """

    disk_encryption_key: DiskEncryptionKey | None = None
    enabled: str | None = None
    key_encryption_key: KeyEncryptionKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffDiskSettings(Model):
    """Settings of an ephemeral disk.

    They exist from 2019-08-01. For an ephemeral disk, ``option`` is ``Local``.
    """

    option: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OsDisk(Model):
    """Disk of the operating system."""

    NAMES: ClassVar[Mapping[str, str]] = _SIZE

    caching: str | None = None
    create_option: str | None = None
    diff_disk_settings: DiffDiskSettings | None = None
    disk_size_gb: str | None = None
    encryption_settings: EncryptionSettings | None = None
    image: Blob | None = None
    managed_disk: ManagedDisk | None = None
    name: str | None = None
    os_type: str | None = None
    vhd: Blob | None = None
    write_accelerator_enabled: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDisk(Model):
    """Temporary disk of the machine. It exists from 2021-02-01. ``size`` is a number of KiB."""

    size: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageProfile(Model):
    """Disks and image of the machine."""

    data_disks: tuple[DataDisk, ...] | None = None
    image_reference: ImageReference | None = None
    os_disk: OsDisk | None = None
    resource_disk: ResourceDisk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Model):
    """Plan of a marketplace image. Attested documents contain it, too."""

    name: str | None = None
    product: str | None = None
    publisher: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey(Model):
    """SSH public key."""

    key_data: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag(Model):
    """Element of ``tagsList``.

    The member ``tags`` contains the same tags in one text, which is ambiguous if a tag contains
    ``;`` or ``:``.
    """

    name: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityProfile(Model):
    """Security profile of the machine.

    ``encryption_at_host`` exists from 2021-11-01, ``security_type`` from 2021-12-13.
    """

    encryption_at_host: str | None = None
    secure_boot_enabled: str | None = None
    security_type: str | None = None
    virtual_tpm_enabled: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OsProfile(Model):
    """Profile of the operating system. ``disable_password_authentication`` exists from
    2020-10-01."""

    admin_username: str | None = None
    computer_name: str | None = None
    disable_password_authentication: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedLocation(Model):
    """Extended location of a machine in an edge zone."""

    name: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionalCapabilities(Model):
    """Additional capabilities of the machine."""

    hibernation_enabled: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute(Model):
    """Properties of the machine.

    ``interconnect_group_id`` and ``interconnect_subgroup_id`` are not documented. Existing programs
    read them with api-version 2025-11-11.
    """

    additional_capabilities: AdditionalCapabilities | None = None
    az_environment: str | None = None
    custom_data: str | None = None
    eviction_policy: str | None = None
    extended_location: ExtendedLocation | None = None
    host: Reference | None = None
    host_group: Reference | None = None
    interconnect_group_id: str | None = None
    interconnect_subgroup_id: str | None = None
    is_host_compatibility_layer_vm: str | None = None
    is_vm_in_standby_pool: str | None = None
    license_type: str | None = None
    location: str | None = None
    name: str | None = None
    offer: str | None = None
    os_profile: OsProfile | None = None
    os_type: str | None = None
    physical_zone: str | None = None
    placement_group_id: str | None = None
    plan: Plan | None = None
    platform_fault_domain: str | None = None
    platform_sub_fault_domain: str | None = None
    platform_update_domain: str | None = None
    priority: str | None = None
    provider: str | None = None
    public_keys: tuple[PublicKey, ...] | None = None
    publisher: str | None = None
    resource_group_name: str | None = None
    resource_id: str | None = None
    security_profile: SecurityProfile | None = None
    sku: str | None = None
    storage_profile: StorageProfile | None = None
    subscription_id: str | None = None
    tags: str | None = None
    tags_list: tuple[Tag, ...] | None = None
    user_data: str | None = None
    version: str | None = None
    virtual_machine_scale_set: Reference | None = None
    vm_id: str | None = None
    vm_scale_set_name: str | None = None
    vm_size: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IpAddress(Model):
    """IP address of an interface.

    In the preview, its members are called ``ipaddress`` and ``publicip``.
    """

    private_ip_address: str | None = None
    public_ip_address: str | None = None
    ipaddress: str | None = None
    publicip: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsServer(Model):
    """Name server. Only the preview has it."""

    ipaddress: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet(Model):
    """Subnet of an interface.

    ``prefix`` is the length of the prefix in bits, as text. Only the preview has ``dnsservers``.
    """

    address: str | None = None
    prefix: str | None = None
    dnsservers: tuple[DnsServer, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv4(Model):
    """IPv4 addresses of an interface.

    In the preview, the list of addresses is called ``ipaddress``.
    """

    ip_address: tuple[IpAddress, ...] | None = None
    subnet: tuple[Subnet, ...] | None = None
    ipaddress: tuple[IpAddress, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv6(Model):
    """IPv6 addresses of an interface.

    In the preview, the list of addresses is called ``ipaddress``. We *inferred* that its elements
    are objects.
    """

    ip_address: tuple[IpAddress, ...] | None = None
    ipaddress: tuple[IpAddress, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface(Model):
    """Network interface.

    The MAC address has twelve hexadecimal digits without colons. In the preview, it is called
    ``mac``. ``interface_compartment_id`` is not documented. Existing programs read it with
    api-version 2025-07-24."""

    NAMES: ClassVar[Mapping[str, str]] = {"interface_compartment_id": "interfaceCompartmentID"}

    ipv4: Ipv4 | None = None
    ipv6: Ipv6 | None = None
    mac_address: str | None = None
    interface_compartment_id: str | None = None
    mac: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Model):
    """All network interfaces."""

    interface: tuple[Interface, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedCompute(Model):
    """Object ``compute`` inside of ``extended``; see :class:`Extended`.

    ``has_custom_data`` is a JSON boolean, not text.
    """

    has_custom_data: bool | None = None
    pps_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(Model):
    """Undocumented object that the query parameter ``extended=true`` adds to the response, from
    api-version 2021-08-01."""

    compute: ExtendedCompute | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Model):
    """Instance document. A machine of the classic deployment model has no ``compute``."""

    compute: Compute | None = None
    network: Network | None = None
    extended: Extended | None = None
