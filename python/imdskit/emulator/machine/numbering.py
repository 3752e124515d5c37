"""Numbering of machines: derivation of a machine's scenario and seed from its number.

A fleet creates all its machines from one scenario, which is called the template of the fleet.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from imdskit.emulator.machine.expansion import expand
from imdskit.emulator.machine.seeded_values import Seeded
from imdskit.emulator.scenario.scenario import Scenario

_DEFAULT_PREFIX = 12
"""Prefix length of the default networks.

If the template gives no address for a machine's first interface, the interface gets one from
10.0.0.0/12. The second interface gets one from 10.16.0.0/12, and so on.
"""


class Numbering:
    """Numbering of an emulator with one machine. Machine 0 has the given scenario, unchanged.

    Args:
        scenario: scenario of the machine.
        seed: seed of all values that the scenario does not give.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario = scenario
        self._seed = seed

    def seed(self, _: int) -> int:
        """Return the seed of a machine."""
        return self._seed

    @property
    def shared_seed(self) -> int:
        """Seed of the values that all machines have in common."""
        return self._seed

    def scenario(self, _: int) -> Scenario:
        """Return the scenario of a machine."""
        return self._scenario


class FleetNumbering(Numbering):
    """Numbering of a fleet.

    The same template, seed and number give the same machine, regardless of the size of the fleet.

    All machines share the values that the template gives and the default values. They also share
    the subscription, the tenant and the user-assigned identities. Names, addresses and all other
    identifiers differ between machines, unless the template gives them without a placeholder such
    as ``{index}``.

    Args:
        template: any scenario.
        seed: seed of the fleet.
    """

    def __init__(self, template: Scenario, seed: int) -> None:
        super().__init__(template, seed)
        self._subscription = Seeded(seed).uuid("subscription")
        self._name = expand(template, seed).text("name")

    def seed(self, index: int) -> int:
        """Return the seed of all values that the scenario of machine ``index`` does not give."""
        return int.from_bytes(hashlib.sha256(f"imdskit fleet {self._seed} {index}".encode()).digest()[:16])

    def scenario(self, index: int) -> Scenario:
        """Return the scenario of machine ``index``.

        Raise ScenarioError if a network of the template has no address for it.
        """
        scenario = self._scenario.machine(index)
        given = dict(scenario.given)
        compute, network = given.get("compute", {}), given.get("network", {})
        if compute is not None:
            given["compute"] = {"subscriptionId": self._subscription, **compute, **self._named(compute, index)}
        if network is not None and network.get("interface", []) is not None:
            interfaces = [_addressed(each, position, index) for position, each in enumerate(network.get("interface", [{}]))]
            given["network"] = {**network, "interface": interfaces}
        return replace(scenario, given=given)

    def _named(self, compute: dict[str, Any], index: int) -> dict[str, str]:
        if not self._name or ("name" in compute and self._scenario.template is not None):
            return {}
        scale_set, _, number = self._name.rpartition("_")
        uniform = number.isdecimal() and scale_set == compute.get("vmScaleSetName")
        return {"name": f"{scale_set}_{index}" if uniform else f"{self._name}-{index}"}


def _addressed(interface: dict[str, Any], position: int, index: int) -> dict[str, Any]:
    """Return ``interface`` with an address for machine ``index`` if the template gives none."""
    ipv4 = interface.get("ipv4", {})
    if ipv4 is None or "ipAddress" in ipv4:
        return interface
    network = IPv4Address("10.0.0.0") + (position % 16 << 20)
    defaults = {
        "ipAddress": [{"privateIpAddress": str(network + 4 + index)}],
        "subnet": [{"address": str(network), "prefix": str(_DEFAULT_PREFIX)}],
    }
    return {**interface, "ipv4": {**defaults, **ipv4}}
