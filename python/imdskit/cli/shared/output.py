"""Output of the command line. Results go to standard output, and everything else goes to standard
error.

Text from documents and services is untrusted. For this reason, control characters are replaced by
escape sequences. On a terminal, words such as ``refused`` or ``warning`` are coloured at the
beginning of a line. The environment variable NO_COLOR switches colours off (no-color.org).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

from imdskit.cli.shared.layout import wrapped
from imdskit.errors import ImdskitError, UsageError, VerificationError

_GREEN, _RED, _YELLOW, _FAINT = "32", "1;31", "33", "2"
_COLOURS = {
    **dict.fromkeys(("pass", "accepted", "good", "nothing to do"), _GREEN),
    **dict.fromkeys(("FAIL", "refused", "error", "broken"), _RED),
    **dict.fromkeys(("warning", "ending", "to do"), _YELLOW),
    **dict.fromkeys(("skip", "ended", "early"), _FAINT),
}
_VERDICT = re.compile(rf"^(?:{'|'.join(_COLOURS)})\b", re.MULTILINE)


def line(text: str = "") -> None:
    """Write text for people on standard output."""
    with _standard_output() as stream:
        _write(stream, text)


def report(text: str, hanging: int = 0) -> None:
    """Write text for people on standard output, wrapped to fit a terminal. Continuation lines are
    indented by ``hanging`` blanks."""
    line(wrapped(printable(text), hanging))


def note(text: str) -> None:
    """Write text for people on standard error. This text is not part of the result."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            _write(sys.stderr, text)


def value(members: object) -> None:
    """Write a result for programs as JSON in ASCII, indented by two blanks."""
    with _standard_output() as stream:
        _write(stream, json.dumps(members, indent=2))


def write_bytes(data: bytes) -> None:
    """Write bytes unchanged on standard output, followed by a line feed."""
    with _standard_output() as stream:
        stream.flush()
        stream.buffer.write(data + b"\n")


def error(problem: ImdskitError) -> None:
    """Write an error on standard error. The first line contains the code and the message of the
    error. Each pair that :func:`details` returns follows on a separate line."""
    refused = isinstance(problem, VerificationError)
    note(f"{'refused' if refused else 'error'}: {problem.code}: {problem.message}")
    for name, text in details(problem):
        note(f"  {name}: {text}")


def details(problem: ImdskitError) -> list[tuple[str, str]]:
    """Return the location and the hint of an error, as pairs of a name and a text. For a refused
    document, also return the stage and what was found. Empty texts are left out."""
    known = [("location", problem.location), ("hint", problem.hint)]
    if isinstance(problem, VerificationError):
        known[:0] = [("stage", problem.stage.value)]
        known[2:2] = [("found", problem.detail)]
    return [(name, text) for name, text in known if text]


def printable(text: str) -> str:
    """Return ``text`` with an escape sequence in place of each character that is not printable.
    Line feeds are kept."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def flush() -> None:
    """Write buffered output to standard output. Raise UsageError if this fails."""
    if sys.stdout is not None:
        with _standard_output() as stream:
            stream.flush()


def abandon() -> None:
    """Discard buffered output after a write has failed, for example because the reader has closed
    the pipe. Otherwise, the interpreter would try to write this output again when it exits, and
    report a second error."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Yield standard output. If writing to it fails, raise UsageError, so that a lost result does
    not go unnoticed. A BrokenPipeError is raised unchanged."""
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
        text = _VERDICT.sub(lambda word: f"\x1b[{_COLOURS[word[0]]}m{word[0]}\x1b[0m", text)
    stream.write(text + "\n")


def _unwritable(why: str) -> UsageError:
    return UsageError("bad-argument", f"Standard output cannot be written: {why}.", location="standard output")
