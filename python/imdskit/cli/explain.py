"""Say what a code means: why a document is refused, or any other error, and what to do about it.

CODE is what stands before the sentence of an error, or is `reason` in JSON. Without one all codes are listed.
Exit statuses: 0 done; 2 there is no such code, and the nearest are named."""

from __future__ import annotations

import argparse
import difflib

from imdskit.cli.shared import output
from imdskit.codes import FAMILIES
from imdskit.errors import UsageError, VerificationError
from imdskit.reasons import Reason

_SHOWN = ("stage", "sentence", "hint", "source")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", nargs="?", help="of an error, such as expired")
    parser.add_argument("--json", action="store_true", help="write a list of all meanings as JSON")


def run(options: argparse.Namespace) -> int:
    found = entries() if options.code is None else meanings(options.code)
    if options.json:
        output.value(found)
    elif options.code is None:
        for entry in found:
            output.line(f"{entry['code']:28}{entry.get('stage', entry['error']):18}{entry['sentence']}")
    else:
        for entry in found:
            output.line(f"{entry['code']} ({entry['error']})")
            for name in _SHOWN:
                if name in entry:
                    output.line(f"  {name}: {entry[name]}")
    return 0


def entries() -> list[dict[str, str]]:
    """What is documented of every code: ``code``, ``error`` (class of the exception), ``sentence``, ``hint``; ``stage`` and ``source`` of reasons."""
    reasons = [
        {
            "code": reason.value,
            "error": VerificationError.__name__,
            "stage": reason.stage.value,
            "sentence": reason.sentence,
            "hint": reason.hint,
            "source": reason.source,
        }
        for reason in Reason
    ]
    others = [
        {"code": code.value, "error": error, "sentence": code.sentence, "hint": code.hint}
        for error, codes in FAMILIES.items()
        for code in codes
    ]
    return reasons + others


def meanings(code: str) -> list[dict[str, str]]:
    """All that a code can mean; letter case, ``_`` and blanks for hyphens do not matter.

    Raises:
        UsageError: nothing; the hint names the nearest.
    """
    every = entries()
    wanted = "-".join(code.lower().replace("_", " ").replace("-", " ").split())
    found = [entry for entry in every if entry["code"] == wanted]
    if not found:
        names = list(dict.fromkeys(entry["code"] for entry in every))
        near = list(dict.fromkeys(difflib.get_close_matches(wanted, names, 5) + [name for name in names if wanted and wanted in name][:5]))
        hint = f"Near: {', '.join(near)}." if near else "`imdskit explain` lists all of them."
        raise UsageError("bad-argument", f"There is no code {code!r}.", location="CODE", hint=hint)
    return found
