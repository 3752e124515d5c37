"""Emulate the Instance Metadata Service on this machine. The emulator signs attested documents with
a test-only authority. Verifiers accept them only if they trust this authority.

As soon as the emulator accepts requests, it writes one line of JSON on standard output. It stops on
SIGTERM, SIGINT or SIGHUP.

Exit status:

  0  a signal stopped the emulator
  2  a mistake in the arguments or the scenario,
     or the emulator cannot listen on the
     address
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from typing import Any

from imdskit import backends
from imdskit.backends.contract import Backend
from imdskit.cli.emulator import access_log
from imdskit.cli.shared import environment, inputs, output, stopping
from imdskit.clock import Clock, MovableClock, SystemClock
from imdskit.emulator import Emulator, Fleet, Scenario, private_files, snapshot
from imdskit.emulator.fleet import MOST, NETWORK, SELECT
from imdskit.emulator.host import Host
from imdskit.emulator.service.profiles import PROFILES
from imdskit.errors import ImdskitError, UsageError

_PORT, _SEED, _MACHINES = inputs.whole("port", 0, 65535), inputs.whole("seed"), inputs.whole("number of machines", 1, MOST)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--port", metavar="N", type=_PORT, default=0, help="port to listen on; 0, the default, chooses a free one")
    add("--host", default="127.0.0.1", help="address to listen on; by default 127.0.0.1")
    add(
        "--fleet",
        metavar="N",
        type=_MACHINES,
        help="emulate N machines in one process, each derived from the scenario (docs/fleet.md). The default of --scenario is then fleet",
    )
    add(
        "--fleet-by",
        choices=SELECT,
        help="with --fleet: how a request selects its machine: by the path /m/N (the default), by the port, or by the source address",
    )
    add(
        "--fleet-network",
        metavar="NET",
        help=f"with --fleet-by source: network of the clients; by default {NETWORK}, where 127.1.0.1 selects machine 0, and 127.1.0.2 machine 1",
    )
    add("--public-url", metavar="URL", help="address at which clients reach the emulator; by default, the address that it listens on")
    add("--health", action="store_true", help="respond to /healthz on this port, too; the admin API always does")
    add_emulator_arguments(parser)
    parser.epilog = environment.table(parser)


def add_emulator_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `imdskit serve` and `imdskit run` share."""
    add = parser.add_argument
    names = "machine to emulate: a scenario file, or one of these:\n" + ", ".join(Scenario.names()) + "; by default linux"
    add("--scenario", metavar="NAME|FILE", help=names)
    add(
        "--seed",
        metavar="N",
        type=_SEED,
        help="number from which the machine and its keys are generated; by default random. Anyone who knows it can sign documents",
    )
    add("--trust-out", metavar="PEM", help="write the root and issuing certificates of this emulator to this file")
    add("--root-out", metavar="PEM", help="write only the root certificate to this file, for programs that read one certificate")
    add("--no-rate-limit", action="store_true", help="do not limit the rate of requests")
    add(
        "--profile",
        choices=tuple(PROFILES),
        help="service profile, which selects one of several known behaviours of the service (docs/fidelity.md); by default the scenario's profile. "
        "If the scenario has none, the profile is today",
    )
    add(
        "--rule",
        metavar="NAME=off",
        type=_rule_off,
        action="append",
        default=[],
        help="switch off a rule of the service (docs/fidelity.md); may be repeated",
    )
    add(
        "--events-enabling",
        metavar="SECONDS",
        type=inputs.whole("seconds", 0, 86_400),
        default=0,
        help="seconds from the first request for scheduled events until they are enabled; by default 0",
    )
    add("--faults", metavar="FILE", help="script of faults to inject (docs/faults.md)")
    add(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="accept this name in the Host header; * accepts any name; may be repeated. Loopback addresses are always accepted",
    )
    add("--admin-port", metavar="N", type=_PORT, help="start the admin API on this port (docs/admin.md); 0 chooses a free one")
    add("--admin-token-file", metavar="FILE", help="file with the token of the admin API; by default a token is generated")
    add("--state-file", metavar="FILE", help="write the address and the token of the admin API to this file, for `imdskit events`")
    add("--snapshot", metavar="FILE", help="file with the emulator's state: loaded at the start if it exists, and written at the end")
    add(
        "--clock",
        metavar="manual|fast=N",
        type=_rate,
        help="manual: use a clock that stands still until the admin API moves it. fast=N: use a clock that runs N times as fast as that of the machine",
    )
    add("--backend", choices=backends.NAMES, default="auto", help="implementation of JSON lookups and rate limits")
    add("--pki-url", metavar="URL", help="base URL of the emulator's certificates and CRLs; by default /pki below the URL of the emulator")
    add("--issuer", metavar="URL", help="URL of the issuer of tokens, without the tenant; by default /oidc below the URL of the emulator")
    add(
        "--admin-host",
        metavar="ADDRESS",
        help="address that the admin API listens on. An address other than a loopback address requires --admin-token-file",
    )
    add(
        "--admin-allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="accept this name in the Host header of requests to the admin API; may be repeated",
    )
    add(
        "--access-log",
        choices=("off", *access_log.FORMATS),
        default="off",
        help="format of the request log on standard error; by default off",
    )


