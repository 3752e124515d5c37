"""Tests of how the client interprets responses. Bodies of the service are from its documentation and from recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imdskit.client import responses
from imdskit.client.responses import Response
from imdskit.codes import ClientCode
from imdskit.emulator import error_responses as wire
from imdskit.errors import ClientError

JSON, HTML, TEXT, XML = "application/json", "text/html", "text/plain", "text/xml"
PAGE = b"<html><head><title>Sign in</title></head></html>"
HTTP_SYS = b"<HTML><BODY><h2>Service Unavailable</h2><hr><p>HTTP Error 503. The service is unavailable.</p></BODY></HTML>"
LIST = b'{"error":"Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds"'
LIST += b',"newest-versions":["2025-04-07","2024-07-17","2024-03-15"]}'

CASES: dict[str, tuple[int, str, bytes, str]] = {
    "a missing header": (400, JSON, b'{ "error": "Bad request: . Required metadata header not specified" }', "bad-request"),
    "a leaf as JSON": (400, JSON, b'{ "error": "Bad request" }', "bad-request"),
    "an error without a body": (400, JSON, b"", "bad-request"),
    "an identity error": (400, JSON, b'{"error":"invalid_request","error_description":"Identity not found"}', "bad-request"),
    "a host error": (400, XML, wire.HOST_BAD_REQUEST.body, "bad-request"),
    "an unsupported version with the list": (400, JSON, LIST, "unsupported-version"),
    "an unsupported version without the list": (400, JSON, b'{ "error": "Bad request. api-version is invalid" }', "unsupported-version"),
    "an unsupported version with the text of 2018": (
        404,
        JSON,
        b'{ "error": "Not found. Invalid version requested" }',
        "unsupported-version",
    ),
    "an unknown path": (404, JSON, b'{ "error": "Not found" }', "not-found"),
    "an unknown path without a body": (404, "", b"", "not-found"),
    "no load balancer": (404, JSON, b'{ "error": "No load balancer metadata is found." }', "not-found"),
    "gone": (410, XML, b"<?xml version='1.0'?><Error/>", "gone"),
    "too many": (429, TEXT, b"Too many requests", "throttled"),
    "too many requests as JSON": (429, JSON, b'{"error":"Too many requests"}', "throttled"),
    "a failure": (500, JSON, b'{"error":"Server error"}', "server-error"),
    "a failure of the host": (500, TEXT, b"", "server-error"),
    "the host's own page while the service restarts": (503, HTML, HTTP_SYS, "server-error"),
    "an IIS page": (500, HTML, b"<html><body><div><h1>Server Error</h1></div></body></html>", "server-error"),
    "a proxy that cannot reach the address": (504, HTML, PAGE, "not-imds"),
    "a proxy without a media type": (502, "", PAGE, "not-imds"),
    "a proxy's page with the status of a failure": (503, HTML, PAGE, "not-imds"),
    "a proxy's page with any other status": (520, HTML, PAGE, "not-imds"),
    "a proxy's page in XHTML": (503, "", b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">', "not-imds"),
    "a proxy's page after a comment": (500, TEXT, b"<!-- proxy 3 -->\n<HTML lang=en>", "not-imds"),
    "a proxy that limits the rate": (429, HTML, PAGE, "not-imds"),
    "a proxy's page with status 410": (410, HTML, PAGE, "not-imds"),
    "a gateway made by Microsoft": (502, HTML, b"<html><body><div><h1>Server Error</h1></div></body></html>", "not-imds"),
    "a gateway's text": (502, TEXT, b"upstream connect error", "not-imds"),
    "a gateway's JSON": (504, JSON, b'{"message":"Endpoint request timed out"}', "not-imds"),
    "a gateway's status with JSON of the service": (502, JSON, b'{"error":"Bad gateway"}', "server-error"),
    "a gateway's status without a body": (504, "", b"", "server-error"),
    "a request timeout": (408, TEXT, b"", "unexpected-status"),
    "a wrong method": (405, JSON, b'{ "error": "Not allowed" }', "unexpected-status"),
    "forbidden": (403, JSON, b'{ "error": "Forbidden" }', "unexpected-status"),
    "a proxy that requires a password": (407, TEXT, b"", "unexpected-status"),
    "created": (201, JSON, b"{}", "unexpected-status"),
    "no content": (204, "", b"", "unexpected-status"),
    "an undefined status": (999, JSON, b"{}", "server-error"),
    "a redirect": (302, HTML, PAGE, "redirected"),
    "not modified": (304, "", b"", "redirected"),
    "an HTML page": (200, HTML, PAGE, "not-imds"),
    "an HTML page labelled as JSON": (200, JSON, PAGE, "not-imds"),
    "an HTML page without a media type": (200, "", b"\xef\xbb\xbf\r\n<!DOCTYPE html><p>", "not-imds"),
    "an HTML page with status 404": (404, HTML, PAGE, "not-imds"),
    "an HTML page with status 400": (400, HTML, PAGE, "not-imds"),
    "JSON labelled as HTML": (200, HTML, b"{}", "not-imds"),
    "nothing": (200, JSON, b"", "not-imds"),
    "text": (200, TEXT, b"ok", "not-imds"),
    "a number": (200, JSON, b"1", "not-imds"),
    "null": (200, JSON, b"null", "not-imds"),
    "a string": (200, JSON, b'"compute"', "not-imds"),
    "an incomplete object": (200, JSON, b'{"compute":', "not-imds"),
    "two objects": (200, JSON, b"{} {}", "not-imds"),
    "not UTF-8": (200, JSON, b'{"a":"\xff"}', "not-imds"),
    "UTF-16": (200, JSON, '{"a":1}'.encode("utf-16"), "not-imds"),
    "deep nesting": (200, JSON, b"[" * 200_000, "not-imds"),
    "a million digits": (200, JSON, b"[" + b"1" * 1_000_000 + b"]", "not-imds"),
}


@pytest.mark.parametrize(("status", "media_type", "body", "code"), CASES.values(), ids=CASES.keys())
def test_every_error_response_has_its_code(status: int, media_type: str, body: bytes, code: str) -> None:
    with pytest.raises(ClientError) as error:
        responses.parsed(Response(status, media_type, body, "http://here/metadata/instance"))
    assert error.value.code == code
    assert error.value.status == status
    assert error.value.body == body[:4096]
    assert error.value.location == "http://here/metadata/instance"
    assert error.value.message.endswith(".")
    assert error.value.hint.endswith((".", "."))
    assert error.value.code in ClientCode


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"a":"\xc3\xa9"}', b' {"a": 1}\n'], ids=repr)
def test_json_is_parsed_whatever_its_media_type(body: bytes) -> None:
    for media_type in (JSON, TEXT, "", "application/octet-stream"):
        assert responses.parsed(Response(200, media_type, body, "")) == json.loads(body)


@pytest.mark.parametrize("body", ["", "value", "compute/\nnetwork/", "é\n", "<not a page>"])
def test_text_is_returned_unchanged(body: str) -> None:
    assert responses.text(Response(200, TEXT, body.encode(), "")) == body


@pytest.mark.parametrize(("media_type", "body"), [(HTML, b"x"), (TEXT, PAGE), (TEXT, b"\xff")], ids=["says page", "is page", "not UTF-8"])
def test_web_page_is_not_text(media_type: str, body: bytes) -> None:
    with pytest.raises(ClientError) as error:
        responses.text(Response(200, media_type, body, ""))
    assert error.value.code == "not-imds"


def test_hint_lists_the_supported_versions() -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(400, JSON, LIST, ""))
    assert "2025-04-07, 2024-07-17, 2024-03-15" in error.value.hint


@pytest.mark.parametrize("newest", ["x", [], [1], {"a": 1}, ["y" * 100_000], None], ids=lambda value: repr(value)[:20])
def test_malformed_list_of_versions_is_ignored(newest: object) -> None:
    body = json.dumps({"error": "api-version is invalid", "newest-versions": newest}).encode()
    with pytest.raises(ClientError) as error:
        responses.check(Response(400, JSON, body, ""))
    assert error.value.code == "unsupported-version"
    assert len(error.value.hint) < 300


def test_service_error_is_quoted_up_to_a_limit() -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(400, JSON, json.dumps({"error": "w" * 100_000}).encode(), ""))
    assert "www" in error.value.message
    assert len(error.value.message) < 300


def test_errors_of_the_emulator_are_understood() -> None:
    expected = {400: {"bad-request", "unsupported-version"}, 404: {"not-found"}, 410: {"gone"}, 429: {"throttled"}}
    expected |= {status: {"unexpected-status"} for status in (403, 405, 421)}
    for known in wire.ERROR_RESPONSES:
        with pytest.raises(ClientError) as error:
            responses.check(Response(known.status, known.content_type.partition(";")[0], known.body, ""))
        outside = {"not-imds"} if known is wire.OUTSIDE else None  # no client requests these paths
        assert error.value.code in (outside or expected.get(known.status, {"server-error"})), known.name


def test_recorded_responses_are_understood(shared: Path) -> None:
    """Read recordings of the real service: errors have a code, other responses are parsed, and a proxy's page is recognised."""
    codes = {400: {"bad-request", "unsupported-version"}, 404: {"not-found", "unsupported-version"}, 410: {"gone"}, 429: {"throttled"}}
    seen = 0
    for path in sorted((shared / "corpus" / "recordings").glob("*.json")):
        recording: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        response = recording["response"]
        if response["body"] is None or recording["body_is"] != "verbatim":
            continue
        headers = {name.lower(): value for name, value in (response["headers"] or {}).items()}
        media_type = headers.get("content-type", "").partition(";")[0]
        response = Response(response["status"], media_type, response["body"].encode(), "")
        seen += 1
        if response.status == 200:
            if recording["body_parses_as_json"]:
                responses.parsed(response)
            else:
                responses.text(response)
            continue
        with pytest.raises(ClientError) as error:
            responses.check(response)
        proxy = {"not-imds"} if "proxy" in path.name else None
        assert error.value.code in (proxy or codes.get(response.status, {"server-error", "unexpected-status"})), path.name
    assert seen > 20


