"""Operations of the service. Each has a method and a path, and says which roles may use it."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from imdskit.attestation_service.configuration.keys import Role
from imdskit.attestation_service.http.messages import JSON, Problem
from imdskit.attestation_service.metrics import CONTENT_TYPE as METRICS_TEXT


class Route(NamedTuple):
    """Operation of the service.

    Attributes:
        name: ``operationId`` in the OpenAPI description.
        method: method of the request. If it is GET, HEAD is allowed as well.
        path: path of the request.
        roles: roles that may use the operation. If there are none, callers need no key.
        content_type: media type of the response.
        takes_body: whether the request can have a JSON body.
        body_required: whether the request must have a body.
    """

    name: str
    method: str
    path: str
    roles: frozenset[Role] = frozenset()
    content_type: str = JSON
    takes_body: bool = False
    body_required: bool = False


ISSUE_NONCE = Route("issueNonce", "POST", "/v1/challenges", frozenset({Role.CLIENT}), takes_body=True)
ATTEST = Route("attest", "POST", "/v1/attestations", frozenset({Role.CLIENT}), takes_body=True, body_required=True)
AUDIT = Route("audit", "POST", "/v1/verdicts", frozenset({Role.OPERATOR}), takes_body=True, body_required=True)
HEALTH = Route("getHealth", "GET", "/healthz")
METRICS = Route("getMetrics", "GET", "/metrics", frozenset({Role.METRICS, Role.OPERATOR}), METRICS_TEXT)
DESCRIPTION = Route("getDescription", "GET", "/openapi.json")

ROUTES = (ISSUE_NONCE, ATTEST, AUDIT, HEALTH, METRICS, DESCRIPTION)


def find(method: str, path: str) -> Route:
    """Return the operation that a request selects.

    Raises:
        Problem: There is no such path (404), or the path does not allow the method (405, with the
            header Allow).
    """
    at_path = {route.method: route for route in ROUTES if route.path == path}
    if not at_path:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", "There is nothing at this path. GET /openapi.json describes the service.")
    route = at_path.get("GET" if method == "HEAD" else method)
    if route is None:
        allowed = ", ".join(["GET", "HEAD"] if "GET" in at_path else at_path)
        raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method", f"This path accepts only the methods {allowed}.", (("Allow", allowed),))
    return route