def run(options: argparse.Namespace) -> int:
    with stopping.on_signals() as stop:
        backend = backends.get(options.backend)
        with running(options, backend) as emulator:
            _announce(options, emulator, backend)
            stop.wait()
    return 0


@contextmanager
def running(options: argparse.Namespace, backend: Backend, listener: socket.socket | None = None) -> Iterator[Host]:
    """Start the emulator that the options describe.

    At the end of the context, stop the emulator. With ``--snapshot``, write a snapshot after that,
    unless an error occurred.
    """
    emulator = _emulator(options, backend, listener)
    try:
        if options.trust_out is not None:
            inputs.write(options.trust_out, emulator.trust_pem.encode("ascii"))
        if options.root_out is not None:
            inputs.write(options.root_out, emulator.root_pem.encode("ascii"))
        if options.access_log != "off":
            emulator.journal.listener = access_log.listener(options.access_log)
        _add_verifier(emulator)
        emulator.start()
        if options.state_file is not None:
            _write_state(options.state_file, emulator)
        yield emulator
    finally:
        emulator.stop()
        if options.state_file is not None:
            private_files.remove(options.state_file)
    if options.snapshot is not None:
        snapshot.save(emulator)


def _emulator(options: argparse.Namespace, backend: Backend, listener: socket.socket | None) -> Host:
    """Create the emulator.

    If that fails, write a line on standard error that lists the environment variables that set
    options. If an option is invalid, the error names this option or its variable.
    """
    try:
        return _fleet(options, backend) if options.fleet is not None else _machine(options, backend, listener)
    except ImdskitError as error:
        used: list[str] = getattr(options, "variables", [])
        if used:
            output.note(f"note: set by environment variables: {', '.join(used)}")
        if not isinstance(error, UsageError) or not hasattr(options, error.location):
            raise
        variable = environment.PREFIX + error.location.upper()
        location = variable if variable in used else "--" + error.location.replace("_", "-")
        raise UsageError(error.code, error.message, location=location, hint=error.hint) from None


def _announce(options: argparse.Namespace, emulator: Host, backend: Backend) -> None:
    """Write the ready line: a JSON object that says that the emulator accepts requests."""
    if options.public_url is None and _every_address(options.host):
        where = f"note: The emulator listens on every address, but documents, tokens and URLs in its responses name {emulator.url}."
        output.note(f"{where} Give --public-url if clients on other machines use the emulator.")
    ready = {
        "url": emulator.url,
        "pid": os.getpid(),
        "scenario": emulator.scenario.name,
        "cloud": emulator.scenario.cloud.name,
        "trust": options.trust_out,
        "backend": backend.name,
        **_optional_members(emulator),
    }
    if emulator.url != emulator.local_url:
        ready["listening"] = emulator.local_url
    output.write_bytes(json.dumps(ready).encode("ascii"))
    output.flush()


