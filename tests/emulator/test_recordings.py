"""The emulator's responses agree with recorded responses of real services.

Each test sends a recorded request to the emulator. If the recorded body describes a machine, the emulator gets this machine as its
scenario. The status and the relevant headers must agree. A body that was recorded verbatim must be equal byte for byte; any other body must
have the same members, values and order. :data:`INEXACT` and :data:`DIFFERENT` contain the exceptions, each with the reason.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from imdskit.clock import ManualClock

Services = Callable[..., Any]

DIFFERENT: dict[str, str] = {
    "028": "the service was older: until early 2020, an unknown version got status 404; since then, it gets 400",
    "041": "the service was restarting, which the emulator does only as an injected fault",
    "054": "the response is from another service, the host's wire server",
    "074": "PowerShell printed only the values",
    "076": "a fixture written by hand, in which DocumentIncarnation is 0",
    "079": "a former bug of the service: a cached document with the nonce of an earlier request",
    "081": "the response is from a proxy between client and service",
}
"""Recordings to which the emulator responds differently, with the reasons."""

INEXACT: dict[str, str] = {
    "006": "the version is that of the recording program; resourceDisk, documented for 2021-02-01, is present already",
    "007": "compared without KernelVersion, which the recording program added",
    "008": "compared without physicalZone, which this machine did not have",
    "010": "the version in the recorded request is truncated; the members are those of 2019-02-01",
    "011": "the author kept only the members that he used",
    "013": "an older wording; everything else agrees",
    "014": "an older wording; everything else agrees",
    "015": "an older wording; everything else agrees",
    "016": "an older wording; everything else agrees",
    "032": "the author removed the network and masked values",
    "034": "the token was removed",
    "035": "the token was removed, and Content-Length is that of the original body",
    "043": "truncated inside the description",
    "044": "contains ids of the request, which are never the same",
    "058": "the author removed the network, and PowerShell wrote the recording",
    "059": "Ohai rearranged the network",
    "068": "a fixture from Python code, with another order",
    **dict.fromkeys(("069", "070", "071", "075"), "the id of the event and the incarnation are those of the recorded machine"),
    **dict.fromkeys(("072", "073"), "the same as for 069, and a logger sorted the members"),
    "078": "the signature is truncated, and a line break was added; the signed content agrees",
    "080": "the author removed the middle, and a newer version exists today",
    "082": "a fixture written by hand, with blanks",
    "083": "a fixture written by hand: the order differs, and two members are missing",
    "084": "a sample of the documentation, with another order",
    "085": "a sample of the documentation, with another order",
    "086": "the author removed members and simplified one",
    "088": "the version in the request is that of the recording program; the members are those of 2019-06-01",
    "089": "a client's copy of the text, truncated",
}
"""Recordings that agree only in part, with the reasons."""

PARTIAL = {"007", "011", "032", "058", "059", "083", "084", "085", "086"}
"""Recordings of which only the existing members are compared, in any order."""

ANY_ORDER = {"068", "082"}

OTHER_VERSION = {"006": "2021-02-01", "010": "2019-02-01", "088": "2019-06-01"}

IDENTITIES: dict[str, Any] = {
    "042": {"userAssigned": [{}, {}]},
    "043": {"systemAssigned": {}, "tenantName": "Microsoft", "unknownResources": ["https://managements.azure.com"]},
    "044": {"systemAssigned": {}, "tenantName": "Microsoft", "unknownResources": ["user.read"]},
}
"""The identities of the machines that were refused a token, by recording."""

TOKENS = {"034", "035"}

EVENTS = {"069", "070", "071", "072", "073", "075"}

NUMBERS = [f"{number:03}" for number in range(1, 92)]

Recording = dict[str, Any]


def recordings(shared: Path) -> dict[str, Recording]:
    files = sorted((shared / "corpus" / "recordings").glob("*.json"))
    return {path.name[:3]: json.loads(path.read_text(encoding="utf-8")) for path in files}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        different = "different" in metafunc.function.__name__
        metafunc.parametrize("number", [number for number in NUMBERS if (number in DIFFERENT) is different])


@pytest.fixture
def recording(number: str, shared: Path) -> Recording:
    return recordings(shared)[number]


def target(number: str, recording: Recording) -> str:
    request = recording["request"]
    query = request["query"]
    if number in OTHER_VERSION:
        query = f"api-version={OTHER_VERSION[number]}"
    return str(request["path"]) + (f"?{query}" if query else "")


def steps(recording: Recording) -> list[str]:
    return [step for step in recording["request"]["path"].split("/")[3:] if step]


def machine_of(number: str, recording: Recording) -> dict[str, Any]:
    """Return the scenario of the recorded machine, as far as the recorded body shows it."""
    body = recording["response"]["body"]
    path = str(recording["request"]["path"])
    if path == "/metadata/loadbalancer" and recording["response"]["status"] == 200:
        return dict(json.loads(body))
    if path == "/metadata/identity/oauth2/token":
        return {} if "Identity not found" in body else {"identity": IDENTITIES.get(number, {"systemAssigned": {}})}
    if recording["response"]["status"] != 200 or not path.startswith("/metadata/instance") or body is None:
        return {}
    node: Any = parsed(number, body) if "format=text" not in (recording["request"]["query"] or "") else body
    for step in reversed(steps(recording)):
        node = [node] if step.isdecimal() else {step: node}
    if number == "007":
        del node["compute"]["KernelVersion"]
    if number == "008":
        node["compute"]["physicalZone"] = None
    if number == "086":
        del node["compute"]["storageProfile"]["osDisk"]["vhd"]
    return dict(node)


def parsed(number: str, body: str) -> Any:
    if number in ("058", "059"):  # truncated after compute
        return {"compute": json.JSONDecoder().raw_decode(body[body.index("{", 1) :])[0]}
    if number == "057":  # truncated before and inside compute, so only the members before storageProfile are complete
        return {"compute": json.loads("{" + body[: body.index(',"storageProfile"')] + "}")}
    return json.loads(body.rstrip() + ("}" if number == "032" else ""))


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a value by their path."""
    if isinstance(value, dict):
        return {path: leaf for name, inner in value.items() for path, leaf in flat(inner, f"{prefix}/{name}").items()}
    if isinstance(value, list):
        return {path: leaf for index, inner in enumerate(value) for path, leaf in flat(inner, f"{prefix}/{index}").items()}
    return {prefix: value}


