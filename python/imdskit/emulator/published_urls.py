"""Addresses that the emulator publishes to clients: its own base address, and the base addresses of
its certificates and token issuers.

By default, they are derived from the address that the emulator listens on. The operator has to give
them explicitly if clients reach the emulator through a host name, a port mapping or a proxy, or if
a client accepts only a particular host.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit, urlunsplit

from imdskit.errors import UsageError

PKI = "/pki/"
"""Path below which the emulator serves certificates and revocation lists."""
OIDC = "/oidc/"
"""Path below which the emulator serves the public keys of its tokens."""
MOST = 1024
"""Maximum number of characters in an address."""

_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=%]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses as given by the caller.

    If an address is None, it is derived from the address that the emulator listens on.

    Attributes:
        public: base address of the emulator for its clients.
        pki: base address of certificates (``/NAME.crt``) and revocation lists (``/NAME.crl``).
        issuer: base address of token issuers. The ``iss`` claim of a token is this address, a
            slash, the tenant and a slash.

    Raises:
        UsageError: A client cannot use one of the addresses. The location is ``public_url``,
            ``pki_url`` or ``issuer``.
    """

    public: str | None = None
    pki: str | None = None
    issuer: str | None = None

    def __post_init__(self) -> None:
        for attribute, name in (("public", "public_url"), ("pki", "pki_url"), ("issuer", "issuer")):
            value = getattr(self, attribute)
            if value is not None:
                object.__setattr__(self, attribute, checked(name, value))

    def hosts(self) -> tuple[str, ...]:
        """Return the hosts of these addresses. Requests may have them in their Host header."""
        return tuple(urlsplit(url).hostname or "" for url in (self.public, self.pki, self.issuer) if url is not None)

    def below(self) -> tuple[str, ...]:
        """Return the path prefixes of certificates and keys, or ``()`` if they are the default
        ones."""
        chosen = tuple(urlsplit(url).path + "/" for url in (self.pki, self.issuer) if url is not None)
        return (PKI, OIDC, *chosen) if chosen else ()

    def published(self, path: str) -> tuple[str, ...]:
        """Translate the path of a request to the emulator's own paths.

        In the result, ``/pki/`` replaces the path of ``pki``, and ``/oidc/`` replaces the path of
        ``issuer``. A path that already begins with one of the two does not change. The result is
        empty if ``path`` is below neither address, and has two elements if it is below both.
        """
        if path.startswith((PKI, OIDC)):
            return (path,)
        chosen = ((urlsplit(url).path + "/", own) for url, own in ((self.pki, PKI), (self.issuer, OIDC)) if url is not None)
        return tuple(own + path[len(below) :] for below, own in chosen if path.startswith(below))


def checked(name: str, value: str) -> str:
    """Return an absolute http or https address without a trailing slash.

    Raises:
        UsageError: The address is invalid. The location is ``name``.
    """
    reason = _problem(value)
    if reason:
        message = f"`{name}` must be an address such as http://imds.example:8080; got {value!r:.80}, {reason}."
        raise UsageError("bad-argument", message, location=name, hint="Give the address at which clients reach the emulator.")
    return value.rstrip("/")


def reachable(url: str) -> str:
    """Return an address that clients on this machine can use: loopback in place of an unspecified
    address such as 0.0.0.0."""
    parts = urlsplit(url)
    if not _unspecified(ip_address(parts.hostname or "")):
        return url
    host = "[::1]" if parts.hostname == "::" else "127.0.0.1"
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}"))


def with_port(url: str, port: int) -> str:
    """Return ``url`` with another port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return urlunsplit(parts._replace(netloc=f"{host}:{port}"))


def _problem(text: str) -> str:
    """Return a clause that says why an address is invalid, or ``""`` if it is valid."""
    if len(text) > MOST or not _CHARACTERS.fullmatch(text):
        return f"which is longer than {MOST} characters" if len(text) > MOST else "which has characters that are not allowed"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return f"which is malformed ({error})"
    if parts.scheme not in ("http", "https"):
        return "which does not begin with http:// or https://"
    if "@" in parts.netloc:
        return "which has a user name"
    if port == 0:
        return "whose port is 0"
    return _host_problem(host)


def _host_problem(host: str) -> str:
    try:
        return "whose host is an unspecified address" if _unspecified(ip_address(host)) else ""
    except ValueError:
        pass
    with suppress(OSError):
        socket.inet_aton(host)  # Resolvers also accept short forms such as 0 or 127.1 as addresses.
        return "whose IPv4 address does not have four numbers"
    return "" if _NAME.fullmatch(host) else "which has no valid host"


def _unspecified(address: IPv4Address | IPv6Address) -> bool:
    inner = getattr(address, "ipv4_mapped", None) or address
    return inner.is_unspecified
