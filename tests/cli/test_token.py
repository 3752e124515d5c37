"""Tests of the verb ``token``, and of the actions that follow and approve events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit.emulator import Emulator
from imdskit.emulator.authority.keys import Keys

Run = Callable[..., Any]
KEYS = Keys()
VAULT = "https://vault.azure.net"


@pytest.fixture
def imds(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Emulator("linux", seed=1, rate_limit=False, keys=KEYS) as running:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", running.url)
        yield running


def test_prints_the_token_on_one_line(run: Run, imds: Emulator) -> None:
    status, out, err = run("token", VAULT)
    assert (status, err, out.count("."), out.count("\n")) == (0, "", 2, 1)


def test_json_has_all_attributes_of_a_token(run: Run, imds: Emulator) -> None:
    known = json.loads(run("token", VAULT, "--json").out)
    assert list(known) == ["access_token", "token_type", "resource", "client_id", "expires_on"]
    assert run("token", VAULT, "--client-id", known["client_id"]).status == 0


FAILURES = {
    "an unknown identity": (["token", VAULT, "--client-id", "nobody"], 1, "error: bad-request"),
    "two identities": (["token", VAULT, "--client-id", "a", "--object-id", "b"], 2, "usage: "),
    "no resource": (["token", ""], 2, "error: bad-argument"),
    "an invalid address": (["token", VAULT, "--base-url", "ftp://a"], 2, "error: bad-argument"),
    "an option of another action": (["events", "watch", "--keep"], 2, "usage: "),
    "an argument of `events watch`": (["events", "watch", "an-id"], 2, "usage: "),
    "no id to acknowledge": (["events", "acknowledge"], 2, "error: bad-argument"),
    "an unknown event": (["events", "acknowledge", "an-id"], 1, "error: bad-request"),
}


@pytest.mark.parametrize(("arguments", "status", "text"), FAILURES.values(), ids=FAILURES.keys())
def test_failure_has_its_status_and_code(run: Run, imds: Emulator, arguments: list[str], status: int, text: str) -> None:
    outcome = run(*arguments)
    assert (outcome.status, outcome.out, outcome.err.startswith(text)) == (status, "", True), outcome.err


def test_no_retry_option_sends_one_request(run: Run, imds: Emulator) -> None:
    imds.faults.load([{"times": None, "fault": {"status": 410}}])
    for arguments in (["token", VAULT], ["get", "compute"]):
        assert run(*arguments, "--no-retry").err.startswith("error: gone")
    assert imds.journal.count() == 2


def test_requests_the_newest_version(run: Run, imds: Emulator) -> None:
    assert "physicalZone" in json.loads(run("get", "compute", "--api-version", "newest").out)


def test_watches_and_acknowledges_events_without_repeats(run: Run, imds: Emulator, tmp_path: Path) -> None:
    first, second, seen = imds.events.schedule("Freeze"), imds.events.schedule("Reboot"), tmp_path / "seen"
    status, out, err = run("events", "watch", "--count", "1", "--seen", seen)
    assert (status, err) == (0, "")
    assert json.loads(out)["EventId"] == first
    assert json.loads(run("events", "watch", "--count", "1", "--seen", seen).out)["EventId"] == second
    assert run("events", "acknowledge", first) == (0, "", "")
    again = json.loads(run("events", "watch", "--count", "1", "--seen", seen).out)
    assert (again["EventId"], again["EventStatus"]) == (first, "Started")
    seen.write_text("[]")
    assert run("events", "watch", "--seen", seen).status == 2
