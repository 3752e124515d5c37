"""Tests of the emulator's state: patching it while the emulator runs, saving it, and resuming from it in another emulator."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.clock import ManualClock, MovableClock
from imdskit.emulator import Emulator, Scenario, snapshot
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.http.messages import Request
from imdskit.emulator.scenario import merge_patch
from imdskit.errors import ScenarioError, UsageError

NOON = 1_767_268_800
KEYS = Keys()
"""Keys that the emulators share, because generating keys is slow."""
TRUE = (("Metadata", "true"),)


def _address(tenant: str) -> str:
    return f"http://127.0.0.1/oidc/{tenant}/"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Emulator, dict[str, Any]]]:
    made = Emulator("identities", seed=1, clock=ManualClock(NOON), rate_limit=False)
    made.issuer.address = _address  # type: ignore[method-assign]  # ports differ
    yield made, made.snapshot()
    made.stop()


@pytest.fixture
def imds(running: tuple[Emulator, dict[str, Any]]) -> Emulator:
    """Return one emulator for all tests, because generating keys is slow. Each test gets it in its initial state. Its clock is fixed."""
    made, beginning = running
    made.restore(beginning)
    return made


def ask(imds: Emulator, path: str, version: str = "2021-02-01", **more: str) -> Any:
    query = "&".join(f"{name}={value}" for name, value in {"api-version": version, **more}.items())
    response = imds.handle(Request("GET", f"/metadata/{path}?{query}", TRUE))
    return json.loads(response.body) if b"{" in response.body[:2] else response.body.decode()


@pytest.mark.parametrize("name", Scenario.names())
def test_state_of_a_machine_is_a_scenario_that_recreates_it(name: str) -> None:
    scenario = Scenario.load(name)
    again = Scenario.of(json.loads(json.dumps(merge_patch.to_json(scenario))), name)
    assert merge_patch.to_json(again) == merge_patch.to_json(scenario)
    assert (again.cloud, again.classic, again.api_versions, again.given) == (
        scenario.cloud,
        scenario.classic,
        scenario.api_versions,
        scenario.given,
    )


def test_profile_rules_and_versions_are_part_of_the_state() -> None:
    given_document = {"apiVersions": ["2017-08-01", "2021-02-01"], "profile": "2021", "rulesOff": ["leaf"], "kind": "classic"}
    written = merge_patch.to_json(Scenario.of(given_document))
    assert {name: written[name] for name in given_document} == given_document


RFC_7386 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386, ids=range(len(RFC_7386)))
def test_merge_patch_follows_the_examples_of_rfc_7386(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch.merged(target, patch) == result


def test_patch_changes_responses_immediately(imds: Emulator) -> None:
    vm_id, events = ask(imds, "instance/compute")["vmId"], imds.events
    events.announce([{"EventId": "1", "EventType": "Freeze"}])
    imds.patch({"compute": {"name": "another", "tags": {"a": "b"}, "location": "northeurope"}})
    compute = ask(imds, "instance/compute")
    assert (compute["name"], compute["tags"], compute["location"], compute["vmId"]) == ("another", "a:b", "northeurope", vm_id)
    assert imds.events is events is imds.app.machine.events
    assert [event["EventId"] for event in ask(imds, "scheduledevents", "2020-07-01")["Events"]] == ["1"]
    (other,) = (event for event in events.announce([{"EventType": "Reboot"}], keep=True))
    assert next(event.resources for event in events.list() if event.id == other) == ("another",)
    signed = base64.b64decode(ask(imds, "attested/document")["signature"])
    assert b"northeurope.metadata.azure.com" in signed
    imds.patch({"compute": {"tags": None}})
    assert ask(imds, "instance/compute")["tags"] == ""
    imds.become({"compute": {"name": "third"}})
    assert ask(imds, "instance/compute")["name"] == "third"


def test_cached_token_survives_a_patch_with_its_identity(imds: Emulator) -> None:
    def token() -> Any:
        return ask(imds, "identity/oauth2/token", "2018-02-01", resource="https://vault.azure.net", client_id=client_id)

    client_id = imds.app.machine.identities.user[0].client_id
    before = token()
    imds.patch({"compute": {"tags": "a:b"}})
    assert token() == before
    imds.patch({"identity": None})
    assert token()["error"] == "invalid_request"


WRONG: dict[str, tuple[Any, str]] = {
    "not an object": ([], ""),
    "unknown member": ({"computer": {}}, "/computer"),
    "wrong nested value": ({"compute": {"storageProfile": {"dataDisks": [{"lun": 1}]}}}, "/compute/storageProfile/dataDisks/0/lun"),
    "another cloud": ({"cloud": "china"}, "/cloud"),
    "unknown profile": ({"profile": "2020"}, "/profile"),
    "a rule that cannot be off": ({"rulesOff": ["outside"]}, "/rulesOff/0"),
    "invalid region": ({"compute": {"location": "west europe!"}}, "/compute/location"),
    "too deep": (json.loads('{"a":' * 900 + "1" + "}" * 900), "/a"),
}


@pytest.mark.parametrize(("patch", "location"), WRONG.values(), ids=WRONG)
def test_refused_patch_changes_nothing(patch: Any, location: str, imds: Emulator) -> None:
    before, app = imds.state(), imds.app
    with pytest.raises(ScenarioError) as caught:
        imds.patch(patch)
    assert caught.value.location in (location, "" if location == "/a" else location)
    assert (imds.state(), imds.app) == (before, app)


def lived(imds: Emulator) -> None:
    imds.patch({"compute": {"name": "lived"}})
    imds.events.announce([{"EventId": "one", "EventType": "Freeze"}, {"EventType": "Reboot", "EventStatus": "Started"}])
    imds.faults.load([{"times": 3, "match": {"path": "/metadata/versions"}, "fault": {"status": 500}}])
    ask(imds, "versions")
    ask(imds, "scheduledevents", "2020-07-01")
    for identity in imds.app.machine.identities.user:
        ask(imds, "identity/oauth2/token", "2018-02-01", resource="r", client_id=identity.client_id)


def seen(imds: Emulator) -> list[Any]:
    tokens = [
        ask(imds, "identity/oauth2/token", "2018-02-01", resource=resource, client_id=identity.client_id)
        for identity in imds.app.machine.identities.user
        for resource in ("r", "s")
    ]
    answers = [ask(imds, "versions") for _ in range(3)]
    return [
        ask(imds, "instance"),
        ask(imds, "scheduledevents", "2020-07-01"),
        tokens,
        answers,
        imds.faults.list(),
        imds.events.schedule("Freeze"),
    ]


def test_emulator_with_the_same_seed_resumes_from_a_snapshot(imds: Emulator) -> None:
    lived(imds)
    whole = json.loads(json.dumps(imds.snapshot()))
    other = Emulator("linux", seed=1, clock=ManualClock(NOON - 1000), rate_limit=False)
    other.issuer.address = _address  # type: ignore[method-assign]  # likewise
    other.restore(whole)
    assert other.clock.now() == NOON
    assert other.snapshot() == whole
    assert seen(other) == seen(imds)
    other.stop()


def test_snapshot_contains_no_keys_seed_or_tokens(imds: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    lived(imds)
    monkeypatch.setattr(imds, "_options", replace(imds._options, seed=8_675_309_867_530_986_753))
    for each in (json.dumps(imds.snapshot()), json.dumps(imds.configuration())):
        assert "8675309867530986753" not in each
        assert "PRIVATE" not in each
        assert "eyJ" not in each


def identity(imds: Emulator) -> list[Any]:
    """Return everything that identifies a machine to programs."""
    machine = imds.app.machine
    instance, known = ask(imds, "instance", "2025-04-07"), machine.identities
    return [instance, known.system, known.user, machine.instance.attested_facts()]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("linux", None, None), ("linux", 7, None), ("linux", 7, 8), ("scale-set", None, 7), ("many-devices", None, None)],
)
def test_restored_machine_keeps_its_identifiers_with_any_seed(name: str, first: int | None, second: int | None, tmp_path: Path) -> None:
    path, keys = tmp_path / "snapshot.json", KEYS
    before = Emulator(name, seed=first, snapshot_file=path, keys=keys, rate_limit=False)
    before.patch({"identity": {"systemAssigned": {}, "userAssigned": [{"name": "one"}]}})
    was = identity(before)
    before.save()
    before.stop()
    after = Emulator(name, seed=second, snapshot_file=path, keys=keys, rate_limit=False)
    assert identity(after) == was
    after.patch({"compute": {"tags": "a:b"}})
    assert identity(after)[1:3] == was[1:3]
    assert ask(after, "instance/compute")["vmId"] == was[0]["compute"]["vmId"]
    assert after.snapshot()["identifiers"] == before.snapshot()["identifiers"]
    after.stop()


@pytest.mark.parametrize("identifiers", [[], {"machine": 1}, {"machine": "xy"}, {"machine": ""}, {"machine": "0" * 200}])
def test_refuses_invalid_identifiers(identifiers: Any, imds: Emulator) -> None:
    with pytest.raises(ScenarioError) as caught:
        imds.restore({**imds.snapshot(), "identifiers": identifiers})
    assert caught.value.location.startswith("/identifiers")


def test_events_that_became_due_happen_after_restore(imds: Emulator) -> None:
    imds.events.announce([{"EventId": "1", "EventType": "Freeze", "NotBefore": "Thu, 01 Jan 2026 13:00:00 GMT"}])
    ask(imds, "scheduledevents", "2020-07-01")
    whole = imds.snapshot()
    later = Events(ManualClock(NOON + 3600), "vm", 1)
    later.restore(whole["events"])
    document = json.loads(later.document("2020-07-01"))
    assert [event["EventStatus"] for event in document["Events"]] == ["Started"]
    assert document["DocumentIncarnation"] == whole["events"]["incarnation"] + 1


def broken() -> dict[str, tuple[dict[str, Any], str]]:
    events = Events(ManualClock(NOON), "vm", 1).snapshot()
    rule = {"rule": {"fault": {"status": 500}}, "matched": 0, "applied": 0, "age_ns": 0}
    whole = {
        "format": snapshot.FORMAT_NAME,
        "version": snapshot.VERSION,
        "clock": {"now": NOON},
        "scenario": {"name": "linux", "document": {"cloud": "public"}},
        "events": events,
        "faults": [rule],
        "tokens": {"made": 0, "tokens": []},
    }
    cases: dict[str, tuple[dict[str, Any], str]] = {f"no {name}": ({k: v for k, v in whole.items() if k != name}, "") for name in whole}
    cases["no format"] = cases["no format"][0], "/format"
    cases["no version"] = cases["no version"][0], "/version"
    cases["more"] = {**whole, "seed": 1}, ""
    cases["another version"] = {**whole, "version": 2}, "/version"
    cases["no time"] = {**whole, "clock": {"now": -1}}, "/clock/now"
    cases["no name"] = {**whole, "scenario": {}}, "/scenario"
    document = {"compute": {"nam": "x"}}
    cases["no scenario"] = {**whole, "scenario": {"name": "x", "document": document}}, "/scenario/document/compute/nam"
    cases["another cloud"] = {**whole, "scenario": {"name": "x", "document": {"cloud": "china"}}}, "/scenario/document/cloud"
    cases["events"] = {**whole, "events": {**whole["events"], "made": -1}}, "/events/made"
    cases["tokens"] = {**whole, "tokens": {"made": 0, "tokens": [{"clientId": 1}]}}, "/tokens/tokens/0"
    cases["tokens in number"] = {**whole, "tokens": {"made": "0", "tokens": []}}, "/tokens/made"
    cases["faults"] = {**whole, "faults": [{**whole["faults"][0], "rule": {"fault": {"status": "x"}}}]}, "/faults/0/fault/status"
    return cases


BROKEN = broken()


@pytest.mark.parametrize(("value", "location"), BROKEN.values(), ids=BROKEN)
def test_refused_snapshot_has_a_location_and_changes_nothing(value: Any, location: str, imds: Emulator) -> None:
    before = imds.snapshot()
    with pytest.raises(ScenarioError) as caught:
        imds.restore(value)
    assert (caught.value.code, caught.value.location) == ("bad-snapshot", location)
    assert imds.snapshot() == before


def test_snapshot_file_is_private_and_read_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text("not yet")
    path.chmod(0o644)
    with pytest.raises(ScenarioError, match="not JSON"):
        Emulator(seed=1, clock=ManualClock(NOON), snapshot_file=path)
    path.unlink()
    first = Emulator(seed=1, clock=ManualClock(NOON), snapshot_file=path)
    first.patch({"compute": {"name": "kept"}})
    assert first.save() == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    second = Emulator(seed=1, clock=ManualClock(NOON), snapshot_file=path)
    assert ask(second, "instance/compute")["name"] == "kept"
    with pytest.raises(UsageError, match="cannot be written"):
        second.save(tmp_path / "nosuch" / "file")
    for each in (first, second):
        each.stop()


def test_save_without_a_file_is_refused(imds: Emulator) -> None:
    with pytest.raises(UsageError, match="no file for snapshots"):
        imds.save()


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '{"format": "imdskit-snapshot"}', " " * (snapshot.MAX_BYTES + 1)], ids=len)
def test_refuses_file_that_is_not_a_snapshot(content: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(ScenarioError):
        snapshot.read(path)


def test_clock_runs_at_its_rate_and_can_be_moved() -> None:
    watch = ManualClock(0)
    clock = MovableClock(NOON, 0, watch)
    watch.advance(10)
    assert clock.now() == NOON
    clock.advance(5)
    clock.run(60)
    watch.advance(10)
    assert (clock.now(), clock.rate) == (NOON + 605, 60)
    clock.run(0)
    watch.advance(10)
    assert clock.monotonic_ns() == (NOON + 605) * 1_000_000_000
    for step in (lambda: clock.advance(-1), lambda: clock.run(-1)):
        with pytest.raises(ValueError, match="cannot be moved back"):
            step()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
)


@given(JSON, JSON)
def test_merge_patch_is_idempotent_and_does_not_change_its_arguments(target: Any, patch: Any) -> None:
    before = json.dumps([target, patch])
    once = merge_patch.merged(target, patch)
    assert merge_patch.merged(once, patch) == once
    assert json.dumps([target, patch]) == before
