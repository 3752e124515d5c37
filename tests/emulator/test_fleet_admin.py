"""The admin API of a fleet: a request selects a machine by its number, and changes no other machine."""

from __future__ import annotations

import http.client
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator

from imdskit.clock import ManualClock
from imdskit.emulator import Fleet
from imdskit.emulator.admin.operations import OPERATIONS, Arguments, openapi
from imdskit.emulator.http.messages import Request
from imdskit.errors import ScenarioError
from imdskit.testing import assert_no_refusals, assert_not_requested, assert_requested
from imdskit.verify import Policy, Trust, Verifier

NOON = 1_767_268_800
SPEC: dict[str, Any] = openapi()
NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
NONCE = "1234567890"
ATTESTED = f"/metadata/attested/document?api-version=2021-02-01&nonce={NONCE}"
Ask = Callable[..., tuple[int, Any]]
OPERATIONS_BY_NAME = {one.name: one for one in OPERATIONS}


@pytest.fixture(scope="module")
def running() -> Iterator[Fleet]:
    with Fleet("fleet", 40, seed=1, clock=ManualClock(NOON), rate_limit=False, resident=4, admin_port=0) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Fleet:
    running.journal.reset()
    running.faults.clear()
    return running


def described(path: str, method: str) -> dict[str, Any]:
    parts = path.partition("?")[0].split("/")
    for written, item in SPEC["paths"].items():
        template = written.split("/")
        if len(template) == len(parts) and all(one in ("{id}", two) for one, two in zip(template, parts, strict=True)):
            found: dict[str, Any] = item[method.lower()]
            return found
    raise AssertionError(path)


@pytest.fixture
def ask(fleet: Fleet) -> Ask:
    """Return a function that sends a request to the admin API, and checks the response against ``openapi.json``."""

    def call(method: str, target: str, body: Any = None) -> tuple[int, Any]:
        assert fleet.admin is not None
        connection = http.client.HTTPConnection(fleet.admin.url.removeprefix("http://"), timeout=30)
        try:
            headers = {"Authorization": f"Bearer {fleet.admin.token}", "Content-Type": "application/json"}
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            status, value = reply.status, json.loads(reply.read())
        finally:
            connection.close()
        response = described(target, method)["responses"][str(status)]
        response = SPEC["components"]["responses"][response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        schema = response["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": SPEC["components"]}).validate(value)
        return status, value

    return call