URL = "http://here:8080/m/17/metadata/"
HINTS: dict[str, tuple[str, int, bytes, str]] = {
    "an unknown identity": (
        "identity/oauth2/token?resource=x",
        400,
        b'{"error":"invalid_request","error_description":"Identity not found"}',
        "managed identity",
    ),
    "several identities": ("identity/oauth2/token", 400, wire.IDENTITY_AMBIGUOUS.body, "client_id"),
    "no resource": ("identity/oauth2/token", 400, wire.IDENTITY_NO_RESOURCE.body, "token is for"),
    "an unknown resource": ("identity/oauth2/token", 400, wire.IDENTITY_UNKNOWN_RESOURCE.body, "resource"),
    "another identity error": ("identity/oauth2/token", 400, wire.IDENTITY_BAD_REQUEST.body, "at most one identity"),
    "no identity endpoint": ("identity/oauth2/token", 404, wire.IDENTITY_NOT_FOUND.body, "managed identity"),
    "a nonce": ("attested/document?nonce=%22", 400, wire.BAD_REQUEST.body, "nonce"),
    "an approval": ("scheduledevents?api-version=2020-07-01", 400, wire.BAD_REQUEST.body, "still listed"),
    "events of an unknown version": ("scheduledevents?api-version=2021-01-01", 404, wire.EVENTS_NOT_FOUND.body, "2020-07-01"),
    "no load balancer": ("loadbalancer?api-version=2021-02-01", 404, wire.NO_LOAD_BALANCER.body, "load balancer"),
    "a leaf as JSON": ("instance/compute/vmId?format=json", 400, wire.BAD_REQUEST.body, "format text"),
    "text format with extended": ("instance/compute?format=text&extended=true", 400, wire.BAD_REQUEST.body, "parameters"),
    "an unknown key": ("instance/compute/nosuch?format=text", 404, wire.NOT_FOUND.body, "api-version has the member"),
    "a whole document": ("instance?api-version=2021-02-01&format=json&extended=true", 400, wire.BAD_REQUEST.body, "parameters"),
    "a lost header": ("instance?format=json", 400, wire.NO_METADATA_HEADER.body, "Metadata: true"),
}


