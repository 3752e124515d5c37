"""Explain an error code: what the error means, and what to do about it. The code can also be the
reason why a document was refused.

An error message starts with its code. In JSON output, the code is the member `reason` or `code`.
Without CODE, all codes are listed.

Exit status:

  0  success
  2  the code does not exist
"""

from __future__ import annotations

import argparse
import difflib
import itertools

from imdskit.cli.shared import output
from imdskit.codes import FAMILIES
from imdskit.errors import UsageError, VerificationError
from imdskit.reasons import Reason

_SHOWN = ("stage", "sentence", "hint", "source")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", nargs="?", help="code to explain, such as expired")
    parser.add_argument("--json", action="store_true", help="write the result as JSON")


def run(options: argparse.Namespace) -> int:
    found = entries() if options.code is None else meanings(options.code)
    if options.json:
        output.value(found)
    elif options.code is None:
        for title, group in itertools.groupby(found, lambda entry: entry.get("stage", entry["error"])):
            output.line(f"{title}:")
            for entry in group:
                output.report(f"  {entry['code']:28}{entry['sentence']}", 30)
    else:
        for entry in found:
            output.line(f"{entry['code']} ({entry['error']})")
            for name in _SHOWN:
                if name in entry:
                    output.report(f"  {name}: {entry[name]}", 4)
    return 0


def entries() -> list[dict[str, str]]:
    """Return a dict for every code, with the members ``code``, ``error`` (the class of the
    exception), ``sentence`` and ``hint``. If the code is a reason for refusing a document, the dict
    also has ``stage`` and ``source``."""
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
    """Return those dicts of :func:`entries` that have the code ``code``. Letter case is ignored,
    and underscores and blanks count as hyphens.

    Raises:
        UsageError: the code does not exist. The hint of the error lists similar codes.
    """
    every = entries()
    wanted = "-".join(code.lower().replace("_", " ").replace("-", " ").split())
    found = [entry for entry in every if entry["code"] == wanted]
    if not found:
        names = list(dict.fromkeys(entry["code"] for entry in every))
        near = list(dict.fromkeys(difflib.get_close_matches(wanted, names, 5) + [name for name in names if wanted and wanted in name][:5]))
        hint = f"Similar codes: {', '.join(near)}." if near else "`imdskit explain` lists all codes."
        raise UsageError("bad-argument", f"The code {code!r:.80} does not exist.", location="CODE", hint=hint)
    return found
