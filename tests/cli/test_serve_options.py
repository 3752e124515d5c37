"""Tests of the options of ``serve`` that change the service: they reach the emulator, and mistakes are reported."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit.client import Client
from imdskit.emulator import Emulator
from imdskit.emulator.authority.keys import Keys
from imdskit.errors import UsageError

Run = Callable[..., Any]
Start = Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ((), "profile", None),
        (("--profile", "strict-header"), "profile", "strict-header"),
        ((), "rules_off", []),
        (("--rule", "leaf=off", "--rule", "nonce=off"), "rules_off", ["leaf", "nonce"]),
        ((), "faults", None),
        (("--faults", "restart.json"), "faults", "restart.json"),
        ((), "events_enabling", 0),
        (("--events-enabling", "120"), "events_enabling", 120),
        ((), "allow_hosts", []),
        (("--allow-host", "imds", "--allow-host", "imds.test"), "allow_hosts", ["imds", "imds.test"]),
        (("--public-url", "http://imds.test"), "public_url", "http://imds.test"),
        (("--pki-url", "http://pki.test"), "pki_url", "http://pki.test"),
        (("--issuer", "http://sts.test"), "issuer", "http://sts.test"),
        (("--health",), "health", True),
        (("--admin-port", "0", "--admin-host", "::1"), "admin_host", "::1"),
        (("--admin-port", "0", "--admin-allow-host", "imds"), "admin_allow_hosts", ["imds"]),
    ],
    ids=str,
)
def test_option_reaches_the_emulator(
    arguments: tuple[str, ...], name: str, value: object, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: object, **options: Any) -> None:
        assert options[name] == value
        raise UsageError("bad-argument", "It got there.")

    monkeypatch.setattr("imdskit.cli.emulator.serve.Emulator", make)
    status, _, err = run("serve", "--seed", "1", *arguments)
    assert (status, "It got there." in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--fleet", "12"), ("fleet", 12, 1, "path", "127.1.0.0/16")),
        (("--fleet", "3", "--fleet-by", "port", "--scenario", "windows"), ("windows", 3, 1, "port", "127.1.0.0/16")),
        (("--fleet", "3", "--fleet-by", "source", "--fleet-network", "10.0.0.0/8"), ("fleet", 3, 1, "source", "10.0.0.0/8")),
    ],
    ids=str,
)
def test_options_reach_the_fleet(
    arguments: tuple[str, ...], expected: tuple[object, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*given: object, **options: Any) -> None:
        assert (*given, options["seed"], options["select"], options["network"]) == expected
        raise UsageError("bad-argument", "It got there.")

    monkeypatch.setattr("imdskit.cli.emulator.serve.Fleet", make)
    status, _, err = run("serve", "--seed", "1", *arguments)
    assert (status, "It got there." in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--profile", "2020"), "invalid choice"),
        (("--rule", "leaf"), "invalid switch (NAME=off) value"),
        (("--rule", "leaf=on"), "invalid switch (NAME=off) value"),
        (("--rule", "leafs=off"), "Did you mean leaf?"),
        (("--rule", "outside=off"), "cannot be switched off"),
        (("--faults", "nosuch.json"), "bad-faults"),
        (("--fleet", "0"), "1 to 1000000"),
        (("--fleet", "9", "--fleet-by", "source", "--fleet-network", "10.0.0.0/30"), "too few addresses"),
    ],
    ids=str,
)
def test_reports_mistakes(arguments: tuple[str, ...], words: str, run: Run) -> None:
    status, out, err = run("serve", "--seed", "1", *arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_reports_the_location_of_a_mistake_in_a_script(run: Run, tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text('[{"fault": {"status": 500}}, {"fault": {"delay": -1}}]', "utf-8")
    status, _, err = run("serve", "--seed", "1", "--faults", str(tmp_path / "faults.json"))
    assert (status, "/1/fault/delay" in err) == (2, True)


SECRET = "a-token-that-tests-know"
KEYS = Keys()
RESTART = [{"match": {"path": "/metadata/versions"}, "times": 1, "fault": {"status": 410}}]


class Admin:
    """Client of the admin API of a process, at the address in its state file or ready line."""

    def __init__(self, url: str, token: str) -> None:
        self._host, self._token = url.removeprefix("http://"), token

    def __call__(self, method: str, target: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(self._host, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            value = json.loads(reply.read())
            assert reply.status == 200, value
            return value
        finally:
            connection.close()


def ended(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == ("", "")
    return process.returncode


def status(url: str, target: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", target, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_restart_from_a_snapshot_restores_the_state(serve: Start, tmp_path: Path) -> None:
    snapshot, state = str(tmp_path / "snapshot.json"), tmp_path / "state.json"
    options = ("--scenario", "identities", "--clock", "manual", "--snapshot", snapshot, "--state-file", str(state))
    process, ready = serve(*options)
    announced = json.loads(state.read_bytes())
    assert (announced["url"], announced["admin"], announced["pid"]) == (ready["url"], ready["admin"], process.pid)
    assert state.stat().st_mode & 0o777 == 0o600
    admin = Admin(announced["admin"], announced["token"])
    admin("PATCH", "/v1/state", {"compute": {"name": "patched"}})
    admin("POST", "/v1/events", [{"EventId": "first", "EventType": "Reboot"}])
    admin("PUT", "/v1/faults", RESTART)
    admin("POST", "/v1/clock", {"advance": 60})
    assert status(ready["url"], "/metadata/versions", {"Metadata": "true"}) == 410
    before = admin("GET", "/v1/snapshot")
    assert ended(process) == 0
    assert not state.exists()
    assert Path(snapshot).stat().st_mode & 0o777 == 0o600

    _, ready = serve(*options)
    announced = json.loads(state.read_bytes())
    admin = Admin(announced["admin"], announced["token"])
    assert admin("GET", "/v1/snapshot") == before
    assert Client(ready["url"]).get("compute/name", "text") == "patched"
    assert status(ready["url"], "/metadata/versions", {"Metadata": "true"}) == 200  # the fault applies once
    assert [event["EventId"] for event in admin("GET", "/v1/events")["events"]] == ["first"]


def test_manual_clock_stands_still_until_it_is_advanced(serve: Start, tmp_path: Path) -> None:
    _, ready = serve("--clock", "manual", "--admin-port", "0", "--admin-token-file", str(token_file(tmp_path)))
    admin = Admin(ready["admin"], SECRET)
    assert admin("GET", "/v1/clock")["rate"] == 0
    admin("POST", "/v1/events", [{"EventId": "soon", "EventType": "Freeze"}])
    now = admin("GET", "/v1/clock")["now"]
    assert [event["EventStatus"] for event in admin("GET", "/v1/events")["events"]] == ["Scheduled"]
    assert admin("POST", "/v1/clock", {"advance": 900})["now"] == now + 900
    assert [event["EventStatus"] for event in admin("GET", "/v1/events")["events"]] == ["Started"]


def test_fast_clock_runs(serve: Start, tmp_path: Path) -> None:
    _, ready = serve("--clock", "fast=1000000", "--admin-port", "0", "--admin-token-file", str(token_file(tmp_path)))
    admin = Admin(ready["admin"], SECRET)
    first = admin("GET", "/v1/clock")
    assert first["rate"] == 1_000_000
    assert admin("GET", "/v1/clock")["now"] > first["now"]  # a request takes more than a microsecond
    assert admin("POST", "/v1/clock", {"rate": 0})["rate"] == 0


def test_profile_rules_faults_and_hosts_affect_clients(serve: Start, tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_text(json.dumps(RESTART), "utf-8")
    _, ready = serve(
        *("--profile", "strict-header", "--rule", "x-forwarded-for=off", "--faults", str(script)),
        *("--allow-host", "imds.test", "--no-rate-limit"),
    )
    url, instance = ready["url"], "/metadata/instance?api-version=2021-02-01"
    assert [status(url, "/metadata/versions", {"Metadata": "true"}) for _ in range(2)] == [410, 200]
    assert [status(url, instance, {"Metadata": value}) for value in ("true", "True")] == [200, 400]
    assert status(url, instance, {"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}) == 200
    assert [status(url, instance, {"Metadata": "true", "Host": host}) for host in ("imds.test", "imds.example")] == [200, 421]


def test_machines_of_a_fleet_listen_on_the_announced_ports(serve: Start) -> None:
    process, ready = serve("--fleet", "3", "--fleet-by", "port", "--scenario", "linux")
    assert (ready["fleet"]["machines"], ready["fleet"]["by"]) == (3, "port")
    names = [Client(f"http://127.0.0.1:{port}").get("compute/name", "text") for port in ready["fleet"]["ports"]]
    assert names == ["linux-vm-0", "linux-vm-1", "linux-vm-2"]
    assert ended(process) == 0


def test_fleet_has_a_clock_and_an_admin_api(serve: Start, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    process, ready = serve("--fleet", "3", "--clock", "manual", "--state-file", str(state), "--admin-token-file", str(token_file(tmp_path)))
    announced = json.loads(state.read_bytes())
    assert (announced["url"], announced["admin"], announced["token"]) == (ready["url"], ready["admin"], SECRET)
    admin = Admin(announced["admin"], SECRET)
    assert [machine["url"] for machine in admin("GET", "/v1/machines")["machines"]] == [f"{ready['url']}/m/{index}" for index in range(3)]
    admin("POST", "/v1/events?machine=1", [{"EventId": "soon", "EventType": "Freeze"}])
    admin("POST", "/v1/clock", {"advance": 900})
    statuses = [[event["EventStatus"] for event in admin("GET", f"/v1/events?machine={index}")["events"]] for index in range(3)]
    assert statuses == [[], ["Started"], []]
    assert status(ready["url"], "/m/2/metadata/versions", {"Metadata": "true"}) == 200
    assert admin("GET", "/v1/journal/count?machine=2")["count"] == 1
    apart = admin("POST", "/v1/attested?machine=2", {"nonce": "1234567890"})
    assert (apart["request"]["status"], apart["canExplain"]) == (200, True)
    assert admin("GET", "/v1/journal/count?machine=2&category=attested")["count"] == 1
    assert ended(process) == 0


def token_file(folder: Path, token: str = SECRET) -> Path:
    path = folder / "token"
    path.write_text(token + "\n", "utf-8")
    return path


CONTENTS: list[tuple[str, str, str, str]] = [
    ("a snapshot that is not JSON", "--snapshot", "{", "bad-snapshot"),
    ("a snapshot that is empty", "--snapshot", "", "bad-snapshot"),
    ("a snapshot that is something else", "--snapshot", "[]", "bad-snapshot"),
    ("a snapshot of tomorrow", "--snapshot", '{"format": "imdskit-snapshot", "version": 2}', "/version"),
    ("a snapshot too deep", "--snapshot", "[" * 100_000, "bad-snapshot"),
    ("faults that are not JSON", "--faults", "{", "bad-faults"),
    ("faults too deep", "--faults", "[" * 100_000, "bad-faults"),
    ("a fault that there is not", "--faults", '[{"fault": {"earthquake": 1}}]', "/0/fault"),
    ("an empty token", "--admin-token-file", "", "admin token"),
    ("a token that could be guessed", "--admin-token-file", "secret", "16 to 256"),
    ("a token of two lines", "--admin-token-file", SECRET + "\n" + SECRET, "admin token"),
    ("a token that is too long", "--admin-token-file", "a" * 2000, "admin token"),
    ("a token of other letters", "--admin-token-file", "\u00e9" * 20, "admin token"),
]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate keys once for all tests that run the emulator in this process."""

    class Quick(Emulator):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, keys=KEYS, **options)

    monkeypatch.setattr("imdskit.cli.emulator.serve.Emulator", Quick)