@pytest.mark.parametrize("prefix", ["", "/m/17", "/metadata-proxy"])
@pytest.mark.parametrize(("path", "status", "body", "hint"), HINTS.values(), ids=HINTS)
def test_hint_depends_on_the_request(path: str, status: int, body: bytes, hint: str, prefix: str) -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(status, JSON, body, f"http://here:8080{prefix}/metadata/{path}"))
    assert hint in error.value.hint
    assert ("format text" in error.value.hint) is (hint == "format text")


WORDS: dict[str, tuple[int, str, bytes, str]] = {
    "text": (500, TEXT, b"pod list is empty\r\n", "pod list is empty"),
    "text without a media type": (400, "", b"identity\tnot\x1b[31m there", "identity not [31m there"),
    "JSON with code and message": (400, JSON, b'{"code":"Forbidden","message":"no access"}', "Forbidden: no access"),
    "an error that is an object": (403, JSON, b'{"error":{"code":"Denied","message":"by policy"}}', "Denied: by policy"),
    "JSON without a known member": (404, JSON, b'{"reason":"gone fishing"}', "gone fishing"),
    "XML": (410, XML, wire.IDENTITY_GONE.body, "Please refresh your cache"),
    "malformed XML": (400, XML, b"<Error>nothing</Error>", "nothing"),
    "too many": (429, TEXT, b"slow down", "slow down"),
    "an unusual status": (409, TEXT, b"a conflict", "a conflict"),
}


