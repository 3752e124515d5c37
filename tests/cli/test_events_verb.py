"""Tests of the verb ``events``: announcements reach a running emulator, and mistakes are reported."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imdskit.cli import main
from imdskit.client import Client
from imdskit.emulator import Emulator, Fleet

from .conftest import Outcome

EVENT = {
    "EventId": "602d9444-d2cd-49c7-8624-8643e7171297",
    "EventType": "Reboot",
    "ResourceType": "VirtualMachine",
    "Resources": ["linux-vm"],
    "EventStatus": "Scheduled",
    "NotBefore": "Mon, 19 Sep 2067 18:29:47 GMT",
    "Description": "a test",
    "EventSource": "Platform",
    "DurationInSeconds": -1,
}


def announce(monkeypatch: pytest.MonkeyPatch, text: str, *options: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return main(["events", "announce", *options])


def test_announced_events_are_listed_by_the_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator("linux", seed=1, rate_limit=False, admin_port=0) as imds:
        assert imds.admin is not None
        state = tmp_path / "state.json"
        state.write_text(json.dumps({"admin": imds.admin.url, "token": imds.admin.token}))
        assert announce(monkeypatch, json.dumps([EVENT]), "--state-file", str(state)) == 0
        assert json.loads(capsys.readouterr().out) == {"announced": [EVENT["EventId"]]}
        shown = Client(imds.url).get("scheduledevents", api_version="2020-07-01")
        assert isinstance(shown, dict)
        assert shown["Events"] == [EVENT]
        assert announce(monkeypatch, "[{}]", "--state-file", str(state)) != 0
        state.write_text(json.dumps({"admin": imds.admin.url, "token": "another"}))
        assert announce(monkeypatch, "[]", "--state-file", str(state)) == 1


def test_announces_the_page_example_and_a_service_response(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text("utf-8")
    example = page.partition("<<'END'\n")[2].partition("\nEND")[0]
    with Emulator("linux", seed=1, admin_port=0) as imds:
        assert imds.admin is not None
        (tmp_path / "token").write_text(imds.admin.token + "\n")
        where = ("--admin", imds.admin.url + "/", "--token-file", str(tmp_path / "token"))
        assert announce(monkeypatch, example, *where) == 0
        assert json.loads(capsys.readouterr().out) == {"announced": [json.loads(example)[0]["EventId"]]}
        before = [event.shown() for event in imds.events.list()]
        assert announce(monkeypatch, json.dumps({"DocumentIncarnation": 3, "Events": before}), *where) == 0
        assert announce(monkeypatch, '[{"EventType": "Freeze"}]', "--keep", *where) == 0
        assert [event.shown() for event in imds.events.list()][:1] == before
        assert len(imds.events.list()) == 2
        assert announce(monkeypatch, "[]", *where) == 0
        assert not imds.events.list()


def test_machine_of_a_fleet_is_selected_by_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Fleet("fleet", 3, seed=1, admin_port=0) as fleet:
        assert fleet.admin is not None
        state = tmp_path / "state.json"
        state.write_text(json.dumps({"admin": fleet.admin.url, "token": fleet.admin.token}))
        announced = [{"EventId": "one", "EventType": "Freeze"}]
        assert announce(monkeypatch, json.dumps(announced), "--state-file", str(state), "--machine", "2") == 0
        assert json.loads(capsys.readouterr().out) == {"announced": ["one"]}
        assert [len(fleet.machine(index).events.list()) for index in range(3)] == [0, 0, 1]
        assert announce(monkeypatch, json.dumps(announced), "--state-file", str(state)) == 1
        assert "must give the number of a machine" in capsys.readouterr().err
        assert announce(monkeypatch, "[]", "--state-file", str(state), "--machine", "3") == 1
        assert "from 0 to 2" in capsys.readouterr().err
        assert announce(monkeypatch, "[]", "--state-file", str(state), "--machine", "-1") == 2


@pytest.mark.parametrize(
    "options", [[], ["--admin", "http://127.0.0.1:1"], ["--state-file", "nosuch"]], ids=["nothing", "no token", "no file"]
)
def test_address_and_token_are_required(monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    monkeypatch.delenv("IMDSKIT_STATE_FILE", raising=False)
    assert announce(monkeypatch, "[]", *options) == 2


def test_unknown_event_has_a_hint_about_events(run: Callable[..., Outcome], emulator: Emulator) -> None:
    done = run("events", "acknowledge", "nosuch", "--base-url", emulator.url)
    assert done.status == 1
    assert "still listed" in done.err
    assert "format" not in done.err
