"""Tests of the HTTP interface: paths, methods, keys, media types, body sizes and limits. All errors are problem details."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest

from imdskit.attestation_service.http.routes import ROUTES
from imdskit.clock import ManualClock

from .conftest import Response, Service

ATTESTATION = {"nonce": "x", "document": "y"}


def is_problem(response: Response, status: int, code: str) -> bool:
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json
    assert {"type", "title", "status", "code", "detail"} <= problem.keys()
    return (response.status, problem["status"], problem["code"]) == (status, status, code)


@pytest.mark.parametrize("path", ["/", "", "/v1", "/v1/challenges/", "//healthz", "/healthz/", "/v2/verdicts", "/\xff", "/HEALTHZ"])
def test_unknown_paths_get_404(service: Service, path: str) -> None:
    assert is_problem(service.call("GET", path), 404, "not-found")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_unsupported_methods_get_405(service: Service, route: Any, method: str) -> None:
    response = service.call(method, route.path)
    allowed = ["GET", "HEAD"] if route.method == "GET" else [route.method]
    assert (response.status == 405) is (method not in allowed)
    if response.status == 405:
        assert response.headers["Allow"] == ", ".join(allowed)
        assert method == "HEAD" or is_problem(response, 405, "method")


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/metrics", "/nothing"])
def test_head_has_the_headers_of_get_and_no_body(service: Service, path: str) -> None:
    get, head = (service.call(method, path, key="metrics" if path == "/metrics" else None) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (get.status, b"")
    if path != "/metrics":  # The second response also counts the first request.
        assert head.headers == get.headers


def test_responses_must_not_be_cached(service: Service) -> None:
    headers = service.call("POST", "/v1/challenges", key="client").headers
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


# Keys

NEEDS = {"/v1/challenges": {"client"}, "/v1/attestations": {"client"}, "/v1/verdicts": {"operator"}, "/metrics": {"metrics", "operator"}}


@pytest.mark.parametrize("path", NEEDS)
def test_operation_needs_a_key_with_its_role(service: Service, path: str) -> None:
    method = "GET" if path == "/metrics" else "POST"
    missing, unknown = service.call(method, path), service.call(method, path, key="imdskit_unknown")
    assert is_problem(missing, 401, "key-required")
    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="imdskit"'
    assert is_problem(unknown, 401, "key-unknown")
    assert unknown.headers["WWW-Authenticate"] == 'Bearer realm="imdskit", error="invalid_token"'
    for name in ("client", "operator", "metrics"):
        response = service.call(method, path, key=name)
        assert (response.status == 403 and is_problem(response, 403, "role")) is (name not in NEEDS[path])


@pytest.mark.parametrize(
    "scheme", ["Basic {}", "bearer {}", "BEARER   {}  ", "{}", "Bearer", "Bearer {} x", "Bearer {}x", "Bearer " + "{}" * 99]
)
def test_bearer_scheme_matches_in_any_letter_case(service: Service, scheme: str) -> None:
    response = service.call("POST", "/v1/challenges", HTTP_AUTHORIZATION=scheme.replace("{}", service.keys["client"]))
    assert response.status == (200 if scheme in ("bearer {}", "BEARER   {}  ") else 401)


def test_a_body_is_not_read_before_the_key_is_known(service: Service) -> None:
    class Untouchable(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError

    response = service.call("POST", "/v1/attestations", ATTESTATION, **{"wsgi.input": Untouchable()})
    assert response.status == 401


# Bodies


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"', "application/json;"]
)
def test_json_content_type_may_have_any_valid_spelling(service: Service, content_type: str) -> None:
    assert service.call("POST", "/v1/challenges", {}, "client", CONTENT_TYPE=content_type).status == 200


@pytest.mark.parametrize(
    "content_type", ["", None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "json"]
)
def test_refuses_other_content_types(service: Service, content_type: str | None) -> None:
    assert is_problem(service.call("POST", "/v1/challenges", {}, "client", CONTENT_TYPE=content_type), 415, "content-type")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("", 200),
        ("application/json", 200),
        ("APPLICATION/*;q=0.1", 200),
        ("text/html, application/xhtml+xml, */*;q=0.8", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json; q=0, */*", 406),
        ("*/*;q=0.000", 406),
        (",,;", 406),
    ],
)
def test_the_accept_header_is_honoured(service: Service, accept: str, status: int) -> None:
    assert service.call("GET", "/healthz", HTTP_ACCEPT=accept).status == status


def test_metrics_are_accepted_as_text(service: Service) -> None:
    assert service.call("GET", "/metrics", key="metrics", HTTP_ACCEPT="text/plain;version=0.0.4;q=0.5,*/*;q=0.1").status == 200
    assert service.call("GET", "/metrics", key="metrics", HTTP_ACCEPT="application/json").status == 406


MALFORMED = {
    "not JSON": b"nonce=x",
    "nothing": b" ",
    "half": b'{"nonce":"x"',
    "two values": b'{"nonce":"x","document":"y"}{}',
    "a member twice": b'{"nonce":"x","document":"y","nonce":"x"}',
    "a member twice, escaped": b'{"nonce":"x","document":"y","n\\u006fnce":"x"}',
    "not UTF-8": b'{"nonce":"\xff","document":"y"}',
    "a byte order mark": b'\xef\xbb\xbf{"nonce":"x","document":"y"}',
    "a lone surrogate": b'{"nonce":"\\ud800","document":"y"}',
    "NaN": b'{"nonce":NaN,"document":"y"}',
    "deep": b"[" * 20_000 + b"]" * 20_000,
    "a raw line feed": b'{"nonce":"x\n","document":"y"}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses_body_that_is_not_strict_json(service: Service, body: bytes) -> None:
    assert is_problem(service.call("POST", "/v1/attestations", body, "client"), 400, "bad-json")
    assert is_problem(service.call("POST", "/v1/verdicts", body, "operator"), 400, "bad-json")


WRONG: list[tuple[str, Any, str]] = [
    ("/v1/challenges", [], ""),
    ("/v1/challenges", {"binding": None}, "/binding"),
    ("/v1/challenges", {"binding": "x" * 257}, "/binding"),
    ("/v1/challenges", {"bindings": "x"}, "/bindings"),
    ("/v1/challenges", {"a/b~c": "x"}, "/a~1b~0c"),
    ("/v1/challenges", {"n" * 1000: "x"}, "/" + "n" * 40),
    ("/v1/attestations", None, ""),
    ("/v1/attestations", "text", ""),
    ("/v1/attestations", {}, "/nonce"),
    ("/v1/attestations", {"nonce": "x"}, "/document"),
    ("/v1/attestations", {"nonce": 1, "document": "y"}, "/nonce"),
    ("/v1/attestations", {"nonce": "x", "document": {"encoding": "pkcs7"}}, "/document"),
    ("/v1/attestations", {**ATTESTATION, "policy": "lax"}, "/policy"),
    ("/v1/attestations", {**ATTESTATION, "at": 0}, "/at"),
    ("/v1/verdicts", {}, "/documents"),
    ("/v1/verdicts", {"documents": []}, "/documents"),
    ("/v1/verdicts", {"documents": {}}, "/documents"),
    ("/v1/verdicts", {"documents": ["x"]}, "/documents/0"),
    ("/v1/verdicts", {"documents": [{"document": "x"}, {"document": "x", "at": "now"}]}, "/documents/1/at"),
    ("/v1/verdicts", {"documents": [{"document": "x", "at": -1}]}, "/documents/0/at"),
    ("/v1/verdicts", {"documents": [{"document": "x", "at": 1.5}]}, "/documents/0/at"),
    ("/v1/verdicts", {"documents": [{"document": "x", "at": 10**12}]}, "/documents/0/at"),
    ("/v1/verdicts", {"documents": [{"document": "x", "at": True}]}, "/documents/0/at"),
    ("/v1/verdicts", {"documents": [{"document": "x", "at": None}]}, "/documents/0/at"),
    ("/v1/verdicts", {"documents": [{"document": "x", "nonce": 7}]}, "/documents/0/nonce"),
    ("/v1/verdicts", {"documents": [{"nonce": "7"}]}, "/documents/0/document"),
]


@pytest.mark.parametrize(("path", "body", "location"), WRONG, ids=lambda value: str(value)[:60])
def test_error_names_the_invalid_member(service: Service, path: str, body: Any, location: str) -> None:
    response = service.call("POST", path, b"null" if body is None else body, "operator" if path == "/v1/verdicts" else "client")
    assert is_problem(response, 422, "bad-member")
    assert response.json.get("location", "") == location
    assert (f"`{location}`" if location else "The body") in response.json["detail"]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "9" * 5000, "0." + "0" * 5000, "1e5"])
def test_huge_number_is_only_an_invalid_member(service: Service, number: str) -> None:
    body = b'{"documents":[{"document":"x","at":' + number.encode() + b"}]}"
    assert is_problem(service.call("POST", "/v1/verdicts", body, "operator"), 422, "bad-member")


def test_a_nonce_can_be_requested_without_a_body(service: Service) -> None:
    assert service.call("POST", "/v1/challenges", key="client").status == 200
    assert service.call("POST", "/v1/challenges", key="client", CONTENT_LENGTH="", CONTENT_TYPE="").status == 200
    assert service.call("POST", "/v1/challenges", key="client", CONTENT_LENGTH="0").status == 200


# Sizes


def test_a_body_of_exactly_the_limit_is_read(service: Service) -> None:
    service.configure(max_body_bytes="2048")
    frame = b'{"nonce":"x","document":""}'
    body = frame[:-2] + b"A" * (2048 - len(frame)) + b'"}'
    assert service.call("POST", "/v1/attestations", body, "client").status == 403
    assert is_problem(service.call("POST", "/v1/attestations", body + b" ", "client"), 413, "too-large")


def test_verdicts_have_a_separate_size_limit(service: Service) -> None:
    service.configure(max_body_bytes="1024", max_verdict_body_bytes="4096")
    body = {"documents": [{"document": "x" * 2000}]}
    assert service.call("POST", "/v1/verdicts", body, "operator").status == 200
    assert service.call("POST", "/v1/verdicts", {"documents": [{"document": "x" * 4096}]}, "operator").status == 413


CHUNKED = {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"}


class Trickle(io.BytesIO):
    """Stream that returns only a few bytes per read, as a server that decodes chunks may do."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None and size > 0
        return super().read(min(size, 7))


