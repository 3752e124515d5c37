"""Tests of the OpenAPI description. They call each operation until it has returned every described
status, and validate each response."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import validate

from imdskit.attestation_service import Settings
from imdskit.attestation_service.http import openapi
from imdskit.attestation_service.http.bodies import MAX_BINDING
from imdskit.attestation_service.http.routes import ROUTES, Route
from imdskit.reasons import Reason

from .conftest import Response, Service

SPEC: dict[str, Any] = openapi.description(Settings.read(environment={}, overrides={"keys_file": "keys"}))
METHODS = ("get", "head", "put", "post", "delete", "patch", "options", "trace")


def conforms(value: Any, schema: dict[str, Any]) -> None:
    Draft202012Validator({**schema, "components": SPEC["components"]}).validate(value)


def described(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = SPEC["paths"][route.path][route.method.lower()]
    return found


def held(route: Route, response: Response) -> None:
    """Raise an error if the description does not allow the response."""
    one = described(route)["responses"][str(response.status)]
    content_type = response.headers["Content-Type"]
    schema = one["content"][content_type]["schema"]
    conforms(response.json if "json" in content_type else response.body.decode(), schema)
    for name, header in one.get("headers", {}).items():
        conforms(int(response.headers[name]) if header["schema"]["type"] == "integer" else response.headers[name], header["schema"])


def test_description_is_valid_openapi_3_1() -> None:
    assert SPEC["openapi"].startswith("3.1")
    validate(SPEC)


def test_description_contains_all_operations() -> None:
    found = {(method, path) for path, item in SPEC["paths"].items() for method in item if method in METHODS}
    assert found == {(route.method.lower(), route.path) for route in ROUTES} | {
        ("head", route.path) for route in ROUTES if route.method == "GET"
    }
    for route in ROUTES:
        one = described(route)
        assert one["operationId"] == route.name
        assert one["security"] == ([{"key": sorted(route.roles)}] if route.roles else [])
        assert ("requestBody" in one) is route.takes_body
        if route.takes_body:
            assert one["requestBody"]["required"] is route.body_required


def test_description_contains_the_configured_limits() -> None:
    settings = Settings.read(environment={}, overrides={"keys_file": "keys", "max_verdict_documents": "7"})
    documents = openapi.description(settings)["components"]["schemas"]["AuditRequest"]["properties"]["documents"]
    assert documents["maxItems"] == 7
    assert SPEC["components"]["schemas"]["IssueNonceRequest"]["properties"]["binding"]["maxLength"] == MAX_BINDING


def test_service_serves_the_description(service: Service) -> None:
    assert service.call("GET", "/openapi.json").json == SPEC


KEYS = {"client": "client", "operator": "operator", "metrics": "metrics"}


def responses(service: Service) -> dict[tuple[str, int], Response]:
    """Return a response for every operation and status in the description."""
    found: dict[tuple[str, int], Response] = {}

    def add(route: Route, *arguments: Any, **environ: Any) -> Response:
        response = service.call(route.method, route.path, *arguments, **environ)
        held(route, response)
        found[route.name, response.status] = response
        return response

    nonce = service.nonce()
    document = service.document(nonce)
    good = {
        "issueNonce": [{}, {"binding": "x" * MAX_BINDING}],
        "attest": [{"nonce": nonce, "document": document}, {"nonce": nonce, "document": document}],
        "audit": [{"documents": [{"document": document, "at": 0, "nonce": nonce}, {"document": document}, {"document": ""}]}],
    }
    service.configure(max_body_bytes="16384", max_verdict_body_bytes="16384", rate_per_second="1", rate_burst="100")
    for route in ROUTES:
        key = next((name for name in KEYS if name in route.roles), None)
        add(route, None, key, HTTP_ACCEPT="image/png")
        for body in good.get(route.name, [None]):
            if body is not None:
                conforms(body, described(route)["requestBody"]["content"]["application/json"]["schema"])
            add(route, body, key)
        if route.roles:
            add(route)
            add(route, None, next(name for name in KEYS if name not in route.roles))
        if route.takes_body:
            add(route, b"{", key)
            add(route, b"[]", key)
            add(route, b"{}", key, CONTENT_TYPE="text/plain")
            add(route, b"{}" + b" " * 16384, key)
            add(route, b"{}", key, CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked")
    for route in ROUTES:
        key = next((name for name in KEYS if name in route.roles), None)
        for _ in range(101):
            if key is None or add(route, None, key).status == 429:
                break
    service.configure(nonce_key_file=None)
    for route in ROUTES:
        add(route, **{"wsgi.multiprocess": True})
    return found


def test_every_operation_and_status_responds_as_described(service: Service) -> None:
    found = responses(service)
    expected = {(route.name, int(status)) for route in ROUTES for status in described(route)["responses"]}
    assert found.keys() == expected


@pytest.mark.parametrize("schema", SPEC["components"]["schemas"])
def test_check_refuses_a_response_that_is_not_described(schema: str) -> None:
    with pytest.raises(ValidationError):
        conforms({"no such member": 1}, SPEC["components"]["schemas"][schema])


def test_description_lists_the_reasons_of_audits() -> None:
    verdict = SPEC["components"]["schemas"]["Verdicts"]["properties"]["verdicts"]["items"]["oneOf"][1]
    assert set(verdict["properties"]["reason"]["enum"]) == set(Reason) - {Reason.REPLAYED}
