"""The server of the admin API: on loopback, with a token, closed to all pages in browsers except its own.

In this order, each with the same form of error: the Host must be loopback, an Origin (a page in a browser sends one) must be that of the admin API
itself, the token must be the right one. The token stands in the header ``Authorization: Bearer ...`` and nowhere else: addresses end in logs. What
may be asked then is in :mod:`imdskit.emulator.admin.operations`; the files of :mod:`imdskit.emulator.admin.page` need no token, and hold nothing.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets

from imdskit.emulator.admin import page
from imdskit.emulator.admin.answers import AdminError, answer, error
from imdskit.emulator.admin.operations import find
from imdskit.emulator.host import Host
from imdskit.emulator.http.framing import Refusal
from imdskit.emulator.http.server import Handler, Server
from imdskit.errors import ImdskitError, UsageError
from imdskit.protocol.messages import Request, Response

HOST = "127.0.0.1"
CONNECTIONS = 64
TOKEN_OCTETS = 32
"""Of randomness in a token that nobody gave."""

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]{16,256}=*", re.ASCII)
"""RFC 6750 section 2.1; shorter ones could be guessed."""


class Admin:
    """The admin API of a host, with its page at :attr:`url`.

    Args:
        host: that it is about.
        port: of 127.0.0.1; 0 for any free one.
        token: that clients must send; None makes one that nobody can guess.

    Attributes:
        token: as given, or made.

    Raises:
        UsageError: the port cannot be listened on, or the token cannot stand in a header or is too short.
    """

    def __init__(self, host: Host, port: int = 0, token: str | None = None) -> None:
        if token is not None and not _TOKEN.fullmatch(token):
            hint = "Take 16 to 256 letters, digits or -._~+/ that nobody can guess."
            raise UsageError(
                "bad-argument", "`admin_token` must be 16 to 256 letters, digits or -._~+/.", location="admin token", hint=hint
            )
        self.token = secrets.token_urlsafe(TOKEN_OCTETS) if token is None else token
        self._host = host
        self._server = Server(self.handle, HOST, port, clock=host.clock, connections=CONNECTIONS, handler=_Handler)

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
        """Return the response to one request. No request raises an exception."""
        try:
            self._local(request)
            shown = page.file(request.target) if request.method == "GET" else None
            if shown is not None:
                return shown
            self._admit(request)
            operation, call = find(request)
            return answer(operation(self._host, call))
        except ImdskitError as problem:
            return error(problem)

    def _local(self, request: Request) -> None:
        hosts = request.header_values("Host")
        if len(hosts) != 1 or not loopback(hosts[0]):
            hint = "Ask 127.0.0.1, [::1] or localhost."
            raise AdminError(421, "wrong-host", "The admin API accepts only loopback names as Host.", location="Host", hint=hint)
        if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in request.header_values("Origin")):
            raise AdminError(403, "origin-refused", "The admin API accepts requests from no page except its own.", location="Origin")

    def _admit(self, request: Request) -> None:
        given = request.header_values("Authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        right = hmac.compare_digest(token.strip(" ").encode("latin-1"), self.token.encode("ascii"))
        if scheme.lower() != "bearer" or not right:
            hint = "Send `Authorization: Bearer TOKEN`; `serve --state-file FILE` writes it down."
            challenge = (("WWW-Authenticate", 'Bearer realm="imdskit"'),)
            raise AdminError(401, "unauthorized", "The token is missing or wrong.", location="Authorization", hint=hint, headers=challenge)


class _Handler(Handler):
    def refused(self, refusal: Refusal) -> Response:
        return error(AdminError(refusal.status, "bad-request", f"The request is malformed: {refusal.why}."))


def loopback(host: str) -> bool:
    """Whether the value of ``Host``, with its port, names loopback."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] if host.count(":") == 1 else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
