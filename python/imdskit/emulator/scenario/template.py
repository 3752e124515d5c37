"""Templates: one scenario for many machines, with placeholders in its text that differ for each of them.

| placeholder | becomes, for machine 17 |
|---|---|
| ``{index}`` | ``17`` |
| ``{index:04}`` | ``0017``; ``{index:06X}`` is hexadecimal |
| ``{index/10}`` | ``1``, the same for every ten machines; ``{index/10:02}`` |
| ``{ip:10.1.0.0/16}`` | ``10.1.0.21``: the first four addresses of a network are Azure's, and so is the last |
| ``{{`` and ``}}`` | braces |
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from imdskit.emulator.json_input import escaped
from imdskit.errors import ScenarioError

RESERVED = 4
"""Addresses at the start of a subnet that no machine gets (Azure documentation, "Virtual network: private addresses")."""

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_INDEX = re.compile(r"index(?:/([1-9][0-9]{0,8}))?(?::(0[1-9][0-9]?)?([xX]?))?", re.ASCII)


def fill(value: Any, index: int, place: str = "") -> Any:
    """``value``, parsed JSON of a checked scenario, for machine ``index``: texts are filled, names of members stay as they are.

    Args:
        value: part of a scenario.
        index: from 0.
        place: JSON pointer to ``value``, for errors.

    Raises:
        ScenarioError: there is something else between braces, a brace alone, or a network with too few addresses.
    """
    if isinstance(value, str):
        return _text(value, index, place) if "{" in value or "}" in value else value
    if isinstance(value, dict):
        return {name: fill(inner, index, f"{place}/{escaped(name)}") for name, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, index, f"{place}/{position}") for position, inner in enumerate(value)]
    return value


def _text(text: str, index: int, place: str) -> str:
    def filled(match: re.Match[str]) -> str:
        found = match[0]
        if found in ("{{", "}}"):
            return found[0]
        number = _INDEX.fullmatch(match[1] or "")
        if number is not None:
            return format(index // int(number[1] or 1), (number[2] or "") + (number[3] or "d"))
        network = _network(found[4:-1]) if found.startswith("{ip:") else None
        if network is None:
            raise _wrong(f"{found!r} is not a placeholder of a template.", place, "Write a literal brace twice: {{ or }}.")
        return _address(network, index, place)

    return _PLACE.sub(filled, text)


@lru_cache(maxsize=64)
def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _address(network: IPv4Network | IPv6Network, index: int, place: str) -> str:
    if index + RESERVED >= network.num_addresses - 1:
        raise _wrong(f"{network} has no address for machine {index}.", place, "Take a larger network, or fewer machines.")
    return str(network[index + RESERVED])


def _wrong(message: str, place: str, hint: str) -> ScenarioError:
    return ScenarioError("bad-scenario", message, location=place, hint=hint)
