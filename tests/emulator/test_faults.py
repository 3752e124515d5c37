"""Faults without a socket: which requests they apply to, how often they apply, and how they change a response."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator.error_responses import IDENTITY_GONE
from imdskit.emulator.faults.engine import Faults
from imdskit.emulator.http.messages import Delivery, Request
from imdskit.errors import ScenarioError

Services = Callable[..., Any]

NOON = 1_767_268_800
V = "?api-version=2021-02-01"
INSTANCE = "/metadata/instance" + V
TOKEN = "/metadata/identity/oauth2/token" + V + "&resource=x"
DOCUMENT = "/metadata/attested/document" + V
IDENTITY = {"identity": {"systemAssigned": {}}}


def faulty(
    service: Services, *rules: dict[str, Any], scenario: Any = "linux", clock: ManualClock | None = None, limited: bool = False
) -> Any:
    clock = clock or ManualClock(NOON)
    return service(scenario, clock=clock, limited=limited, faults=Faults(clock, list(rules)))


def statuses(machine: Any, target: str, times: int) -> list[int]:
    return [machine.ask(target).status for _ in range(times)]


def test_a_rule_applies_once_by_default(service: Services) -> None:
    assert statuses(faulty(service, {"fault": {"status": 500}}), INSTANCE, 3) == [500, 200, 200]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{"times": 2, "fault": {"status": 410}}], [410, 410, 200, 200, 200]),
        ([{"times": None, "fault": {"status": 410}}], [410] * 5),
        ([{"after": 2, "fault": {"status": 410}}], [200, 200, 410, 200, 200]),
        ([{"after": 1, "times": 2, "fault": {"status": 410}}], [200, 410, 410, 200, 200]),
        ([{"times": 2, "fault": {"status": 410}}, {"fault": {"status": 500}}], [410, 410, 500, 200, 200]),
        ([{"after": 1, "fault": {"status": 410}}, {"times": None, "fault": {"status": 500}}], [500, 410, 500, 500, 500]),
        ([{"times": None, "fault": {"status": 503}}, {"fault": {"status": 500}}], [503] * 5),
    ],
    ids=["twice", "always", "after two", "after one, twice", "two in turn", "a gap for the second", "the second never"],
)
def test_the_first_applicable_rule_applies(rules: list[dict[str, Any]], expected: list[int], service: Services) -> None:
    assert statuses(faulty(service, *rules), INSTANCE, 5) == expected


def test_a_time_limit_starts_with_the_first_request(service: Services) -> None:
    clock = ManualClock(NOON)
    machine = faulty(service, {"match": {"category": "instance"}, "for": 70, "fault": {"status": 410}}, clock=clock)
    clock.advance(1000)
    assert machine.ask("/metadata/versions").status == 200
    assert statuses(machine, INSTANCE, 3) == [410] * 3
    clock.advance(69, ns=999_999_999)
    assert machine.ask(INSTANCE).status == 410
    clock.advance(ns=1)
    assert statuses(machine, INSTANCE, 2) == [200, 200]


COUNTED = [{"contentType": "text/x-a"}, {"missing": ["/compute"]}, {"delay": 1}, {"drip": {"bytes": 1, "every": 1}}, {"truncate": 1}]


@pytest.mark.parametrize("fault", COUNTED, ids=[next(iter(fault)) for fault in COUNTED])
def test_a_refused_request_does_not_use_up_a_fault(fault: dict[str, Any], service: Services) -> None:
    clock = ManualClock(NOON)
    machine = faulty(service, clock=clock, limited=True)
    assert statuses(machine, INSTANCE, 6) == [200] * 5 + [429]
    machine.app.faults.load([{"times": 1, "fault": fault}])
    for _ in range(2):
        refused = machine.ask(INSTANCE).response
        assert (refused.status, refused.fault, refused.delivery) == (429, "", None)
        assert b"many" in refused.body
        assert "x-a" not in refused.header_values("Content-Type")[0]
    clock.advance(1)
    assert machine.ask(INSTANCE, headers={}).response.fault == ""
    assert machine.app.faults.list()[0]["applied"] == 0
    applied = machine.ask(INSTANCE).response
    assert (applied.status, bool(applied.fault)) == (200, True)
    assert machine.app.faults.list()[0]["over"]
    assert machine.ask(INSTANCE).response.fault == ""


def test_a_time_limit_does_not_start_with_a_refused_request(service: Services) -> None:
    clock = ManualClock(NOON)
    machine = faulty(service, {"for": 10, "fault": {"contentType": "text/x-a"}}, clock=clock)
    assert machine.ask(INSTANCE, headers={}).status == 400
    clock.advance(100)
    assert machine.ask(INSTANCE).header("Content-Type") == "text/x-a"


def test_a_refused_token_request_is_not_delayed(service: Services) -> None:
    machine = faulty(service, {"times": 1, "fault": {"delay": 5}}, scenario={}, limited=True)
    assert machine.ask(TOKEN).response.delivery is None
    assert machine.app.faults.list()[0]["applied"] == 0


MATCHES: list[tuple[str, dict[str, Any], Request, bool]] = [
    ("everything", {}, Request("GET", INSTANCE), True),
    ("nothing outside of /metadata", {}, Request("GET", "/pki/one.crt"), False),
    ("nor another cloud's paths", {"method": "GET"}, Request("GET", "/latest/meta-data"), False),
    ("outside if the path says so", {"path": "/pki/*.crt"}, Request("GET", "/pki/one.crt"), True),
    ("method", {"method": "POST"}, Request("POST", INSTANCE), True),
    ("other method", {"method": "POST"}, Request("GET", INSTANCE), False),
    ("methods", {"method": ["PUT", "POST"]}, Request("PUT", INSTANCE), True),
    ("category", {"category": "instance"}, Request("GET", "/Metadata/Instance/x"), True),
    ("category in capitals", {"category": "THIM"}, Request("GET", "/metadata/thim/amd"), True),
    ("other category", {"category": "identity"}, Request("GET", INSTANCE), False),
    ("path", {"path": "/metadata/instance/*"}, Request("GET", "/metadata/instance/compute" + V), True),
    ("path in other case", {"path": "/metadata/INSTANCE"}, Request("GET", "//metadata/instance/" + V), True),
    ("whole path", {"path": "/metadata/inst"}, Request("GET", INSTANCE), False),
    ("path and category", {"path": "*", "category": "identity"}, Request("GET", INSTANCE), False),
    ("parameter", {"query": {"api-version": "2021-*"}}, Request("GET", "/metadata/instance?API-Version=2021-02-01"), True),
    ("other parameter", {"query": {"api-version": "2020-*"}}, Request("GET", INSTANCE), False),
    ("absent parameter", {"query": {"nonce": None}}, Request("GET", INSTANCE), True),
    ("absent parameter there", {"query": {"nonce": None}}, Request("GET", INSTANCE + "&Nonce=1"), False),
    ("any value", {"query": {"nonce": "*"}}, Request("GET", INSTANCE), False),
    ("header", {"headers": {"metadata": "true"}}, Request("GET", INSTANCE, (("Metadata", "true"),)), True),
    ("header of another value", {"headers": {"metadata": "true"}}, Request("GET", INSTANCE, (("Metadata", "True"),)), False),
    ("a probe", {"headers": {"Metadata": None}}, Request("GET", INSTANCE), True),
    ("no probe", {"headers": {"Metadata": None}}, Request("GET", INSTANCE, (("metadata", "true"),)), False),
    ("address", {"source": "10.0.0.4"}, Request("GET", INSTANCE, source="10.0.0.4"), True),
    ("network", {"source": "10.0.0.0/8"}, Request("GET", INSTANCE, source="10.9.9.9"), True),
    ("other address", {"source": "10.0.0.0/8"}, Request("GET", INSTANCE, source="11.0.0.1"), False),
    ("IPv6", {"source": "fd00::/8"}, Request("GET", INSTANCE, source="fd00::1"), True),
    ("unknown address", {"source": "0.0.0.0/0"}, Request("GET", INSTANCE), False),
]


@pytest.mark.parametrize(("match", "request_", "applies"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES])
def test_a_rule_applies_only_to_matching_requests(match: dict[str, Any], request_: Request, applies: bool, service: Services) -> None:
    machine = faulty(service, {"match": match, "fault": {"status": 599}})
    assert (machine.app.handle(request_).status == 599) is applies
    assert machine.app.faults.list()[0]["matched"] == applies


STATUSES: list[tuple[str, dict[str, Any], int, bytes, dict[str, str | None]]] = [
    (INSTANCE, {"status": 404}, 404, b'{ "error": "Not found" }', {"Server": "IMDS/150.870.65.1854"}),
    (INSTANCE, {"status": 410}, 410, b'{"error":"Gone"}', {}),
    (INSTANCE, {"status": 429}, 429, b'{"error":"Too many requests"}', {"Retry-After": None}),
    (INSTANCE, {"status": 429, "retryAfter": 1}, 429, b'{"error":"Too many requests"}', {"Retry-After": "1"}),
    (INSTANCE + "&format=text", {"status": 429}, 429, b"Too many requests", {"Content-Type": "text/plain; charset=utf-8"}),
    (INSTANCE, {"status": 500}, 500, b'{"error":"Server error"}', {}),
    (INSTANCE, {"status": 503}, 503, b'{"error":"Service unavailable"}', {}),
    (INSTANCE, {"status": 504}, 504, b'{ "error": "Gateway Timeout" }', {}),
    (
        INSTANCE,
        {"status": 500, "from": "host"},
        500,
        b"Internal Server Error",
        {"Server": "Microsoft-IIS/10.0", "Content-Type": "text/plain; charset=utf-8"},
    ),
    (INSTANCE, {"status": 502, "from": "host"}, 502, b"Bad Gateway", {"Server": "Microsoft-IIS/10.0"}),
    (TOKEN, {"status": 404}, 404, b'{"error":"Not Found"}', {}),
    (TOKEN, {"status": 410}, 410, IDENTITY_GONE.body, {}),
    (TOKEN, {"status": 429}, 429, b'{"error":"invalid_request","error_description":"Temporarily throttled, too many requests"}', {}),
    (TOKEN, {"status": 500}, 500, b'{"error":"server_error","error_description":"Server error"}', {}),
    (TOKEN, {"status": 504}, 504, b'{"error":"gateway_timeout","error_description":"Gateway Timeout"}', {}),
    ("/metadata/scheduledevents", {"status": 404}, 404, b'{"error":"Not found"}', {}),
    ("/metadata/loadbalancer", {"status": 503}, 503, b'{ "error": "Internal service unavailable. Please retry later" }', {}),
    (INSTANCE, {"status": 400, "body": {"error": "x", "n": [1]}}, 400, b'{"error":"x","n":[1]}', {}),
    (
        INSTANCE,
        {"status": 200, "body": "caf\u00e9", "contentType": "text/plain"},
        200,
        "caf\u00e9".encode(),
        {"Content-Type": "text/plain"},
    ),
    (INSTANCE, {"status": 302, "body": "", "headers": {"Location": "http://x/"}}, 302, b"", {"Location": "http://x/"}),
    (INSTANCE, {"foreign": "<html>hello"}, 200, b"<html>hello", {"Content-Type": "text/html; charset=utf-8"}),
]


@pytest.mark.parametrize(
    ("target", "fault", "status", "body", "headers"), STATUSES, ids=[f"{row[0].split('?')[0]}-{json.dumps(row[1])}" for row in STATUSES]
)
def test_an_injected_response_has_the_format_of_the_service(
    target: str, fault: dict[str, Any], status: int, body: bytes, headers: dict[str, str | None], service: Services
) -> None:
    response = faulty(service, {"fault": fault}).ask(target)
    assert (response.status, response.body) == (status, body)
    assert {name: response.header(name) for name in headers} == headers


def test_the_default_foreign_page_is_html(service: Services) -> None:
    response = faulty(service, {"fault": {"foreign": True}}).ask(INSTANCE)
    assert response.status == 200
    assert response.body.startswith(b"<!DOCTYPE html>")


def test_injected_responses_do_not_count_for_rate_limits(service: Services) -> None:
    machine = faulty(service, {"times": 20, "fault": {"status": 500}}, limited=True)
    assert statuses(machine, INSTANCE, 26) == [500] * 20 + [200] * 5 + [429]


@pytest.mark.parametrize(
    ("fault", "delivery"),
    [
        ({"delay": 0.3}, Delivery(delay_ns=300_000_000)),
        ({"drip": {"bytes": 2, "every": 1}}, Delivery(drip_bytes=2, drip_ns=1_000_000_000)),
        ({"drip": {"every": 0.5}}, Delivery(drip_bytes=1, drip_ns=500_000_000)),
        ({"truncate": 10}, Delivery(cut=10)),
        ({"reset": True}, Delivery(reset=True)),
    ],
    ids=["delay", "drip of two", "drip", "truncate", "reset"],
)
def test_a_delivery_fault_does_not_change_the_response(fault: dict[str, Any], delivery: Delivery, service: Services) -> None:
    machine = faulty(service, {"fault": fault})
    first, second = machine.ask("/metadata/versions"), machine.ask("/metadata/versions")
    assert (first.response.delivery, second.response.delivery) == (delivery, None)
    assert (first.status, first.body) == (second.status, second.body)


EDITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"missing": ["/expires_on"]}, {"expires_on": None}),
    ({"missing": ["/nosuch", "/expires_on/x", "/client_id"]}, {"client_id": None}),
    ({"replace": {"/expires_in": 86400}}, {"expires_in": 86400}),
    ({"replace": {"/refresh_token": "", "/access_token": "opaque"}}, {"refresh_token": "", "access_token": "opaque"}),
]


@pytest.mark.parametrize(("fault", "changes"), EDITS, ids=[json.dumps(row[0]) for row in EDITS])
def test_removes_or_replaces_members_of_a_token_response(fault: dict[str, Any], changes: dict[str, Any], service: Services) -> None:
    machine = faulty(service, {"fault": fault}, scenario=IDENTITY)
    edited, whole = machine.ask(TOKEN), machine.ask(TOKEN)
    assert edited.status == 200
    assert edited.json == {name: value for name, value in {**whole.json, **changes}.items() if value is not None}
    assert edited.json != whole.json


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"missing": ["/compute", "/network/interface/0/macAddress"]}, ["ipv4", "ipv6"]),
        ({"missing": ["/compute", "/network/interface/0"]}, None),
        ({"replace": {"/network/interface/0": {"a/b": 1}}}, ["a/b"]),
        ({"missing": ["/network/interface/7", "/network/interface/x", "/network/interface/00000000000"]}, ["ipv4", "ipv6", "macAddress"]),
    ],
    ids=["member", "element", "element replaced", "no such element"],
)
def test_json_pointers_can_contain_array_indices(fault: dict[str, Any], expected: list[str] | None, service: Services) -> None:
    interface = faulty(service, {"fault": fault}).ask(INSTANCE).json["network"]["interface"]
    assert (list(interface[0]) if interface else None) == expected


def test_the_rest_of_an_edited_response_is_unchanged(service: Services) -> None:
    machine = faulty(service, {"fault": {"missing": ["/compute"]}}, scenario={"compute": {"tags": {"stra\u00dfe": "\u2603"}}})
    edited, whole = machine.ask(INSTANCE), machine.ask(INSTANCE)
    assert edited.body == b'{"network":' + whole.body.partition(b'"network":')[2]


def test_does_not_edit_text_responses(service: Services) -> None:
    machine = faulty(service, {"times": None, "fault": {"missing": ["/compute"]}})
    assert machine.ask(INSTANCE + "&format=text").body == b"compute/\nnetwork/"


def test_changes_the_media_type_of_a_response(service: Services) -> None:
    response = faulty(service, {"fault": {"contentType": "text/plain"}}).ask("/metadata/versions")
    assert (response.status, response.header("Content-Type")) == (200, "text/plain")


def nonce_of(response: Any) -> tuple[str, Any]:
    kind, _, content = base64.b64decode(response.json["signature"]).partition(b":")
    return kind.decode(), json.loads(content)["nonce"]


def test_repeats_a_cached_document_until_it_expires(service: Services) -> None:
    clock = ManualClock(NOON)
    machine = faulty(service, {"after": 1, "times": None, "fault": {"document": "cached-nonce"}}, clock=clock)
    first = machine.ask(DOCUMENT + "&nonce=1111111111")
    assert nonce_of(first) == ("signed", "1111111111")
    clock.advance(6 * 3600 - 1)
    assert machine.ask(DOCUMENT + "&nonce=2222222222").body == first.body
    clock.advance(1)
    assert nonce_of(machine.ask(DOCUMENT + "&nonce=3333333333")) == ("signed", "20260102-000000")


def test_uses_the_default_nonce_if_no_document_is_cached(service: Services) -> None:
    machine = faulty(service, {"times": 2, "fault": {"document": "cached-nonce"}})
    first = machine.ask(DOCUMENT + "&nonce=1")
    assert nonce_of(first) == ("signed", "20260101-180000")
    assert machine.ask(DOCUMENT + "&nonce=2").body == first.body
    assert nonce_of(machine.ask(DOCUMENT + "&nonce=3")) == ("signed", "3")


def test_a_document_fault_changes_only_the_signature(service: Services) -> None:
    machine = faulty(service, {"fault": {"document": "expired-leaf"}})
    assert [nonce_of(machine.ask(DOCUMENT + "&nonce=1")) for _ in range(2)] == [("expired-leaf", "1"), ("signed", "1")]


def test_document_faults_apply_only_to_documents(service: Services) -> None:
    machine = faulty(service, {"fault": {"document": "broken-signature"}})
    assert statuses(machine, INSTANCE, 3) == [200] * 3
    assert nonce_of(machine.ask(DOCUMENT + "&nonce=1"))[0] == "broken-signature"


def test_loads_rules_from_a_file_and_replaces_and_clears_them(service: Services, tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text('[{"times": null, "fault": {"status": 503}}]', "utf-8")
    machine = service("linux", faults=Faults(ManualClock(NOON), tmp_path / "faults.json"))
    faults = machine.app.faults
    assert machine.ask(INSTANCE).status == 503
    faults.load([{"times": None, "fault": {"status": 500}}])
    assert machine.ask(INSTANCE).status == 500
    faults.clear()
    assert (machine.ask(INSTANCE).status, faults.list(), faults.on) == (200, [], False)
    faults.load(str(tmp_path / "faults.json"))
    assert machine.ask(INSTANCE).status == 503


def test_an_invalid_script_changes_nothing(service: Services) -> None:
    machine = faulty(service, {"times": None, "fault": {"status": 500}})
    with pytest.raises(ScenarioError):
        machine.app.faults.load([{"fault": {}}])
    assert machine.ask(INSTANCE).status == 500


def test_the_list_reports_matched_and_applied_counts(service: Services) -> None:
    rules: list[dict[str, Any]] = [
        {"match": {"category": "instance"}, "after": 1, "fault": {"status": 500}},
        {"for": 5, "fault": {"delay": 1}},
    ]
    machine = faulty(service, *rules)
    statuses(machine, INSTANCE, 2)
    machine.ask("/metadata/versions")
    assert machine.app.faults.list() == [
        {"rule": rules[0], "matched": 2, "applied": 1, "over": True},
        {"rule": rules[1], "matched": 2, "applied": 2, "over": False},
    ]


def test_later_changes_of_the_given_list_have_no_effect(service: Services) -> None:
    rule: dict[str, Any] = {"times": None, "fault": {"status": 500}}
    machine = faulty(service, rule)
    rule["fault"]["status"] = 503
    assert machine.ask(INSTANCE).status == 500
    assert machine.app.faults.list()[0]["rule"]["fault"] == {"status": 500}


def test_resumes_from_a_snapshot(service: Services) -> None:
    clock = ManualClock(NOON)
    machine = faulty(service, {"times": 2, "fault": {"status": 410}}, {"for": 10, "fault": {"status": 500}}, clock=clock)
    assert statuses(machine, INSTANCE, 3) == [410, 410, 500]
    clock.advance(4)
    snapshot = json.loads(json.dumps(machine.app.faults.snapshot()))
    later = ManualClock(NOON + 1_000_000)
    other = faulty(service, clock=later)
    other.app.faults.restore(snapshot)
    assert other.app.faults.list() == machine.app.faults.list()
    later.advance(5)
    assert other.ask(INSTANCE).status == 500
    later.advance(1)
    assert other.ask(INSTANCE).status == 200


@pytest.mark.parametrize(
    "snapshot", [None, {}, [1], [{"rule": {}}], [{"rule": {"fault": {"status": 500}}, "matched": -1, "applied": 0, "age_ns": 0}]]
)
def test_rejects_invalid_snapshots(snapshot: object) -> None:
    with pytest.raises(ScenarioError):
        Faults(ManualClock(NOON)).restore(snapshot)


def test_a_delayed_token_response_counts_as_concurrent_until_it_is_sent(service: Services) -> None:
    machine = faulty(service, {"times": None, "fault": {"delay": 1}}, scenario=IDENTITY, limited=True)
    responses = [machine.ask(TOKEN).response for _ in range(6)]
    assert [response.status for response in responses] == [200] * 5 + [429]
    assert responses[5].delivery is None
    assert machine.ask(TOKEN).status == 429
    responses[0].delivery.left()
    assert machine.ask(TOKEN).status == 200


def test_counts_are_exact_for_concurrent_requests(service: Services) -> None:
    machine = faulty(service, {"times": 100, "fault": {"status": 500}}, {"after": 50, "times": 30, "fault": {"status": 503}})
    with ThreadPoolExecutor(8) as pool:
        found = Counter(pool.map(lambda _: machine.ask("/metadata/versions").status, range(400)))
    assert found == {500: 100, 503: 30, 200: 270}
    assert [(one["matched"], one["applied"]) for one in machine.app.faults.list()] == [(400, 100), (300, 30)]
