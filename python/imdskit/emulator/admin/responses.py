"""Responses of the admin API: JSON results, and one format for every error.

:mod:`imdskit.emulator.admin.server` and :mod:`imdskit.emulator.admin.operations` decide which error
a request gets.
"""

from __future__ import annotations

import json

from imdskit.emulator.http.messages import Response
from imdskit.errors import ImdskitError

Headers = tuple[tuple[str, str], ...]

_HEADERS: Headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class AdminError(ImdskitError):
    """Raised when the admin API refuses a request.

    Attributes:
        status: status code of the response.
        headers: response headers in addition to the usual ones.
    """

    def __init__(self, status: int, code: str, message: str, *, location: str = "", hint: str = "", headers: Headers = ()) -> None:
        super().__init__(code, message, location=location, hint=hint)
        self.status = status
        self.headers = headers


def result(value: object) -> Response:
    """Return a response with status 200 and ``value`` as JSON."""
    return Response(200, _HEADERS, json.dumps(value, separators=(",", ":")).encode("ascii"))


def error(problem: ImdskitError) -> Response:
    """Return the response for an error: JSON with code, message, location and hint.

    The location is a JSON pointer into the body, or the name of a header or parameter. An
    :class:`AdminError` contains its own status. Every other error concerns the JSON body, and has
    the status 422 (RFC 9110 section 15.5.21).
    """
    status, headers = (problem.status, problem.headers) if isinstance(problem, AdminError) else (422, ())
    members = {"code": problem.code, "message": problem.message, "location": problem.location, "hint": problem.hint}
    return Response(status, (*_HEADERS, *headers), json.dumps(members, separators=(",", ":")).encode("ascii"))
