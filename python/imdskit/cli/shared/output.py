"""What the command line writes: results on standard output, everything else on standard error.

What comes from a document or a service is somebody else's text: characters that a terminal would obey are written as escapes. On a terminal the word
with which a line judges has a colour, unless NO_COLOR asks for none (no-color.org).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

from imdskit.errors import ImdskitError, UsageError, VerificationError

_GREEN, _RED, _YELLOW, _FAINT = "32", "1;31", "33", "2"
_COLOURS = {
    **dict.fromkeys(("pass", "accepted", "good", "nothing to do"), _GREEN),
    **dict.fromkeys(("FAIL", "refused", "error", "broken"), _RED),
    **dict.fromkeys(("warning", "ending", "to do"), _YELLOW),
    **dict.fromkeys(("skip", "ended", "early"), _FAINT),
}
_JUDGEMENT = re.compile(rf"^(?:{'|'.join(_COLOURS)})\b", re.MULTILINE)


def line(text: str = "") -> None:
    """Text for people, on standard output."""
    with _standard_output() as stream:
        _write(stream, text)


def note(text: str) -> None:
    """Text for people that is not the result, on standard error."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            _write(sys.stderr, text)


def value(members: object) -> None:
    """A result for programs: JSON with two blanks of indent, in ASCII."""
    with _standard_output() as stream:
        _write(stream, json.dumps(members, indent=2))


def octets(data: bytes) -> None:
    """A result that is passed on as it is, and a line feed."""
    with _standard_output() as stream:
        stream.flush()
        stream.buffer.write(data + b"\n")


def error(problem: ImdskitError) -> None:
    """What went wrong, on standard error: code and sentence, then a line each for what else is known."""
    refused = isinstance(problem, VerificationError)
    note(f"{'refused' if refused else 'error'}: {problem.code}: {problem.message}")
    for name, text in details(problem):
        note(f"  {name}: {text}")


def details(problem: ImdskitError) -> list[tuple[str, str]]:
    """What is known of an error besides its sentence, as (name, text)."""
    known = [("location", problem.location), ("hint", problem.hint)]
    if isinstance(problem, VerificationError):
        known[:0] = [("stage", problem.stage.value)]
        known[2:2] = [("found", problem.detail)]
    return [(name, text) for name, text in known if text]


def printable(text: str) -> str:
    """``text`` with everything that is no printable character and no line feed as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def flush() -> None:
    """Everything is written, or it is said that it could not be."""
    if sys.stdout is not None:
        with _standard_output() as stream:
            stream.flush()


def abandon() -> None:
    """Nobody reads standard output any more; what is left in its buffer must not raise a second error when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def _standard_output() -> Iterator[TextIO]:
    """To be written to. Raises UsageError where that fails, for a result that is lost is no success; BrokenPipeError stays what it is."""
    if sys.stdout is None:
        raise _unwritable("it is closed")
    try:
        yield sys.stdout
    except BrokenPipeError:
        raise
    except OSError as failure:
        abandon()
        raise _unwritable(failure.strerror or str(failure)) from None


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    text = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    if stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        text = _JUDGEMENT.sub(lambda word: f"\x1b[{_COLOURS[word[0]]}m{word[0]}\x1b[0m", text)
    stream.write(text + "\n")


def _unwritable(why: str) -> UsageError:
    return UsageError("bad-argument", f"Standard output cannot be written: {why}.", location="standard output")
