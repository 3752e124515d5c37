"""Models of ``/metadata/instance``: the whole document, and its member ``network``.

The preview is the api-version 2017-03-01. In that version, members of ``network`` have other names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from imdskit.client.models.compute import Compute
from imdskit.client.models.reader import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class IpAddress(Model):
    """IP address of an interface. In the preview, its members are called ``ipaddress`` and ``publicip``."""

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
    """Subnet of an interface. ``prefix`` is the length of the prefix in bits, as text. Only the preview has ``dnsservers``."""

    address: str | None = None
    prefix: str | None = None
    dnsservers: tuple[DnsServer, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv4(Model):
    """IPv4 addresses of an interface. In the preview, the list of addresses is called ``ipaddress``."""

    ip_address: tuple[IpAddress, ...] | None = None
    subnet: tuple[Subnet, ...] | None = None
    ipaddress: tuple[IpAddress, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv6(Model):
    """IPv6 addresses of an interface. In the preview, the list of addresses is called ``ipaddress``. We *inferred* that its elements are objects."""

    ip_address: tuple[IpAddress, ...] | None = None
    ipaddress: tuple[IpAddress, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface(Model):
    """Network interface.

    The MAC address has twelve hexadecimal digits without colons. In the preview, it is called ``mac``. ``interface_compartment_id`` is not
    documented. Existing programs read it with api-version 2025-07-24."""

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
    """Members of ``compute`` that ``extended=true`` adds. ``has_custom_data`` is a JSON boolean, not text."""

    has_custom_data: bool | None = None
    pps_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(Model):
    """Undocumented members that the parameter ``extended=true`` adds to the response, from api-version 2021-08-01."""

    compute: ExtendedCompute | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Model):
    """Instance document. A machine of the classic deployment model has no ``compute``."""

    compute: Compute | None = None
    network: Network | None = None
    extended: Extended | None = None
