"""Run the verification service, or create its keys (docs/attestation-service.md).

`imdskit verifier ACTION --help` describes one action.

Exit status:

  0  success
  2  a mistake in the arguments or the
     configuration
"""

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
from imdskit.cli.shared import inputs, output
from imdskit.errors import UsageError

ROLES = ("client", "operator", "metrics")
_ACTIONS = {
    "serve": "Run the service for development and tests, until SIGTERM or SIGINT.",
    "key": "Generate a key for a caller, write it on standard output, and add its hash to a key file.",
    "nonce-key": "Create a file with a secret from which nonces are generated. All processes of one service share it.",
}
"""Description of each action."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    serve, key, nonce_key = (actions.add_parser(name, help=about, description=about) for name, about in _ACTIONS.items())
    serve.add_argument("--config", metavar="FILE", help="configuration file in TOML")
    serve.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="override a setting; may be repeated")
    serve.add_argument("--host", help="address to listen on; by default 127.0.0.1")
    serve.add_argument("--port", metavar="N", type=inputs.whole("port", 0, 65535), help="port to listen on; by default a free one")
    key.add_argument("name", metavar="NAME", help="name of the key")
    key.add_argument("--keys", metavar="FILE", required=True, help="key file; it is created if it does not exist")
    key.add_argument("--role", choices=ROLES, action="append", default=[], help="role of the key; by default client; may be repeated")
    nonce_key.add_argument("name", metavar="FILE", help="file to create")


def run(options: argparse.Namespace) -> int:
    if options.action == "serve":
        return _serve(options)
    return _key(options) if options.action == "key" else _nonce_key(options.name)


def _serve(options: argparse.Namespace) -> int:
    overrides = {}
    for text in options.set:
        name, equals, value = text.partition("=")
        if not equals:
            message = f"`--set` must have the form NAME=VALUE; got {text!r:.60}."
            raise UsageError("bad-argument", message, location="--set", hint="See docs/attestation-service-reference.md.")
        overrides[name] = value
    application = Application(Settings.read(options.config, overrides=overrides))
    try:
        server = DevelopmentServer((options.host or "127.0.0.1", options.port or 0), application)
    except OSError as error:
        message = f"The service cannot listen on the address: {error.strerror}."
        raise UsageError("bad-argument", message, location="--host, --port", hint="Choose another address or port.") from None

    def stop(_: int, __: FrameType | None) -> None:
        threading.Thread(
            target=server.shutdown
        ).start()  # in another thread, because shutdown() waits for serve_forever(), which this handler interrupts

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with server:
            output.write_bytes(json.dumps({"url": f"http://{server.server_name}:{server.server_port}", "pid": os.getpid()}).encode("ascii"))
            output.flush()
            server.serve_forever(poll_interval=0.1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _key(options: argparse.Namespace) -> int:
    path = Path(options.keys)
    known = {key.name for key in keys.read(path)} if path.exists() and path.stat().st_size else set()
    if options.name in known:
        message = f"The file already has a key called {options.name!r}."
        raise UsageError("bad-argument", message, location=options.keys, hint="Choose another name, or remove the old key's line.")
    key, line = keys.new(options.name, frozenset(map(keys.Role, options.role or ["client"])))
    _append(options.keys, line)
    output.line(key)
    return 0


def _nonce_key(path: str) -> int:
    if os.path.exists(path):
        hint = "See docs/attestation-service.md on how to change the secret."
        raise UsageError(
            "bad-argument",
            "The file already exists. A new secret would invalidate the nonces that were generated with the old one.",
            location=path,
            hint=hint,
        )
    _append(path, secrets.token_hex(32))
    return 0


def _append(path: str, line: str) -> None:
    """Append a line to a file. If the file does not exist, create it so that only its owner can
    read it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(file).st_size
            whole = size == 0 or os.pread(file, 1, size - 1) == b"\n"
            os.write(file, f"{'' if whole else chr(10)}{line}\n".encode("ascii"))
        finally:
            os.close(file)
    except OSError as error:
        raise UsageError(
            "bad-argument", f"The file cannot be written: {error.strerror}.", location=path, hint="Check its path and permissions."
        ) from None
