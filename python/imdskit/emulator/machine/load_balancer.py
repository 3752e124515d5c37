"""``/metadata/loadbalancer``: the addresses and rules of the load balancers in front of a machine.

The members are in the order of the service's responses, which is not alphabetical. Ports are
numbers.

Source: Azure documentation, "Retrieve load balancer metadata using Azure Instance Metadata
Service"; all recorded responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imdskit.emulator.machine.expansion import ExpandedMachine
from imdskit.emulator.scenario.scenario import LOAD_BALANCER
from imdskit.protocol import instance_shape
from imdskit.protocol.instance_shape import Object, objects
from imdskit.protocol.json_writer import compact


def document(machine: ExpandedMachine) -> bytes | None:
    """Return the whole response body, or None if the machine has no load balancer.

    Lists that the scenario does not give are empty. Where the scenario gives no private address,
    the document has the first private address of the machine.
    """
    given = machine.scenario.given.get("loadbalancer")
    if given is None:
        return None
    private = _first_private_address(machine.document)
    lists = {
        name: [{member: _value(element, member, private) for member in members} for element in given.get(name) or ()]
        for name, members in LOAD_BALANCER.items()
    }
    return compact({"loadbalancer": lists})


def _value(element: Mapping[str, Any], member: str, private: str) -> str | int:
    value: str | int | None = element.get(member)
    if value is not None:
        return value
    port = element.get("frontendPort")
    defaults: dict[str, str | int] = {"protocol": "Tcp", "backendPort": 0 if port is None else port, "frontendPort": 0}
    return defaults.get(member, private if member == "privateIpAddress" else "")


def _first_private_address(instance: Object) -> str:
    for interface in objects(instance_shape.member(instance, "network").get("interface"))[:1]:
        for address in objects(instance_shape.member(interface, "ipv4").get("ipAddress"))[:1]:
            return str(address.get("privateIpAddress", ""))
    return ""
