"""Tests of the environment variables that configure ``serve``, and of its access log."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit.cli.emulator import access_log, serve
from imdskit.cli.shared import environment
from imdskit.emulator.http import server
from imdskit.emulator.journal import Entry
from imdskit.errors import UsageError

from .conftest import Outcome

Run = Callable[..., Outcome]
Start = Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("serve")
    serve.add_arguments(made)
    return made


def parsed(arguments: list[str], **variables: str) -> argparse.Namespace:
    return environment.parse(parser(), arguments, {f"IMDSKIT_{name}": value for name, value in variables.items()})


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("PORT", "8080", "port", 8080),
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("SEED", "7", "seed", 7),
        ("RULE", "leaf=off, nonce=off", "rule", ["leaf", "nonce"]),
        ("ALLOW_HOST", "a,b,,", "allow_host", ["a", "b"]),
        ("ALLOW_HOST", "*", "allow_host", ["*"]),
        ("CLOCK", "fast=60", "clock", 60),
        ("NO_RATE_LIMIT", "1", "no_rate_limit", True),
        ("NO_RATE_LIMIT", "TRUE", "no_rate_limit", True),
        ("HEALTH", "off", "health", False),
        ("PROFILE", "2021", "profile", "2021"),
        ("ACCESS_LOG", "json", "access_log", "json"),
        ("PUBLIC_URL", "http://imds.test", "public_url", "http://imds.test"),
        ("PORT", "", "port", 0),
        ("HEALTH", "", "health", False),
        ("ALLOW_HOST", "", "allow_host", []),
    ],
)
def test_variable_has_the_effect_of_its_option(variable: str, value: str, name: str, expected: object) -> None:
    options = parsed([], **{variable: value})
    assert getattr(options, name) == expected
    assert options.variables == ([f"IMDSKIT_{variable}"] if value else [])


@pytest.mark.parametrize(
    ("arguments", "variables", "name", "expected"),
    [
        (["--port", "1"], {"PORT": "2"}, "port", 1),
        (["--port", "1"], {"PORT": "nonsense"}, "port", 1),
        (["--port", "0"], {"PORT": "2"}, "port", 0),
        (["--allow-host", "a"], {"ALLOW_HOST": "b,c"}, "allow_host", ["a"]),
        (["--access-log", "off"], {"ACCESS_LOG": "json"}, "access_log", "off"),
        (["--health"], {"HEALTH": "0"}, "health", True),
    ],
)
def test_option_takes_precedence_over_its_variable(arguments: list[str], variables: dict[str, str], name: str, expected: object) -> None:
    options = parsed(arguments, **variables)
    assert getattr(options, name) == expected
    assert options.variables == []


def test_without_variables_defaults_are_unchanged() -> None:
    options = vars(parsed([]))
    del options["variables"]
    assert options == vars(parser().parse_args([]))


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PORT", "http", "a valid port"),
        ("PORT", "65536", "a valid port"),
        ("SEED", "x", "a valid seed"),
        ("RULE", "leaf", "a valid switch"),
        ("PROFILE", "2020", "one of "),
        ("HEALTH", "maybe", "one of "),
        ("ACCESS_LOG", "xml", "one of off, common, json"),
        ("FLEET", "\x1b[31m", "a valid number of machines"),
    ],
)
def test_invalid_value_is_an_error_that_names_the_variable(variable: str, value: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed([], **{variable: value})
    assert caught.value.location == f"IMDSKIT_{variable}"
    assert words in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PORT", "http", "location: IMDSKIT_PORT"),
        ("PUBLIC_URL", "imds.test", "location: IMDSKIT_PUBLIC_URL"),
        ("ADMIN_HOST", "0.0.0.0", "location: --admin-host"),
        ("FAULTS", "nosuch.json", "note: set by environment variables: IMDSKIT_FAULTS"),
        ("SCENARIO", "nosuch", "note: set by environment variables: IMDSKIT_SCENARIO"),
    ],
)
def test_invalid_environment_has_status_2(variable: str, value: str, words: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"IMDSKIT_{variable}", value)
    outcome = run("serve", "--seed", "1")
    assert (outcome.status, outcome.out) == (2, "")
    assert words in outcome.err


def test_help_and_page_list_every_variable(run: Run) -> None:
    help_text = run("serve", "--help").out
    page = (Path(__file__).parents[2] / "docs" / "containers.md").read_text("utf-8")
    names = environment.variables(parser())
    assert len(names) > 20
    assert re.findall(r"^  (IMDSKIT_\w+) ", help_text, re.MULTILINE) == list(names)
    assert set(re.findall(r"^\| `(IMDSKIT_\w+)` \| `(--[\w-]+)` \|", page, re.MULTILINE)) == {
        (name, action.option_strings[0]) for name, action in names.items()
    }


def test_synopsis_has_every_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
    synopsis = page.partition("imdskit serve ")[2].partition("    imdskit run ")[0]
    options = [action.option_strings[0] for action in environment.variables(parser()).values()]
    assert sorted(re.findall(r"--[a-z-]+", synopsis)) == sorted(options)


def test_variables_alone_configure_a_container(serve: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("a-token-that-tests-know\n")
    for name, value in {
        "HOST": "0.0.0.0",
        "PUBLIC_URL": "http://169.254.169.254",
        "ADMIN_PORT": "0",
        "ADMIN_HOST": "0.0.0.0",
        "ADMIN_TOKEN_FILE": str(tmp_path / "token"),
        "ROOT_OUT": str(tmp_path / "root.pem"),
        "HEALTH": "1",
        "ACCESS_LOG": "json",
    }.items():
        monkeypatch.setenv(f"IMDSKIT_{name}", value)
    process, ready = serve()
    assert ready["url"] == "http://169.254.169.254"
    assert ready["listening"].startswith("http://127.0.0.1:")
    assert get(ready["listening"], "/healthz") == 200
    assert get(ready["listening"], "/metadata/versions") == 200
    assert (tmp_path / "root.pem").read_text().count("BEGIN") == 1
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    lines = [json.loads(line) for line in err.splitlines()]
    assert (out, [(line["target"], line["status"]) for line in lines]) == ("", [("/metadata/versions", 200)])


def test_notes_listening_on_all_addresses_and_names_one(serve: Start) -> None:
    process, ready = serve("--host", "0.0.0.0")
    assert ready["url"].startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=60)[1]
    assert "--public-url" in err
    assert len(err.splitlines()) == 1


def get(url: str, target: str, agent: str = "a test") -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", target, headers={"Metadata": "true", "User-Agent": agent})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


COMMON = re.compile(r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "([^"]*) HTTP/1\.1" (\d{3}) (\d+|-)')


@pytest.mark.parametrize("epoll", [True, False], ids=["event loop", "threads"])
@pytest.mark.parametrize("form", ["common", "json"])
def test_access_log_has_one_line_per_request(
    form: str, epoll: bool, emulator: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if epoll and not hasattr(select, "epoll"):
        pytest.skip("there is no epoll")
    monkeypatch.setattr(emulator.journal, "listener", access_log.listener(form))
    made = server.Server(emulator.handle, misdirected=emulator.misdirected, hosts=server.Hosts(), quick=emulator.quick if epoll else None)
    with made:
        assert (made._event_loop is not None) == epoll
        capfd.readouterr()
        assert get(made.url, "/metadata/versions") == 200
        assert get(made.url, "/nosuch") == 404
        with socket.create_connection(made.server_address[:2], timeout=30) as raw:
            raw.sendall(b'GET /metadata/instance?x="\\ HTTP/1.1\r\nHost: x.test\r\nUser-Agent: "\r\nConnection: close\r\n\r\n')
            assert raw.recv(4096).startswith(b"HTTP/1.1 421")
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.isascii() and line.isprintable() for line in lines)
    if form == "json":
        members = [json.loads(line) for line in lines]
        assert [(each["method"], each["status"]) for each in members] == [("GET", 200), ("GET", 404), ("GET", 421)]
        assert members[0]["userAgent"] == "a test"
        assert members[2]["rule"] == "wrong-host"
        assert all(each["durationMs"] >= 0 and each["time"].endswith("Z") for each in members)
    else:
        found = [COMMON.fullmatch(line) for line in lines]
        assert [match and match.group(1, 2) for match in found] == [
            ("GET /metadata/versions", "200"),
            ("GET /nosuch", "404"),
            ("GET /metadata/instance?x=\\x22\\x5c", "421"),
        ]


@pytest.mark.parametrize("form", access_log.FORMATS)
def test_access_log_escapes_control_characters_of_requests(form: str) -> None:
    hostile = "".join(map(chr, range(256))) + "\u2028\U0001f600"
    entry = Entry(1, 1_767_268_800, "10.0.0.1", "GET" + hostile, hostile, (("User-Agent", hostile),), 200, hostile, hostile, 5, 0)
    line = access_log.FORMATS[form](entry)
    assert line.isascii()
    assert line.isprintable()


def test_closed_standard_error_does_not_stop_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    entry = Entry(1, 1_767_268_800, "", "GET", "/", (), 200, "", "", 5, 0)
    with open(write, "w", encoding="ascii", closefd=True) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        access_log.listener("common")(entry)
        monkeypatch.setattr("sys.stderr", None)
        access_log.listener("json")(entry)
        with pytest.raises(BrokenPipeError):
            stream.close()