def get(fleet: Fleet, index: int, target: str = NAME) -> Any:
    """Return status and body of a machine's response over HTTP."""
    connection = http.client.HTTPConnection(fleet.url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", f"/m/{index}{target}", headers={"Metadata": "true"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_lists_the_machines_with_their_addresses(fleet: Fleet, ask: Ask) -> None:
    status, value = ask("GET", "/v1/machines?first=38")
    assert (status, value["total"]) == (200, 40)
    assert [(one["index"], one["url"]) for one in value["machines"]] == [(38, f"{fleet.url}/m/38"), (39, f"{fleet.url}/m/39")]
    get(fleet, 39)
    assert ask("GET", "/v1/machines?first=39&limit=1")[1]["machines"][0]["resident"] is True
    assert len(ask("GET", "/v1/machines")[1]["machines"]) == 40
    assert ask("GET", "/v1/machines?first=40")[1] == {"machines": [], "total": 40}
    assert ask("GET", "/v1/machines?limit=0")[1]["machines"] == []


def test_a_patch_changes_one_machine_and_survives_its_eviction(fleet: Fleet, ask: Ask) -> None:
    status, value = ask("PATCH", "/v1/state?machine=3", {"compute": {"name": "patched", "tags": "a:b"}})
    assert (status, value["compute"]["name"]) == (200, "patched")
    for index in range(10, 20):
        get(fleet, index)
    assert not fleet.machine(3).resident
    assert [get(fleet, index)[1] for index in (2, 3, 4)] == [b"vm-00002", b"patched", b"vm-00004"]
    assert ask("GET", "/v1/state?machine=3")[1] == value
    fleet.machine(3).events.schedule("Freeze")
    assert json.loads(get(fleet, 3, EVENTS)[1])["Events"][0]["Resources"] == ["patched"]


def test_a_machine_that_was_moved_gets_documents_of_its_new_region(fleet: Fleet, ask: Ask) -> None:
    assert ask("PATCH", "/v1/state?machine=5", {"compute": {"location": "westus2"}})[0] == 200
    verifier = Verifier(Trust.from_pem([fleet.trust_pem.encode()]), Policy.offline_audit(), clock=fleet.clock)
    assert "westus2" in verifier.verify(get(fleet, 5, ATTESTED)[1], nonce=NONCE).name
    assert "westus2" not in verifier.verify(get(fleet, 6, ATTESTED)[1], nonce=NONCE).name


def test_an_invalid_patch_changes_nothing(fleet: Fleet, ask: Ask) -> None:
    before = ask("GET", "/v1/state?machine=7")[1]
    for patch, location in (({"compute": {"nosuch": 1}}, "/compute/nosuch"), ({"cloud": "china"}, "/cloud"), ([], "")):
        status, problem = ask("PATCH", "/v1/state?machine=7", patch)
        assert (status, problem["code"], problem["location"]) == (422, "bad-scenario", location)
    with pytest.raises(ScenarioError, match="certificates of the cloud public"):
        fleet.machine(7).become({"cloud": "china"})
    assert ask("GET", "/v1/state?machine=7")[1] == before
    assert get(fleet, 7)[1] == b"vm-00007"


def test_replaces_one_machine_by_that_of_another_scenario(fleet: Fleet, ask: Ask) -> None:
    assert ask("PUT", "/v1/state?machine=8", {"compute": {"name": "other"}})[0] == 200
    assert get(fleet, 8)[1] == b"other"
    token = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F"
    assert [get(fleet, index, token)[0] for index in (8, 9)] == [400, 200]


def test_the_admin_api_controls_the_events_of_one_machine(fleet: Fleet, ask: Ask) -> None:
    assert ask("POST", "/v1/events?machine=11", [{"EventId": "one", "EventType": "Reboot"}]) == (200, {"announced": ["one"]})
    assert [len(ask("GET", f"/v1/events?machine={index}")[1]["events"]) for index in (11, 12)] == [1, 0]
    assert json.loads(get(fleet, 11, EVENTS)[1])["Events"][0]["EventId"] == "one"
    assert ask("POST", "/v1/events/one/approve?machine=12")[0] == 404
    assert ask("POST", "/v1/events/one/approve?machine=11")[0] == 200
    assert ask("POST", "/v1/events/one/complete?machine=11")[0] == 200
    assert ask("PUT", "/v1/events?machine=11", [{"EventId": "two", "EventType": "Freeze"}])[0] == 200
    assert ask("DELETE", "/v1/events/two?machine=11") == (200, {"cancelled": ["two"]})
    assert ask("DELETE", "/v1/events?machine=11") == (200, {"cancelled": []})


def test_faults_of_one_machine_precede_those_of_all_machines(fleet: Fleet, ask: Ask) -> None:
    common = [{"match": {"category": "instance"}, "times": None, "fault": {"status": 500}}]
    own = [{"match": {"category": "instance"}, "times": 2, "fault": {"status": 410}}]
    assert ask("PUT", "/v1/faults?machine=14", own)[0] == 200
    assert [get(fleet, index)[0] for index in (14, 15)] == [410, 200]
    assert ask("PUT", "/v1/faults", common)[0] == 200
    assert [get(fleet, 14)[0] for _ in range(2)] == [410, 500]
    assert get(fleet, 15)[0] == 500
    assert ask("GET", "/v1/faults?machine=14")[1]["faults"] == [{"rule": own[0], "matched": 3, "applied": 2, "over": True}]
    assert [one["rule"] for one in ask("GET", "/v1/faults")[1]["faults"]] == common
    assert ask("DELETE", "/v1/faults") == (200, {"cleared": 1})
    assert ask("DELETE", "/v1/faults?machine=14") == (200, {"cleared": 1})
    assert get(fleet, 14)[0] == 200


def test_faults_of_a_machine_survive_its_eviction(fleet: Fleet) -> None:
    fleet.machine(16).faults.load([{"times": None, "fault": {"status": 410}}])
    for index in range(20, 30):
        get(fleet, index)
    assert not fleet.machine(16).resident
    assert get(fleet, 16)[0] == 410


def test_the_journal_names_the_machine_of_each_request(fleet: Fleet, ask: Ask) -> None:
    for index in (21, 22, 21):
        get(fleet, index)
    get(fleet, 40)
    fleet.handle(Request("GET", "/metadata/versions"))
    fleet.handle(Request("GET", "/pki/nosuch.crt"))
    entries = ask("GET", "/v1/journal")[1]["entries"]
    assert [(entry["machine"], entry["status"]) for entry in entries] == [
        *((21, 200), (22, 200), (21, 200)),
        *((None, 404), (None, 404), (None, 404)),
    ]
    assert [entry["number"] for entry in ask("GET", "/v1/journal?machine=21")[1]["entries"]] == [entries[0]["number"], entries[2]["number"]]
    assert ask("GET", "/v1/journal/count?machine=21&category=instance")[1]["count"] == 2
    assert entries[0]["target"] == NAME  # without the prefix /m/21, as if there were only this machine
    assert ask("GET", "/v1/journal/wait?machine=22&count=1&timeout=0")[1]["reached"] is True
    assert fleet.machine(22).handle(Request("GET", NAME, (("Metadata", "true"),))).status == 200
    assert fleet.journal.count(machine=22) == 2


def test_the_journal_of_a_fleet_contains_requests_with_a_foreign_host(fleet: Fleet) -> None:
    connection = http.client.HTTPConnection(fleet.url.removeprefix("http://"), timeout=30)
    connection.request("GET", f"/m/1{NAME}", headers={"Metadata": "true", "Host": "evil.example"})
    assert connection.getresponse().status == 421
    connection.close()
    entry = fleet.journal.last()
    assert entry is not None
    assert (entry.status, entry.rule, entry.machine) == (421, "wrong-host", None)


def test_requires_the_number_of_an_existing_machine(ask: Ask) -> None:
    for one in OPERATIONS:
        body: Any = {} if one.takes_body else None
        path = one.path.replace("{id}", "one")
        if one.about == "machine":
            status, problem = ask(one.method, path, body)
            assert (status, problem["code"], problem["location"]) == (400, "bad-parameter", "machine"), one.name
        if one.about in ("machine", "either"):
            for number in ("40", "-1", "x", ""):
                status, problem = ask(one.method, f"{path}?machine={number}", body)
                assert (status, problem["location"]) == (400, "machine"), (one.name, number)
        if one.about == "alone":
            assert ask(one.method, path, body)[0] == 409, one.name


def test_operations_on_the_whole_fleet_need_no_number(fleet: Fleet, ask: Ask) -> None:
    now = ask("GET", "/v1/clock")[1]["now"]
    assert ask("POST", "/v1/clock", {"advance": 60})[1]["now"] == now + 60
    configuration = ask("GET", "/v1/configuration")[1]
    assert configuration["fleet"] == {"machines": 40, "by": "path"}
    assert (configuration["scenario"], configuration["rateLimit"], configuration["clock"]) == ("fleet", False, "movable")
    assert ask("GET", "/v1/clock?machine=1")[0] == 400


def test_machines_can_change_while_clients_send_requests(fleet: Fleet) -> None:
    """Twelve threads send requests to six machines, of which at most four are resident. Two more
    threads patch the machines, and add faults and events."""
    numbers, rounds = range(30, 36), 150
    names = {index: {f"vm-{index:05}"} for index in numbers}
    sent: Counter[int] = Counter()
    wrong: list[object] = []

    def client(seed: int) -> Counter[int]:
        choose, count = random.Random(seed), Counter[int]()
        for _ in range(rounds):
            index = choose.choice(numbers)
            response = fleet.handle(Request("GET", f"/m/{index}{NAME}", (("Metadata", "true"),)))
            count[index] += 1
            if not (response.status == 410 or (response.status == 200 and response.body.decode() in names[index])):
                wrong.append((index, response))
        return count

    def changer(seed: int) -> None:
        choose = random.Random(seed)
        for number in range(rounds // 3):
            member = fleet.machine(choose.choice(numbers))
            name = f"changed-{seed}-{number}"
            names[member.index].add(name)
            member.patch({"compute": {"name": name}})
            member.faults.load([{"times": 1, "fault": {"status": 410}}])
            member.events.schedule("Freeze", notice=0, remains=0)
            if member.scenario.given["compute"]["name"] not in names[member.index]:
                wrong.append(member.scenario)

    with ThreadPoolExecutor(14) as pool:
        changes = [pool.submit(changer, seed) for seed in range(2)]
        for count in pool.map(client, range(12)):
            sent += count
        for change in changes:
            change.result()
    assert wrong == []
    assert {index: fleet.journal.count(machine=index) for index in numbers} == sent
    assert fleet.journal.tally().total == sent.total()
    for index in numbers:
        fleet.faults_of(index).clear()
        assert get(fleet, index)[1].decode() == fleet.scenario_of(index).given["compute"]["name"]


def test_assertions_name_the_machine(fleet: Fleet) -> None:
    get(fleet, 24)
    get(fleet, 25, "/metadata/instance")
    assert len(assert_requested(fleet, 1, machine=24, category="instance")) == 1
    assert_not_requested(fleet, machine=26)
    with pytest.raises(
        AssertionError, match=r"(?s)Expected at least 1 request with machine=26, got 0.*\(machine 24\).*\(machine 25\) \(rule api-version\)"
    ):
        assert_requested(fleet, machine=26)
    with pytest.raises(AssertionError, match="refused with 400 by the rule api-version"):
        assert_no_refusals(fleet)


@pytest.mark.parametrize("select", ["port", "source"])
def test_lists_machines_that_are_selected_by_port_or_source_address(select: Literal["port", "source"]) -> None:
    with Fleet("fleet", 3, seed=1, select=select, clock=ManualClock(NOON), rate_limit=False, admin_port=0) as fleet:
        machines = OPERATIONS_BY_NAME["listMachines"](fleet, Arguments())["machines"]
        assert len({(one["url"], one["source"]) for one in machines}) == 3
        for one in machines:
            source = (one["source"], 0) if one["source"] else None
            connection = http.client.HTTPConnection(one["url"].removeprefix("http://"), timeout=30, source_address=source)
            connection.request("GET", NAME, headers={"Metadata": "true"})
            assert connection.getresponse().read() == f"vm-{one['index']:05}".encode()
            connection.close()
        assert [entry.machine for entry in fleet.journal] == [0, 1, 2]
        assert [entry.source for entry in fleet.journal] == [one["source"] or "127.0.0.1" for one in machines]