def versions_of(recording: Recording) -> dict[str, Any]:
    """Return the scenario member that limits the emulator to the versions in the recorded error."""
    body = recording["response"]["body"]
    return {"apiVersions": json.loads(body)["newest-versions"]} if body and '"newest-versions"' in body else {}


def test_tables_of_exceptions_name_existing_recordings(shared: Path) -> None:
    found = recordings(shared)
    assert not set(DIFFERENT) & set(INEXACT)
    assert set(DIFFERENT) | set(INEXACT) <= set(found)
    assert list(found) == NUMBERS


def test_recordings_listed_as_different_get_another_response(number: str, recording: Recording, service: Services) -> None:
    answer = service().ask(target(number, recording), recording["request"]["method"], recording["request"]["headers"])
    expected = recording["response"]
    assert (answer.status, answer.body) != (expected["status"], (expected["body"] or "").encode())


def test_recorded_request_gets_the_recorded_response(number: str, recording: Recording, service: Services) -> None:
    path = recording["request"]["path"]
    if path == "/metadata/attested/document":
        attested_agrees(number, recording, service)
        return
    if number in TOKENS:
        token_agrees(number, recording, service)
        return
    if number in EVENTS:
        events_agree(number, recording, service)
        return
    headers = {"Metadata": "true"} if recording["request"]["headers"] is None and number != "040" else recording["request"]["headers"] or {}
    machine = service({**machine_of(number, recording), **versions_of(recording)}, limited=number == "087")
    answer = machine.ask(target(number, recording), recording["request"]["method"], headers)
    while number == "087" and answer.status != 429:
        answer = machine.ask(target(number, recording), headers=headers)
    expected = recording["response"]
    assert answer.status == expected["status"]
    headers_agree(answer, expected, whole=number not in ("036", "077"))
    if expected["body"] is not None:
        body_agrees(number, recording, answer)


def headers_agree(answer: Any, expected: Recording, *, whole: bool) -> None:
    for name, value in (expected["headers"] or {}).items():
        lower = name.lower()
        if lower == "server":
            assert answer.header(name).rpartition(".")[0] == value.rpartition(".")[0]
        elif lower == "content-length" and whole:
            assert len(answer.body) == int(value)
        elif lower == "content-type":
            assert answer.header(name).partition(";")[0] == value.partition(";")[0]
            assert ";" not in value or answer.header(name) == value
        elif lower not in ("date", "content-length"):  # the HTTP server adds these, and this test has none
            assert answer.header(name) is not None, name


