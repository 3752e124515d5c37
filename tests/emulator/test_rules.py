"""Tests of the rules: each one refuses the requests that it describes, with the exact response, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator.error_responses import OUTSIDE, SERVER, Evidence
from imdskit.emulator.http.messages import Request
from imdskit.emulator.service.request_context import RequestContext, ServedMachine
from imdskit.emulator.service.rules import RULES, refusal

Services = Callable[..., Any]

HEADER = {"Metadata": "true"}
NO_HEADER = b'{ "error": "Bad request: . Required metadata header not specified" }'
BAD_REQUEST = b'{ "error": "Bad request" }'
NOT_FOUND = b'{ "error": "Not found" }'
NOT_ALLOWED = b'{ "error": "Not allowed" }'
BAD_VERSION = (
    b'{"error":"Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds",'
    b'"newest-versions":["2025-04-07","2024-07-17","2024-03-15"]}'
)
IDENTITY_NO_HEADER = b'{"error":"invalid_request","error_description":"Required metadata header not specified"}'
NO_RESOURCE = b'{"error":"invalid_request","error_description":"Required query variable \'resource\' is missing"}'
NO_IDENTITY = b'{"error":"invalid_request","error_description":"Identity not found"}'
IDENTITY_BAD_REQUEST = b'{"error":"invalid_request","error_description":"Bad request"}'
AMBIGUOUS = (
    b'{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify the clientId / resourceId '
    b'of the identity in the token request"}'
)
UNKNOWN_RESOURCE = (
    b'{"error":"invalid_resource","error_description":"AADSTS500011: The resource principal named https://Nosuch.example/ was not found in '
    b"the tenant named Contoso. This can happen if the application has not been installed by the administrator of the tenant or consented "
    b"to by any user in the tenant. You might have sent your authentication request to the wrong tenant."
)
NO_LOAD_BALANCER = (
    b'{ "error": "No load balancer metadata is found. Please check if your VM is using any non-basic SKU load balancer and retry later." }'
)
V = "?api-version=2021-02-01"
TOKEN = "/metadata/identity/oauth2/token"
VERSIONED = "/metadata/instance" + V

CASES: list[tuple[str, str, str, dict[str, str], int, bytes | None]] = [
    ("head", "HEAD", VERSIONED, HEADER, 400, None),
    ("head", "HEAD", "/", {}, 400, None),
    ("root", "GET", "/", {}, 400, None),
    ("outside", "GET", "/latest/meta-data/", {}, 404, OUTSIDE.body),
    ("outside", "GET", "//latest/dynamic/instance-identity/document", HEADER, 404, OUTSIDE.body),
    ("outside", "PUT", "/latest/api/token", {}, 404, OUTSIDE.body),
    ("outside", "GET", "/computeMetadata/v1/instance", {"Metadata-Flavor": "Google"}, 404, OUTSIDE.body),
    ("outside", "GET", "/opc/v2/instance/", {}, 404, OUTSIDE.body),
    ("outside", "GET", "/openstack", {}, 404, OUTSIDE.body),
    ("outside", "GET", "/metadata.json", HEADER, 404, OUTSIDE.body),
    ("outside", "OPTIONS", "*", HEADER, 404, OUTSIDE.body),
    ("method", "POST", VERSIONED, HEADER, 405, NOT_ALLOWED),
    ("method", "PUT", VERSIONED, {}, 405, NOT_ALLOWED),
    ("method", "DELETE", "/metadata/versions", HEADER, 405, NOT_ALLOWED),
    ("method", "get", VERSIONED, HEADER, 405, NOT_ALLOWED),
    ("method", "PUT", "/metadata/scheduledevents?api-version=2020-07-01", HEADER, 405, NOT_ALLOWED),
    ("method", "POST", TOKEN + V, HEADER, 405, b'{"error":"method_not_allowed","error_description":"Not allowed"}'),
    (
        "method",
        "POST",
        "/metadata/loadbalancer" + V,
        HEADER,
        405,
        b'{ "error": "Http method is not allowed: Path = \\"/metadata/loadbalancer\\", Method = \\"POST\\"" }',
    ),
    ("x-forwarded-for", "GET", VERSIONED, {**HEADER, "X-Forwarded-For": "10.0.0.1"}, 400, BAD_REQUEST),
    ("x-forwarded-for", "GET", VERSIONED, {**HEADER, "x-forwarded-for": ""}, 400, BAD_REQUEST),
    ("x-forwarded-for", "GET", VERSIONED, {"X-Forwarded-For": "10.0.0.1"}, 400, BAD_REQUEST),
    ("metadata-header", "GET", VERSIONED, {}, 400, NO_HEADER),
    ("metadata-header", "GET", VERSIONED, {"Metadata": "false"}, 400, NO_HEADER),
    ("metadata-header", "GET", VERSIONED, {"Metadata": ""}, 400, NO_HEADER),
    ("metadata-header", "GET", "/metadata/instance/compute/vmId" + V + "&format=text", {}, 400, NO_HEADER),
    ("metadata-header", "GET", "/metadata", {}, 400, NO_HEADER),
    ("metadata-header", "GET", "/metadata/v1.json", {}, 400, NO_HEADER),
    ("metadata-header", "GET", "/metadata/versions", {}, 400, NO_HEADER),
    ("metadata-header", "GET", "/metadata/attested/document" + V, {}, 400, NO_HEADER),
    ("metadata-header", "GET", "/metadata/scheduledevents?api-version=2020-07-01", {}, 400, NO_HEADER),
    ("metadata-header", "GET", "/metadata/loadbalancer" + V, {}, 400, NO_HEADER),
    ("metadata-header", "GET", "/metadata/identity/oauth2/token", {}, 400, IDENTITY_NO_HEADER),
    ("metadata-header", "GET", "/Metadata/Identity", {}, 400, IDENTITY_NO_HEADER),
    ("metadata-header", "POST", "/metadata/identity/credential?cred-api-version=1.0", {}, 400, IDENTITY_NO_HEADER),
    ("repeated-parameter", "GET", VERSIONED + "&api-version=2021-02-01", HEADER, 400, BAD_REQUEST),
    ("repeated-parameter", "GET", VERSIONED + "&API-Version=2021-02-01", HEADER, 400, BAD_REQUEST),
    ("repeated-parameter", "GET", "/metadata/versions?x=1&x=2", HEADER, 400, BAD_REQUEST),
    ("category", "GET", "/metadata/nosuch", HEADER, 404, NOT_FOUND),
    ("category", "GET", "/metadata/v1.json", HEADER, 404, NOT_FOUND),
    ("thim", "GET", "/metadata/THIM/amd/certification", HEADER, 404, NOT_FOUND),
    ("thim", "GET", "/metadata/thim" + V, HEADER, 404, NOT_FOUND),
    ("method", "POST", "/metadata/THIM/amd/certification", HEADER, 405, NOT_ALLOWED),
    ("metadata-header", "GET", "/metadata/THIM/amd/certification", {}, 400, NO_HEADER),
    ("reprovisiondata", "GET", "/metadata/reprovisiondata?api-version=2019-06-01", HEADER, 404, NOT_FOUND),
    ("api-version", "GET", "/metadata/reprovisiondata", HEADER, 400, BAD_VERSION),
    ("route", "GET", "/metadata/reprovisiondata/x" + V, HEADER, 404, NOT_FOUND),
    ("events-version", "GET", "/metadata/scheduledevents?api-version=2021-12-13", HEADER, 404, b'{"error":"Not found"}'),
    ("events-version", "GET", "/metadata/scheduledevents?api-version=latest", HEADER, 404, b'{"error":"Not found"}'),
    ("api-version", "GET", "/metadata", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/instance", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/instance/", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/instance?api-version=", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/instance?api-version=2017-07-01", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/instance?api-version=2020-07-01", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/instance?api-version=2021-02-01%20", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/instance?format=text", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/instance/nosuch", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/attested/document", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/loadbalancer", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/scheduledevents", HEADER, 400, BAD_VERSION),
    ("api-version", "GET", "/metadata/identity/oauth2/token?resource=x", HEADER, 400, BAD_VERSION),
    ("endpoint-version", "GET", "/metadata/attested/document?api-version=2018-04-02", HEADER, 404, NOT_FOUND),
    ("endpoint-version", "GET", "/metadata/identity/oauth2/token?api-version=2017-12-01", HEADER, 404, b'{"error":"Not Found"}'),
    (
        "endpoint-version",
        "GET",
        "/metadata/loadbalancer?api-version=2020-09-01",
        HEADER,
        404,
        b'{ "error": "API is not found: Path = \\"/metadata/loadbalancer\\", Method = \\"GET\\"" }',
    ),
    ("route", "GET", "/metadata" + V, HEADER, 404, NOT_FOUND),
    ("route", "GET", "/metadata/identity" + V, HEADER, 404, b'{"error":"Not Found"}'),
    ("route", "GET", "/metadata/identity/oauth2" + V, HEADER, 404, b'{"error":"Not Found"}'),
    ("route", "POST", "/metadata/identity/credential?cred-api-version=1.0", HEADER, 404, b'{"error":"Not Found"}'),
    ("route", "GET", "/metadata/identity/getplatformmetadata?cred-api-version=2.0", HEADER, 404, b'{"error":"Not Found"}'),
    ("route", "GET", "/metadata/attested" + V, HEADER, 404, NOT_FOUND),
    ("route", "GET", "/metadata/attested/document/x" + V, HEADER, 404, NOT_FOUND),
    ("route", "GET", "/metadata/versions/2021-02-01", HEADER, 404, NOT_FOUND),
    ("route", "GET", "/metadata/scheduledevents/x?api-version=2020-07-01", HEADER, 404, b'{"error":"Not found"}'),
    (
        "route",
        "GET",
        "/metadata/loadbalancer/x" + V,
        HEADER,
        404,
        b'{ "error": "API is not found: Path = \\"/metadata/loadbalancer/x\\", Method = \\"GET\\"" }',
    ),
    ("nonce", "GET", "/metadata/attested/document" + V + "&nonce=" + "1" * 33, HEADER, 400, BAD_REQUEST),
    ("nonce", "GET", "/metadata/attested/document" + V + "&nonce=a%22b", HEADER, 400, BAD_REQUEST),
    ("approval", "POST", "/metadata/scheduledevents?api-version=2020-07-01", HEADER, 400, BAD_REQUEST),
    ("resource", "GET", "/metadata/identity/oauth2/token" + V, HEADER, 400, NO_RESOURCE),
    ("resource", "GET", "/metadata/identity/oauth2/token" + V + "&resource=", HEADER, 400, NO_RESOURCE),
    ("bypass-cache", "GET", TOKEN + V + "&resource=x&bypass_cache=false", HEADER, 400, IDENTITY_BAD_REQUEST),
    ("one-selector", "GET", TOKEN + V + "&resource=x&client_id=1&object_id=2", HEADER, 400, IDENTITY_BAD_REQUEST),
    ("one-selector", "GET", TOKEN + V + "&resource=x&msi_res_id=1&mi_res_id=1", HEADER, 400, IDENTITY_BAD_REQUEST),
    ("several-identities", "GET", TOKEN + V + "&resource=x", HEADER, 400, AMBIGUOUS),
    ("several-identities", "GET", TOKEN + V + "&resource=x&client_id=", HEADER, 400, AMBIGUOUS),
    ("unknown-resource", "GET", TOKEN + V + "&resource=https%3A%2F%2FNosuch.example/", HEADER, 400, UNKNOWN_RESOURCE),
    ("identity", "GET", TOKEN + "?resource=https://management.azure.com/&api-version=2018-02-01", HEADER, 400, NO_IDENTITY),
    ("identity", "GET", "/metadata/identity/oauth2/token?api-version=2019-08-01&resource=api://x", HEADER, 400, NO_IDENTITY),
    ("identity", "GET", "/metadata/identity/info" + V, HEADER, 400, NO_IDENTITY),
    ("load-balancer", "GET", "/metadata/loadbalancer" + V + "&format=json", HEADER, 404, NO_LOAD_BALANCER),
    ("extended-version", "GET", "/metadata/instance" + V + "&extended=true", HEADER, 400, BAD_REQUEST),
    ("instance-path", "GET", "/metadata/instance/nosuch" + V, HEADER, 404, NOT_FOUND),
    ("instance-path", "GET", "/metadata/instance/compute/identity" + V + "&format=text", HEADER, 404, NOT_FOUND),
    ("instance-path", "GET", "/metadata/instance/compute/userData?api-version=2020-12-01&format=text", HEADER, 404, NOT_FOUND),
    ("instance-path", "GET", "/metadata/instance/compute/vmId/x" + V + "&format=text", HEADER, 404, NOT_FOUND),
    ("instance-path", "GET", "/metadata/instance/network/interface/1" + V, HEADER, 404, NOT_FOUND),
    ("instance-path", "GET", "/metadata/instance/network/interface/-1" + V, HEADER, 404, NOT_FOUND),
    ("instance-path", "GET", "/metadata/instance/network/interface/x" + V, HEADER, 404, NOT_FOUND),
    ("instance-path", "GET", "/metadata/instance/network/interface/%D9%A0" + V, HEADER, 404, NOT_FOUND),
    ("instance-path", "GET", "/metadata/instance/nosuch" + V + "&format=xml", HEADER, 404, NOT_FOUND),
    ("format", "GET", VERSIONED + "&format=xml", HEADER, 400, BAD_REQUEST),
    ("leaf", "GET", "/metadata/instance/compute/vmId" + V, HEADER, 400, BAD_REQUEST),
    ("leaf", "GET", "/metadata/instance/compute/vmId" + V + "&format=json", HEADER, 400, BAD_REQUEST),
    ("leaf", "GET", "/metadata/instance/compute/zone/" + V, HEADER, 400, BAD_REQUEST),
]


MACHINES: dict[str, Any] = {
    "identity": {},
    "several-identities": {"identity": {"userAssigned": [{}, {}]}},
    "unknown-resource": {"identity": {"tenantName": "Contoso", "systemAssigned": {}, "unknownResources": ["https://nosuch.example"]}},
}
"""Scenario for the cases of a rule, if it is not the default one."""


@pytest.fixture(scope="module")
def linux(service: Services) -> Any:
    return service("linux")


def looked_up(machine: ServedMachine, request: Request) -> RequestContext:
    """Return the context that the rules see for a request."""
    context = RequestContext(machine, request)
    if context.category == "instance":
        context.look_up()
    return context


@pytest.mark.parametrize(
    ("rule", "method", "target", "headers", "status", "body"), CASES, ids=[f"{case[0]}-{case[1]}-{case[2]}" for case in CASES]
)
def test_rule_refuses_with_the_exact_response(
    rule: str, method: str, target: str, headers: dict[str, str], status: int, body: bytes | None, service: Services
) -> None:
    machine = service(MACHINES.get(rule, "linux"))
    answer = machine.ask(target, method, headers)
    assert answer.status == status
    if body is None:
        assert (len(answer.body), answer.header("Server")) == (323, "Microsoft-IIS/10.0")
        assert answer.header("Content-Type") == "text/xml; charset=utf-8"
    else:
        assert answer.body == body if rule != "unknown-resource" else answer.body.startswith(body)
        assert answer.header("Server") == ("Microsoft-IIS/10.0" if rule == "outside" else SERVER)
        assert answer.header("Content-Type") == ("text/html" if rule == "outside" else "application/json; charset=utf-8")
    refused = refusal(looked_up(machine.app.machine, Request(method, target, tuple(headers.items()))))
    assert refused is not None
    assert refused[0].name == rule


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} | {"limit"} == {rule.name for rule in RULES}


def test_rule_names_are_unique_and_every_rule_has_responses() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.answers
        assert rule.when.endswith((".", ")"))
        assert rule.evidence in Evidence


@pytest.mark.parametrize(
    ("target", "allow"),
    [
        (VERSIONED, "GET"),
        ("/metadata/scheduledevents", "GET, POST"),
        ("/metadata/identity/credential", "POST"),
        ("/metadata/identity/oauth2/token", "GET"),
        ("/metadata/loadbalancer", "GET"),
    ],
)
def test_response_to_a_refused_method_lists_allowed_methods(target: str, allow: str, linux: Any) -> None:
    assert linux.ask(target, "PATCH").header("Allow") == allow


def test_rule_returns_only_the_responses_it_lists(service: Services) -> None:
    machines = {rule: service(scenario).app.machine for rule, scenario in {"": "linux", **MACHINES}.items()}
    for rule, method, target, headers, _, _ in CASES:
        refused = refusal(looked_up(machines.get(rule, machines[""]), Request(method, target, tuple(headers.items()))))
        assert refused is not None
        assert refused[1].name in {answer.name for answer in refused[0].answers}


LIMITS = [
    ("/metadata/instance" + V, b'{"error":"Too many requests"}', "application/json; charset=utf-8", 5),
    ("/metadata/instance/compute/vmId" + V + "&format=text", b"Too many requests", "text/plain; charset=utf-8", 5),
    ("/metadata/versions?format=text", b'{"error":"Too many requests"}', "application/json; charset=utf-8", 5),
    ("/metadata/loadbalancer" + V, b'{ "error": "Too many requests" }', "application/json; charset=utf-8", 5),
    (
        "/metadata/identity/oauth2/token" + V,
        b'{"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}',
        "application/json; charset=utf-8",
        20,
    ),
]


@pytest.mark.parametrize(("target", "body", "content_type", "burst"), LIMITS, ids=[case[0] for case in LIMITS])
def test_refuses_too_many_requests_until_time_has_passed(
    target: str, body: bytes, content_type: str, burst: int, service: Services
) -> None:
    clock = ManualClock(1_767_268_800)
    machine = service("linux", clock=clock, limited=True)
    for _ in range(burst):
        assert machine.ask(target).status != 429
    refused = machine.ask(target)
    assert (refused.status, refused.body, refused.header("Content-Type")) == (429, body, content_type)
    assert refused.header("Retry-After") is None
    clock.advance(1)
    assert machine.ask(target).status != 429


def test_identity_is_counted_separately_and_other_paths_are_not_counted(service: Services) -> None:
    machine = service("linux", limited=True)
    for _ in range(5):
        assert machine.ask(VERSIONED).status == 200
    for _ in range(30):
        assert machine.ask("/latest/meta-data", headers={}).status == 404
        assert machine.ask("/pki/one.crt", headers={}).status == 200
    assert machine.ask(VERSIONED).status == 429
    assert machine.ask("/metadata/identity/oauth2/token" + V).status == 400