def test_body_without_length_is_read_if_the_server_ends_it(service: Service) -> None:
    service.configure(max_body_bytes="1024")
    ended = {**CHUNKED, "wsgi.input_terminated": True}
    body = b'{"nonce":"x","document":"y"}'
    for input_ in (io.BytesIO(body), Trickle(body)):
        assert service.call("POST", "/v1/attestations", b"", "client", **ended, **{"wsgi.input": input_}).status == 403
    whole = io.BytesIO(b" " * 5000)
    endless = service.call("POST", "/v1/attestations", b"", "client", **ended, **{"wsgi.input": whole})
    assert whole.tell() == 1025
    assert is_problem(endless, 413, "too-large")


@pytest.mark.parametrize("missing", [CHUNKED, {"CONTENT_LENGTH": None}, {"CONTENT_LENGTH": ""}], ids=str)
def test_body_without_length_is_refused_if_the_server_does_not_end_it(service: Service, missing: dict[str, Any]) -> None:
    assert is_problem(service.call("POST", "/v1/attestations", ATTESTATION, "client", **missing), 411, "length-required")


@pytest.mark.parametrize("length", ["-1", "+5", "1_0", "0x10", "5, 5", "\u0665", " 5", "9" * 5000], ids=lambda length: length[:4])
def test_refuses_content_length_that_is_not_a_number(service: Service, length: str) -> None:
    environ = {"CONTENT_LENGTH": length, "CONTENT_TYPE": "application/json"}
    request = service.application
    seen: list[str] = []
    whole = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/attestations", "HTTP_AUTHORIZATION": f"Bearer {service.keys['client']}", **environ}
    request({**whole, "wsgi.input": io.BytesIO(b"{}")}, lambda status, headers: seen.append(status))
    assert [status[:3] for status in seen] == ["413" if length.startswith("9") else "400"]


