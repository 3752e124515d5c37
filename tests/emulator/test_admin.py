"""The admin API over HTTP: access control, the format of errors, and the effect on clients of the service."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imdskit.clock import ManualClock, MovableClock
from imdskit.emulator import Emulator
from imdskit.emulator.admin.operations import MAX_WAIT, OPERATIONS
from imdskit.emulator.admin.server import Admin, loopback
from imdskit.errors import UsageError

NOON = 1_767_268_800
TOKEN = "a-token-that-tests-know"


class Reply(NamedTuple):
    status: int
    json: Any
    headers: http.client.HTTPMessage


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, dict[str, Any]]]:
    path = tmp_path_factory.mktemp("snapshot") / "snapshot.json"
    clock = MovableClock(NOON, 0, ManualClock(0))
    with Emulator("linux", seed=1, clock=clock, rate_limit=False, admin_port=0, admin_token=TOKEN, snapshot_file=path) as imds:
        yield imds, imds.snapshot()


@pytest.fixture
def imds(running: tuple[Emulator, dict[str, Any]]) -> Emulator:
    emulator, initial_state = running
    emulator.restore(initial_state)
    emulator.journal.reset()
    return emulator


@pytest.fixture
def ask(imds: Emulator) -> Callable[..., Reply]:
    """Return a function that sends a request to the admin API, with the token unless ``Authorization`` is given."""

    def call(method: str, target: str, body: Any = None, **headers: str | None) -> Reply:
        given = {"Authorization": f"Bearer {TOKEN}", **({} if body is None else {"Content-Type": "application/json"})}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        assert imds.admin is not None
        connection = http.client.HTTPConnection(imds.admin.url.removeprefix("http://"), timeout=30)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, target, data, {name: value for name, value in given.items() if value is not None})
            response = connection.getresponse()
            return Reply(response.status, json.loads(response.read()), response.headers)
        finally:
            connection.close()

    return call


def service(imds: Emulator, path: str) -> Any:
    connection = http.client.HTTPConnection(imds.url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", path, headers={"Metadata": "true"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


REFUSED: dict[str, tuple[dict[str, str | None], int, str]] = {
    "no token": ({"Authorization": None}, 401, "unauthorized"),
    "another token": ({"Authorization": "Bearer " + TOKEN[:-1] + "x"}, 401, "unauthorized"),
    "a prefix of the token": ({"Authorization": "Bearer " + TOKEN[:-1]}, 401, "unauthorized"),
    "more than the token": ({"Authorization": f"Bearer {TOKEN} x"}, 401, "unauthorized"),
    "another scheme": ({"Authorization": f"Basic {TOKEN}"}, 401, "unauthorized"),
    "no scheme": ({"Authorization": TOKEN}, 401, "unauthorized"),
    "non-ASCII bytes": ({"Authorization": "Bearer t\xf6ken"}, 401, "unauthorized"),
    "another name": ({"Host": "imds.example.com"}, 421, "wrong-host"),
    "a name that begins like loopback": ({"Host": "localhost.example.com"}, 421, "wrong-host"),
    "an address that is not loopback": ({"Host": "169.254.169.254"}, 421, "wrong-host"),
    "an origin": ({"Origin": "http://localhost"}, 403, "origin-refused"),
    "the origin null": ({"Origin": "null"}, 403, "origin-refused"),
}


@pytest.mark.parametrize(("headers", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_refuses_unauthorized_requests_without_any_change(
    headers: dict[str, str], status: int, code: str, ask: Any, imds: Emulator
) -> None:
    before = imds.snapshot()
    reply = ask("PATCH", "/v1/state", {"compute": {"name": "x"}}, **headers)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert set(reply.json) == {"code", "message", "location", "hint"}
    assert TOKEN not in json.dumps(reply.json)
    assert ("WWW-Authenticate" in reply.headers) == (status == 401)
    assert imds.snapshot() == before


def test_ignores_a_token_in_the_url(ask: Callable[..., Reply]) -> None:
    assert ask("GET", f"/v1/state?token={TOKEN}&access_token={TOKEN}", Authorization=None).status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_ignores_letter_case_of_the_authorization_scheme(scheme: str, ask: Callable[..., Reply]) -> None:
    assert ask("GET", "/v1/clock", Authorization=f"{scheme} {TOKEN}").status == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:80", True),
        ("127.9.9.9:1", True),
        ("localhost:1", True),
        ("LOCALHOST", True),
        ("[::1]:1", True),
        ("[::1]", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1:80", False),
        ("[::]:1", False),
        ("localhost.", False),
        ("x.localhost", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_recognises_loopback_hosts(host: str, expected: bool) -> None:
    assert loopback(host) == expected


def test_generates_a_random_token_by_default(imds: Emulator) -> None:
    tokens = {token(imds) for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(each) >= 43 for each in tokens)


def token(imds: Emulator) -> str:
    admin = Admin(imds)
    admin.stop()
    return admin.token


@pytest.mark.parametrize("given", ["", "short", "with a blank in it", "t\xf6ken-of-some-length", "a\r\nb-and-so-on-and-on", "x" * 300])
def test_rejects_invalid_tokens(given: str, imds: Emulator) -> None:
    with pytest.raises(UsageError, match="`admin_token` must be"):
        Admin(imds, token=given)


BAD: dict[str, tuple[str, str, Any, dict[str, str], int, str, str]] = {
    "no such path": ("GET", "/v2/state", None, {}, 404, "no-such-path", ""),
    "the page with a query": ("GET", "/?token=x", None, {}, 404, "no-such-path", ""),
    "the service's path": ("GET", "/metadata/instance?api-version=2021-02-01", None, {}, 404, "no-such-path", ""),
    "another method": ("POST", "/v1/state", {}, {}, 405, "method-not-allowed", ""),
    "unknown parameter": ("GET", "/v1/state?x=1", None, {}, 400, "bad-parameter", "x"),
    "repeated parameter": ("GET", "/v1/journal?since=1&since=2", None, {}, 400, "bad-parameter", "since"),
    "not a number": ("GET", "/v1/journal?status=abc", None, {}, 400, "bad-parameter", "status"),
    "negative": ("GET", "/v1/journal?since=-1", None, {}, 400, "bad-parameter", "since"),
    "digits of another script": ("GET", "/v1/journal?since=%D9%A1", None, {}, 400, "bad-parameter", "since"),
    "too many entries": ("GET", "/v1/journal?limit=1001", None, {}, 400, "bad-parameter", "limit"),
    "a timeout that is too long": ("GET", f"/v1/journal/wait?timeout={MAX_WAIT}.5", None, {}, 400, "bad-parameter", "timeout"),
    "an infinite timeout": ("GET", "/v1/journal/wait?timeout=inf", None, {}, 400, "bad-parameter", "timeout"),
    "no body": ("PATCH", "/v1/state", None, {}, 400, "not-json", ""),
    "not JSON": ("PATCH", "/v1/state", b"{", {}, 400, "not-json", ""),
    "NaN": ("PATCH", "/v1/state", b'{"a": NaN}', {}, 400, "not-json", ""),
    "a member twice": ("PATCH", "/v1/state", b'{"a": 1, "a": 2}', {}, 400, "not-json", ""),
    "not UTF-8": ("PATCH", "/v1/state", b"\xff\xfe\xfd", {}, 400, "not-json", ""),
    "too deep": ("PATCH", "/v1/state", b"[" * 60_000, {}, 400, "not-json", ""),
    "a huge number": ("PATCH", "/v1/state", b"9" * 60_000, {}, 400, "not-json", ""),
    "a form": (
        "PATCH",
        "/v1/state",
        b"{}",
        {"Content_Type": "application/x-www-form-urlencoded"},
        415,
        "unsupported-media-type",
        "Content-Type",
    ),
    "an invalid scenario": ("PATCH", "/v1/state", {"compute": {"nam": "x"}}, {}, 422, "bad-scenario", "/compute/nam"),
    "an invalid event": ("PUT", "/v1/events", [{"EventType": "Vanish"}], {}, 422, "bad-argument", "/0/EventType"),
    "an invalid fault": ("PUT", "/v1/faults", [{"fault": {"status": 1}}], {}, 422, "bad-faults", "/0/fault/status"),
    "a file path instead of faults": ("PUT", "/v1/faults", "/etc/passwd", {}, 422, "bad-faults", ""),
    "an invalid snapshot": ("PUT", "/v1/snapshot", {}, {}, 422, "bad-snapshot", "/format"),
    "no change of the clock": ("POST", "/v1/clock", {}, {}, 422, "bad-argument", ""),
    "a step back": ("POST", "/v1/clock", {"advance": -1}, {}, 422, "bad-argument", "/advance"),
    "half a second": ("POST", "/v1/clock", {"advance": 0.5}, {}, 422, "bad-argument", "/advance"),
    "no such event": ("DELETE", "/v1/events/nosuch", None, {}, 404, "no-such-event", "id"),
    "approve an unknown event": ("POST", "/v1/events/nosuch/approve", None, {}, 404, "no-such-event", "id"),
    "complete an unknown event": ("POST", "/v1/events/nosuch/complete", None, {}, 404, "no-such-event", "id"),
}


@pytest.mark.parametrize(("method", "target", "body", "headers", "status", "code", "location"), BAD.values(), ids=BAD)
def test_reports_every_mistake_in_the_same_format(
    method: str, target: str, body: Any, headers: dict[str, str], status: int, code: str, location: str, ask: Any, imds: Emulator
) -> None:
    before = imds.snapshot()
    reply = ask(method, target, body, **headers)
    assert (reply.status, reply.json["code"], reply.json["location"]) == (status, code, location)
    assert set(reply.json) == {"code", "message", "location", "hint"}
    assert ("Allow" in reply.headers) == (status == 405)
    assert imds.snapshot() == before


def test_reports_malformed_requests_in_the_same_format(imds: Emulator) -> None:
    assert imds.admin is not None
    host, _, port = imds.admin.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"GET /v1/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert set(json.loads(reply.partition(b"\r\n\r\n")[2])) == {"code", "message", "location", "hint"}


def test_a_patch_is_visible_to_the_next_client(ask: Callable[..., Reply], imds: Emulator) -> None:
    assert ask("PATCH", "/v1/state", {"compute": {"name": "patched"}}, Content_Type="application/merge-patch+json").status == 200
    assert service(imds, "/metadata/instance/compute?api-version=2021-02-01")["name"] == "patched"
    assert ask("PUT", "/v1/state", {"compute": {"name": "put"}}).json["compute"] == {"name": "put"}
    assert service(imds, "/metadata/instance/compute?api-version=2021-02-01")["name"] == "put"


def test_the_admin_api_controls_the_life_of_an_event(ask: Callable[..., Reply], imds: Emulator) -> None:
    def seen() -> list[tuple[str, str]]:
        document = service(imds, "/metadata/scheduledevents?api-version=2020-07-01")
        return [(event["EventId"], event["EventStatus"]) for event in document["Events"]]

    events = [{"EventId": "one", "EventType": "Freeze"}, {"EventId": "two", "EventType": "Reboot"}]
    assert ask("PUT", "/v1/events", events).json == {"announced": ["one", "two"]}
    assert ask("POST", "/v1/events", [{"EventId": "three", "EventType": "Preempt"}]).json == {"announced": ["three"]}
    assert ask("POST", "/v1/events/one/complete").status == 409
    assert ask("POST", "/v1/events/one/approve").json == {"started": "one"}
    assert ask("POST", "/v1/events/one/approve").status == 409
    assert seen() == [("one", "Started"), ("two", "Scheduled"), ("three", "Scheduled")]
    assert ask("POST", "/v1/clock", {"advance": 30}).json["now"] == imds.clock.now()
    assert seen()[2] == ("three", "Started")
    assert ask("POST", "/v1/events/one/complete").json == {"completed": "one"}
    assert ask("DELETE", "/v1/events/two").json == {"cancelled": ["two"]}
    assert seen() == [("three", "Started")]
    assert ask("DELETE", "/v1/events").json == {"cancelled": ["three"]}
    assert seen() == []


def test_waiting_ends_when_the_request_arrives(ask: Callable[..., Reply], imds: Emulator) -> None:
    replies: list[Reply] = []
    target = "/v1/journal/wait?count=2&timeout=60&path=/metadata/versions&status=200"
    waiter = threading.Thread(target=lambda: replies.append(ask("GET", target)))
    waiter.start()
    for _ in range(2):
        service(imds, "/metadata/versions")
    waiter.join(60)
    assert [(reply.json["reached"], reply.json["count"], reply.json["total"]) for reply in replies] == [(True, 2, 2)]
    assert not ask("GET", "/v1/journal/wait?count=9&timeout=0").json["reached"]
    assert ask("DELETE", "/v1/journal").json == {"forgotten": 2}
    assert ask("GET", "/v1/journal/count").json["count"] == 0


def test_the_journal_does_not_contain_admin_requests(ask: Callable[..., Reply], imds: Emulator) -> None:
    ask("GET", "/v1/state")
    assert imds.journal.list() == []


def test_restores_a_downloaded_snapshot(ask: Callable[..., Reply], imds: Emulator) -> None:
    ask("PUT", "/v1/events", [{"EventId": "one", "EventType": "Freeze"}])
    ask("PUT", "/v1/faults", [{"times": 1, "fault": {"status": 500}}])
    whole = ask("GET", "/v1/snapshot").json
    for path in ("/v1/events", "/v1/faults"):
        ask("DELETE", path)
    assert ask("PUT", "/v1/snapshot", whole).json == {"restored": "linux"}
    assert ask("GET", "/v1/snapshot").json == whole
    written = Path(ask("POST", "/v1/snapshot/save").json["file"])
    assert json.loads(written.read_bytes()) == whole


def test_the_clock_runs_at_the_configured_rate(ask: Callable[..., Reply], imds: Emulator) -> None:
    assert ask("POST", "/v1/clock", {"advance": 0, "rate": 60}).json == {"now": imds.clock.now(), "movable": True, "rate": 60}
    assert ask("POST", "/v1/clock", {"rate": 0}).json["rate"] == 0


@pytest.mark.parametrize(("clock", "statuses"), [(None, [409, 409]), (ManualClock(NOON), [200, 409])], ids=["system", "manual"])
def test_an_unsupported_clock_change_is_a_conflict(
    clock: ManualClock | None, statuses: list[int], ask: Any, imds: Emulator, monkeypatch: Any
) -> None:
    from imdskit.clock import SystemClock

    monkeypatch.setattr(imds, "clock", clock or SystemClock())
    assert ask("GET", "/v1/clock").json["movable"] == (clock is not None)
    assert [ask("POST", "/v1/clock", body).status for body in ({"advance": 1}, {"rate": 2})] == statuses


def test_cannot_save_a_snapshot_without_a_file(ask: Callable[..., Reply], imds: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imds, "snapshot_file", None)
    assert ask("POST", "/v1/snapshot/save").status == 409


def test_the_configuration_reports_the_settings_in_effect(ask: Callable[..., Reply], imds: Emulator) -> None:
    configuration = ask("GET", "/v1/configuration").json
    assert imds.admin is not None
    assert (configuration["url"], configuration["admin"]) == (imds.url, imds.admin.url)
    assert (configuration["rateLimit"], configuration["clock"], configuration["profile"]) == (False, "movable", "today")
    ask("PATCH", "/v1/state", {"profile": "strict-header", "rulesOff": ["leaf"]})
    patched = ask("GET", "/v1/configuration").json
    assert patched["profile"] == "strict-header"
    assert set(configuration["rules"]) - set(patched["rules"]) == {"leaf"}


def test_every_operation_needs_the_token(ask: Callable[..., Reply]) -> None:
    for operation in OPERATIONS:
        assert ask(operation.method, operation.path.replace("{id}", "x"), Authorization=None).status == 401


def test_the_emulator_does_not_import_an_unused_admin_api() -> None:
    code = "import sys, imdskit.emulator; print([name for name in sys.modules if 'imdskit.emulator.admin.' in name])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout == "[]\n"


def test_reports_a_port_that_is_in_use_and_leaks_no_socket(imds: Emulator) -> None:
    assert imds.admin is not None
    with pytest.raises(UsageError, match="Cannot listen"):
        Admin(imds, int(imds.admin.url.rpartition(":")[2]))
