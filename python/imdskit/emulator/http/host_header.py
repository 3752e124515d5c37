"""Check of the Host header: the defence against DNS rebinding.

A web page can make its own name resolve to loopback and then send requests to whatever listens there as if it were its own server, headers
included. The browser still sends the name of the page as ``Host``. The emulator therefore accepts only addresses, and names that no foreign page
can have.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

SERVICE = "169.254.169.254"
"""Where clients believe the service to be; relays leave the Host as it is."""

ANY = "*"
"""A name that allows every Host: for who is sure that no browser gets there."""


class Hosts:
    """The names and addresses that may be asked.

    Args:
        names: besides those that always may: ``localhost`` and what ends in it, loopback addresses, 169.254.169.254, the address that a
            connection came to. ``*`` for all.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {bare(name) for name in names}
        self._any = ANY in self._names
        self._names.update(("localhost", SERVICE, "127.0.0.1", "::1"))

    def allow(self, headers: tuple[tuple[str, str], ...], local: str) -> bool:
        """Whether a request may be answered.

        Args:
            headers: of the request; one without Host (HTTP/1.0) was sent by no browser, and may.
            local: the address that the connection came to.
        """
        for name, value in headers:
            if name.lower() == "host":
                return self._any or (host := bare(value)) in self._names or self._local(host, local)
        return True

    def _local(self, host: str, local: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host.endswith(".localhost")  # RFC 6761 section 6.3: no resolver asks a server for these
        inner = getattr(address, "ipv4_mapped", None) or address
        return inner.is_loopback or str(inner) == local.partition("%")[0].removeprefix("::ffff:")


def loopback(host: str) -> bool:
    """Return whether a value of ``Host``, with or without its port, names loopback."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] if host.count(":") == 1 else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def bare(host: str) -> str:
    """Return a value of ``Host`` in lower case, without port, brackets and the dot of the root."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return (host.partition(":")[0] if host.count(":") == 1 else host).lower().removesuffix(".")
