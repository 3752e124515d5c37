"""Models of ``compute.storageProfile``: disks and image. Members exist from api-version 2019-06-01 unless stated otherwise.

Sizes, numbers and booleans are text, because the service sends them as text.
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
    """Data disk. Five members exist from 2021-05-01: the two throttles, ``disk_capacity_bytes``, ``is_shared_disk`` and ``is_ultra_disk``."""

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
    """Image that the machine was created from. The ids of gallery images and ``exact_version`` exist from 2023-07-01."""

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
    """Encryption settings of the operating system's disk. The members for the keys exist from 2021-11-01."""

    disk_encryption_key: DiskEncryptionKey | None = None
    enabled: str | None = None
    key_encryption_key: KeyEncryptionKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffDiskSettings(Model):
    """Settings of an ephemeral disk. They exist from 2019-08-01. For an ephemeral disk, ``option`` is ``Local``."""

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
