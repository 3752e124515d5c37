"""Run the verification service, and make its keys (docs/attestation-service.md).

serve           run it for development and tests, until SIGTERM or SIGINT
key NAME        write a new key on standard output, and add it to a key file
nonce-key FILE  make the secret that the processes of one service share
Exit status: 0 done; 2 a mistake in the arguments or the configuration."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import threading
from pathlib import Path
from types import FrameType

from imdskit.attestation_service import Application, Settings
from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.development_server import DevelopmentServer
from imdskit.cli.shared import output
from imdskit.errors import UsageError

ROLES = ("client", "operator", "metrics")
_OPTIONS = {"serve": {"config", "set", "host", "port"}, "key": {"name", "role", "keys"}, "nonce-key": {"name"}}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=tuple(_OPTIONS), help="what to do")
    parser.add_argument("name", metavar="NAME|FILE", nargs="?", help="key: its name; nonce-key: the file to create")
    parser.add_argument("--config", metavar="FILE", help="serve: configuration in TOML")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="serve: a setting; may be repeated")
    parser.add_argument("--host", help="serve: address to listen on; loopback by default")
    parser.add_argument("--port", metavar="N", type=_port, help="serve: port; by default a free one")
    parser.add_argument("--keys", metavar="FILE", help="key: add it to this file, which is created if absent")
    parser.add_argument("--role", choices=ROLES, action="append", default=[], help="key: what it is for; client by default")


def run(options: argparse.Namespace) -> int:
    for name, value in vars(options).items():
        if value not in (None, []) and name != "action" and name not in _OPTIONS[options.action]:
            raise UsageError("bad-argument", f"`verifier {options.action}` takes no such argument.", location=name)
    if options.action == "serve":
        return _serve(options)
    if options.name is None:
        raise UsageError("bad-argument", f"`verifier {options.action}` needs a name.", location="NAME|FILE")
    return _key(options) if options.action == "key" else _nonce_key(options.name)


def _serve(options: argparse.Namespace) -> int:
    overrides = {}
    for text in options.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError("bad-argument", f"`--set` takes NAME=VALUE; got {text!r:.60}.", location="--set")
        overrides[name] = value
    application = Application(Settings.read(options.config, overrides=overrides))
    try:
        server = DevelopmentServer((options.host or "127.0.0.1", options.port or 0), application)
    except OSError as error:
        raise UsageError("bad-argument", f"The address cannot be listened on: {error.strerror}.", location="--host, --port") from None

    def stop(_: int, __: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()  # which waits until serve_forever has ended, in the thread that runs this

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with server:
            output.octets(json.dumps({"url": f"http://{server.server_name}:{server.server_port}", "pid": os.getpid()}).encode("ascii"))
            output.flush()
            server.serve_forever(poll_interval=0.1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _key(options: argparse.Namespace) -> int:
    if options.keys is None:
        raise UsageError("bad-argument", "The key file is not named.", location="--keys", hint="Give --keys FILE.")
    path = Path(options.keys)
    known = {key.name for key in keys.read(path)} if path.exists() and path.stat().st_size else set()
    if options.name in known:
        raise UsageError("bad-argument", f"The file already has a key called {options.name!r}.", location=options.keys)
    key, line = keys.new(options.name, frozenset(map(keys.Role, options.role or ["client"])))
    _append(options.keys, line)
    output.line(key)
    return 0


def _nonce_key(path: str) -> int:
    if os.path.exists(path):
        hint = "docs/attestation-service.md says how to change the secret."
        raise UsageError("bad-argument", "The file exists. Nonces made with its secret would become invalid.", location=path, hint=hint)
    _append(path, secrets.token_hex(32))
    return 0


def _append(path: str, line: str) -> None:
    """Add a line to a file that others cannot read if it is new."""
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            whole = size == 0 or os.pread(file, 1, size - 1) == b"\n"
            os.write(file, f"{'' if whole else chr(10)}{line}\n".encode("ascii"))
        finally:
            os.close(file)
    except OSError as error:
        raise UsageError("bad-argument", f"The file cannot be written: {error.strerror}.", location=path) from None


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


_port.__name__ = "port"