def _every_address(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _machine(options: argparse.Namespace, backend: Backend, listener: socket.socket | None) -> Emulator:
    for name in ("fleet_by", "fleet_network"):
        if getattr(options, name) is not None:
            location = "--" + name.replace("_", "-")
            raise UsageError("bad-argument", f"{location} needs a fleet.", location=location, hint="Give --fleet too.")
    if options.snapshot is not None and not os.path.isdir(os.path.dirname(os.path.abspath(options.snapshot))):
        message = "The folder for the snapshot does not exist."
        raise UsageError("bad-argument", message, location=options.snapshot, hint="Create the folder, or name another file.")
    return Emulator(options.scenario or "linux", snapshot_file=options.snapshot, listener=listener, **_shared(options, backend))


def _fleet(options: argparse.Namespace, backend: Backend) -> Fleet:
    if options.snapshot is not None:
        hint = "Leave out --snapshot. The same --seed creates the same machines again."
        raise UsageError("bad-argument", "A fleet has no snapshots.", location="--snapshot", hint=hint)
    return Fleet(
        options.scenario or "fleet",
        options.fleet,
        select=options.fleet_by or "path",
        network=options.fleet_network or NETWORK,
        **_shared(options, backend),
    )


def _shared(options: argparse.Namespace, backend: Backend) -> dict[str, Any]:
    """Return the arguments that an emulator of one machine and a fleet have in common."""
    admin_port, admin_token = _admin(options)
    return {
        "seed": options.seed,
        "port": options.port,
        "host": options.host,
        "rate_limit": not options.no_rate_limit,
        "clock": _clock(options),
        "backend": backend,
        "events_enabling": options.events_enabling,
        "profile": options.profile,
        "rules_off": options.rule,
        "faults": options.faults,
        "allow_hosts": options.allow_host,
        "admin_port": admin_port,
        "admin_token": admin_token,
        "admin_host": options.admin_host or "127.0.0.1",
        "admin_allow_hosts": options.admin_allow_host,
        "public_url": options.public_url,
        "pki_url": options.pki_url,
        "issuer": options.issuer,
        "health": options.health,
    }


def _admin(options: argparse.Namespace) -> tuple[int | None, str | None]:
    """Return the port and the token of the admin API.

    ``--state-file`` starts the admin API, because the file contains its address.
    """
    port = 0 if options.admin_port is None and options.state_file is not None else options.admin_port
    for name in ("admin_token_file", "admin_host", "admin_allow_host"):
        if port is None and getattr(options, name):
            location = "--" + name.replace("_", "-")
            raise UsageError("bad-argument", f"{location} needs the admin API.", location=location, hint="Give --admin-port too.")
    if options.admin_token_file is None:
        return port, None
    return port, inputs.read(options.admin_token_file, 1024).decode("latin-1").strip()


def _add_verifier(emulator: Host) -> None:
    """Give the admin page a verifier that trusts this emulator and uses its clock."""
    if emulator.admin is not None:
        # Only the admin page needs these imports. They take 25 ms, and all other imports of this
        # verb take 115 ms.
        from imdskit.verify import Policy, Trust, Verifier, inspection

        trust = Trust.from_pem([emulator.authority.root_pem.encode()], [emulator.authority.issuing_pem.encode()], origin="this emulator")
        emulator.explain = partial(inspection.inspect_document, Verifier(trust, Policy.offline_audit(), clock=emulator.clock))


def _optional_members(emulator: Host) -> dict[str, object]:
    """Return the members of the ready line that describe the admin API and the fleet.

    The mapping is empty if there is neither.
    """
    members: dict[str, object] = {} if emulator.admin is None else {"admin": emulator.admin.url}
    addressing = emulator.addressing
    if addressing.select is not None:
        ports = {"ports": addressing.ports} if addressing.ports else {}
        members["fleet"] = {"machines": addressing.count, "by": addressing.select, **ports}
    return members


def _clock(options: argparse.Namespace) -> Clock | None:
    """Return the clock that ``--clock`` selects.

    If a snapshot is loaded, the clock starts at the snapshot's time.
    """
    if options.clock is None:
        return None
    start = SystemClock().now()
    if options.snapshot is not None and os.path.exists(options.snapshot):
        start = snapshot.read(options.snapshot)["clock"]["now"]
    return MovableClock(start, options.clock)


def _write_state(path: str, emulator: Host) -> None:
    if emulator.admin is not None:
        state = {"url": emulator.url, "admin": emulator.admin.url, "token": emulator.admin.token, "pid": os.getpid()}
        private_files.write(path, json.dumps(state).encode("ascii") + b"\n")


def _rule_off(text: str) -> str:
    name, _, switch = text.partition("=")
    if switch != "off":
        raise ValueError
    return name


_rule_off.__name__ = "switch (NAME=off)"


def _rate(text: str) -> int:
    if text == "manual":
        return 0
    word, _, number = text.partition("=")
    if word != "fast" or not 1 <= int(number) <= 1_000_000:
        raise ValueError
    return int(number)


_rate.__name__ = "clock (manual or fast=N)"
