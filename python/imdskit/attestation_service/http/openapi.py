"""OpenAPI 3.1 description of the service. It contains the limits from the settings of the service.
A test checks that the service behaves as described."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from imdskit import __version__, clouds
from imdskit.attestation_service.configuration.settings import Settings
from imdskit.attestation_service.decisions import ACCEPTED, REFUSED
from imdskit.attestation_service.http import bodies, routes
from imdskit.attestation_service.http.messages import JSON, PROBLEM
from imdskit.attestation_service.http.routes import ROUTES, Route
from imdskit.clock import LAST_SECOND
from imdskit.reasons import Reason, Stage

_TEXT = {"type": "string"}
_OPTIONAL_TEXT = {"type": ["string", "null"]}
_SECONDS = {"type": "integer", "minimum": 0, "description": "Unix seconds."}

SUMMARIES = {
    routes.ISSUE_NONCE: "Issue a nonce. The machine must request its attested document with this nonce.",
    routes.ATTEST: "Verify a document that was requested with a nonce. If it is accepted, mark both as used.",
    routes.AUDIT: "Verify stored documents as of the time when they were received, and say why they are refused. Nothing is marked as used.",
    routes.HEALTH: "Report that the process serves requests. The store is not accessed.",
    routes.METRICS: "Metrics in the text format of Prometheus.",
    routes.DESCRIPTION: "This description.",
}

RESULTS: dict[Route, dict[HTTPStatus, tuple[str, dict[str, Any]]]] = {
    routes.ISSUE_NONCE: {HTTPStatus.OK: ("A nonce.", {"$ref": "#/components/schemas/Nonce"})},
    routes.ATTEST: {
        HTTPStatus.OK: ("The document is accepted. It cannot be used again.", {"$ref": "#/components/schemas/Accepted"}),
        HTTPStatus.FORBIDDEN: (
            "The document is refused, and the reason is in the audit log. If the body has the type application/problem+json, the key lacks the role instead.",
            {"$ref": "#/components/schemas/Refused"},
        ),
    },
    routes.AUDIT: {HTTPStatus.OK: ("A verdict for each document, in the order of the request.", {"$ref": "#/components/schemas/Verdicts"})},
    routes.HEALTH: {HTTPStatus.OK: ("The process serves requests.", {"$ref": "#/components/schemas/Health"})},
    routes.METRICS: {HTTPStatus.OK: ("Metrics.", {"type": "string"})},
    routes.DESCRIPTION: {HTTPStatus.OK: ("An OpenAPI description.", {"type": "object"})},
}

_HEADERS = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "string"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow", "string"),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "integer"),
}


def problem_statuses(route: Route) -> set[HTTPStatus]:
    """Return all statuses for which the response of an operation can contain problem details."""
    found = {HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.SERVICE_UNAVAILABLE}
    if route.roles:
        found |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
    if route.takes_body:
        found |= {
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.LENGTH_REQUIRED,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        }
    return found


def description(settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI description as a JSON object."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
        if route.method == "GET":
            paths[route.path]["head"] = _operation(route, head=True)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imdskit verification service",
            "version": __version__,
            "summary": "Verifies attested documents of the Azure Instance Metadata Service.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(settings),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key from the key file of the service."}},
        },
    }


def _operation(route: Route, *, head: bool = False) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in sorted({*problem_statuses(route), *RESULTS[route]}):
        text, schema = RESULTS[route].get(status, (status.phrase + ".", None))
        content: dict[str, Any] = {} if schema is None else {route.content_type: {"schema": schema}}
        if status in problem_statuses(route):
            content[PROBLEM] = {"schema": {"$ref": "#/components/schemas/Problem"}}
        responses[str(status.value)] = {"description": text, **({} if head else {"content": content})}
        if status in _HEADERS:
            name, kind = _HEADERS[status]
            responses[str(status.value)]["headers"] = {name: {"required": True, "schema": {"type": kind}}}
    operation: dict[str, Any] = {
        "operationId": route.name + ("Headers" if head else ""),
        "summary": SUMMARIES[route],
        "responses": responses,
    }
    if route.takes_body:
        schema = {"$ref": f"#/components/schemas/{route.name[0].upper()}{route.name[1:]}Request"}
        operation["requestBody"] = {"required": route.body_required, "content": {JSON: {"schema": schema}}}
    # HTTP bearer authentication has no scopes. OpenAPI 3.1 allows the names of roles instead.
    operation["security"] = [{"key": sorted(route.roles)}] if route.roles else []
    return operation


def _schemas(settings: Settings) -> dict[str, Any]:
    binding = {
        "type": "string",
        "maxLength": bodies.MAX_BINDING,
        "description": "Purpose of the nonce, such as a session or an order. The request to verify the document must repeat this text.",
    }
    document = {"type": "string", "description": "The response of the metadata service, as text; or its signature alone, in base64."}
    nonce = {"type": "string", "pattern": "^[a-z2-7]{32}$"}
    audited = _object(
        {
            "document": document,
            "at": {
                "type": "integer",
                "minimum": 0,
                "maximum": LAST_SECOND,
                "description": "Time when the document was received, in Unix seconds. By default, this is the current time.",
            },
            "nonce": {"type": "string", "description": "Nonce that the document must contain."},
        },
        optional={"at", "nonce"},
    )
    claims = {
        "vmId": _TEXT,
        **dict.fromkeys(("subscriptionId", "sku", "licenseType"), _OPTIONAL_TEXT),
        "plan": {"oneOf": [{"type": "null"}, _object({"name": _TEXT, "product": _TEXT, "publisher": _TEXT})]},
        "nonce": _TEXT,
        "createdOn": _SECONDS,
        "expiresOn": _SECONDS,
    }
    accepted = {
        "decision": {"const": ACCEPTED},
        "cloud": {"enum": [cloud.name for cloud in clouds.CLOUDS]},
        "signer": {"type": "string", "description": "DNS name in the signer's certificate."},
        "claims": _object(claims),
    }
    refused = {
        "decision": {"const": REFUSED},
        "reason": {"enum": [reason.value for reason in Reason if reason is not Reason.REPLAYED]},
        "stage": {"enum": [stage.value for stage in Stage]},
        **dict.fromkeys(("location", "message", "hint"), _TEXT),
    }
    documents = {"type": "array", "minItems": 1, "maxItems": settings.max_verdict_documents, "items": audited}
    verdict = {"oneOf": [{"$ref": "#/components/schemas/Accepted"}, _object(refused)]}
    problem = {
        "type": {"const": "about:blank"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable name of the problem."},
        "detail": _TEXT,
        "location": {"type": "string", "description": "JSON pointer (RFC 6901) into the body."},
    }
    return {
        "IssueNonceRequest": _object({"binding": binding}, optional={"binding"}),
        "Nonce": _object(
            {"nonce": nonce, "expiresIn": {"type": "integer", "description": "Number of seconds for which the nonce is valid."}}
        ),
        "AttestRequest": _object({"nonce": _TEXT, "document": document, "binding": binding}, optional={"binding"}),
        "Accepted": _object(accepted),
        "Refused": _object({"decision": {"const": REFUSED}}),
        "AuditRequest": _object({"documents": documents}),
        "Verdicts": _object({"verdicts": {"type": "array", "items": verdict}}),
        "Health": _object({"status": {"const": "ok"}}),
        "Problem": _object(problem, optional={"location"}),
    }


def _object(members: dict[str, Any], optional: set[str] | None = None) -> dict[str, Any]:
    required = [name for name in members if name not in (optional or set())]
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}
