"""Templates: one scenario for many machines. Its strings can contain placeholders, whose values
depend on the number of the machine.

| placeholder | value for machine 17 |
|---|---|
| ``{index}`` | ``17`` |
| ``{index:04}`` | ``0017``; ``{index:06X}`` is hexadecimal |
| ``{index/10}`` | ``1``, as for machines 10 to 19; ``{index/10:02}`` is ``01`` |
| ``{ip:10.1.0.0/16}`` | ``10.1.0.21``; Azure reserves the first four addresses and the last address of each network |
| ``{{`` and ``}}`` | ``{`` and ``}`` |
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from imdskit.emulator.json_input import escaped
from imdskit.errors import ScenarioError

RESERVED = 4
"""Number of addresses at the start of a subnet that Azure reserves (Azure documentation, "Virtual
network: private addresses")."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_INDEX = re.compile(r"index(?:/([1-9][0-9]{0,8}))?(?::(0[1-9][0-9]?)?([xX]?))?", re.ASCII)


def fill(value: Any, index: int, location: str = "") -> Any:
    """Return a part of a template with its placeholders filled in for a machine.

    Names of members are unchanged.

    Args:
        value: parsed JSON of a validated scenario.
        index: number of the machine, from 0.
        location: JSON pointer to ``value``, for errors.

    Raises:
        ScenarioError: the template has an unknown placeholder, an unpaired brace, or a network with
            too few addresses.
    """
    if isinstance(value, str):
        return _text(value, index, location) if "{" in value or "}" in value else value
    if isinstance(value, dict):
        return {name: fill(inner, index, f"{location}/{escaped(name)}") for name, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, index, f"{location}/{position}") for position, inner in enumerate(value)]
    return value


def _text(text: str, index: int, location: str) -> str:
    def filled(match: re.Match[str]) -> str:
        found = match[0]
        if found in ("{{", "}}"):
            return found[0]
        number = _INDEX.fullmatch(match[1] or "")
        if number is not None:
            return format(index // int(number[1] or 1), (number[2] or "") + (number[3] or "d"))
        network = _network(found[4:-1]) if found.startswith("{ip:") else None
        if network is None:
            raise _wrong(
                f"{found!r} is not a placeholder of a template.",
                location,
                "Examples: {index}, {ip:10.1.0.0/16}. Write a literal brace twice: {{ or }}.",
            )
        return _address(network, index, location)

    return _PLACEHOLDER.sub(filled, text)


@lru_cache(maxsize=64)
def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _address(network: IPv4Network | IPv6Network, index: int, location: str) -> str:
    if index + RESERVED >= network.num_addresses - 1:
        raise _wrong(f"{network} has no address for machine {index}.", location, "Use a larger network, or fewer machines.")
    return str(network[index + RESERVED])


def _wrong(message: str, location: str, hint: str) -> ScenarioError:
    return ScenarioError("bad-scenario", message, location=location, hint=hint)
