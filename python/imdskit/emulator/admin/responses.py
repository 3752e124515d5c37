"""Responses of the admin API: JSON, and one form for every error.

:mod:`imdskit.emulator.admin.server` and :mod:`imdskit.emulator.admin.operations` decide which error it is.
"""

from __future__ import annotations

import json

from imdskit.errors import ImdskitError
from imdskit.protocol.messages import Response

Headers = tuple[tuple[str, str], ...]

_HEADERS: Headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class AdminError(ImdskitError):
    """A request that the admin API refuses.

    Attributes:
        status: of the response.
        headers: of the response, besides the usual ones.
    """

    def __init__(self, status: int, code: str, message: str, *, location: str = "", hint: str = "", headers: Headers = ()) -> None:
        super().__init__(code, message, location=location, hint=hint)
        self.status = status
        self.headers = headers


def answer(value: object) -> Response:
    """Return the response with a result."""
    return Response(200, _HEADERS, json.dumps(value, separators=(",", ":")).encode("ascii"))


def error(problem: ImdskitError) -> Response:
    """Why there is none: code, message, location (a JSON pointer into the body, or the name of a header or parameter) and hint.

    What the emulator itself finds wrong with a body that is JSON has status 422 (RFC 9110 section 15.5.21).
    """
    status, headers = (problem.status, problem.headers) if isinstance(problem, AdminError) else (422, ())
    members = {"code": problem.code, "message": problem.message, "location": problem.location, "hint": problem.hint}
    return Response(status, (*_HEADERS, *headers), json.dumps(members, separators=(",", ":")).encode("ascii"))
