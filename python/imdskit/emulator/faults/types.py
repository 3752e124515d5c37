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
    """One kind of fault. The methods are called in their order."""

    category: str | None = None
    """The one category whose requests it can apply to, or None: any."""
    slow = False
    """The request is under way until the answer has left, for limits too."""

    @property
    def kind(self) -> str:
        """Name for the journal: that of the class in lower case."""
        return type(self).__name__.lower()

    def instead(self, context: RequestContext) -> Response | None:
        """The answer in place of the service, which then is not asked and counts nothing, or None."""

    def before(self, context: RequestContext) -> None:
        """Prepare a request that the service is asked."""

    def after(self, response: Response) -> Response:
        """What becomes of the service's answer."""
        return response


@dataclass(frozen=True)
class Status(Fault):
    """Another answer altogether.

    Attributes:
        status: the status code.
        host: the answer is the host's, which stands before the service.
        headers: in the place of those that the answer has, or besides them.
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
    """Somebody else answers, with an HTML page and status 200."""

    page: bytes

    def instead(self, context: RequestContext) -> Response | None:
        return Response(200, (("Content-Type", "text/html; charset=utf-8"), ("Server", "nginx")), self.page)


@dataclass(frozen=True)
class Slow(Fault):
    """The answer comes late, in pieces, in part, or not at all, but the service has given it."""

    delivery: Delivery
    slow = True

    def after(self, response: Response) -> Response:
        return response._replace(delivery=self.delivery)


@dataclass(frozen=True)
class Headers(Fault):
    """Headers of the answer are other ones."""

    headers: tuple[tuple[str, str], ...]

    def after(self, response: Response) -> Response:
        return with_headers(response, self.headers)


@dataclass(frozen=True)
class Edit(Fault):
    """Members of the answer are missing, or other ones. An answer that is not JSON stays as it is, and so does what is not there.

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
    """``response`` with ``headers`` in the place of those of the same name, in any letter case, or behind the others."""
    names = {name.lower() for name, _ in headers}
    return response._replace(headers=(*(one for one in response.headers if one[0].lower() not in names), *headers))


def left(response: Response, call: Callable[[], None]) -> Response:
    """``response``, which calls ``context`` when it has left."""
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
