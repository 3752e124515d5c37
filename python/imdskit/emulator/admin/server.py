"""The server of the admin API.

It listens on loopback unless the operator chooses another address, and it requires a token.

The server checks each request in this order, and every refusal has the same format:

1. The Host header must be a loopback address, the address at which the connection arrived, or a
   name that the operator allowed.
2. The Origin header must be absent or name the admin API. Browsers add it to the requests of web
   pages, so this check keeps every other page from using the API.
3. The token must be correct. Only the header ``Authorization: Bearer ...`` can carry it, because
   URLs end up in logs.

The files of :mod:`imdskit.emulator.admin.page` and ``/healthz`` need no token, because they reveal
nothing about the machines. :mod:`imdskit.emulator.admin.operations` defines the operations.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable

from imdskit.emulator.admin import page
from imdskit.emulator.admin.operations import find
from imdskit.emulator.admin.responses import AdminError, error, result
from imdskit.emulator.host import HEALTH, Host
from imdskit.emulator.http.framing import Refusal
from imdskit.emulator.http.host_header import ANY, Hosts, bare, loopback
from imdskit.emulator.http.messages import Request, Response
from imdskit.emulator.http.server import Handler, Server
from imdskit.errors import ImdskitError, UsageError

CONNECTIONS = 64
TOKEN_BYTES = 32
"""Random bytes in a generated token."""

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]{16,256}=*", re.ASCII)
"""Syntax of a bearer token (RFC 6750 section 2.1), with at least 16 characters, because shorter
tokens could be guessed."""


class Admin:
    """The admin API of a host, with its web page at :attr:`url`.

    Args:
        host: the host that the API observes and changes.
        port: port to listen on. 0 means any free port.
        token: token that requests must have, except those that need no token (see the docstring of
            this module). None means a random token.
        address: address to listen on.
        allow_hosts: names that requests may have in their Host header, in addition to loopback and
            the address at which the connection arrived. ``*`` allows any name.

    Attributes:
        token: the given or generated token.

    Raises:
        UsageError: the server cannot listen on the port, the token is too short or too long, or the
            token has characters that a bearer token cannot have.
    """

    def __init__(
        self, host: Host, port: int = 0, token: str | None = None, address: str = "127.0.0.1", allow_hosts: Iterable[str] = ()
    ) -> None:
        if token is not None and not _TOKEN.fullmatch(token):
            hint = "Choose a token that nobody can guess, for example the output of `openssl rand -hex 32`."
            raise UsageError(
                "bad-argument", "`admin_token` must be 16 to 256 letters, digits or -._~+/.", location="admin token", hint=hint
            )
        self.token = secrets.token_urlsafe(TOKEN_BYTES) if token is None else token
        self._host = host
        self._hosts = _Hosts(allow_hosts)
        self._server = Server(
            self._respond,
            address,
            port,
            clock=host.clock,
            connections=CONNECTIONS,
            handler=_Handler,
            hosts=self._hosts,
            misdirected=_misdirected,
        )

    @property
    def url(self) -> str:
        """Base URL of the admin API, to which clients append ``/v1/...``."""
        return self._server.url

    def start(self) -> None:
        """Accept requests."""
        self._server.start()

    def stop(self) -> None:
        """Stop accepting requests. Safe to call twice."""
        self._server.stop()

    def handle(self, request: Request) -> Response:
        """Return the response to a request that does not arrive over a connection.

        The Host header must be a loopback address or an allowed name. The method never raises an
        exception because of a request.
        """
        return self._respond(request) if self._hosts.allow(request.headers, "") else _misdirected(request)

    def _respond(self, request: Request) -> Response:
        try:
            _refuse_foreign_page(request)
            if request.target == HEALTH and request.method in ("GET", "HEAD"):
                return result({"status": "ok"})
            page_file = page.file(request.target) if request.method == "GET" else None
            if page_file is not None:
                return page_file
            self._require_token(request)
            operation, arguments = find(request)
            return result(operation(self._host, arguments))
        except ImdskitError as problem:
            return error(problem)

    def _require_token(self, request: Request) -> None:
        given = request.header_values("Authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        right = hmac.compare_digest(token.strip(" ").encode("latin-1"), self.token.encode("ascii"))
        if scheme.lower() != "bearer" or not right:
            hint = "Send `Authorization: Bearer TOKEN`. `imdskit serve --state-file FILE` writes the token to a file."
            challenge = (("WWW-Authenticate", 'Bearer realm="imdskit"'),)
            raise AdminError(401, "unauthorized", "The token is missing or wrong.", location="Authorization", hint=hint, headers=challenge)


def _misdirected(_: Request) -> Response:
    message = "The Host header must be a loopback address, the address at which the admin API was reached, or an allowed name."
    hint = "Send the request to 127.0.0.1, or start the emulator with `--admin-allow-host NAME`."
    return error(AdminError(421, "wrong-host", message, location="Host", hint=hint))


def _refuse_foreign_page(request: Request) -> None:
    own = "http://" + request.header_values("Host")[0].lower()
    if any(origin.lower() != own for origin in request.header_values("Origin")):
        raise AdminError(
            403,
            "origin-refused",
            "The Origin header names another site. Web pages other than the emulator's own page may not use the admin API.",
            location="Origin",
        )


class _Hosts(Hosts):
    """Host header check of the admin API. It is stricter than the check of the service.

    A request must have exactly one Host header. 169.254.169.254 is accepted only if the client
    connected to that address, or if the operator allowed it by name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._allowed = frozenset(bare(name) for name in names)

    def allow(self, headers: tuple[tuple[str, str], ...], local: str) -> bool:
        given = [value for name, value in headers if name.lower() == "host"]
        if len(given) != 1:
            return False
        host, local = bare(given[0]), local.partition("%")[0].removeprefix("::ffff:")
        return loopback(given[0]) or ANY in self._allowed or host in self._allowed or (host == local != "")


class _Handler(Handler):
    def refused(self, refusal: Refusal) -> Response:
        return error(AdminError(refusal.status, "bad-request", f"The request is malformed: {refusal.why}."))
