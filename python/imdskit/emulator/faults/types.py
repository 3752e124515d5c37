"""Fault types: a fault responds in place of the service, changes the response, or changes how it is delivered.

There is one class for each type. :mod:`imdskit.emulator.faults.engine` decides when one applies, :mod:`imdskit.emulator.faults.script` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.service.request_context import RequestContext
from imdskit.protocol.messages import Delivery, Response
from imdskit.protocol.responses import failure, host_failure

Pointer = tuple[str, ...]
"""The reference tokens of a JSON pointer (RFC 6901), unescaped."""

PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body><h1>Sign in</h1><p>Sign in to use this network.</p></body></html>\n"
)
"""What stands between a machine and its network may answer in the place of the service."""


class Fault:
    """One fault. The methods are called in their order."""

    category: str | None = None
    """The one category whose requests it can apply to, or None: any."""
    slow = False
    """The request counts as concurrent until the response has been sent."""

    @property
    def kind(self) -> str:
        """Name for the journal: that of the class in lower case."""
        return type(self).__name__.lower()

    def instead(self, context: RequestContext) -> Response | None:
        """Return the response in place of the service, which then neither sees nor counts the request; or None."""

    def before(self, context: RequestContext) -> None:
        """Prepare a request before the service handles it."""

    def after(self, response: Response) -> Response:
        """Return the response in place of the service's."""
        return response


@dataclass(frozen=True)
class Status(Fault):
    """A different response.

    Attributes:
        status: the status code.
        host: the response is that of the host in front of the service.
        headers: instead of those of the same name, or in addition.
        body: in the place of the one that the service has for the status; None: that one.
    """

    status: int
    host: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def instead(self, context: RequestContext) -> Response | None:
        answer = host_failure(self.status) if self.host else failure(self.status, context.category, context.wants_text)
        response = with_headers(answer.response(), self.headers)
        return response if self.body is None else response._replace(body=self.body)


@dataclass(frozen=True)
class Page(Fault):
    """An HTML page with status 200, as from a captive portal."""

    page: bytes

    def instead(self, context: RequestContext) -> Response | None:
        return Response(200, (("Content-Type", "text/html; charset=utf-8"), ("Server", "nginx")), self.page)


@dataclass(frozen=True)
class Slow(Fault):
    """The service handles the request, but its response comes late, in pieces, in part, or not at all."""

    delivery: Delivery
    slow = True

    def after(self, response: Response) -> Response:
        return response._replace(delivery=self.delivery)


@dataclass(frozen=True)
class Headers(Fault):
    """Different headers of the response."""

    headers: tuple[tuple[str, str], ...]

    def after(self, response: Response) -> Response:
        return with_headers(response, self.headers)


@dataclass(frozen=True)
class Edit(Fault):
    """Missing or different members of the response. A response that is not JSON, or does not have the member, stays as it is.

    Attributes:
        edits: (where, the value to put there) or (where,) to take away.
    """

    edits: tuple[tuple[Pointer] | tuple[Pointer, Any], ...]

    def after(self, response: Response) -> Response:
        try:
            value = json.loads(response.body)
        except ValueError:
            return response
        for where, *put in self.edits:
            _edit(value, where, put)
        return response._replace(body=json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@dataclass(frozen=True)
class Document(Fault):
    """An attested document that must be refused.

    Attributes:
        fault: of signature or chain; None: it is an earlier document, which does not have the nonce of the request.
    """

    fault: DocumentFault | None
    category = "attested"

    def before(self, context: RequestContext) -> None:
        context.fault, context.cached = self.fault, self.fault is None


def with_headers(response: Response, headers: tuple[tuple[str, str], ...]) -> Response:
    """Return ``response`` with ``headers`` in place of those of the same name, in any letter case, or behind the others."""
    names = {name.lower() for name, _ in headers}
    return response._replace(headers=(*(one for one in response.headers if one[0].lower() not in names), *headers))


def left(response: Response, call: Callable[[], None]) -> Response:
    """Return ``response``, changed to call ``call`` when it has been sent."""
    return response._replace(delivery=replace(response.delivery or Delivery(), left=call))


def _edit(value: Any, where: Pointer, put: list[Any]) -> None:
    """Put or take away what ``where`` points at, if what holds it is there."""
    for token in where[:-1]:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and _index(token) < len(value):
            value = value[_index(token)]
        else:
            return
    last = where[-1]
    if isinstance(value, dict):
        if put:
            value[last] = put[0]
        else:
            value.pop(last, None)
    elif isinstance(value, list) and _index(last) < len(value):
        value[_index(last) : _index(last) + 1] = put


def _index(token: str) -> int:
    """An array index (RFC 6901 section 4), or one beyond every array."""
    return int(token) if token.isascii() and token.isdigit() and len(token) < 10 else 10**9