def body_agrees(number: str, recording: Recording, answer: Any) -> None:
    body: str = recording["response"]["body"]
    if number == "044":
        said, expected = answer.json, json.loads(body)
        assert list(said) == list(expected)
        assert masked(said) == masked(expected)
    elif recording["response"]["status"] == 400 and number in INEXACT and number != "043":
        if number != "089":
            assert list(answer.json) == list(json.loads(body))
            assert answer.json["newest-versions"] == json.loads(body)["newest-versions"]
    elif number == "043":
        assert json.loads(answer.body)["error"] == "invalid_resource"
        assert answer.body.startswith(body.encode())
    elif number == "080":
        assert answer.body.decode().lstrip("{").startswith(body[: body.index(", ...")])
    elif number in PARTIAL or number == "057":
        given = machine_of(number, recording)
        for step in steps(recording):
            given = given[step]
        assert flat(given).items() <= flat(answer.json).items()
    elif number in ANY_ORDER:
        assert answer.json == json.loads(body)
    elif recording["body_is"] == "verbatim":
        assert answer.body == body.rstrip("\r\n").encode()  # one recording is from a log and ends with a line break
    elif recording["response"]["status"] == 200:
        assert answer.body == json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    else:
        assert answer.json == json.loads(body)


def masked(error: dict[str, Any]) -> dict[str, Any]:
    """Return an error of Entra ID without its ids, time and region."""
    text: str = error["error_description"]
    for name in ("trace_id", "correlation_id", "timestamp"):
        assert error[name] in text
        text = text.replace(error[name], name)
    place = str(error["error_uri"]).partition(".")[2]
    return {"error": error["error"], "text": text, "codes": error["error_codes"], "uri": place}


def token_agrees(number: str, recording: Recording, service: Services) -> None:
    """Request a token at the recorded time, for the recorded identity, and check that only the token differs."""
    expected = json.loads(recording["response"]["body"])
    clock = ManualClock(int(expected["not_before"]) + 300)
    machine = service({"identity": {"userAssigned": [{"clientId": expected["client_id"]}]}}, clock=clock)
    first = machine.ask(target(number, recording)).json
    clock.advance(int(expected["expires_on"]) - int(expected["expires_in"]) - clock.now())
    answer = machine.ask(target(number, recording), headers=recording["request"]["headers"])
    assert answer.status == 200
    assert answer.json["access_token"] == first["access_token"]
    assert answer.json["access_token"].count(".") == 2
    said = {**answer.json, "access_token": expected["access_token"]}
    assert json.dumps(said, separators=(",", ":")) == json.dumps(expected, separators=(",", ":"))
    headers_agree(answer, recording["response"], whole=False)


def events_agree(number: str, recording: Recording, service: Services) -> None:
    """Announce the recorded event, and check that the response is the same except for the event's id."""
    said = json.loads(recording["response"]["body"])
    expected = said["Events"][0] if "Events" in said else said
    clock = ManualClock(1_600_000_000)
    machine = service(clock=clock)
    start = datetime.strptime(expected["NotBefore"] + "+0000", "%a, %d %b %Y %H:%M:%S GMT%z") if expected["NotBefore"] else None
    machine.app.machine.events.schedule(
        expected["EventType"],
        resources=expected["Resources"],
        notice=0 if start is None else int(start.timestamp()) - clock.now(),
        duration=expected.get("DurationInSeconds"),
        description=expected["Description"],
        source=expected["EventSource"],
    )
    answer = machine.ask(target(number, recording), headers=recording["request"]["headers"])
    assert answer.status == 200
    [event] = answer.json["Events"]
    assert event["EventId"] == event["EventId"].upper()
    assert {**event, "EventId": expected["EventId"]} == expected
    assert number in ("072", "073") or list(event) == list(expected)


def attested_agrees(number: str, recording: Recording, service: Services) -> None:
    """Sign as the recorded machine at the recorded time, and check that the signed bytes are the same."""
    body: str = recording["response"]["body"]
    if number == "078":
        content = body.replace("\n", "").encode()
    else:
        octets = base64.b64decode(json.loads(body)["signature"])
        start = octets.index(b'{"')
        content = octets[start : octets.index(b'"}', octets.index(b'"vmId"')) + 2]
    said = json.loads(content)
    created = datetime.strptime(said["timeStamp"]["createdOn"], "%m/%d/%y %H:%M:%S %z")
    compute = {name: said[name] for name in ("licenseType", "plan", "sku", "subscriptionId", "vmId") if name in said}
    machine = service({"compute": compute}, clock=ManualClock(int(created.timestamp())))
    answer = machine.ask(target(number, recording))
    assert answer.status == 200
    assert base64.b64decode(answer.json["signature"]) == b"signed:" + content
    if number != "078":
        assert list(answer.json) == list(json.loads(body))
