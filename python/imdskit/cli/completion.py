"""Write a completion script for a shell. The script completes verbs, options and their values.

  bash: eval "$(imdskit completion bash)" in ~/.bashrc
  zsh:  imdskit completion zsh > "${fpath[1]}/_imdskit"
  fish: imdskit completion fish > ~/.config/fish/completions/imdskit.fish

Exit status:

  0  success
  2  a mistake in the arguments
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import NamedTuple

from imdskit import clouds, versions
from imdskit.cli import MODULES, VERBS
from imdskit.cli.shared import output
from imdskit.codes import FAMILIES
from imdskit.emulator.scenario import Scenario
from imdskit.reasons import Reason


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="shell that runs the script")


def run(options: argparse.Namespace) -> int:
    write: Callable[[list[Verb]], Iterator[str]] = {"bash": bash, "zsh": zsh, "fish": fish}[options.shell]
    for line in write(verbs()):
        output.line(line)
    return 0


class Value(NamedTuple):
    """Possible values of an argument.

    Attributes:
        words: fixed values.
        path_kind: ``file`` if the value is the path of a file, ``folder`` if it is the path of a
            folder, otherwise ``""``.
    """

    words: tuple[str, ...] = ()
    path_kind: str = ""


class Option(NamedTuple):
    """One option of a verb.

    Attributes:
        flags: names of the option, such as ``-o`` and ``--output``.
        help: first line of the option's help text.
        value: possible values of the option. None for an option that takes no value.
        repeats: whether the option may be repeated.
    """

    flags: tuple[str, ...]
    help: str
    value: Value | None
    repeats: bool


class Verb(NamedTuple):
    """One verb of the command line. Some verbs have several actions, such as ``list`` and
    ``update`` of ``imdskit trust``. The options and arguments of all actions are merged.

    Attributes:
        name: name of the verb.
        help: one line that describes the verb.
        options: all options of the verb.
        arguments: positional arguments of the verb, in order.
    """

    name: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Value, ...]


def verbs() -> list[Verb]:
    """Return all verbs with the options and arguments that their parsers define."""
    return [_verb(name, help_) for name, help_ in VERBS.items()]


def _verb(name: str, help_: str) -> Verb:
    parser = argparse.ArgumentParser(name)
    import_module(MODULES[name]).add_arguments(parser)
    options: dict[tuple[str, ...], Option] = {}
    arguments = []
    for action in _actions(parser):
        value = None if action.nargs == 0 else _value(name, action)
        if action.option_strings:
            text = (action.help or "").partition("\n")[0] if action.help != argparse.SUPPRESS else ""
            flags = tuple(action.option_strings)
            options.setdefault(flags, Option(flags, text, value, isinstance(action, argparse._AppendAction)))
        elif value is not None:
            arguments.append(value)
    return Verb(name, help_, tuple(options.values()), tuple(arguments))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options and arguments of a parser and of its subparsers. argparse calls both of
    them actions."""
    for action in parser._actions:  # argparse has no public list of them
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _actions(subparser)


def _value(verb: str, action: argparse.Action) -> Value:
    if action.choices is not None:
        return Value(tuple(str(choice) for choice in action.choices))
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    named = _WORDS.get(f"{verb} {metavar}") or _WORDS.get(metavar) or _WORDS.get(action.option_strings[0] if action.option_strings else "")
    return Value(named() if named else (), _PATH_KINDS.get(metavar, ""))


def _paths() -> tuple[str, ...]:
    """Return the paths that ``imdskit get`` accepts. For an array, the result contains the path of
    the array, but not the paths of its elements."""
    found = {path.partition("[]")[0].replace(".", "/") for path in versions.INSTANCE}
    parents = {"/".join(path.split("/")[:depth]) for path in found for depth in range(1, path.count("/") + 1)}
    return tuple(sorted(found | parents | {"instance", "versions", "loadbalancer", "scheduledevents"}))


_WORDS: Mapping[str, Callable[[], tuple[str, ...]]] = {
    "get PATH": _paths,
    "V": lambda: versions.API_VERSIONS,
    "CODE": lambda: tuple(dict.fromkeys([*Reason, *itertools.chain(*FAMILIES.values())])),
    "NAME|FILE": lambda: tuple(Scenario.names()),
    "--cloud": lambda: tuple(cloud.name for cloud in clouds.CLOUDS),
}
"""Maps an argument to a function that returns its possible values. The key for an argument is a
verb and a metavar (``get PATH``), a metavar alone (``CODE``), or an option (``--cloud``)."""

_PATH_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("FILE", "NAME|FILE", "OUT.json", "PEM", "RESULTS"), "file"),
    **dict.fromkeys(("DIR",), "folder"),
}


