"""The command line: verbs, exit statuses, and what is said when something goes wrong.

The modules of this package are internal; the interface is the command line.

A verb is a module of its name with ``add_arguments(parser)`` and ``run(options) -> int``; it is imported when it is chosen, so no verb pays
for another. What belongs here: the way to a verb and back. The page is ``docs/cli.md``.
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
from imdskit.errors import ClientError, ImdskitError, UsageError, VerificationError

OK, FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
"""Exit statuses: done; refused by the verifier, or not answered as it should by the service; a mistake of the caller; 128 and a signal."""

VERBS = {
    "serve": "play the Instance Metadata Service on this machine",
    "run": "run a command on an emulated Azure machine",
    "get": "ask the service",
    "attest": "fetch an attested document",
    "verify": "decide whether an attested document was signed by Azure, for whom, and when",
    "report": "draw a page of what `verify --batch` found",
    "doctor": "say what is trusted, until when, and what to do",
    "trust": "list the certificates of a trust bundle, or add some between two releases",
    "explain": "say what a code of an error means, and what to do",
    "bench": "measure how fast this machine verifies documents",
    "detect": "say whether this is an Azure machine, and why",
    "record": "record the machine as a scenario, with what identifies it replaced",
    "token": "get a token of a managed identity",
    "events": "follow and approve scheduled events, or announce some to an emulator",
    "verifier": "run the verification service, and make its keys",
    "completion": "write a script that makes a shell complete all of this",
    "demo": "see all of it work, told step by step",
}

MODULES = {
    "serve": "imdskit.cli.emulator.serve",
    "run": "imdskit.cli.emulator.run",
    "get": "imdskit.cli.client.get",
    "attest": "imdskit.cli.client.attest",
    "verify": "imdskit.cli.verifier.verify",
    "report": "imdskit.cli.verifier.report",
    "doctor": "imdskit.cli.verifier.doctor",
    "trust": "imdskit.cli.verifier.trust",
    "explain": "imdskit.cli.explain",
    "bench": "imdskit.cli.bench",
    "detect": "imdskit.cli.client.detect",
    "record": "imdskit.cli.client.record",
    "token": "imdskit.cli.client.token",
    "events": "imdskit.cli.client.events",
    "verifier": "imdskit.cli.verifier.service",
    "completion": "imdskit.cli.completion",
    "demo": "imdskit.cli.emulator.demo",
}
"""The module of each verb."""

SERVERS = frozenset(("serve",))
"""Verbs that run until a signal ends them, and that environment variables can configure."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; those of the process by default.

    Returns:
        the exit status. Nothing is raised for bad input.
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
            with stopping.on_signals():  # before the imports, which take most of the time until it runs
                return _run_verb(verb, arguments[1:], os.environ)
        return _run_verb(verb, arguments[1:])
    parser = _parser("imdskit", "Verify, emulate and ask the Azure Instance Metadata Service.\n`imdskit VERB --help` says more.")
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
    parser = _parser(f"imdskit {verb}", module.__doc__ or "")
    module.add_arguments(parser)
    return _parsed(parser, arguments, module.run, variables)


def _found(verb: str) -> bool:
    """Whether this package contains the module of a verb; a small archive leaves some out."""
    try:
        return find_spec(MODULES[verb]) is not None
    except ModuleNotFoundError:
        return False


def _module(verb: str) -> ModuleType:
    """Import the module of a verb. Raises UsageError in an archive that leaves it out (``packaging/make_zipapp.py``)."""
    try:
        return import_module(MODULES[verb])
    except ModuleNotFoundError as error:
        if error.name not in (MODULES[verb], MODULES[verb].rpartition(".")[0]):
            raise
        message = f"`{verb}` is not part of imdskit.pyz."
        raise UsageError(
            "bad-argument", message, location=verb, hint="It is part of imdskit-full.pyz and of the installed package."
        ) from None


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(name, description=description, allow_abbrev=False, formatter_class=argparse.RawTextHelpFormatter)


def _parsed(
    parser: argparse.ArgumentParser,
    arguments: list[str],
    run: Callable[[argparse.Namespace], int],
    variables: Mapping[str, str] | None = None,
) -> int:
    try:
        options = parser.parse_args(arguments) if variables is None else environment.parse(parser, arguments, variables)
    except SystemExit as end:  # help was given, or a mistake was explained
        return int(end.code or 0)
    return run(options)
