"""What each answer stands for. Bodies of the service are those of its documentation and of recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imdskit.client import responses
from imdskit.client.responses import Response
from imdskit.codes import ClientCode
from imdskit.errors import ClientError
from imdskit.protocol import responses as wire

JSON, HTML, TEXT, XML = "application/json", "text/html", "text/plain", "text/xml"
PAGE = b"<html><head><title>Sign in</title></head></html>"
LIST = b'{"error":"Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds"'
LIST += b',"newest-versions":["2025-04-07","2024-07-17","2024-03-15"]}'

CASES: dict[str, tuple[int, str, bytes, str]] = {
    "a missing header": (400, JSON, b'{ "error": "Bad request: . Required metadata header not specified" }', "bad-request"),
    "a leaf as JSON": (400, JSON, b'{ "error": "Bad request" }', "bad-request"),
    "an error without words": (400, JSON, b"", "bad-request"),
    "an error of identity": (400, JSON, b'{"error":"invalid_request","error_description":"Identity not found"}', "bad-request"),
    "an error of the host": (400, XML, wire.HOST_BAD_REQUEST.body, "bad-request"),
    "a version with the list": (400, JSON, LIST, "unsupported-version"),
    "a version without the list": (400, JSON, b'{ "error": "Bad request. api-version is invalid" }', "unsupported-version"),
    "a version, in the words of 2018": (404, JSON, b'{ "error": "Not found. Invalid version requested" }', "unsupported-version"),
    "an unknown path": (404, JSON, b'{ "error": "Not found" }', "not-found"),
    "an unknown path, no words": (404, "", b"", "not-found"),
    "no load balancer": (404, JSON, b'{ "error": "No load balancer metadata is found." }', "not-found"),
    "gone": (410, XML, b"<?xml version='1.0'?><Error/>", "gone"),
    "too many": (429, TEXT, b"Too many requests", "throttled"),
    "too many, as JSON": (429, JSON, b'{"error":"Too many requests"}', "throttled"),
    "a failure": (500, JSON, b'{"error":"Server error"}', "server-error"),
    "a failure of the host": (500, TEXT, b"", "server-error"),
    "the host's own page while the service restarts": (503, HTML, PAGE, "server-error"),
    "a proxy that cannot reach the address": (504, HTML, PAGE, "server-error"),
    "a wrong method": (405, JSON, b'{ "error": "Not allowed" }', "unexpected-status"),
    "forbidden": (403, JSON, b'{ "error": "Forbidden" }', "unexpected-status"),
    "a proxy that wants a password": (407, TEXT, b"", "unexpected-status"),
    "created": (201, JSON, b"{}", "unexpected-status"),
    "no content": (204, "", b"", "unexpected-status"),
    "a status that does not exist": (999, JSON, b"{}", "server-error"),
    "a redirect": (302, HTML, PAGE, "redirected"),
    "not modified": (304, "", b"", "redirected"),
    "a page": (200, HTML, PAGE, "not-imds"),
    "a page that says it is JSON": (200, JSON, PAGE, "not-imds"),
    "a page that says nothing": (200, "", b"\xef\xbb\xbf\r\n<!DOCTYPE html><p>", "not-imds"),
    "a page about something not found": (404, HTML, PAGE, "not-imds"),
    "a page about a bad request": (400, HTML, PAGE, "not-imds"),
    "JSON that says it is a page": (200, HTML, b"{}", "not-imds"),
    "nothing": (200, JSON, b"", "not-imds"),
    "text": (200, TEXT, b"ok", "not-imds"),
    "a number": (200, JSON, b"1", "not-imds"),
    "null": (200, JSON, b"null", "not-imds"),
    "a string": (200, JSON, b'"compute"', "not-imds"),
    "half an object": (200, JSON, b'{"compute":', "not-imds"),
    "an object and more": (200, JSON, b"{} {}", "not-imds"),
    "not UTF-8": (200, JSON, b'{"a":"\xff"}', "not-imds"),
    "UTF-16": (200, JSON, '{"a":1}'.encode("utf-16"), "not-imds"),
    "depth": (200, JSON, b"[" * 200_000, "not-imds"),
    "a number of a million digits": (200, JSON, b"[" + b"1" * 1_000_000 + b"]", "not-imds"),
}


@pytest.mark.parametrize(("status", "media_type", "body", "code"), CASES.values(), ids=CASES.keys())
def test_every_answer_has_its_error(status: int, media_type: str, body: bytes, code: str) -> None:
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
def test_objects_and_arrays_are_answers_whatever_they_call_themselves(body: bytes) -> None:
    for media_type in (JSON, TEXT, "", "application/octet-stream"):
        assert responses.parsed(Response(200, media_type, body, "")) == json.loads(body)


@pytest.mark.parametrize("body", ["", "value", "compute/\nnetwork/", "é\n", "<not a page>"])
def test_text_is_an_answer_as_it_is(body: str) -> None:
    assert responses.text(Response(200, TEXT, body.encode(), "")) == body


@pytest.mark.parametrize(("media_type", "body"), [(HTML, b"x"), (TEXT, PAGE), (TEXT, b"\xff")], ids=["says page", "is page", "not UTF-8"])
def test_a_page_is_no_text_answer(media_type: str, body: bytes) -> None:
    with pytest.raises(ClientError) as error:
        responses.text(Response(200, media_type, body, ""))
    assert error.value.code == "not-imds"


def test_the_versions_that_are_known_are_in_the_hint() -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(400, JSON, LIST, ""))
    assert "2025-04-07, 2024-07-17, 2024-03-15" in error.value.hint


@pytest.mark.parametrize("newest", ["x", [], [1], {"a": 1}, ["y" * 100_000], None], ids=lambda value: repr(value)[:20])
def test_a_strange_list_of_versions_does_no_harm(newest: object) -> None:
    body = json.dumps({"error": "api-version is invalid", "newest-versions": newest}).encode()
    with pytest.raises(ClientError) as error:
        responses.check(Response(400, JSON, body, ""))
    assert error.value.code == "unsupported-version"
    assert len(error.value.hint) < 300


def test_the_service_is_quoted_but_not_at_length() -> None:
    with pytest.raises(ClientError) as error:
        responses.check(Response(400, JSON, json.dumps({"error": "w" * 100_000}).encode(), ""))
    assert "www" in error.value.message
    assert len(error.value.message) < 300


def test_errors_of_the_emulator_are_understood() -> None:
    expected = {400: {"bad-request", "unsupported-version"}, 404: {"not-found"}, 410: {"gone"}, 429: {"throttled"}}
    expected |= {status: {"unexpected-status"} for status in (403, 405, 421)}
    for known in wire.ANSWERS:
        with pytest.raises(ClientError) as error:
            responses.check(Response(known.status, known.content_type.partition(";")[0], known.body, ""))
        assert error.value.code in expected.get(known.status, {"server-error"}), known.name


def test_recorded_answers_are_understood(shared: Path) -> None:
    """Recordings of the real service: errors have an error's code, the rest is parsed; a proxy's page is not taken for the service."""
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
        assert error.value.code in codes.get(response.status, {"server-error", "unexpected-status"}), path.name
    assert seen > 20


def test_a_refusal_of_the_machine_s_agent_is_said_to_be_one() -> None:
    for status in (401, 403):
        with pytest.raises(ClientError) as error:
            responses.check(Response(status, "application/json", b"{}", "http://x"))
        assert "Metadata Security Protocol" in error.value.hint