@pytest.mark.parametrize(("option", "content", "words"), [row[1:] for row in CONTENTS], ids=[row[0] for row in CONTENTS])
def test_rejects_invalid_files(option: str, content: str, words: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(content, "utf-8")
    outcome, out, err = run("serve", "--seed", "1", "--admin-port", "0", option, str(path))
    assert (outcome, out) == (2, "")
    assert err.startswith("error: ")
    assert words in err


@pytest.mark.parametrize(
    ("member", "value", "location"),
    [
        ("clock", {"now": "noon"}, "/clock/now"),
        ("clock", {"now": -1}, "/clock/now"),
        ("scenario", {"name": "x", "document": {"compute": {"nosuch": 1}}}, "/compute"),
        ("scenario", {"name": "x", "document": {"cloud": "china"}}, "/cloud"),
        ("events", 1, "/events"),
        ("faults", [{"fault": 1}], "/faults"),
        ("tokens", 1, "/tokens"),
    ],
)
@pytest.mark.parametrize("clock", [(), ("--clock", "manual")], ids=["system", "manual"])
def test_reports_the_location_of_an_invalid_snapshot_member(
    member: str, value: object, location: str, clock: tuple[str, ...], run: Run, tmp_path: Path, good_snapshot: dict[str, Any]
) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps({**good_snapshot, member: value}), "utf-8")
    outcome, out, err = run("serve", "--seed", "1", "--snapshot", str(path), *clock)
    assert (outcome, out) == (2, "")
    assert err.startswith("error: ")
    assert location in err


