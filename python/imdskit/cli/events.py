"""Announce scheduled events to a running emulator.

Reads a JSON list of events on standard input, in the service's own form, and hands it to the admin side. What was there goes unless --keep is
given. The emulator is found by --admin and --token-file, by --state-file, or by what IMDSKIT_STATE_FILE names.
Exit statuses: 0 done; 1 the emulator cannot be reached or refuses; 2 a mistake in the arguments."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from imdskit.cli import inputs, output
from imdskit.client.transport import Transport
from imdskit.clock import SystemClock
from imdskit.errors import ClientError, UsageError

VARIABLE = "IMDSKIT_STATE_FILE"
MAX_BYTES = 64 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("announce",), help="announce the events on standard input")
    parser.add_argument("--keep", action="store_true", help="events that are there already stay")
    parser.add_argument("--machine", metavar="N", type=_number, help="of a fleet: the machine that they are announced to, from 0")
    parser.add_argument("--admin", metavar="URL", help="of the admin side")
    parser.add_argument("--token-file", metavar="FILE", help="with its token")
    parser.add_argument("--state-file", metavar="FILE", help=f"that `serve --state-file` wrote; by default what {VARIABLE} names")


def run(options: argparse.Namespace) -> int:
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
        raise ClientError(code, message, location=place, hint=hint, status=answer.status, body=answer.body)
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
