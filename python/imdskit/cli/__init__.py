"""Command line: its verbs, its exit statuses, and the way in which it reports errors.

A verb is the first argument of ``imdskit``, such as ``verify`` or ``serve``. The modules of this
package are internal. The public interface is the command line, which ``docs/cli.md`` describes.

Each verb is a module with the functions ``add_arguments(parser)`` and ``run(options) -> int``. The
docstring of the module is the description that ``--help`` prints. The module of a verb is imported
only when this verb is used, so that all other verbs start faster.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from imdskit import __version__
from imdskit.cli.shared import environment, output, stopping
from imdskit.cli.shared.layout import Parser
from imdskit.errors import ClientError, ImdskitError, UsageError, VerificationError

OK, FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
"""Exit statuses. ``OK``: success. ``FAILED``: the verifier refused a document, or a request failed.
``USAGE``: any other error, such as an invalid argument. ``INTERRUPTED`` and ``BROKEN_PIPE`` are 128
plus the number of the signal SIGINT or SIGPIPE."""

_VERBS = {
    "serve": ("emulator.serve", "emulate the Instance Metadata Service"),
    "run": ("emulator.run", "run a command on an emulated Azure machine"),
    "get": ("client.get", "request metadata from the service"),
    "attest": ("client.attest", "fetch an attested document"),
    "verify": ("verifier.verify", "verify an attested document, and show its claims"),
    "report": ("verifier.report", "turn results of `verify --batch` into an HTML page"),
    "doctor": ("verifier.doctor", "check the trusted certificates and the backend"),
    "trust": ("verifier.trust", "list or extend the certificates of a trust bundle"),
    "explain": ("explain", "explain an error code and what to do about it"),
    "bench": ("bench", "measure how fast this machine verifies documents"),
    "detect": ("client.detect", "check whether this machine runs on Azure"),
    "record": ("client.record", "record this machine as a scenario for the emulator"),
    "token": ("client.token", "get an access token of a managed identity"),
    "events": ("client.events", "follow, approve or announce scheduled events"),
    "verifier": ("verifier.service", "run the verification service, and create its keys"),
    "completion": ("completion", "write a completion script for bash, zsh or fish"),
    "demo": ("emulator.demo", "see the emulator, client and verifier work together"),
}
"""Mapping from a verb to a pair: the name of its module in this package, and a description of the
verb."""

VERBS = {verb: what for verb, (_, what) in _VERBS.items()}
MODULES = {verb: f"imdskit.cli.{module}" for verb, (module, _) in _VERBS.items()}

SERVERS = frozenset(("serve",))
"""Verbs whose options can also be set by environment variables. These verbs run until a signal
stops them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the name of the program. The default is the arguments of this
            process.

    Returns:
        The exit status. The function reports errors and never raises an exception for invalid
        input.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        status = _run(arguments)
        output.flush()
    except ImdskitError as error:
        output.error(error)
        return FAILED if isinstance(error, VerificationError | ClientError) else USAGE
    except BrokenPipeError:
        output.abandon()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in VERBS:
        verb = arguments[0]
        if verb in SERVERS:
            with stopping.on_signals():  # before the import of the verb, because imports take most of the start-up time
                return _run_verb(verb, arguments[1:], os.environ)
        return _run_verb(verb, arguments[1:])
    about = "Verify attested documents of Azure, emulate the Instance Metadata Service, and query it."
    parser = Parser("imdskit", about, "`imdskit VERB --help` describes one verb.")
    parser.usage = "imdskit VERB ..."
    parser.add_argument("--version", action="version", version=f"imdskit {__version__}")
    present = {verb: what for verb, what in VERBS.items() if _found(verb)}
    lines = [f"{verb:12}{what}" for verb, what in present.items()]
    if absent := [verb for verb in VERBS if verb not in present]:
        lines.append(f"Only in imdskit-full.pyz: {', '.join(absent)}")
    verbs = parser.add_argument_group("verbs")
    verbs.add_argument("verb", metavar="VERB", choices=list(VERBS), help="\n".join(lines))
    if not arguments:
        parser.print_help(sys.stderr)
        return USAGE
    return _parsed(parser, arguments, lambda _: USAGE)


def _run_verb(verb: str, arguments: list[str], variables: Mapping[str, str] | None = None) -> int:
    module = _module(verb)
    parser = Parser(f"imdskit {verb}", module.__doc__ or "")
    module.add_arguments(parser)
    return _parsed(parser, arguments, module.run, variables)


def _found(verb: str) -> bool:
    """Return whether this package contains the module of a verb. The smaller of the two zipapp
    archives does not contain all modules."""
    try:
        return find_spec(MODULES[verb]) is not None
    except ModuleNotFoundError:
        return False


def _module(verb: str) -> ModuleType:
    """Import the module of a verb. Raise UsageError if this zipapp archive does not contain it
    (``packaging/make_zipapp.py``)."""
    try:
        return import_module(MODULES[verb])
    except ModuleNotFoundError as error:
        if error.name not in (MODULES[verb], MODULES[verb].rpartition(".")[0]):
            raise
        message = f"`{verb}` is not part of imdskit.pyz."
        raise UsageError(
            "bad-argument", message, location=verb, hint="It is part of imdskit-full.pyz and of the installed package."
        ) from None


def _parsed(
    parser: Parser,
    arguments: list[str],
    run: Callable[[argparse.Namespace], int],
    variables: Mapping[str, str] | None = None,
) -> int:
    try:
        options = parser.parse_args(arguments) if variables is None else environment.parse(parser, arguments, variables)
    except SystemExit as end:  # argparse has printed the help text or an error
        return int(end.code or 0)
    return run(options)
