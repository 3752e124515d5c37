"""Play the Instance Metadata Service on this machine, with attested documents that are really signed.

Writes one line of JSON on standard output as soon as it answers, and stops on SIGTERM, SIGINT or SIGHUP with exit status 0.
Other exit statuses: 2 a mistake in the arguments or the scenario, or an address that cannot be listened on."""

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
from imdskit.emulator.fleet import NETWORK, SELECT
from imdskit.emulator.host import Host
from imdskit.emulator.service.profiles import PROFILES
from imdskit.errors import ImdskitError, UsageError

BACKENDS = ("auto", "python", "rust")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", metavar="N", type=_port, default=0, help="to listen on; 0, the default, takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; loopback by default")
    parser.add_argument(
        "--fleet", metavar="N", type=_seed, help="so many machines in one process; the scenario is their template (docs/fleet.md)"
    )
    parser.add_argument(
        "--fleet-by", choices=SELECT, help="what says which machine is asked: /m/N, the default, its port, the asker's address"
    )
    parser.add_argument(
        "--fleet-network", metavar="NET", help=f"by source: machine N is asked from address N + 1 of it; {NETWORK} by default"
    )
    parser.add_argument("--public-url", metavar="URL", help="where clients reach the emulator,\nif not at the address that it listens on")
    parser.add_argument("--health", action="store_true", help="respond to /healthz, as the admin API always does")
    add_emulator_arguments(parser)
    parser.epilog = environment.table(parser)


def add_emulator_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `imdskit serve` and `imdskit run` share: all but those that say where to listen."""
    names = "\n".join(("the machine: a file, or one of", *Scenario.names()))
    parser.add_argument("--scenario", metavar="NAME|FILE", help=names)
    parser.add_argument("--seed", metavar="N", type=_seed, help="the same seed gives the same machine and keys; who knows it can sign")
    parser.add_argument("--trust-out", metavar="PEM", help="write the root and issuing certificates of this emulator here")
    parser.add_argument("--root-out", metavar="PEM", help="write the root certificate alone here,\nfor programs that read only one")
    parser.add_argument("--no-rate-limit", action="store_true", help="answer any number of requests")
    parser.add_argument(
        "--profile", choices=tuple(PROFILES), help="which of the service's known moods it shows; by default the scenario's, or today"
    )
    parser.add_argument(
        "--rule", metavar="NAME=off", type=_rule_off, action="append", default=[], help="switch a rule off (docs/fidelity.md)"
    )
    parser.add_argument(
        "--events-enabling",
        metavar="SECONDS",
        type=_delay,
        default=0,
        help="from the first question for scheduled events until they are shown; at once by default",
    )
    parser.add_argument("--faults", metavar="FILE", help="what goes wrong: a script (docs/faults.md)")
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name that requests may give as Host, besides loopback; * for any",
    )
    parser.add_argument("--admin-port", metavar="N", type=_port, help="have an admin API on this port (docs/admin.md); 0: any free")
    parser.add_argument("--admin-token-file", metavar="FILE", help="the token that it wants is in this file; by default one is made")
    parser.add_argument("--state-file", metavar="FILE", help="write here where the admin side is, and its token, for `imdskit events`")
    parser.add_argument("--snapshot", metavar="FILE", help="go on from this snapshot if it exists, and write it at the end")
    parser.add_argument(
        "--clock", metavar="manual|fast=N", type=_rate, help="a clock that stands still until moved, or runs N times as fast"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="which implementation finds nodes and counts requests")
    parser.add_argument("--pki-url", metavar="URL", help="where clients find certificates and CRLs,\nif not at /pki of the public URL")
    parser.add_argument("--issuer", metavar="URL", help="issuer of tokens, without the tenant,\nif not /oidc of the public URL")
    parser.add_argument("--admin-host", metavar="ADDRESS", help="the admin API listens here;\noff loopback it needs --admin-token-file")
    parser.add_argument(
        "--admin-allow-host", metavar="NAME", action="append", default=[], help="a name that requests to the admin API may give as Host"
    )
    parser.add_argument("--access-log", choices=("off", *access_log.FORMATS), default="off", help="log requests on standard error")


def run(options: argparse.Namespace) -> int:
    with stopping.on_signals() as stop:
        backend = backends.get(options.backend)
        with running(options, backend) as emulator:
            _announce(options, emulator, backend)
            stop.wait()
    return 0


@contextmanager
def running(options: argparse.Namespace, backend: Backend, listener: socket.socket | None = None) -> Iterator[Host]:
    """Start the emulator that the options describe. At the end stop it, and write its snapshot unless something failed."""
    emulator = _emulator(options, backend, listener)
    try:
        if options.trust_out is not None:
            inputs.write(options.trust_out, emulator.trust_pem.encode("ascii"))
        if options.root_out is not None:
            inputs.write(options.root_out, emulator.root_pem.encode("ascii"))
        if options.access_log != "off":
            emulator.journal.listener = access_log.listener(options.access_log)
        _explained(emulator)
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
    """Return the emulator. An error names the option, and the environment variables that were used."""
    try:
        return _fleet(options, backend) if options.fleet is not None else _machine(options, backend, listener)
    except ImdskitError as error:
        used: list[str] = getattr(options, "variables", [])
        if used:
            output.note(f"note: set by the environment: {', '.join(used)}")
        if not isinstance(error, UsageError) or not hasattr(options, error.location):
            raise
        variable = environment.PREFIX + error.location.upper()
        location = variable if variable in used else "--" + error.location.replace("_", "-")
        raise UsageError(error.code, error.message, location=location, hint=error.hint) from None


def _announce(options: argparse.Namespace, emulator: Host, backend: Backend) -> None:
    """Write the line that says that the emulator accepts requests."""
    if options.public_url is None and _every_address(options.host):
        where = f"note: listening on every address; documents, tokens and addresses in responses name {emulator.url}."
        output.note(f"{where} For clients elsewhere give --public-url.")
    ready = {
        "url": emulator.url,
        "pid": os.getpid(),
        "scenario": emulator.scenario.name,
        "cloud": emulator.scenario.cloud.name,
        "trust": options.trust_out,
        "backend": backend.name,
        **_told(emulator),
    }
    if emulator.url != emulator.local_url:
        ready["listening"] = emulator.local_url
    output.octets(json.dumps(ready).encode("ascii"))
    output.flush()


def _every_address(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _machine(options: argparse.Namespace, backend: Backend, listener: socket.socket | None = None) -> Emulator:
    for name in ("fleet_by", "fleet_network"):
        if getattr(options, name) is not None:
            location = "--" + name.replace("_", "-")
            raise UsageError("bad-argument", "There is one machine, and no fleet.", location=location, hint="Give --fleet too.")
    admin_port, token = _admin(options)
    if options.snapshot is not None and not os.path.isdir(os.path.dirname(os.path.abspath(options.snapshot))):
        raise UsageError("bad-argument", "The file could not be written at the end: there is no such folder.", location=options.snapshot)
    return Emulator(
        options.scenario or "linux",
        options.seed,
        options.port,
        not options.no_rate_limit,
        backend=backend,
        host=options.host,
        profile=options.profile,
        rules_off=options.rule,
        events_enabling=options.events_enabling,
        faults=options.faults,
        allow_hosts=options.allow_host,
        clock=_clock(options),
        admin_port=admin_port,
        admin_token=token,
        **_reach(options),
        snapshot_file=options.snapshot,
        listener=listener,
    )


def _fleet(options: argparse.Namespace, backend: Backend) -> Fleet:
    if options.snapshot is not None:
        hint = "Its machines are the same again for the same seed."
        raise UsageError("bad-argument", "There are no snapshots of a fleet.", location="--snapshot", hint=hint)
    admin_port, token = _admin(options)
    return Fleet(
        options.scenario or "fleet",
        options.fleet,
        options.seed,
        options.fleet_by or "path",
        port=options.port,
        network=options.fleet_network or NETWORK,
        rate_limit=not options.no_rate_limit,
        backend=backend,
        host=options.host,
        profile=options.profile,
        rules_off=options.rule,
        events_enabling=options.events_enabling,
        faults=options.faults,
        allow_hosts=options.allow_host,
        clock=_clock(options),
        admin_port=admin_port,
        admin_token=token,
        **_reach(options),
    )


def _admin(options: argparse.Namespace) -> tuple[int | None, str | None]:
    """Port and token of the admin side, which whoever wants to know where it is wants to be there."""
    port = 0 if options.admin_port is None and options.state_file is not None else options.admin_port
    for name in ("admin_token_file", "admin_host", "admin_allow_host"):
        if port is None and getattr(options, name):
            location = "--" + name.replace("_", "-")
            raise UsageError("bad-argument", "There is no admin API.", location=location, hint="Give --admin-port too.")
    if options.admin_token_file is None:
        return port, None
    return port, inputs.read(options.admin_token_file, 1024).decode("latin-1").strip()


def _reach(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments that say where clients reach the emulator and its admin API. `imdskit run` has no public URL."""
    return {
        "public_url": getattr(options, "public_url", None),
        "pki_url": options.pki_url,
        "issuer": options.issuer,
        "health": getattr(options, "health", False),
        "admin_host": options.admin_host or "127.0.0.1",
        "admin_allow_hosts": options.admin_allow_host,
    }