def bash(known: list[Verb]) -> Iterator[str]:
    """Yield the lines of the script for bash 3.2 and later. The script defines one function, which
    chooses the completions by the verb and the previous word."""
    yield "# bash completion of imdskit, made by `imdskit completion bash`"
    yield "_imdskit() {"
    yield "  local IFS=$'\\n' cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words='' path_kind=''"
    yield "  if [ \"$cur\" = '=' ]; then cur=''; elif [ \"$prev\" = '=' ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi"
    yield "  COMPREPLY=()"
    yield '  if [ "$COMP_CWORD" -eq 1 ]; then'
    yield f"    words={_lines((*(verb.name for verb in known), '--help', '--version'))}"
    yield "  else"
    yield '    case "${COMP_WORDS[1]} $prev" in'
    for verb in known:
        for option in verb.options:
            if option.value is not None:
                patterns = "|".join(f"'{verb.name} {flag}'" for flag in option.flags)
                yield f"      {patterns}) words={_lines(option.value.words)} path_kind='{option.value.path_kind}' ;;"
    yield "      *)"
    yield '        case "${COMP_WORDS[1]}:$cur" in'
    for verb in known:
        flags = tuple(flag for option in verb.options for flag in option.flags)
        yield f"          {verb.name}:-*) words={_lines(flags)} ;;"
        words = tuple(word for value in verb.arguments for word in value.words)
        path_kind = next((value.path_kind for value in verb.arguments if value.path_kind), "")
        yield f"          {verb.name}:*) words={_lines(words)} path_kind='{path_kind}' ;;"
    yield "        esac ;;"
    yield "    esac"
    yield "  fi"
    yield '  COMPREPLY=($(compgen -W "$words" -- "$cur"))'
    yield '  case "$path_kind" in'
    yield '    file) COMPREPLY+=($(compgen -f -- "$cur")) ;;'
    yield '    folder) COMPREPLY+=($(compgen -d -- "$cur")) ;;'
    yield "  esac"
    yield '  if [ -n "$path_kind" ]; then compopt -o filenames 2>/dev/null; fi'
    yield "  return 0"
    yield "}"
    yield "complete -F _imdskit imdskit imdskit.pyz"


def _lines(words: tuple[str, ...]) -> str:
    return "$'" + "\\n".join(words) + "'" if words else "''"


def zsh(known: list[Verb]) -> Iterator[str]:
    """Yield the lines of the script for the completion system of zsh. The user can save the script
    as a file in a folder of ``fpath``, or source it."""
    yield "#compdef imdskit imdskit.pyz"
    yield "# zsh completion of imdskit, made by `imdskit completion zsh`"
    yield "_imdskit() {"
    yield "  if (( CURRENT == 2 )); then"
    yield "    local -a verbs"
    yield "    verbs=(" + " ".join(_quoted(f"{verb.name}:{verb.help}") for verb in known) + ")"
    yield "    _describe verb verbs"
    yield "    return"
    yield "  fi"
    yield "  local verb=$words[2]"
    yield "  shift words"
    yield "  (( CURRENT-- ))"
    yield "  case $verb in"
    for verb in known:
        specs = [spec for option in verb.options for spec in _zsh_option(option)]
        specs += [_quoted(f"{index}:argument:{_zsh_value(value)}") for index, value in enumerate(verb.arguments, 1)]
        yield f"    {verb.name}) _arguments " + " ".join(specs) + " ;;"
    yield "  esac"
    yield "}"
    yield 'if [ "$funcstack[1]" = _imdskit ]; then _imdskit "$@"; else compdef _imdskit imdskit imdskit.pyz; fi'


def _zsh_option(option: Option) -> Iterator[str]:
    described = "".join(f"\\{char}" if char in "[]:\\" else char for char in option.help)
    apart = "*" if option.repeats else f"({' '.join(option.flags)})"
    for flag in option.flags:
        mark = "=" if option.value is not None and flag.startswith("--") else ""
        value = "" if option.value is None else f":value:{_zsh_value(option.value)}"
        yield _quoted(f"{apart}{flag}{mark}[{described}]{value}")


def _zsh_value(value: Value) -> str:
    words = " ".join(value.words)
    if value.path_kind == "folder":
        return "_files -/"
    if value.path_kind == "file":
        return f"{{_files; compadd -- {words}}}" if words else "_files"
    return f"({words})" if words else " "


def fish(known: list[Verb]) -> Iterator[str]:
    """Yield the lines of the script for fish. There is one line for each verb, option and
    argument."""
    yield "# fish completion of imdskit, made by `imdskit completion fish`"
    yield "complete -c imdskit -f"
    for verb in known:
        yield f"complete -c imdskit -n __fish_use_subcommand -a {verb.name} -d {_quoted(verb.help)}"
    for verb in known:
        when = f"complete -c imdskit -n '__fish_seen_subcommand_from {verb.name}'"
        for option in verb.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            yield f"{when} {flags} -d {_quoted(option.help)}" + ("" if option.value is None else _fish_value(option.value, " -r"))
        for value in verb.arguments:
            if value.words or value.path_kind:
                yield when + _fish_value(value, "")


def _fish_value(value: Value, required: str) -> str:
    words = f" -a {_quoted(' '.join(value.words))}" if value.words else ""
    return (required or "") + (" -F" if value.path_kind else " -f") + words


def _quoted(text: str) -> str:
    """Quote a text for zsh and fish. A single quote inside the text is written as ``'\\''``."""
    return "'" + text.replace("'", "'\\''") + "'"
