"""Run an unchanged command on an emulated Azure machine. The emulator responds at 169.254.169.254.

This verb needs Linux, but not root. The command runs in separate namespaces. By default, it reaches
no network except the emulator. The command runs as the same user as before, and gets no
capabilities.

  imdskit run -- curl -s -H Metadata:true \\
    'http://169.254.169.254/metadata/instance?api-version=2021-02-01'

Exit status: that of the command, or one of these:

  128 + N  signal N ended the command
  127      the command does not exist
  126      the command cannot be executed
  2        a mistake in the arguments, or the
           system refuses to create the
           namespaces
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack

from imdskit import backends
from imdskit.cli.emulator import host_network, serve
from imdskit.cli.shared import inputs, output
from imdskit.emulator.host import Host
from imdskit.emulator.http.host_header import SERVICE
from imdskit.emulator.namespace.pasta import pasta
from imdskit.errors import UsageError
from imdskit.testing import environment
from imdskit.verify.aia.locations import LOCATIONS

ISSUERS = "ca-issuers"
"""Value of ``--map-host`` that stands for all hosts from which the certificates of Azure's
authorities can be downloaded."""
NETWORKS = ("none", "pasta", "host")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.PARSER, help="the command and its arguments; put `--` before them")
    parser.add_argument(
        "--network",
        choices=NETWORKS,
        default="none",
        help="networks that the command can reach besides the emulator:\nnone: no network; this is the default\n"
        "pasta: the network of this machine, through the program pasta\n"
        "host: all networks of this machine; this adds 169.254.169.254 to the machine, and needs root",
    )
    parser.add_argument("--force", action="store_true", help="with --network host: proceed even on a real Azure machine")
    parser.add_argument(
        "--map-host",
        metavar="NAME",
        action="append",
        default=[],
        help=f"resolve this host name to the emulator; may be repeated. The name {ISSUERS} stands for all hosts of CA Issuers URLs in Azure's certificates",
    )
    parser.add_argument("--journal", metavar="FILE", help="write all requests to this file when the command ends, one line of JSON each")
    parser.add_argument("--show-requests", action="store_true", help="list the requests on standard error when the command ends")
    serve.add_emulator_arguments(parser)
    parser.set_defaults(host=SERVICE, port=80, fleet=None, fleet_by=None, fleet_network=None, public_url=None, health=False)


def run(options: argparse.Namespace) -> int:
    if sys.platform != "linux":
        hint = "Start `imdskit serve`, and give its address to the program; docs/reach-the-address.md says how."
        raise UsageError("bad-argument", "`imdskit run` needs Linux.", location="run", hint=hint)
    from imdskit.emulator.namespace import command, inside  # these modules exist only for Linux

    words = options.command[1:] if options.command[0] == "--" else options.command
    if not words:
        raise UsageError("bad-argument", "The command is missing.", location="COMMAND", hint="Write it after `--`.")
    if options.force and options.network != "host":
        raise UsageError(
            "bad-argument", "--force needs --network host.", location="--force", hint="Leave out --force, or give --network host."
        )
    mapped = _mapped(options.map_host)
    options.allow_host = [*options.allow_host, *mapped]
    changed = {**os.environ, **environment(f"http://{SERVICE}", os.environ)}
    variables = {name: value for name, value in changed.items() if value is not None}
    plan = inside.Plan(words=words, environment=variables, own_network=options.network != "host", mapped_hosts=mapped)
    if options.journal is not None:
        inputs.write(options.journal, b"")  # if the file cannot be written, report it before the command runs
    backend = backends.get(options.backend)
    with ExitStack() as stack:
        if options.network == "host":
            stack.enter_context(host_network.address(force=options.force))
        inner = stack.enter_context(command.Command(plan))
        if options.network == "pasta":
            stack.enter_context(pasta(inner.pid))
        emulator = stack.enter_context(serve.running(options, backend, inner.listener))
        stopped = inner.stopped_early()
        if stopped is None:
            inner.start()
            stopped = inner.wait()
        _report(options, emulator)
    return stopped


def _mapped(names: list[str]) -> list[str]:
    """Return the host names that shall resolve to the emulator.

    Raise UsageError for a name that a hosts file cannot contain.
    """
    found: dict[str, None] = {}
    for name in names:
        if name == ISSUERS:
            found.update(dict.fromkeys(location.host for location in LOCATIONS))
        elif name and all(part and part.isascii() and part.replace("-", "").replace("_", "").isalnum() for part in name.split(".")):
            found[name.lower()] = None
        else:
            hint = f"Give a name such as www.example.com, or {ISSUERS}."
            raise UsageError("bad-argument", f"`--map-host` must be a host name; got {name!a:.80}.", location="--map-host", hint=hint)
    return list(found)


def _report(options: argparse.Namespace, emulator: Host) -> None:
    """Write the requests that the emulator received, if ``--journal`` or ``--show-requests`` is
    given."""
    entries = list(emulator.journal)
    if options.show_requests:
        output.note(f"Requests received: {emulator.journal.tally().total}")
        for entry in entries:
            why = "".join(f" ({name} {value})" for name, value in (("rule", entry.rule), ("fault", entry.fault)) if value)
            output.note(f"{entry.number:5} {entry.method} {entry.target} -> {entry.status}{why}")
    if options.journal is not None:
        inputs.write(options.journal, b"".join(json.dumps(entry.json()).encode("ascii") + b"\n" for entry in entries))
