"""Tests of service profiles and of switching off rules: they have the described effect and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from imdskit import versions
from imdskit.emulator.service.profiles import PROFILES, TODAY, find
from imdskit.emulator.service.rules import RULES
from imdskit.errors import ScenarioError, UsageError

Services = Callable[..., Any]

V = "?api-version=2020-09-01"
LEAF = "/metadata/instance/compute/vmId" + V
TOKEN = "/metadata/identity/oauth2/token" + V
BOTH = {"identity": {"userAssigned": [{"clientId": "1"}, {"clientId": "2"}]}}
UNKNOWING = {"identity": {"systemAssigned": {}, "unknownResources": ["x"]}}
TRUE = {"Metadata": "true"}

SWITCHED_OFF: list[tuple[str, Any, str, str, dict[str, str], int, str]] = [
    ("head", "linux", "HEAD", LEAF, TRUE, 405, "Not allowed"),
    ("root", "linux", "GET", "/", {}, 404, "File or directory not found"),
    ("method", "linux", "DELETE", "/metadata/versions", TRUE, 200, "apiVersions"),
    ("x-forwarded-for", "linux", "GET", "/metadata/versions", {**TRUE, "X-Forwarded-For": "10.0.0.1"}, 200, "apiVersions"),
    ("metadata-header", "linux", "GET", "/metadata/versions", {}, 200, "apiVersions"),
    ("repeated-parameter", "linux", "GET", LEAF + "&format=text&format=json", TRUE, 200, "-"),
    ("events-version", "linux", "GET", "/metadata/scheduledevents?api-version=2021-12-13", TRUE, 200, "DocumentIncarnation"),
    ("api-version", "linux", "GET", "/metadata/instance", TRUE, 200, "isVmInStandbyPool"),
    ("api-version", "linux", "GET", "/metadata/instance?api-version=2020-09-02", TRUE, 200, "licenseType"),
    ("api-version", "linux", "GET", "/metadata/scheduledevents", TRUE, 200, "DocumentIncarnation"),
    ("endpoint-version", "linux", "GET", "/metadata/attested/document?api-version=2017-04-02", TRUE, 200, "pkcs7"),
    ("nonce", "linux", "GET", "/metadata/attested/document" + V + "&nonce=%22" + "1" * 40, TRUE, 200, "pkcs7"),
    ("approval", "linux", "POST", "/metadata/scheduledevents?api-version=2020-07-01", TRUE, 200, ""),
    ("resource", {"identity": {"systemAssigned": {}}}, "GET", TOKEN, TRUE, 200, "access_token"),
    ("bypass-cache", {"identity": {"systemAssigned": {}}}, "GET", TOKEN + "&resource=x&bypass_cache=0", TRUE, 200, "access_token"),
    ("one-selector", BOTH, "GET", TOKEN + "&resource=x&client_id=2&object_id=3", TRUE, 200, '"client_id":"2"'),
    ("several-identities", BOTH, "GET", TOKEN + "&resource=x", TRUE, 400, "Identity not found"),
    ("unknown-resource", UNKNOWING, "GET", TOKEN + "&resource=x", TRUE, 200, "access_token"),
    ("extended-version", "linux", "GET", "/metadata/instance" + V + "&extended=true", TRUE, 200, "hasCustomData"),
    ("format", "linux", "GET", "/metadata/instance" + V + "&format=xml", TRUE, 200, "compute"),
    ("leaf", "linux", "GET", LEAF, TRUE, 200, "-"),
]


@pytest.mark.parametrize(
    ("rule", "machine", "method", "target", "headers", "status", "text"), SWITCHED_OFF, ids=[f"{row[0]}-{row[3]}" for row in SWITCHED_OFF]
)
def test_rule_that_is_off_refuses_nothing(
    rule: str, machine: Any, method: str, target: str, headers: dict[str, str], status: int, text: str, service: Services
) -> None:
    on, off = service(machine), service(machine, rules_off=[rule])
    assert on.ask(target, method, headers).body != off.ask(target, method, headers).body
    answer = off.ask(target, method, headers)
    assert (answer.status, text in answer.body.decode()) == (status, True)


def test_rate_limit_can_be_switched_off(service: Services) -> None:
    machine = service("linux", limited=True, rules_off=["limit"])
    assert {machine.ask("/metadata/versions").status for _ in range(20)} == {200}


def test_every_rule_that_can_be_off_has_a_case() -> None:
    assert {row[0] for row in SWITCHED_OFF} | {"limit"} == {rule.name for rule in RULES if rule.off}


def test_all_optional_rules_can_be_off_together(service: Services) -> None:
    machine = service(BOTH, rules_off=[rule.name for rule in RULES if rule.off])
    for path in (
        "",
        "/instance/compute/vmId",
        "/attested/document",
        "/identity/oauth2/token",
        "/identity/info",
        "/scheduledevents",
        "/versions",
    ):
        for method in ("GET", "HEAD", "POST", "BREW"):
            assert machine.ask("/metadata" + path + "?format=x&x=1&x=2", method, {"X-Forwarded-For": "1"}).status in (200, 400, 404)


@pytest.mark.parametrize("name", [rule.name for rule in RULES if not rule.off])
def test_required_rule_cannot_be_off(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be switched off"):
        TODAY.rules([name])


def test_refuses_unknown_rule_and_suggests_a_similar_name() -> None:
    with pytest.raises(UsageError, match="Unknown rule 'leaves'") as caught:
        TODAY.rules(["leaves"])
    assert caught.value.hint == "Did you mean leaf?"


def test_refuses_unknown_profile_and_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="must be the name of a service profile; got '2020'") as caught:
        find("2020")
    assert caught.value.hint == "Known: today, 2021, strict-header."


def test_profile_today_has_all_rules_and_versions() -> None:
    assert TODAY.rules() == RULES
    assert TODAY.versions(versions.API_VERSIONS) == versions.API_VERSIONS


@pytest.mark.parametrize("name", PROFILES)
def test_profile_replaces_single_rules(name: str) -> None:
    rules = find(name).rules()
    assert [rule.name for rule in rules] == [rule.name for rule in RULES]
    assert {rule.name for rule, other in zip(rules, RULES, strict=True) if rule != other} == set(find(name).instead)


def test_profile_2021_has_the_version_error_of_its_documentation(service: Services) -> None:
    answer = service("linux", profile="2021").ask("/metadata/instance")
    assert answer.status == 400
    assert answer.body == (
        b'{"error":"Bad request. api-version was not specified in the request. For more information refer to aka.ms/azureimds",'
        b'"newest-versions":["2020-10-01","2020-09-01","2020-07-15"]}'
    )


def test_profile_2021_has_twenty_api_versions(service: Services) -> None:
    machine = service("linux", profile="2021")
    listed = machine.ask("/metadata/versions").json["apiVersions"]
    assert (len(listed), listed[-1]) == (20, "2020-10-01")
    assert machine.get("/metadata/instance", "2020-10-01").status == 200
    assert machine.get("/metadata/instance", "2021-02-01").status == 400


def test_versions_of_a_scenario_apply_in_every_profile(service: Services) -> None:
    machine = service({"apiVersions": ["2020-09-01", "2021-02-01"]}, profile="2021")
    assert machine.ask("/metadata/versions").json == {"apiVersions": ["2020-09-01", "2021-02-01"]}


@pytest.mark.parametrize(
    ("name", "value", "today", "strict"),
    [
        ("Metadata", "true", 200, 200),
        ("mEtAdAtA", "true", 200, 200),
        ("Metadata", "True", 200, 400),
        ("Metadata", "TRUE", 200, 400),
        ("Metadata", "false", 400, 400),
    ],
)
def test_strict_header_compares_the_value_case_sensitively(name: str, value: str, today: int, strict: int, service: Services) -> None:
    for profile, status in (("today", today), ("strict-header", strict)):
        assert service("linux", profile=profile).ask("/metadata/versions", headers={name: value}).status == status


def test_strict_header_responds_as_for_a_missing_header(service: Services) -> None:
    machine = service("linux", profile="strict-header")
    assert machine.ask(LEAF, headers={"Metadata": "True"}).body == machine.ask(LEAF, headers={}).body
    refused = machine.ask(TOKEN, headers={"Metadata": "True"}).body
    assert json.loads(refused)["error"] == "invalid_request"
    assert refused == machine.ask(TOKEN, headers={}).body


def test_scenario_can_set_profile_and_switch_off_rules(service: Services) -> None:
    scenario = {"profile": "strict-header", "rulesOff": ["leaf"]}
    machine = service(scenario, rules_off=["nonce"])
    assert machine.ask("/metadata/versions", headers={"Metadata": "True"}).status == 400
    assert machine.ask(LEAF).status == 200
    assert machine.ask("/metadata/attested/document" + V + "&nonce=" + "1" * 40).status == 200
    assert service(scenario, profile="today").ask(LEAF, headers={"Metadata": "True"}).status == 200


@pytest.mark.parametrize(
    ("scenario", "location"),
    [
        ({"profile": "2020"}, "/profile"),
        ({"profile": 2021}, "/profile"),
        ({"rulesOff": "leaf"}, "/rulesOff"),
        ({"rulesOff": ["leaf", 1]}, "/rulesOff"),
        ({"rulesOff": ["leaf", "leaves"]}, "/rulesOff/1"),
        ({"rulesOff": ["category"]}, "/rulesOff/0"),
    ],
    ids=json.dumps,
)
def test_error_in_a_scenario_has_its_location(scenario: dict[str, Any], location: str, service: Services) -> None:
    with pytest.raises(ScenarioError) as caught:
        service(scenario)
    assert (caught.value.code, caught.value.location) == ("bad-scenario", location)