def _explained(emulator: Host) -> None:
    """The page of the admin side shows what a verifier says that trusts this emulator, by the emulator's clock."""
    if emulator.admin is not None:
        from imdskit.verify import Policy, Trust, Verifier, inspection  # 25 ms to the 115 ms of importing this verb

        trust = Trust.from_pem([emulator.authority.root_pem.encode()], [emulator.authority.issuing_pem.encode()], origin="this emulator")
        emulator.explain = partial(inspection.inspect_document, Verifier(trust, Policy.offline_audit(), clock=emulator.clock))


def _told(emulator: Host) -> dict[str, object]:
    """What the line says of a fleet, or of the admin side."""
    told: dict[str, object] = {} if emulator.admin is None else {"admin": emulator.admin.url}
    addressing = emulator.addressing
    if addressing.select is not None:
        ports = {"ports": addressing.ports} if addressing.ports else {}
        told["fleet"] = {"machines": addressing.count, "by": addressing.select, **ports}
    return told


def _clock(options: argparse.Namespace) -> Clock | None:
    """A movable clock begins where a snapshot ended."""
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


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


_port.__name__ = "port"


def _seed(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


_seed.__name__ = "seed"


def _delay(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 86_400:
        raise ValueError
    return number


_delay.__name__ = "seconds"


def _rule_off(text: str) -> str:
    name, _, switch = text.partition("=")
    if switch != "off":
        raise ValueError
    return name


_rule_off.__name__ = "switch"


def _rate(text: str) -> int:
    if text == "manual":
        return 0
    word, _, number = text.partition("=")
    if word != "fast" or not 1 <= int(number) <= 1_000_000:
        raise ValueError
    return int(number)


_rate.__name__ = "clock"