@pytest.fixture(scope="module")
def good_snapshot() -> dict[str, Any]:
    with Emulator("linux", seed=1, keys=KEYS) as imds:
        return imds.snapshot()


MISTAKES: list[tuple[str, tuple[str, ...], str]] = [
    ("a clock of no kind", ("--clock", "sundial"), "invalid clock (manual or fast=N) value"),
    ("a clock that goes back", ("--clock", "fast=-1"), "invalid clock (manual or fast=N) value"),
    ("a clock that stands still by another name", ("--clock", "fast=0"), "invalid clock (manual or fast=N) value"),
    ("a clock too fast", ("--clock", "fast=1000001"), "invalid clock (manual or fast=N) value"),
    ("a clock of no rate", ("--clock", "fast="), "invalid clock (manual or fast=N) value"),
    ("a token and no admin side", ("--admin-token-file", "token"), "--admin-token-file needs the admin API"),
    ("an address of the admin API, and none", ("--admin-host", "0.0.0.0"), "location: --admin-host"),
    ("a host of the admin API, and none", ("--admin-allow-host", "x"), "location: --admin-allow-host"),
    ("an admin API off loopback without a token", ("--admin-port", "0", "--admin-host", "0.0.0.0"), "location: --admin-host"),
    ("a public address that is none", ("--public-url", "imds.test"), "location: --public-url"),
    ("an address of certificates that is none", ("--pki-url", "http://0.0.0.0"), "location: --pki-url"),
    ("an issuer that is none", ("--issuer", "sts"), "location: --issuer"),
    ("a root in a folder that is not", ("--root-out", "no/such/root.pem"), "no/such/root.pem"),
    ("a log of no format", ("--access-log", "xml"), "invalid choice"),
    ("a token file that is not there", ("--admin-port", "0", "--admin-token-file", "no/such/token"), "no/such/token"),
    ("an admin port that is none", ("--admin-port", "65536"), "invalid port (0 to 65535) value"),
    ("a state file in a folder that is not", ("--state-file", "no/such/state.json"), "no/such/state.json"),
    ("a snapshot in a folder that is not", ("--snapshot", "no/such/snapshot.json"), "no/such/snapshot.json"),
    ("a snapshot that is a folder", ("--snapshot", "."), "bad-snapshot"),
    ("faults that are a folder", ("--faults", "."), "bad-faults"),
    ("a snapshot of a fleet", ("--fleet", "2", "--snapshot", "snapshot.json"), "--snapshot"),
    ("a fleet of no number", ("--fleet", "many"), "invalid"),
    ("a fleet of a million and one", ("--fleet", "1000001"), "1 to 1000000"),
    ("a fleet on a network that is none", ("--fleet", "2", "--fleet-by", "source", "--fleet-network", "here"), "must be an IP network"),
    ("a fleet at more ports than there are", ("--fleet", "9", "--fleet-by", "port", "--port", "65530"), "error: "),
    ("a way to choose, and no fleet", ("--fleet-by", "port"), "--fleet-by needs a fleet"),
    ("a network, and no fleet", ("--fleet-network", "127.1.0.0/16"), "--fleet-network needs a fleet"),
    ("a delay of no length", ("--events-enabling", "-1"), "invalid seconds (0 to 86400) value"),
    ("a delay of more than a day", ("--events-enabling", "86401"), "invalid seconds (0 to 86400) value"),
    ("a fleet chosen by the moon", ("--fleet", "2", "--fleet-by", "moon"), "invalid choice"),
    ("a profile of no name", ("--profile", ""), "invalid choice"),
]


@pytest.mark.parametrize(("arguments", "words"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_reports_invalid_options_and_does_not_start(
    arguments: tuple[str, ...], words: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome, out, err = run("serve", "--seed", "1", *arguments)
    assert (outcome, out) == (2, "")
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_rejects_admin_port_equal_to_service_port(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    outcome, out, err = run("serve", "--seed", "1", "--port", port, "--admin-port", port)
    assert (outcome, out) == (2, "")
    assert "Cannot listen" in err
