"""Follow and approve scheduled events of the machine, or announce some to a running emulator.

watch writes each event as a line of JSON when it is announced, and again when it has begun, and waits for the next. --seen FILE keeps what was
written, so that another run goes on from there.
acknowledge lets events begin at once, by their ids.
announce reads a JSON list of events on standard input, in the service's own form, and hands it to the admin side of an emulator. What was
there goes unless --keep is given. The emulator is found by --admin and --token-file, by --state-file, or by what IMDSKIT_STATE_FILE names.
Exit statuses: 0 done; 1 the service or the emulator cannot be reached or refuses; 2 a mistake in the arguments."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imdskit.cli.shared import inputs, output
from imdskit.client import Client
from imdskit.client.transport import Transport
from imdskit.clock import SystemClock
from imdskit.errors import ImdskitError, UsageError

VARIABLE = "IMDSKIT_STATE_FILE"
MAX_BYTES = 64 * 1024

_OPTIONS = {
    "watch": {"api_version", "base_url", "count", "seen"},
    "acknowledge": {"base_url", "event"},
    "announce": {"keep", "machine", "admin", "token_file", "state_file"},
}
"""What each action takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=tuple(_OPTIONS), help="follow events, approve some, or announce those on standard input")
    parser.add_argument("event", metavar="ID", nargs="*", help="acknowledge: of an event")
    parser.add_argument("--base-url", metavar="URL", help="watch, acknowledge: of another service, such as an emulator's")
    parser.add_argument("--api-version", metavar="V", help="watch: 2020-07-01 by default; 2024-07-09 has SpotRebalanceRecommendation")
    parser.add_argument("--count", metavar="N", type=_number, help="watch: end after so many lines")
    parser.add_argument("--seen", metavar="FILE", help="watch: where the events are kept that were written")
    parser.add_argument("--keep", action="store_true", help="announce: events that are there already stay")
    parser.add_argument("--machine", metavar="N", type=_number, help="announce: of a fleet, the machine that they are announced to, from 0")
    parser.add_argument("--admin", metavar="URL", help="announce: of the admin side")
    parser.add_argument("--token-file", metavar="FILE", help="announce: with its token")
    parser.add_argument("--state-file", metavar="FILE", help=f"announce: that `serve --state-file` wrote; by default what {VARIABLE} names")


def run(options: argparse.Namespace) -> int:
    for name, value in vars(options).items():
        if value not in (None, False, []) and name != "action" and name not in _OPTIONS[options.action]:
            raise UsageError("bad-argument", f"events {options.action} takes no such argument.", location=name)
    if options.action == "watch":
        return _watch(options)
    if options.action == "acknowledge":
        Client(options.base_url).acknowledge(*options.event)
        return 0
    return _announce(options)


def _watch(options: argparse.Namespace) -> int:
    seen = _seen(options.seen)
    events = Client(options.base_url).events(seen=seen, api_version=options.api_version)
    left = options.count
    while left is None or left > 0:
        event = next(events)
        output.line(json.dumps(event.raw))
        output.flush()
        if options.seen is not None:  # after the line: what is written twice is better than what is never written
            inputs.write(options.seen, json.dumps(dict(events.seen)).encode())
        left = None if left is None else left - 1
    return 0


def _seen(path: str | None) -> Mapping[str, str]:
    """What an earlier run kept; nothing if there was none."""
    if path is None or not Path(path).exists():
        return {}
    kept = _object(inputs.read(path, MAX_BYTES))
    if not kept or not all(isinstance(status, str) for status in kept.values()):
        raise UsageError("bad-argument", "This is not what `events watch` keeps.", location=path, hint="Give another file, or remove it.")
    return kept


def _announce(options: argparse.Namespace) -> int:
    url, token = _where(options)
    body = inputs.read("-", MAX_BYTES)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    target = "/v1/events" if options.machine is None else f"/v1/events?machine={options.machine}"
    answer = Transport(url, 10, 2, 1024 * 1024, SystemClock()).send("POST" if options.keep else "PUT", target, headers, body)
    said = _object(answer.body)
    if answer.status != 200:
        message = str(said.get("message") or f"The admin side answered with status {answer.status}.")
        code = str(said.get("code") or "unexpected-status")
        place, hint = str(said.get("location", "")), str(said.get("hint", ""))
        output.error(ImdskitError(code, message, location=place, hint=hint))  # a code of the admin API
        return 1
    output.value(said)
    return 0


def _number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


_number.__name__ = "number"


def _where(options: argparse.Namespace) -> tuple[str, str]:
    """Address and token of the admin side."""
    path = options.state_file or os.environ.get(VARIABLE)
    if options.admin is not None:
        if options.token_file is None:
            raise UsageError("bad-argument", "The admin side wants a token.", location="--admin", hint="Give --token-file too.")
        url, token = options.admin.rstrip("/"), inputs.read(options.token_file, 1024).decode("latin-1").strip()
    elif path:
        state = _object(inputs.read(path, MAX_BYTES))
        url, token = str(state.get("admin", "")), str(state.get("token", ""))
    else:
        hint = f"Give --state-file, or --admin and --token-file, or set {VARIABLE}."
        raise UsageError("bad-argument", "It is not said which emulator.", hint=hint)
    if not url.startswith("http://") or not token.isascii() or not token.isprintable() or not token:
        raise UsageError("bad-argument", "This names no admin side.", location=options.admin or str(path))
    return url, token


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
