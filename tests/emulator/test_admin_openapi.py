"""``openapi.json`` describes the admin API correctly: it matches the table of operations, and every response matches its schema."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from imdskit.clock import MovableClock
from imdskit.emulator import Emulator
from imdskit.emulator.admin.operations import MAX_ADVANCE, MAX_LISTED, MAX_RATE, MAX_WAIT, OPERATIONS, openapi
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.inspection import inspect_document

NOON = 1_767_268_800
SPEC: dict[str, Any] = openapi()
METHODS = ("get", "put", "post", "delete", "patch")


def described() -> dict[str, dict[str, Any]]:
    """Return the description of each operation, with its method and path, by ``operationId``."""
    return {
        one["operationId"]: {**one, "method": method.upper(), "path": path}
        for path, item in SPEC["paths"].items()
        for method, one in item.items()
        if method in METHODS
    }


def conforms(value: Any, schema: dict[str, Any]) -> None:
    Draft202012Validator({**schema, "components": SPEC["components"]}).validate(value)


def response(operation: dict[str, Any], status: int) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"][str(status)]
    return SPEC["components"]["responses"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found


def test_the_description_is_valid_openapi() -> None:
    validate(SPEC)


def test_the_description_matches_the_table_of_operations() -> None:
    operations = {
        name: (
            one["method"],
            one["path"],
            {each["name"] for each in one.get("parameters", ()) if each["in"] == "query"},
            "requestBody" in one,
            {each["name"] for each in one.get("parameters", ()) if each["in"] == "path"},
        )
        for name, one in described().items()
    }
    assert operations == {
        one.name: (one.method, one.path, set(one.parameters), one.takes_body, {"id"} if "{id}" in one.path else set()) for one in OPERATIONS
    }
    assert len({one.name for one in OPERATIONS}) == len({(one.method, one.path) for one in OPERATIONS}) == len(OPERATIONS)


def test_limits_match_those_in_the_code() -> None:
    parameters = {
        each["name"]: each["schema"] for each in described()["waitJournal"]["parameters"] + described()["listJournal"]["parameters"]
    }
    assert (parameters["timeout"]["maximum"], parameters["limit"]["maximum"]) == (MAX_WAIT, MAX_LISTED)
    move = SPEC["components"]["schemas"]["ClockMove"]["properties"]
    assert (move["advance"]["maximum"], move["rate"]["maximum"]) == (MAX_ADVANCE, MAX_RATE)


@pytest.fixture(scope="module")
def imds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    path = tmp_path_factory.mktemp("snapshot") / "snapshot.json"
    with Emulator("identities", seed=1, clock=MovableClock(NOON), rate_limit=False, admin_port=0, snapshot_file=path) as imds:
        imds.explain = partial(
            inspect_document, Verifier(Trust.from_pem([imds.trust_pem.encode()]), Policy.offline_audit(), clock=imds.clock)
        )
        yield imds


def ask(imds: Emulator, method: str, target: str, body: Any = None) -> tuple[int, Any]:
    assert imds.admin is not None
    connection = http.client.HTTPConnection(imds.admin.url.removeprefix("http://"), timeout=30)
    try:
        headers = {"Authorization": f"Bearer {imds.admin.token}", "Content-Type": "application/json"}
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        reply = connection.getresponse()
        assert reply.headers["Content-Type"] == "application/json"
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


EVENT = {
    "EventId": "C7061BAC-AFDC-4513-B24B-AA5F13A16123",
    "EventStatus": "Scheduled",
    "EventType": "Freeze",
    "ResourceType": "VirtualMachine",
    "Resources": ["vm"],
    "NotBefore": "Thu, 01 Jan 2026 13:00:00 GMT",
    "Description": "",
    "EventSource": "Platform",
    "DurationInSeconds": 5,
}
FILTER = "path=/metadata&category=instance&method=GET&status=200&rule=&fault=&since=0"

STEPS: list[tuple[str, str, str, Any, int]] = [
    ("getOpenapi", "", "", None, 200),
    ("getConfiguration", "", "", None, 200),
    ("listMachines", "", "", None, 200),
    ("listMachines", "", "first=1&limit=1", None, 200),
    ("listMachines", "", "limit=1001", None, 400),
    ("getState", "", "", None, 200),
    ("getState", "", "machine=0", None, 200),
    ("getState", "", "machine=1", None, 400),
    ("patchState", "", "", {"compute": {"tags": "a:b"}}, 200),
    ("patchState", "", "", {"compute": {"tag": "a:b"}}, 422),
    ("putState", "", "", {"identity": {"systemAssigned": {}}}, 200),
    ("putState", "", "", {"cloud": "china"}, 422),
    ("putEvents", "", "", [EVENT, {"EventId": "second", "EventType": "Reboot"}], 200),
    ("putEvents", "", "", {"DocumentIncarnation": 3, "Events": [EVENT]}, 200),
    ("putEvents", "", "", [{}], 422),
    ("addEvents", "", "", [{"EventId": "second", "EventType": "Reboot"}, {"EventId": "a b", "EventType": "Preempt"}], 200),
    ("addEvents", "", "", [{"EventId": 1}], 422),
    ("completeEvent", EVENT["EventId"], "", None, 409),
    ("approveEvent", EVENT["EventId"], "", None, 200),
    ("approveEvent", EVENT["EventId"], "", None, 409),
    ("approveEvent", "nosuch", "", None, 404),
    ("listEvents", "", "", None, 200),
    ("completeEvent", EVENT["EventId"], "", None, 200),
    ("completeEvent", EVENT["EventId"], "", None, 404),
    ("cancelEvent", "a b", "", None, 200),
    ("cancelEvent", "a b", "", None, 404),
    ("putFaults", "", "", [{"times": 1, "fault": {"status": 500}}, {"match": {"category": "attested"}, "fault": {"delay": 1}}], 200),
    ("putFaults", "", "", [{"fault": {}}], 422),
    ("listFaults", "", "", None, 200),
    ("listJournal", "", "limit=1", None, 200),
    ("listJournal", "", FILTER, None, 200),
    ("listJournal", "", "limit=x", None, 400),
    ("countJournal", "", FILTER, None, 200),
    ("countJournal", "", "status=1000", None, 400),
    ("waitJournal", "", f"{FILTER}&count=0&timeout=0.5", None, 200),
    ("waitJournal", "", "timeout=61", None, 400),
    ("getClock", "", "", None, 200),
    ("moveClock", "", "", {"advance": 5, "rate": 0}, 200),
    ("moveClock", "", "", {"advance": -5}, 422),
    ("getSnapshot", "", "", None, 200),
    ("putSnapshot", "", "", {}, 422),
    ("inspectDocument", "", "", {}, 200),
    ("inspectDocument", "", "", {"nonce": "1234567890"}, 200),
    ("inspectDocument", "", "", {"document": "AAAA", "nonce": ""}, 200),
    ("inspectDocument", "", "", {"document": 1}, 422),
    ("inspectDocument", "", "", {"nonce": "\ud800"}, 422),
    ("inspectDocument", "", "", [], 422),
    ("saveSnapshot", "", "", None, 200),
    ("clearFaults", "", "", None, 200),
    ("clearEvents", "", "", None, 200),
    ("resetJournal", "", "", None, 200),
]


def test_every_response_matches_its_schema(imds: Emulator) -> None:
    operations, done = described(), set()
    snapshot: Any = None
    for path in ("/metadata/versions", "/metadata/instance?api-version=2021-02-01"):
        connection = http.client.HTTPConnection(imds.url.removeprefix("http://"), timeout=30)
        connection.request("GET", path, headers={"Metadata": "true", "Authorization": "x"})
        connection.getresponse().read()
        connection.close()
    for name, event, query, body, expected in STEPS:
        one = operations[name]
        target = one["path"].replace("{id}", quote(event)) + (f"?{query}" if query else "")
        if body is not None and expected == 200:
            conforms(body, one["requestBody"]["content"]["application/json"]["schema"])
        status, value = ask(imds, one["method"], target, body)
        assert status == expected, (name, value)
        conforms(value, response(one, status)["content"]["application/json"]["schema"])
        done.add((name, status))
        snapshot = value if name == "getSnapshot" else snapshot
    status, value = ask(imds, "PUT", "/v1/snapshot", snapshot)
    conforms(snapshot, SPEC["components"]["schemas"]["Snapshot"])
    conforms(value, response(operations["putSnapshot"], status)["content"]["application/json"]["schema"])
    assert {name for name, status in done if status == 200} | {"putSnapshot"} == set(operations)


def test_the_schema_check_rejects_an_invalid_response() -> None:
    from jsonschema import ValidationError

    with pytest.raises(ValidationError):
        conforms({"now": 1, "movable": True}, SPEC["components"]["schemas"]["Clock"])


def test_serves_the_file_of_the_package_unchanged(imds: Emulator) -> None:
    path = Path(__file__).parents[2] / "python/imdskit/emulator/admin/openapi.json"
    assert ask(imds, "GET", "/v1/openapi.json") == (200, json.loads(path.read_bytes()))
