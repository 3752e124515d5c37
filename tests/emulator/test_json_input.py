"""Tests of the JSON reader that all input shares: which input it refuses, with which location and which message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator import Scenario, snapshot
from imdskit.emulator.authority.tokens import Issuer, TokenCache
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults import script
from imdskit.emulator.json_input import Format, Input, strict_json
from imdskit.emulator.machine.identity import Identities
from imdskit.errors import ImdskitError, ScenarioError

FORMAT = Format("The file", partial(ScenarioError, "bad-scenario"), "See the page.", max_bytes=100)


def given(value: object, location: str = "/a/b") -> Input:
    return Input(value, location, FORMAT)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1, "a": 2}', "the member 'a' occurs twice"),
        (b'{"a": [{"b": 1, "b": 1}]}', "the member 'b' occurs twice"),
        (b"[NaN]", "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b"[1e999]", "1e999 is too large"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "limit"),
        (b"\xff", "codec"),
    ],
    ids=lambda each: repr(each)[:20],
)
def test_refuses_json_that_is_not_strict(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        strict_json(data)


WRONG: list[tuple[Callable[[Input], object], object, str]] = [
    (lambda one: one.integer(1, 9), 0, "`b` must be a whole number from 1 to 9; got `0`."),
    (lambda one: one.integer(0, 9), True, "`b` must be a whole number from 0 to 9; got `true`."),
    (lambda one: one.integer(0, 9), 1.0, "`b` must be a whole number from 0 to 9; got `1.0`."),
    (lambda one: one.boolean(), "yes", '`b` must be `true` or `false`; got `"yes"`.'),
    (lambda one: one.text(), None, "`b` must be text; got `null`."),
    (lambda one: one.text(3), "four", '`b` must be text of at most 3 characters; got `"four"`.'),
    (lambda one: one.text(), "\ud800", "The text is not valid Unicode."),
    (lambda one: one.elements(), {}, "`b` must be a list; got an object."),
    (lambda one: one.elements(1), [1, 2], "`b` must be a list with at most 1 elements; got a list."),
    (lambda one: one.members(), [], "`b` must be an object; got a list."),
    (lambda one: one.members(required=("x",)), {}, "The member `x` is missing."),
    (lambda one: one.one_of(("red", "blue"), "a colour"), "green", '`b` must be a colour; got `"green"`.'),
    (lambda one: one.text(1), "x" * 200, "…`."),
]


@pytest.mark.parametrize(("read", "value", "words"), WRONG, ids=[row[2][:40] for row in WRONG])
def test_error_states_expected_and_found_value(read: Callable[[Input], object], value: object, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(given(value))
    assert (caught.value.code, caught.value.location) == ("bad-scenario", "/a/b")
    assert caught.value.message.endswith(words)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "hint"), [("colr", "Did you mean colour?"), ("COLOUR", "Did you mean colour?"), ("x", "Known: colour, size.")]
)
def test_hint_suggests_a_similar_name(name: str, hint: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        given({name: 1}).members(("colour", "size"))
    assert (caught.value.location, caught.value.hint) == (f"/a/b/{name}", hint)


def test_names_are_escaped_in_locations_but_not_in_messages() -> None:
    member = given({"c/d~e": 1}).members()["c/d~e"]
    assert member.location == "/a/b/c~1d~0e"
    with pytest.raises(ScenarioError, match="`c/d~e` must be text"):
        member.text()


def test_message_names_element_or_whole_input() -> None:
    with pytest.raises(ScenarioError, match=r"^bad-scenario: Element 1 must be text"):
        given(["x", 1], "").elements()[1].text()
    with pytest.raises(ScenarioError, match="The file must be an object"):
        FORMAT.of(1).members()


def test_refuses_file_that_is_absent_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    with pytest.raises(ScenarioError, match="cannot be read"):
        FORMAT.read(path)
    path.write_bytes(b" " * 101)
    with pytest.raises(ScenarioError, match="larger than 100 bytes"):
        FORMAT.read(path)
    path.write_bytes(b"[1]")
    assert FORMAT.read(path).value == [1]


def restored(value: object) -> None:
    TokenCache(Issuer(lambda: "http://127.0.0.1", 1), ManualClock(0), "", 1).restore(value, Identities())


READERS: dict[str, tuple[Callable[[Any], object], Any]] = {
    "scenario": (Scenario.of, {"compute": {"vmsize": "x"}}),
    "fault script": (script.of, [{"fault": {"status": 500}, "tmes": 1}]),
    "events": (lambda value: Events(ManualClock(0), "vm", 1).announce(value), [{"EventTipe": "Freeze"}]),
    "tokens": (restored, {"made": 0, "tokns": []}),
    "snapshot": (snapshot.checked, {"format": "imdskit-snapshot", "version": 1, "clok": {}}),
}


@pytest.mark.parametrize(("read", "value"), READERS.values(), ids=READERS)
def test_every_format_suggests_similar_names(read: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(ImdskitError, match="Unknown member") as caught:
        read(value)
    assert caught.value.hint.startswith("Did you mean ")


@pytest.mark.parametrize("read", [Scenario.parse, script.parse], ids=["scenario", "fault script"])
def test_every_format_refuses_duplicate_members(read: Callable[[bytes], object]) -> None:
    with pytest.raises(ImdskitError, match="occurs twice"):
        read(b'{"a": 1, "a": 2}')


def test_refuses_snapshot_file_with_duplicate_members(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text('{"format": "imdskit-snapshot", "format": "imdskit-snapshot"}', encoding="utf-8")
    with pytest.raises(ScenarioError, match="occurs twice"):
        snapshot.read(path)
