"""The server of the admin API: on loopback unless the operator chooses another address, with a token, closed to all pages in browsers except its own.

The checks are made in this order, and each refusal has the same form. The Host must be loopback, the address that the connection came to, or a name that the
operator allowed. An Origin (a page in a browser sends one) must be that of the admin API itself. The token must be the right one. It is sent in the header
``Authorization: Bearer ...`` and nowhere else, because addresses end up in logs. The operations are in :mod:`imdskit.emulator.admin.operations`. The files of
:mod:`imdskit.emulator.admin.page` and ``/healthz`` need no token, and reveal nothing.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable

from imdskit.emulator.admin import page
from imdskit.emulator.admin.operations import find
from imdskit.emulator.admin.responses import AdminError, answer, error
from imdskit.emulator.host import HEALTH, Host
from imdskit.emulator.http.framing import Refusal
from imdskit.emulator.http.host_header import ANY, Hosts, bare, loopback
from imdskit.emulator.http.server import Handler, Server
from imdskit.errors import ImdskitError, UsageError
from imdskit.protocol.messages import Request, Response

CONNECTIONS = 64
TOKEN_OCTETS = 32
"""Of randomness in a token that nobody gave."""

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]{16,256}=*", re.ASCII)
"""RFC 6750 section 2.1; shorter ones could be guessed."""


class Admin:
    """The admin API of a host, with its page at :attr:`url`.

    Args:
        host: that it is about.
        port: to listen on; 0 for any free one.
        token: that whoever asks must have; None makes one that nobody can guess.
        address: to listen on.
        allow_hosts: names that requests may give as Host, besides loopback and the address that the connection came to; ``*`` for any.

    Attributes:
        token: as given, or made.

    Raises:
        UsageError: the port cannot be listened on, or the token cannot stand in a header or is too short.
    """

    def __init__(
        self, host: Host, port: int = 0, token: str | None = None, address: str = "127.0.0.1", allow_hosts: Iterable[str] = ()
    ) -> None:
        if token is not None and not _TOKEN.fullmatch(token):
            hint = "Take 16 to 256 letters, digits or -._~+/ that nobody can guess."
            raise UsageError(
                "bad-argument", "`admin_token` must be 16 to 256 letters, digits or -._~+/.", location="admin token", hint=hint
            )
        self.token = secrets.token_urlsafe(TOKEN_OCTETS) if token is None else token
        self._host = host
        self._hosts = _Hosts(allow_hosts)
        self._server = Server(
            self._admitted,
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
        """Base address; put ``/v1/...`` behind it."""
        return self._server.url

    def start(self) -> None:
        """Accept requests."""
        self._server.start()

    def stop(self) -> None:
        """Stop accepting requests. Safe to call twice."""
        self._server.stop()

    def handle(self, request: Request) -> Response:
        """Return the response to a request that arrived by no connection, so that Host has to be loopback or allowed. No request raises an exception."""
        return self._admitted(request) if self._hosts.allow(request.headers, "") else _misdirected(request)

    def _admitted(self, request: Request) -> Response:
        try:
            _refuse_foreign_page(request)
            if request.target == HEALTH and request.method in ("GET", "HEAD"):
                return answer({"status": "ok"})
            shown = page.file(request.target) if request.method == "GET" else None
            if shown is not None:
                return shown
            self._admit(request)
            operation, call = find(request)
            return answer(operation(self._host, call))
        except ImdskitError as problem:
            return error(problem)

    def _admit(self, request: Request) -> None:
        given = request.header_values("Authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        right = hmac.compare_digest(token.strip(" ").encode("latin-1"), self.token.encode("ascii"))
        if scheme.lower() != "bearer" or not right:
            hint = "Send `Authorization: Bearer TOKEN`; `serve --state-file FILE` writes it down."
            challenge = (("WWW-Authenticate", 'Bearer realm="imdskit"'),)
            raise AdminError(401, "unauthorized", "The token is missing or wrong.", location="Authorization", hint=hint, headers=challenge)


def _misdirected(_: Request) -> Response:
    message = "The admin API accepts as Host only loopback, the address that it is reached at, and names that were allowed."
    hint = "Send the request to 127.0.0.1, or start the emulator with `--admin-allow-host NAME`."
    return error(AdminError(421, "wrong-host", message, location="Host", hint=hint))


def _refuse_foreign_page(request: Request) -> None:
    own = "http://" + request.header_values("Host")[0].lower()
    if any(origin.lower() != own for origin in request.header_values("Origin")):
        raise AdminError(403, "origin-refused", "The admin API accepts requests from no page except its own.", location="Origin")


class _Hosts(Hosts):
    """Stricter than those of the service: a request must name exactly one Host, and 169.254.169.254 is not allowed without being listened on."""

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
