"""Input of the command line: files up to a maximum size, and times."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from imdskit.errors import UsageError


def read(path: str, limit: int) -> bytes:
    """Return the content of a file, or of standard input for ``-``, up to ``limit + 1`` bytes. The extra byte shows that the file is too
    large.

    Raises:
        UsageError: the file cannot be read.
    """
    if path == "-" and sys.stdin is None:
        raise UsageError("bad-argument", "Standard input is closed.", location="-", hint="Redirect it, or name a file.")
    try:
        if path == "-":
            return sys.stdin.buffer.read(limit + 1)
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as failure:
        why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise UsageError("bad-argument", f"The file cannot be read: {why}.", location=path) from None


def write(path: str, data: bytes) -> None:
    """Replace the content of a file. Raises UsageError if it cannot be written."""
    try:
        Path(path).write_bytes(data)
    except (OSError, ValueError) as failure:
        why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise UsageError("bad-argument", f"The file cannot be written: {why}.", location=path) from None


def time(text: str) -> datetime:
    """Return a time given in ISO 8601. Without a zone it is UTC; a date without a time means midnight.

    Raises:
        UsageError: the text is not a time in ISO 8601.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "Write it like 2025-11-19T13:53:30Z, 2025-11-19T14:53:30+01:00 or 2025-11-19."
        raise UsageError("bad-argument", f"`--at` must be a time in ISO 8601; got {text!r:.80}.", location="--at", hint=hint) from None
