"""Environment variables that set options. The name of the variable for an option is ``IMDSKIT_``,
followed by the name of the option in upper case: ``IMDSKIT_ADMIN_PORT`` sets ``--admin-port``.

If an option is given on the command line, its variable is ignored. Otherwise, the variable takes
precedence over the default of the option. An empty variable counts as absent.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from imdskit.errors import UsageError

PREFIX = "IMDSKIT_"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def variables(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return the variables of a command, as a mapping from the name of the variable to the option
    that it sets."""
    named = [action for action in parser._actions if action.option_strings and action.dest != "help"]  # argparse has no public list
    return {PREFIX + action.dest.upper(): action for action in named}


def table(parser: argparse.ArgumentParser) -> str:
    """Return the part of the help text that lists the variables. The caller assigns this text to
    ``Parser.epilog``."""
    rows = [f"  {name:28}{action.option_strings[0]}{_form(action)}" for name, action in variables(parser).items()]
    return "\n".join(
        (
            "Environment variables. An option takes precedence over its variable, and the",
            "variable over the default. An empty variable counts as absent.\n",
            *rows,
        )
    )


def parse(parser: argparse.ArgumentParser, arguments: list[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """Parse the arguments and the environment, and return the options. In the result, the attribute
    ``variables`` lists the names of the variables that set an option.

    Raises:
        UsageError: a variable has a value that its option does not accept. The ``location`` of the
            error is the name of the variable.
    """
    known = variables(parser)
    defaults = {}
    for action in known.values():
        defaults[action.dest], action.default = action.default, None  # if the attribute is None after parsing, the option was not given
    options = parser.parse_args(arguments)
    used = []
    for name, action in known.items():
        if getattr(options, action.dest) is None:
            text = environment.get(name, "")
            setattr(options, action.dest, _value(name, action, text) if text else defaults[action.dest])
            used += [name] if text else []
    options.variables = used
    return options


def _form(action: argparse.Action) -> str:
    if action.nargs == 0:
        return " (1 or 0)"
    return " (separated by commas)" if isinstance(action, argparse._AppendAction) else ""


def _value(name: str, action: argparse.Action, text: str) -> Any:
    if action.nargs == 0:
        if text.lower() not in _TRUE + _FALSE:
            raise _wrong(name, action, "one of " + ", ".join(_TRUE + _FALSE), text)
        return text.lower() in _TRUE
    if isinstance(action, argparse._AppendAction):
        return [_single(name, action, part.strip()) for part in text.split(",") if part.strip()]
    return _single(name, action, text)


def _single(name: str, action: argparse.Action, text: str) -> Any:
    kind: Any = action.type or str
    try:
        value = kind(text)
    except ValueError:
        raise _wrong(name, action, f"a valid {kind.__name__}", text) from None
    if action.choices is not None and value not in action.choices:
        raise _wrong(name, action, "one of " + ", ".join(map(str, action.choices)), text)
    return value


def _wrong(name: str, action: argparse.Action, expected: str, text: str) -> UsageError:
    hint = f"Correct the environment variable, or give {action.option_strings[0]}, which takes precedence."
    return UsageError("bad-argument", f"`{name}` must be {expected}; got {text!r:.80}.", location=name, hint=hint)
