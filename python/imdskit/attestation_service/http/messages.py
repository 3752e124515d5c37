"""HTTP messages: requests, which the application reads from a WSGI environment, and responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

JSON = "application/json"
PROBLEM = "application/problem+json"

Headers = tuple[tuple[str, str], ...]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

_ALWAYS: Headers = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class Response(NamedTuple):
    """Response with status, body and headers."""

    status: HTTPStatus
    body: bytes
    content_type: str = JSON
    headers: Headers = ()

    def send(self, method: str, start_response: StartResponse) -> Iterable[bytes]:
        """Call ``start_response``, and return the body for the WSGI server. A response to HEAD has
        no body (RFC 9110 section 9.3.2)."""
        headers = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body))), *_ALWAYS, *self.headers]
        start_response(f"{self.status.value} {self.status.phrase}", headers)
        return () if method == "HEAD" else (self.body,)


def json_response(members: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a response whose body is a JSON object."""
    return Response(status, json.dumps(members).encode("ascii"))


class Problem(Exception):  # noqa: N818  # It contains a response, and is not an error of the service.
    """Exception that ends the handling of a request. The response contains problem details (RFC
    9457).

    Attributes:
        status: status of the response.
        code: stable name of the problem, for programs.
        detail: explanation for people.
        headers: additional headers of the response.
        location: JSON pointer into the request body, or ``""``.
    """

    def __init__(self, status: HTTPStatus, code: str, detail: str, headers: Headers = (), location: str = "") -> None:
        super().__init__(code, detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.location = location

    def response(self) -> Response:
        """Return the response with the problem details."""
        members = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
        }
        if self.location:
            members["location"] = self.location
        return Response(self.status, json.dumps(members).encode("ascii"), PROBLEM, self.headers)


class Request:
    """Request from a WSGI server (PEP 3333).

    Args:
        environ: WSGI environment.
    """

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ.get("PATH_INFO", "")
        self.multiprocess: bool = bool(environ.get("wsgi.multiprocess"))

    def header(self, name: str) -> str | None:
        """Return the value of a header, or None if it is absent."""
        return self._environ.get("HTTP_" + name.upper().replace("-", "_"))

    @property
    def bearer(self) -> str | None:
        """Token from the header ``Authorization: Bearer`` (RFC 6750 section 2.1), or None."""
        scheme, _, token = (self.header("Authorization") or "").strip().partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def accepts(self, content_type: str) -> bool:
        """Return whether the Accept header allows a content type (RFC 9110 section 12.5.1). Without
        the header, every type is allowed."""
        header = self.header("Accept")
        if not header or not header.strip():
            return True
        weights = {}
        for part in header.split(","):
            media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
            refused = any(parameter.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters)
            weights[media_range] = not refused
        kind = content_type.partition("/")[0]
        return next((weights[each] for each in (content_type, f"{kind}/*", "*/*") if each in weights), False)

    def content_is_json(self) -> bool:
        """Return whether the Content-Type header declares JSON, whose encoding is always UTF-8 (RFC
        8259 section 8.1)."""
        kind, *parameters = (part.strip().lower() for part in self._environ.get("CONTENT_TYPE", "").split(";"))
        return kind == JSON and all(parameter in ("", "charset=utf-8", 'charset="utf-8"') for parameter in parameters)

    def has_body(self) -> bool:
        """Return whether the header fields say that the request has a body (RFC 9112 section
        6.3)."""
        return self._environ.get("CONTENT_LENGTH", "") not in ("", "0") or self.header("Transfer-Encoding") is not None

    def body(self, limit: int) -> bytes:
        """Read and return the body.

        Args:
            limit: maximum size in bytes.

        Raises:
            Problem: The Content-Length is invalid or the body is incomplete (400), the
                Content-Length is missing (411), or the body is too large (413).
        """
        length = self._environ.get("CONTENT_LENGTH", "")
        if length:
            if not (length.isascii() and length.isdecimal()):
                raise Problem(HTTPStatus.BAD_REQUEST, "bad-length", "Content-Length is not a number.")
            if len(length) > 18 or int(length) > limit:
                raise _too_large(limit)
            data: bytes = self._read(int(length))
            if len(data) < int(length):
                raise Problem(HTTPStatus.BAD_REQUEST, "incomplete", "The body is shorter than Content-Length.")
            return data
        if not self._environ.get("wsgi.input_terminated"):
            # This server does not report the end of the body, so reading until the end could block
            # forever.
            raise Problem(
                HTTPStatus.LENGTH_REQUIRED, "length-required", "The request has no Content-Length. Send the body with this header."
            )
        data = self._read(limit + 1)
        if len(data) > limit:
            raise _too_large(limit)
        return data

    def _read(self, size: int) -> bytes:
        """Read ``size`` bytes, or fewer if the body is shorter. The loop is necessary, because a
        call of ``read`` may return fewer bytes than are left."""
        parts, left = [], size
        try:
            while left and (part := self._environ["wsgi.input"].read(left)):
                parts.append(part)
                left -= len(part)
        except (OSError, ValueError):  # The connection failed, or the server could not parse a chunk.
            raise Problem(HTTPStatus.BAD_REQUEST, "incomplete", "The body could not be read.") from None
        return b"".join(parts)


def _too_large(limit: int) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"The body has more than {limit} bytes, which is the maximum.")
