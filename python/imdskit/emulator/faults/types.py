"""Fault types, one class each.

A fault responds instead of the service, changes the response, or changes how the response is
delivered.

:mod:`imdskit.emulator.faults.engine` decides when a fault applies, and
:mod:`imdskit.emulator.faults.script` creates faults from JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.error_responses import failure, host_failure
from imdskit.emulator.http.messages import Delivery, Response
from imdskit.emulator.service.request_context import RequestContext

Pointer = tuple[str, ...]
"""Unescaped reference tokens of a JSON pointer (RFC 6901)."""

PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body><h1>Sign in</h1><p>Sign in to use this network.</p></body></html>\n"
)
"""Default page of the fault ``foreign``: the sign-in page of a captive portal or proxy that
responds instead of the service."""


class Fault:
    """One fault. The emulator calls ``instead``, ``before`` and ``after`` in this order."""

    category: str | None = None
    """Category of the requests to which the fault can apply. None means every category."""
    slow = False
    """Whether a request below ``/metadata/identity`` counts as concurrent until the response has
    been sent (see :mod:`imdskit.emulator.service.rate_limits`)."""

    @property
    def kind(self) -> str:
        """Name of the fault type in the journal: the name of the class in lower case."""
        return type(self).__name__.lower()

    def instead(self, context: RequestContext) -> Response | None:
        """Return a response in place of the service, or None.

        If this method returns a response, the service neither handles nor counts the request.
        """

    def before(self, context: RequestContext) -> None:
        """Change a request's context before the service handles the request."""

    def after(self, response: Response) -> Response:
        """Return the response to send in place of the service's ``response``."""
        return response


@dataclass(frozen=True)
class Status(Fault):
    """A response with another status.

    Attributes:
        status: the status code.
        host: True if the response imitates the web server of the Azure host, which passes
            requests to the service. False if the response imitates the service itself.
        headers: response headers. Each of them replaces the header of the same name, or is added if
            the response has none.
        body: the response body. None means the service's own body for the status.
    """

    status: int
    host: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    def instead(self, context: RequestContext) -> Response | None:
        error = host_failure(self.status) if self.host else failure(self.status, context.category, context.wants_text)
        response = with_headers(error.response(), self.headers)
        return response if self.body is None else response._replace(body=self.body)


@dataclass(frozen=True)
class Page(Fault):
    """An HTML page with status 200, as a captive portal sends it."""

    page: bytes

    def instead(self, context: RequestContext) -> Response | None:
        return Response(200, (("Content-Type", "text/html; charset=utf-8"), ("Server", "nginx")), self.page)


@dataclass(frozen=True)
class Slow(Fault):
    """A delivery fault: the service handles the request, but its response arrives late, in pieces,
    truncated, or not at all."""

    delivery: Delivery
    slow = True

    def after(self, response: Response) -> Response:
        return response._replace(delivery=self.delivery)


@dataclass(frozen=True)
class Headers(Fault):
    """Changed headers of the response."""

    headers: tuple[tuple[str, str], ...]

    def after(self, response: Response) -> Response:
        return with_headers(response, self.headers)


@dataclass(frozen=True)
class Edit(Fault):
    """Removed, replaced or added members of the response.

    A response that is not JSON is unchanged.

    Attributes:
        edits: tuples. ``(pointer, value)`` replaces a member, or adds it if only its parent exists.
            ``(pointer,)`` removes a member.
    """

    edits: tuple[tuple[Pointer] | tuple[Pointer, Any], ...]

    def after(self, response: Response) -> Response:
        try:
            value = json.loads(response.body)
        except ValueError:
            return response
        for pointer, *replacement in self.edits:
            _edit(value, pointer, replacement)
        return response._replace(body=json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@dataclass(frozen=True)
class Document(Fault):
    """An attested document that a verifier must refuse.

    Attributes:
        fault: fault of the signature or the certificate chain. None means that the service returns
            an earlier document, whose nonce is not the requested one.
    """

    fault: DocumentFault | None
    category = "attested"

    def before(self, context: RequestContext) -> None:
        context.fault, context.cached = self.fault, self.fault is None


def with_headers(response: Response, headers: tuple[tuple[str, str], ...]) -> Response:
    """Return ``response`` with ``headers``.

    Headers of the response that have one of these names, in any letter case, are removed. The given
    headers come last.
    """
    names = {name.lower() for name, _ in headers}
    return response._replace(headers=(*(one for one in response.headers if one[0].lower() not in names), *headers))


def left(response: Response, call: Callable[[], None]) -> Response:
    """Return ``response`` with a delivery that calls ``call`` after the response has been sent."""
    return response._replace(delivery=replace(response.delivery or Delivery(), left=call))


def _edit(value: Any, pointer: Pointer, replacement: list[Any]) -> None:
    """Replace, add or remove the member at ``pointer``. Do nothing if its parent does not exist.

    An element of an array can be replaced or removed, but not added.

    Args:
        value: parsed JSON, which is changed in place.
        pointer: location of the member.
        replacement: a list with the new value, or an empty list to remove the member.
    """
    for token in pointer[:-1]:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and _index(token) < len(value):
            value = value[_index(token)]
        else:
            return
    last = pointer[-1]
    if isinstance(value, dict):
        if replacement:
            value[last] = replacement[0]
        else:
            value.pop(last, None)
    elif isinstance(value, list) and _index(last) < len(value):
        value[_index(last) : _index(last) + 1] = replacement


def _index(token: str) -> int:
    """Return the array index that a reference token stands for (RFC 6901 section 4), or an index
    that no array has."""
    return int(token) if token.isascii() and token.isdigit() and len(token) < 10 else 10**9
