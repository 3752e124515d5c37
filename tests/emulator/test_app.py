"""Tests of the responses to valid requests, including unusual spellings that the service accepts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from imdskit import versions
from imdskit.clock import ManualClock

Services = Callable[..., Any]

LATEST = "2025-04-07"


@pytest.fixture(scope="module")
def linux(service: Services) -> Any:
    return service("linux")


SAME = {
    "header in lower case": ("/metadata/instance/compute?api-version=2020-09-01", {"metadata": "true"}),
    "header value with a capital": ("/metadata/instance/compute?api-version=2020-09-01", {"Metadata": "True"}),
    "header in capitals": ("/metadata/instance/compute?api-version=2020-09-01", {"METADATA": "TRUE"}),
    "header of some libraries": ("/metadata/instance/compute?api-version=2020-09-01", {"MetaData": "True"}),
    "blank before the value": ("/metadata/instance/compute?api-version=2020-09-01", {"Metadata": " true"}),
    "format first": ("/metadata/instance/compute?format=json&api-version=2020-09-01", {"Metadata": "true"}),
    "format last": ("/metadata/instance/compute?api-version=2020-09-01&format=json", {"Metadata": "true"}),
    "format in capitals": ("/metadata/instance/compute?api-version=2020-09-01&format=JSON", {"Metadata": "true"}),
    "empty format": ("/metadata/instance/compute?api-version=2020-09-01&format=", {"Metadata": "true"}),
    "unknown parameter": ("/metadata/instance/compute?api-version=2020-09-01&colour=red", {"Metadata": "true"}),
    "parameter name in capitals": ("/metadata/instance/compute?API-VERSION=2020-09-01", {"Metadata": "true"}),
    "trailing slash": ("/metadata/instance/compute/?api-version=2020-09-01", {"Metadata": "true"}),
    "double slash": ("//metadata//instance///compute?api-version=2020-09-01", {"Metadata": "true"}),
    "path in another case": ("/Metadata/Instance/Compute?api-version=2020-09-01", {"Metadata": "true"}),
    "encoded letter": ("/metadata/inst%61nce/compute?api-version=2020-09-01", {"Metadata": "true"}),
    "encoded slash": ("/metadata/instance%2Fcompute?api-version=2020-09-01", {"Metadata": "true"}),
    "encoded question mark": ("/metadata/instance/compute%3Fapi-version=2020-09-01", {"Metadata": "true"}),
    "request id": ("/metadata/instance/compute?api-version=2020-09-01", {"Metadata": "true", "x-ms-client-request-id": "1"}),
}


@pytest.mark.parametrize(("target", "headers"), SAME.values(), ids=SAME)
def test_equivalent_requests_get_the_same_response(target: str, headers: dict[str, str], linux: Any) -> None:
    expected = linux.get("/metadata/instance/compute", "2020-09-01")
    assert expected.status == 200
    answer = linux.ask(target, headers=headers)
    assert (answer.status, answer.body) == (200, expected.body)


def test_a_node_equals_its_part_of_the_whole_document(linux: Any) -> None:
    whole = linux.get("/metadata/instance").json
    assert linux.get("/metadata/instance/compute").json == whole["compute"]
    assert linux.get("/metadata/instance/network/interface").json == whole["network"]["interface"]
    assert linux.get("/metadata/instance/network/interface/0/").json == whole["network"]["interface"][0]
    assert linux.get("/metadata/instance/compute/tagsList").json == whole["compute"]["tagsList"]


TEXTS = {
    "": "compute/\nnetwork/",
    "/": "compute/\nnetwork/",
    "/network": "interface/",
    "/network/interface": "0/",
    "/network/interface/": "0/",
    "/network/interface/0": "ipv4/\nipv6/\nmacAddress",
    "/network/interface/0/ipv4/ipAddress": "0/",
    "/network/interface/0/ipv4/ipAddress/0": "privateIpAddress\npublicIpAddress",
    "/network/interface/0/ipv4/ipAddress/0/publicIpAddress": "203.0.113.10",
    "/network/interface/0/ipv6/ipAddress": "",
    "/compute/osType": "Linux",
    "/compute/zone": "",
    "/compute/tags": "environment:test;owner:imdskit",
    "/compute/plan": "name\nproduct\npublisher",
}


@pytest.mark.parametrize(("path", "text"), TEXTS.items(), ids=[path or "whole" for path in TEXTS])
def test_text_format_returns_a_value_or_a_listing(path: str, text: str, linux: Any) -> None:
    answer = linux.get("/metadata/instance" + path, "2021-02-01", format="text")
    assert answer.status == 200
    assert answer.body.decode() == text
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"


def test_json_responses_have_the_headers_of_the_service(linux: Any) -> None:
    answer = linux.get("/metadata/instance")
    assert [name for name, _ in answer.response.headers] == ["Content-Type", "Server", "x-ms-request-id"]
    assert answer.header("Content-Type") == "application/json; charset=utf-8"
    assert answer.header("Server").startswith("IMDS/150.870.65.")


def test_every_instance_response_has_a_new_request_id(linux: Any) -> None:
    assert linux.get("/metadata/instance").header("x-ms-request-id") != linux.get("/metadata/instance").header("x-ms-request-id")
    assert linux.get("/metadata/attested/document").header("x-ms-request-id") is None


@pytest.mark.parametrize("query", ["", "?format=json", "/", "?api-version=x"])
def test_versions_endpoint_needs_no_api_version(query: str, linux: Any) -> None:
    answer = linux.ask("/Metadata/Versions" + query)
    assert answer.status == 200
    assert answer.body == json.dumps({"apiVersions": list(versions.API_VERSIONS)}, separators=(",", ":")).encode()


def content(answer: Any) -> Any:
    assert answer.status == 200
    assert list(answer.json) == ["encoding", "signature"]
    assert answer.json["encoding"] == "pkcs7"
    return json.loads(base64.b64decode(answer.json["signature"]).removeprefix(b"signed:"))


def test_attested_document_agrees_with_instance_document(service: Services) -> None:
    plan = {"name": "n", "product": "p", "publisher": "q"}
    machine = service({"compute": {"plan": plan, "licenseType": "RHEL_BYOS"}})
    compute = machine.get("/metadata/instance/compute").json
    assert content(machine.get("/metadata/attested/document")) == {
        "licenseType": "RHEL_BYOS",
        "nonce": "20260101-180000",
        "plan": plan,
        "sku": compute["sku"],
        "subscriptionId": compute["subscriptionId"],
        "timeStamp": {"createdOn": "01/01/26 12:00:00 -0000", "expiresOn": "01/01/26 18:00:00 -0000"},
        "vmId": compute["vmId"],
    }


@pytest.mark.parametrize("nonce", ["1234567890", "0000000000", "2dzYOGlxQWKsdIE_yZqHL-gxxxxxxxxx"])
def test_attested_document_contains_the_requested_nonce(nonce: str, linux: Any) -> None:
    assert content(linux.get("/metadata/attested/document", nonce=nonce, format="json"))["nonce"] == nonce


def test_empty_nonce_counts_as_absent(linux: Any) -> None:
    assert content(linux.get("/metadata/attested/document", nonce=""))["nonce"] == "20260101-180000"


def test_every_attested_document_has_the_current_time(service: Services) -> None:
    clock = ManualClock(1_767_268_800)
    machine = service(clock=clock)
    first = content(machine.get("/metadata/attested/document"))
    clock.advance(60)
    assert content(machine.get("/metadata/attested/document"))["timeStamp"] != first["timeStamp"]


def test_classic_machine_has_attested_document_and_network(service: Services) -> None:
    machine = service("classic")
    assert list(machine.get("/metadata/instance").json) == ["network"]
    assert machine.get("/metadata/instance/compute").status == 404
    document = content(machine.get("/metadata/attested/document"))
    assert document["vmId"]
    assert document["subscriptionId"]
    assert (document["sku"], document["licenseType"]) == ("", "")


@pytest.mark.parametrize("version", versions.SCHEDULED_EVENTS_VERSIONS)
def test_no_events_are_scheduled_by_default(version: str, linux: Any) -> None:
    for path in ("/metadata/scheduledevents", "/metadata/scheduledEvents/"):
        answer = linux.get(path, version)
        assert (answer.status, answer.body) == (200, b'{"DocumentIncarnation":1,"Events":[]}')


@pytest.mark.parametrize("target", ["/pki/one.crt", "/pki/one.crt%0A", "/pki/one.crt?x"])
def test_certificates_need_no_metadata_header(target: str, linux: Any) -> None:
    answer = linux.ask(target, headers={})
    assert (answer.status, answer.body, answer.header("Content-Type")) == (200, b"certificate", "application/pkix-cert")


def test_unknown_certificate_is_not_found(linux: Any) -> None:
    assert linux.ask("/pki/two.crt", headers={}).status == 404
    assert linux.ask("/pki/one.crt", "POST", headers={}).status == 404


def test_same_seed_gives_same_responses(service: Services) -> None:
    first, second = service("many-devices", seed=7), service("many-devices", seed=7)
    assert first.get("/metadata/instance").body == second.get("/metadata/instance").body
    assert first.get("/metadata/instance").response == second.get("/metadata/instance").response
