"""Tests that every error body is the documented or recorded one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imdskit.emulator import error_responses as r
from imdskit.emulator.error_responses import ERROR_RESPONSES, ErrorResponse, Evidence

EXACT = {
    r.BAD_REQUEST: b'{ "error": "Bad request" }',
    r.NO_METADATA_HEADER: b'{ "error": "Bad request: . Required metadata header not specified" }',
    r.NOT_FOUND: b'{ "error": "Not found" }',
    r.NOT_ALLOWED: b'{ "error": "Not allowed" }',
    r.TOO_MANY_TEXT: b"Too many requests",
    r.IDENTITY_NO_METADATA_HEADER: b'{"error":"invalid_request","error_description":"Required metadata header not specified"}',
    r.IDENTITY_NOT_ASSIGNED: b'{"error":"invalid_request","error_description":"Identity not found"}',
    r.IDENTITY_NOT_FOUND: b'{"error":"Not Found"}',
    r.EVENTS_NOT_FOUND: b'{"error":"Not found"}',
    r.failure(410, "identity"): (
        b'<?xml version="1.0" encoding="utf-8"?>\n'
        b'<Error xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">\n'
        b"    <Code>ResourceNotAvailable</Code>\n"
        b"    <Message>The resource requested is no longer available. Please refresh your cache.</Message>\n"
        b"    <Details></Details>\n"
        b"</Error>"
    ),
}


@pytest.mark.parametrize(("reply", "body"), EXACT.items(), ids=[reply.name for reply in EXACT])
def test_body_is_exact_to_the_byte(reply: ErrorResponse, body: bytes) -> None:
    assert reply.body == body


@pytest.mark.parametrize(
    ("reply", "length"),
    [(r.IDENTITY_NO_METADATA_HEADER, 88), (r.IDENTITY_NOT_ASSIGNED, 68), (r.IDENTITY_TOO_MANY, 90), (r.HOST_BAD_REQUEST, 323)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_body_has_the_recorded_length(reply: ErrorResponse, length: int) -> None:
    assert len(reply.body) == length


RECORDED = (r.IDENTITY_TOO_MANY, r.IDENTITY_UNKNOWN_RESOURCE, r.IDENTITY_GONE, r.OUTSIDE)
"""Responses whose bodies come from recordings and public reports. The specification does not have
them, or has an older form. Other tests compare the bodies of IDENTITY_GONE and OUTSIDE."""


def test_every_body_with_evidence_is_in_the_specification(shared: Path) -> None:
    contract = {(case["status"], case["body"]) for case in json.loads((shared / "spec" / "errors.json").read_text(encoding="utf-8"))}
    for reply in ERROR_RESPONSES:
        body = reply.body.decode("utf-8-sig")
        if reply.evidence is Evidence.INFERRED or reply in RECORDED:
            continue
        if reply is r.BAD_VERSION:
            body = r.bad_version(("2025-04-07", "2024-07-17", "2024-03-15")).body.decode()
        if reply is r.BAD_VERSION_2021:
            body = body.replace('["...","...","..."]', '["2020-10-01","2020-09-01","2020-07-15"]')
        if reply is r.NOT_ALLOWED:
            body = body.replace("{ ", "{").replace(" }", "}").replace('": "', '":"')
        if reply in (r.LOAD_BALANCER_NOT_FOUND, r.LOAD_BALANCER_NOT_ALLOWED):
            body = r.about_request(reply, "<UrlPath>", "<Method>").body.decode()
        assert (reply.status, body) in contract, reply.name


def test_gone_identity_is_the_recorded_xml(shared: Path) -> None:
    recording = json.loads((shared / "corpus" / "recordings" / "054-wireserver-410-gone-xml.json").read_text(encoding="utf-8"))
    assert r.failure(410, "identity").body.decode() == recording["response"]["body"]
    headers = dict(r.failure(410, "identity").response().headers)
    assert headers["Content-Type"] == "text/xml; charset=utf-8"


def test_unknown_path_gets_the_page_of_the_web_server() -> None:
    """Compare the length of the page with that of the well-known page of Microsoft's web server
    IIS."""
    response = r.OUTSIDE.response()
    assert (response.status, len(response.body), dict(response.headers)["Content-Type"]) == (404, 1245, "text/html")
    assert b"<title>404 - File or directory not found.</title>\r\n" in response.body


def test_names_are_unique_and_json_bodies_are_valid() -> None:
    assert len({reply.name for reply in ERROR_RESPONSES}) == len(ERROR_RESPONSES)
    for reply in ERROR_RESPONSES:
        if reply.content_type == r.JSON:
            assert "error" in json.loads(reply.body)


def test_version_error_names_the_three_newest_enabled_versions() -> None:
    body = json.loads(r.bad_version(("2019-06-01", "2020-09-01", "2020-10-01", "2020-07-15")).body)
    assert list(body) == ["error", "newest-versions"]
    assert body["newest-versions"] == ["2020-10-01", "2020-09-01", "2020-07-15"]


def test_path_and_method_are_escaped_as_json() -> None:
    body = r.about_request(r.LOAD_BALANCER_NOT_ALLOWED, '/metadata/"..."', "PUT").body
    assert json.loads(body)["error"] == 'Http method is not allowed: Path = "/metadata/"..."", Method = "PUT"'


def test_error_response_has_the_headers_of_the_service() -> None:
    response = r.not_allowed(r.NOT_ALLOWED, ("GET", "POST")).response()
    assert response.status == 405
    assert response.headers == (("Content-Type", r.JSON), ("Server", r.SERVER), ("Allow", "GET, POST"))
