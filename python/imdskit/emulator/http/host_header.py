"""Check of the Host header, which protects against DNS rebinding.

The owner of a malicious web page can make its domain name resolve to a loopback address. Scripts of
the page can then send requests with any headers to a server on loopback, because the browser takes
this server for the one that sent the page. However, the browser sends the domain name of the page
in the Host header. The emulator therefore accepts only certain IP addresses, names of loopback such
as ``localhost``, and names that the operator allows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

SERVICE = "169.254.169.254"
"""Address of IMDS on Azure.

A client still sends this address in the Host header if something redirects its requests to the
emulator.
"""

ANY = "*"
"""Name that allows every Host header. Use it only where no browser can reach the emulator."""


class Hosts:
    """Names and addresses that a request may have in its Host header.

    Args:
        names: additional names; ``*`` allows any. The following are always allowed: ``localhost``
            and names that end in ``.localhost``, loopback addresses, 169.254.169.254, and the
            address that the client connected to.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {bare(name) for name in names}
        self._any = ANY in self._names
        self._names.update(("localhost", SERVICE, "127.0.0.1", "::1"))

    def allow(self, headers: tuple[tuple[str, str], ...], local: str) -> bool:
        """Return whether the Host header of a request is allowed.

        Args:
            headers: headers of the request. A request without a Host header (HTTP/1.0) is allowed,
                because browsers always send one.
            local: address that the client connected to.
        """
        for name, value in headers:
            if name.lower() == "host":
                return self._any or (host := bare(value)) in self._names or self._local(host, local)
        return True

    def _local(self, host: str, local: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host.endswith(".localhost")  # Resolvers do not send these names to DNS servers (RFC 6761 section 6.3).
        inner = getattr(address, "ipv4_mapped", None) or address
        return inner.is_loopback or str(inner) == local.partition("%")[0].removeprefix("::ffff:")


def loopback(host: str) -> bool:
    """Return whether a value of the Host header, with or without a port, is a loopback address or
    ``localhost``."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] if host.count(":") == 1 else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def bare(host: str) -> str:
    """Return a value of the Host header in lower case, without port, brackets and trailing dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return (host.partition(":")[0] if host.count(":") == 1 else host).lower().removesuffix(".")
