"""Follow or approve scheduled events of this machine, or announce test events to an emulator.

`imdskit events ACTION --help` describes one action.

Exit status:

  0  success
  1  the service or the emulator does not
     respond, or refuses the request
  2  a mistake in the arguments
"""

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

_ACTIONS = {
    "watch": "Write each scheduled event as a line of JSON when it is announced, and again when it has started.",
    "acknowledge": "Approve events by their ids, so that they start at once.",
    "announce": """Announce test events to a running emulator.

Standard input is a JSON list of events in the service's own form. It replaces the events that the emulator has, unless you give --keep. To name
the emulator, give --state-file, or --admin and --token-file, or set the environment variable IMDSKIT_STATE_FILE.""",
}
"""Description of each action."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    watch, acknowledge, announce = (
        actions.add_parser(name, help=about.partition("\n")[0], description=about) for name, about in _ACTIONS.items()
    )
    for one in (watch, acknowledge):
        one.add_argument("--base-url", metavar="URL", help="address of another service, such as an emulator")
    watch.add_argument(
        "--api-version",
        metavar="V",
        help="api-version, by default 2020-07-01. With 2024-07-09, there are also events of type SpotRebalanceRecommendation",
    )
    watch.add_argument("--count", metavar="N", type=inputs.whole("number"), help="stop after N lines; by default, never stop")
    watch.add_argument(
        "--seen", metavar="FILE", help="store in this file which events were written, so that a later run does not write them again"
    )
    acknowledge.add_argument("event", metavar="ID", nargs="*", help="EventId of an event")
    announce.add_argument("--keep", action="store_true", help="keep the earlier events instead of replacing them")
    announce.add_argument(
        "--machine",
        metavar="N",
        type=inputs.whole("number"),
        help="if the emulator emulates a fleet: number of the machine, counted from 0",
    )
    announce.add_argument("--admin", metavar="URL", help="address of the emulator's admin API; requires --token-file")
    announce.add_argument("--token-file", metavar="FILE", help="file with the token of the admin API")
    announce.add_argument(
        "--state-file", metavar="FILE", help=f"file that `serve --state-file` wrote; by default the file that {VARIABLE} names"
    )


def run(options: argparse.Namespace) -> int:
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
        if options.seen is not None:  # saved after the line is written, because an event that is written twice is better than a lost one
            inputs.write(options.seen, json.dumps(dict(events.seen)).encode())
        left = None if left is None else left - 1
    return 0


def _seen(path: str | None) -> Mapping[str, str]:
    """Return the ids and statuses of the events that an earlier run has written.

    The mapping is empty if there was no such run.
    """
    if path is None or not Path(path).exists():
        return {}
    kept = _object(inputs.read(path, MAX_BYTES))
    if not kept or not all(isinstance(status, str) for status in kept.values()):
        message = "The file was not written by `events watch --seen`."
        raise UsageError("bad-argument", message, location=path, hint="Name another file, or remove this one.")
    return kept


def _announce(options: argparse.Namespace) -> int:
    url, token = _where(options)
    body = inputs.read("-", MAX_BYTES)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    target = "/v1/events" if options.machine is None else f"/v1/events?machine={options.machine}"
    response = Transport(url, 10, 2, 1024 * 1024, SystemClock()).send("POST" if options.keep else "PUT", target, headers, body)
    members = _object(response.body)
    if response.status != 200:
        message = str(members.get("message") or f"The admin API responded with status {response.status}.")
        code = str(members.get("code") or "unexpected-status")
        location, hint = str(members.get("location", "")), str(members.get("hint", ""))
        output.error(
            ImdskitError(code, message, location=location, hint=hint)
        )  # the code comes from the admin API, which has other codes than the client
        return 1
    output.value(members)
    return 0


def _where(options: argparse.Namespace) -> tuple[str, str]:
    """Return the address and the token of the admin API."""
    path = options.state_file or os.environ.get(VARIABLE)
    if options.admin is not None:
        if options.token_file is None:
            raise UsageError("bad-argument", "--admin needs a token.", location="--admin", hint="Give --token-file too.")
        url, token = options.admin.rstrip("/"), inputs.read(options.token_file, 1024).decode("latin-1").strip()
    elif path:
        state = _object(inputs.read(path, MAX_BYTES))
        url, token = str(state.get("admin", "")), str(state.get("token", ""))
    else:
        hint = f"Give --state-file, or --admin and --token-file, or set {VARIABLE}."
        raise UsageError("bad-argument", "No emulator was named.", hint=hint)
    if not url.startswith("http://") or not token.isascii() or not token.isprintable() or not token:
        hint = "Start the emulator with --state-file and give the same file here."
        message = "The address or the token of the admin API is missing or malformed."
        raise UsageError("bad-argument", message, location=options.admin or str(path), hint=hint)
    return url, token


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
