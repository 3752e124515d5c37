"""Models of ``compute``, with the members of every api-version. :data:`imdskit.versions.INSTANCE` names the first version of each member.

Numbers and booleans are text, because the service sends them as text.
"""

from __future__ import annotations

from dataclasses import dataclass

from imdskit.client.models.reader import Model
from imdskit.client.models.storage import Reference, StorageProfile


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
    """Element of ``tagsList``. The member ``tags`` contains the same tags in one text, which is ambiguous if a tag contains ``;`` or ``:``."""

    name: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityProfile(Model):
    """Security profile of the machine. ``encryption_at_host`` exists from 2021-11-01, ``security_type`` from 2021-12-13."""

    encryption_at_host: str | None = None
    secure_boot_enabled: str | None = None
    security_type: str | None = None
    virtual_tpm_enabled: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OsProfile(Model):
    """Profile of the operating system. ``disable_password_authentication`` exists from 2020-10-01."""

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

    ``interconnect_group_id`` and ``interconnect_subgroup_id`` are not documented. Existing programs read them with api-version 2025-11-11.
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
