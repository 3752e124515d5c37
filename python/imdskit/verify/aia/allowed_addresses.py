"""Check whether the fetcher may connect to an IP address.

Only public addresses are allowed. A host name that resolves to any other address is a configuration
error or an attack.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_GLOBAL_UNICAST = IPv6Network("2000::/3")

# Networks from the IANA Special-Purpose Address Registries for IPv4 and IPv6, multicast networks,
# and Azure's wire server. They are listed here, because ``is_global`` of the module ``ipaddress``
# gives different results in different Python releases.
_REFUSED: tuple[tuple[IPv4Network | IPv6Network, str], ...] = tuple(
    (ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "Azure's wire server"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarks"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, or broadcast"),
        # The following networks are inside of 2000::/3. All IPv6 addresses outside of 2000::/3,
        # such as loopback, IPv4-mapped, unique local, link-local and multicast addresses, are
        # refused without an entry in this table.
        ("2001::/23", "protocol assignments, Teredo"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
    )
)


def refusal(address: str) -> str | None:
    """Return None if the fetcher may connect to ``address``, and otherwise the reason in words."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return "not an address"
    if isinstance(parsed, IPv6Address) and (parsed.scope_id is not None or parsed not in _GLOBAL_UNICAST):
        return "not global unicast"
    return next((why for network, why in _REFUSED if parsed.version == network.version and parsed in network), None)