@pytest.mark.parametrize(("status", "media_type", "body", "words"), WORDS.values(), ids=WORDS)
def test_error_text_is_shown_in_every_form(status: int, media_type: str, body: bytes, words: str) -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(status, media_type, body, URL + "identity/oauth2/token"))
    assert words in error.value.message
    assert error.value.message.isprintable()


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"<html>a page</html>", b"", b" \n"], ids=repr)
def test_binary_body_is_not_shown(body: bytes) -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(500 if body.strip()[:1] != b"<" else 400, TEXT, body, URL))
    assert "(" not in error.value.message


@pytest.mark.parametrize(
    "challenge",
    [
        "Basic realm=/var/opt/azcmagent/tokens/1.key",
        "basic  realm=C:\\x.key",
        "Basic realm=tokens/1.key",
        'Basic realm="C:\\ProgramData\\AzureConnectedMachineAgent\\Tokens\\1.key"',
    ],
)
def test_azure_arc_challenge_is_explained(challenge: str) -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(401, "", b"", URL, challenge=challenge))
    assert "Azure Arc" in error.value.message
    assert "Azure Arc" in error.value.hint
    assert "Security Protocol" not in error.value.hint


@pytest.mark.parametrize("challenge", ['Basic realm="Sign in"', "Basic realm=proxy", "Negotiate", "Bearer"])
def test_login_of_another_program_is_not_explained_as_azure_arc(challenge: str) -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(401, "", b"", "http://x", challenge=challenge))
    assert "Azure Arc" not in error.value.message + error.value.hint
    assert "Security Protocol" not in error.value.hint
    assert "demands a login" in error.value.hint


def test_refusal_by_the_guest_agent_is_explained() -> None:
    for status in (401, 403):
        with pytest.raises(ClientError) as error:
            responses.check(Response(status, "application/json", b"{}", "http://x"))
        assert "Metadata Security Protocol" in error.value.hint