@pytest.mark.parametrize("length", ["9" * 18, "9" * 19, "9" * 4000])
def test_refuses_huge_content_length_without_reading(service: Service, length: str) -> None:
    assert service.call("POST", "/v1/attestations", b"{}", "client", CONTENT_LENGTH=length).status == 413


def test_refuses_incomplete_body(service: Service) -> None:
    assert is_problem(service.call("POST", "/v1/attestations", b"{}", "client", CONTENT_LENGTH="3"), 400, "incomplete")


def test_broken_connection_is_a_bad_request(service: Service) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionResetError

    response = service.call("POST", "/v1/attestations", ATTESTATION, "client", **{"wsgi.input": Broken()})
    assert is_problem(response, 400, "incomplete")


# Limits


def test_each_key_has_a_separate_rate(service: Service, clock: ManualClock) -> None:
    service.configure(rate_per_second="2", rate_burst="3")
    statuses = [service.call("POST", "/v1/challenges", key="client").status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = service.call("POST", "/v1/challenges", key="client")
    assert is_problem(refused, 429, "rate-limit")
    assert refused.headers["Retry-After"] == "1"
    assert service.call("POST", "/v1/challenges", key="other").status == 200
    clock.advance(1)
    assert [service.call("POST", "/v1/challenges", key="client").status for _ in range(3)] == [200, 200, 429]


def test_number_of_concurrent_requests_is_limited(service: Service) -> None:
    entered, leave = threading.Event(), threading.Event()

    class SlowStore:
        def consume(self, key: bytes, expires_at: int) -> bool:
            entered.set()
            return leave.wait(30)

    service.configure(max_concurrent="1").use(store=SlowStore())
    nonce = service.nonce()
    found: list[Response] = []
    busy = threading.Thread(target=lambda: found.append(service.attest(nonce, service.document(nonce))))
    busy.start()
    assert entered.wait(30)
    try:
        refused = service.call("POST", "/v1/challenges", key="client")
        assert is_problem(refused, 503, "busy")
        assert refused.headers["Retry-After"] == "1"
        assert service.metric("imdskit_requests_in_progress") == 1
        assert service.call("GET", "/healthz").status == 200
    finally:
        leave.set()
        busy.join()
    assert found[0].status == 200
    assert service.call("POST", "/v1/challenges", key="client").status == 200
    assert service.metric("imdskit_requests_in_progress") == 0


# Several processes


@pytest.mark.parametrize("settings", [{"store": "memory", "nonce_key_file": None}, {"nonce_key_file": None}], ids=["memory", "own secret"])
def test_refuses_everything_if_processes_have_no_common_store(
    service: Service, settings: dict[str, str | None], caplog: pytest.LogCaptureFixture
) -> None:
    service.configure(**settings)
    requests = [("GET", "/healthz"), ("GET", "/openapi.json"), ("POST", "/v1/challenges"), ("GET", "/nothing")]
    for method, path in requests:
        assert service.call(method, path, key="client", **{"wsgi.multiprocess": False}).status != 503
        assert is_problem(service.call(method, path, key="client", **{"wsgi.multiprocess": True}), 503, "configuration")
    (record,) = caplog.records
    assert "`store` and `nonce_key_file`" in record.getMessage()


def test_processes_with_common_store_and_secret_serve(service: Service) -> None:
    assert service.call("POST", "/v1/challenges", key="client", **{"wsgi.multiprocess": True}).status == 200


def test_forked_process_counts_as_another_process(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.configure(store="memory", nonce_key_file=None)
    assert service.call("GET", "/healthz").status == 200
    monkeypatch.setattr("os.getpid", lambda: 1)
    assert service.call("GET", "/healthz").status == 503
