"""Selection of the machine that a request is for: the only one, or one selected by path prefix, by
port or by the client's address."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from imdskit.emulator.http.messages import Request
from imdskit.emulator.http.ports import Ports
from imdskit.emulator.http.server import Server
from imdskit.emulator.published_urls import with_port
from imdskit.errors import UsageError

_PREFIX = re.compile(r"/m/(0|[1-9][0-9]{0,6})(?=[/?]|$)", re.ASCII)


class Addressing:
    """Addressing of an emulator with one machine, and base class of the kinds of addressing of a
    fleet.

    Every request selects machine 0.

    Attributes:
        count: number of machines.
        select: name of the addressing, or None if there is only one machine.
        ports: ports of the machines, ordered by machine number; empty if all machines share one
            port.
    """

    select: str | None = None
    ports: tuple[int, ...] = ()

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def find(self, request: Request) -> tuple[int | None, str]:
        """Return the number of the machine that a request selects, and the target without the
        prefix that selects it.

        The number is None if the request selects no existing machine.
        """
        return 0, request.target

    def url(self, base: str, _: int) -> str:
        """Return the base address of a machine, given the base address of the emulator."""
        return base

    def source(self, _: int) -> str:
        """Return the address that requests to a machine must come from, or ``""`` if every address
        reaches it."""
        return ""

    def open(self, _: Server) -> None:
        """Open the sockets that are needed in addition to the server's own.

        Raises:
            UsageError: A socket cannot be opened.
        """

    def start(self) -> None:
        """Start accepting connections on the additional sockets."""

    def close(self) -> None:
        """Close the additional sockets. Calling it twice is safe."""

    def _known(self, index: int) -> int | None:
        return index if 0 <= index < self.count else None


class ByPath(Addressing):
    """Addressing by path: requests to machine N have the prefix ``/m/N`` in their path."""

    select = "path"

    def find(self, request: Request) -> tuple[int | None, str]:
        target = request.target
        found = _PREFIX.match(target)
        if found is None:
            return None, target
        rest = target[found.end() :]
        return self._known(int(found[1])), rest if rest.startswith("/") else f"/{rest}"

    def url(self, base: str, index: int) -> str:
        return f"{base}/m/{index}"


class ByPort(Addressing):
    """Addressing by port: each machine has its own port. The port of machine 0 is the server's.

    Args:
        count: number of machines.
        host: address to listen on.
        consecutive: whether the ports follow the server's port directly; otherwise any free ports
            are used.
    """

    select = "port"

    def __init__(self, count: int, host: str, *, consecutive: bool) -> None:
        super().__init__(count)
        self._host = host
        self._consecutive = consecutive
        self._ports: Ports | None = None
        self._by_port: dict[int, int] = {}

    def open(self, server: Server) -> None:
        self._ports = Ports(server, self._host, self.count, consecutive=self._consecutive)
        self.ports = self._ports.numbers
        self._by_port = {number: index for index, number in enumerate(self.ports)}

    def start(self) -> None:
        if self._ports is not None:
            self._ports.start()

    def close(self) -> None:
        if self._ports is not None:
            self._ports.close()

    def find(self, request: Request) -> tuple[int | None, str]:
        return self._by_port.get(request.port), request.target

    def url(self, base: str, index: int) -> str:
        return with_port(base, self.ports[index])


class BySource(Addressing):
    """Addressing by source: requests to machine N come from address N + 1 of a network.

    Args:
        count: number of machines.
        network: IP network, such as ``127.1.0.0/16``.

    Raises:
        UsageError: The network is malformed or has too few addresses.
    """

    select = "source"

    def __init__(self, count: int, network: str) -> None:
        super().__init__(count)
        self._network = _network(network, count)

    def find(self, request: Request) -> tuple[int | None, str]:
        offset = _offset(self._network, request.source)
        return None if offset is None else self._known(offset), request.target

    def source(self, index: int) -> str:
        return str(self._network[index + 1])


def _network(text: str, count: int) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise UsageError("bad-argument", f"`network` must be an IP network; got {text!r}: {error}.", location="network") from None
    if network.num_addresses < count + 1:
        message = f"`network` must have an address for each machine; {network} has too few addresses for {count} machines."
        raise UsageError("bad-argument", message, location="network")
    return network


def _offset(network: IPv4Network | IPv6Network, source: str) -> int | None:
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return int(address) - int(network.network_address) - 1 if address in network else None
